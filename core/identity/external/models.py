"""Tables of logins by other houses."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.crypto.blind_index import BLIND_INDEX_BYTES
from core.crypto.columns import EncryptedText
from core.data_classes import INTERNAL, PERSONAL, SENSITIVE
from core.db import Base, id_column


class ExternalIdentity(Base):
    """That somebody known to another house is this account.

    `provider` is wechat or oidc, `tenant` the application id or the issuer, `subject` the openid or
    the `sub` claim, `union` WeChat's unionid. `session_key` is WeChat's, sealed and never sent.
    """

    __tablename__ = "external_identities"
    __table_args__ = (UniqueConstraint("provider", "tenant", "subject_index"),)

    id: Mapped[UUID] = id_column()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    provider: Mapped[str] = mapped_column(String(16), info=INTERNAL)
    tenant: Mapped[str] = mapped_column(Text, info=INTERNAL)
    subject: Mapped[str] = mapped_column(EncryptedText(), info=PERSONAL)
    subject_index: Mapped[bytes] = mapped_column(LargeBinary(BLIND_INDEX_BYTES), info=PERSONAL)
    union_index: Mapped[bytes | None] = mapped_column(
        LargeBinary(BLIND_INDEX_BYTES), index=True, info=PERSONAL
    )
    session_key: Mapped[str | None] = mapped_column(EncryptedText(), deferred=True, info=SENSITIVE)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime]


class LoginAttempt(Base):
    """A login that went out to another house, or came back and waits for a phone number.

    Found by the keyed digest of its `state` or ticket, which works once and only on the device
    that began. `payload` is what must be remembered until then (nonce, code verifier, openid).
    """

    __tablename__ = "login_attempts"

    id: Mapped[UUID] = id_column()
    kind: Mapped[str] = mapped_column(String(16), info=INTERNAL)
    state_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True, info=SENSITIVE)
    device_id: Mapped[str] = mapped_column(String(100), info=PERSONAL)
    address: Mapped[str] = mapped_column(String(64), index=True, info=PERSONAL)
    hospital_id: Mapped[UUID | None] = mapped_column(ForeignKey("hospitals.id"))
    payload: Mapped[str] = mapped_column(EncryptedText(), info=SENSITIVE)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
