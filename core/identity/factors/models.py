"""Tables of second factors."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from core.crypto.columns import EncryptedBytes
from core.data_classes import INTERNAL, SENSITIVE
from core.db import Base, id_column


class TotpFactor(Base):
    """The authenticator application of an account.

    `secret` counts once `confirmed_at` is set; `candidate` is a secret that was shown and waits for
    its first code. `last_step` is the newest 30-second step whose code was used: it and older ones
    are refused.
    """

    __tablename__ = "totp_factors"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    secret: Mapped[bytes | None] = mapped_column(EncryptedBytes(), info=SENSITIVE)
    confirmed_at: Mapped[datetime | None]
    candidate: Mapped[bytes | None] = mapped_column(EncryptedBytes(), info=SENSITIVE)
    candidate_at: Mapped[datetime | None]
    last_step: Mapped[int] = mapped_column(BigInteger, default=0, info=INTERNAL)


class RecoveryCode(Base):
    """One code of a set that was shown once; only its keyed digest is kept."""

    __tablename__ = "recovery_codes"

    id: Mapped[UUID] = id_column()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    code_digest: Mapped[bytes] = mapped_column(LargeBinary(32), info=SENSITIVE)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
