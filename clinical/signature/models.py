"""Tables of personal signing: signers, their keys and pictures, requests, tasks, signatures."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from clinical.columns import word
from clinical.signature.states import (
    KeyState,
    RequestKind,
    RequestState,
    RevokeReason,
    SignerKind,
    TaskState,
)
from core.crypto.columns import EncryptedBytes, EncryptedJSON
from core.data_classes import INTERNAL, PERSONAL, SENSITIVE
from core.db import Base, hospital_column, id_column
from core.integrity import Protected


class Signer(Base):
    """A clinician, or the hospital itself (`user_id` is NULL), as somebody who signs.

    Wrong PINs are counted here in transactions of their own; the row lock decides races.
    """

    __tablename__ = "signers"
    __table_args__ = (
        UniqueConstraint("hospital_id", "user_id"),
        Index(
            "uq_signers_seal", "hospital_id", unique=True, postgresql_where=text("user_id IS NULL")
        ),
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    image_id: Mapped[UUID | None]
    pin_failures: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    pin_failed_at: Mapped[datetime | None]
    pin_locked_until: Mapped[datetime | None]
    suspended_at: Mapped[datetime | None]
    suspended_reason: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    reminded_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    @property
    def kind(self) -> SignerKind:
        return SignerKind.SEAL if self.user_id is None else SignerKind.PERSON


class SigningKey(Protected, Base):
    """One key pair with its certificate. Old ones stay, because signatures refer to them.

    `sealed` holds the private key: of a person under a key that only the PIN gives (`salt`), of the
    hospital plain, both under the installation's own keys around it. It is NULL once the key can
    never sign again.
    """

    __tablename__ = "signing_keys"
    __protected__ = ("signer_id", "state", "public_key", "certificate", "revoke_reason", "ended_at")
    __table_args__ = (
        Index(
            "uq_signing_keys_active",
            "signer_id",
            unique=True,
            postgresql_where=text("state = 'active'"),
        ),
        Index("ix_signing_keys_expiry", "not_after", postgresql_where=text("state = 'active'")),
        Index("ix_signing_keys_hospital", "hospital_id", "state"),
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    signer_id: Mapped[UUID] = mapped_column(ForeignKey("signers.id"), index=True)
    state: Mapped[KeyState] = mapped_column(word(KeyState), info=INTERNAL)
    public_key: Mapped[bytes] = mapped_column(LargeBinary, info=INTERNAL)
    csr: Mapped[bytes] = mapped_column(LargeBinary, info=PERSONAL)
    sealed: Mapped[bytes | None] = mapped_column(EncryptedBytes(), info=SENSITIVE)
    salt: Mapped[bytes | None] = mapped_column(LargeBinary(16), info=INTERNAL)
    certificate: Mapped[bytes | None] = mapped_column(LargeBinary, info=PERSONAL)
    chain: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary), default=list, info=INTERNAL)
    serial: Mapped[str | None] = mapped_column(String(80), info=INTERNAL)
    not_before: Mapped[datetime | None]
    not_after: Mapped[datetime | None]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    revoke_reason: Mapped[RevokeReason | None] = mapped_column(word(RevokeReason), info=INTERNAL)


class CaRequest(Base):
    """What the CA is asked for: written before the call, answered after it, repeated by a job.

    `reference` is the number under which the CA knows the request, so that repeating it is
    harmless; `not_before` rests it after a failure, `claimed_until` is the lease of whoever calls.
    """

    __tablename__ = "ca_requests"
    __table_args__ = (
        Index("ix_ca_requests_open", "not_before", postgresql_where=text("state = 'open'")),
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    key_id: Mapped[UUID] = mapped_column(ForeignKey("signing_keys.id"), index=True)
    kind: Mapped[RequestKind] = mapped_column(word(RequestKind), info=INTERNAL)
    state: Mapped[RequestState] = mapped_column(word(RequestState), info=INTERNAL)
    reason: Mapped[RevokeReason | None] = mapped_column(word(RevokeReason), info=INTERNAL)
    attempts: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    not_before: Mapped[datetime]
    claimed_until: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    created_at: Mapped[datetime]
    done_at: Mapped[datetime | None]


class SignatureImage(Protected, Base):
    """One version of somebody's handwritten signature; every signature names the one it shows."""

    __tablename__ = "signature_images"
    __protected__ = ("signer_id", "version", "file_id", "sha256", "created_at")
    __table_args__ = (UniqueConstraint("signer_id", "version"),)

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    signer_id: Mapped[UUID] = mapped_column(ForeignKey("signers.id"))
    version: Mapped[int] = mapped_column(info=INTERNAL)
    file_id: Mapped[UUID] = mapped_column(ForeignKey("files.id"))
    sha256: Mapped[str] = mapped_column(String(64), info=INTERNAL)
    created_at: Mapped[datetime]
    replaced_at: Mapped[datetime | None]


class SigningConfirmation(Base):
    """That the PIN was right: good for one shown document, or for a short while.

    The private key lies here under a key derived from a token that only the confirming client
    holds, for as long as the confirmation lasts; ending it forgets the key.
    """

    __tablename__ = "signing_confirmations"
    __table_args__ = (
        Index(
            "ix_signing_confirmations_open",
            "expires_at",
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_signing_confirmations_session", "device_session_id"),
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    signer_id: Mapped[UUID] = mapped_column(ForeignKey("signers.id"))
    key_id: Mapped[UUID] = mapped_column(ForeignKey("signing_keys.id"))
    device_session_id: Mapped[UUID]
    sealed: Mapped[bytes | None] = mapped_column(EncryptedBytes(), info=SENSITIVE)
    document_type: Mapped[str | None] = mapped_column(String(40), info=INTERNAL)
    document_id: Mapped[UUID | None]
    digest: Mapped[str | None] = mapped_column(String(64), info=INTERNAL)
    signatures: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    @property
    def single(self) -> bool:
        """Whether it is good for one document only."""
        return self.document_id is not None


class SigningTask(Base):
    """A version of a document that lies ready: to be signed by a person or sealed by the hospital.

    It is the intent row of a seal; `not_before` rests one that failed.
    """

    __tablename__ = "signing_tasks"
    __table_args__ = (
        UniqueConstraint("document_type", "document_id", "version"),
        Index(
            "ix_signing_tasks_open",
            "hospital_id",
            "user_id",
            "created_at",
            postgresql_where=text("state = 'open'"),
        ),
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    document_type: Mapped[str] = mapped_column(String(40), info=INTERNAL)
    document_id: Mapped[UUID]
    version: Mapped[int] = mapped_column(info=INTERNAL)
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    state: Mapped[TaskState] = mapped_column(word(TaskState), info=INTERNAL)
    attempts: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    not_before: Mapped[datetime]
    last_error: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class DocumentSignature(Protected, Base):
    """One signature under one version of a document, with what was signed.

    `cms` is the detached signature (GM/T 0010) over the canonical form of `content`; `timestamp` is
    the authority's token (RFC 3161) over it, which may come a little later.
    """

    __tablename__ = "document_signatures"
    __protected__ = (
        "hospital_id",
        "document_type",
        "document_id",
        "version",
        "signer_id",
        "user_id",
        "signer_name",
        "key_id",
        "image_id",
        "content",
        "digest",
        "cms",
        "signed_at",
        "timestamp_token",
    )
    __table_args__ = (
        UniqueConstraint(
            "document_type",
            "document_id",
            "version",
            "signer_id",
            name="uq_document_signatures_version_signer",
        ),
        Index("ix_document_signatures_counted", "hospital_id", "signed_at"),
        Index("ix_document_signatures_patient", "patient_id"),
        Index(
            "ix_document_signatures_untimed",
            "timestamp_not_before",
            postgresql_where=text("timestamp_token IS NULL"),
        ),
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    document_type: Mapped[str] = mapped_column(String(40), info=INTERNAL)
    document_id: Mapped[UUID]
    version: Mapped[int] = mapped_column(info=INTERNAL)
    signer_id: Mapped[UUID] = mapped_column(ForeignKey("signers.id"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    patient_id: Mapped[UUID | None]
    signer_name: Mapped[str] = mapped_column(Text, info=PERSONAL)
    key_id: Mapped[UUID] = mapped_column(ForeignKey("signing_keys.id"))
    image_id: Mapped[UUID | None] = mapped_column(ForeignKey("signature_images.id"))
    content: Mapped[dict[str, Any]] = mapped_column(EncryptedJSON(), info=SENSITIVE)
    digest: Mapped[str] = mapped_column(String(64), info=INTERNAL)
    cms: Mapped[bytes] = mapped_column(LargeBinary, info=PERSONAL)
    signed_at: Mapped[datetime]
    timestamp_token: Mapped[bytes | None] = mapped_column(LargeBinary, info=INTERNAL)
    timestamped_at: Mapped[datetime | None]
    timestamp_attempts: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    timestamp_not_before: Mapped[datetime]
    device_session_id: Mapped[UUID | None]
