"""Shapes of the signing API."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from clinical.signature.states import KeyState, RevokeReason, Standing

#: Digits are checked by the rules, so that a wrong one is answered in words.
Pin = Annotated[str, StringConstraints(max_length=16)]
Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
DocumentKind = Annotated[str, StringConstraints(pattern="^[a-z_]{1,40}$")]


class SignatureMark(BaseModel):
    """What a signed document shows. `image_url` opens the handwriting for a few minutes."""

    signature_id: UUID
    signer_name: str
    signed_at: datetime
    version: int
    image_url: str | None
    timestamped: bool
    current: bool


# --- the own signature ---------------------------------------------------------------------------


class ImageView(BaseModel):
    """One version of a handwritten signature."""

    version: int
    file_id: UUID
    created_at: datetime
    replaced_at: datetime | None


class CertificateView(BaseModel):
    """A certificate in the words of its owner."""

    state: KeyState
    serial: str | None
    issuer: str | None
    subject: str | None
    not_before: datetime | None
    not_after: datetime | None
    revoke_reason: RevokeReason | None


class SessionView(BaseModel):
    """A signing session of this login."""

    expires_at: datetime
    signatures: int


class OwnSignature(BaseModel):
    """Where the caller stands with signing, and what to do next.

    `real_name_needed` comes before the PIN, because the CA asks for a proven name.
    `pin_locked_until` is set while wrong PINs keep signing locked; `session_minutes` is null where
    signing sessions are not allowed; `capture_url` opens the page to sign by hand on the phone.
    """

    standing: Standing
    standing_text: str
    next_step: str
    image: ImageView | None
    images: list[ImageView]
    certificate: CertificateView | None
    pin_length: int
    pin_set: bool
    real_name_needed: bool
    pin_locked_until: datetime | None
    session: SessionView | None
    session_minutes: int | None
    waiting: int
    capture_url: str


class KeepImage(BaseModel):
    """The uploaded handwriting (purpose `signature`)."""

    file_id: UUID


class SetPin(BaseModel):
    """A new PIN, entered twice."""

    pin: Pin
    repeated: Pin


class ChangePin(SetPin):
    """A new PIN in place of the old one."""

    old: Pin


class ResetPin(SetPin):
    """A new PIN when the old one is forgotten: the text message proves the telephone."""

    code: Annotated[str, StringConstraints(strip_whitespace=True, max_length=10)]


class RevokeOwn(BaseModel):
    """Report a lost phone or a PIN that others may know."""

    reason: RevokeReason = RevokeReason.KEY_COMPROMISE


class CodeSent(BaseModel):
    """Where the code went, and after how many seconds another may be asked for."""

    phone: str
    resend_seconds: int


# --- signing -------------------------------------------------------------------------------------


class LineView(BaseModel):
    """One line of a document."""

    name: str
    label: str
    value: str


class TaskView(BaseModel):
    """A document that waits for the caller's signature."""

    document_type: str
    document_id: UUID
    label: str
    subject: str
    version: int
    since: datetime


class DocumentView(BaseModel):
    """A document as it would be signed now; `digest` is sent back with the signature."""

    document_type: str
    document_id: UUID
    title: str
    fields: list[LineView]
    digest: str
    signable: bool
    signature: SignatureMark | None


class Confirm(BaseModel):
    """The PIN, for the shown document or (without one) for a signing session."""

    pin: Pin
    document_type: DocumentKind | None = None
    document_id: UUID | None = None
    digest: Digest | None = None


class ConfirmationView(BaseModel):
    """What a right PIN gives; `token` is shown once and kept by the client alone."""

    id: UUID
    token: str
    expires_at: datetime
    single: bool


class SignDocument(BaseModel):
    """Sign the shown document under a confirmation."""

    document_type: DocumentKind
    document_id: UUID
    digest: Digest
    confirmation_id: UUID
    confirmation_token: Annotated[str, StringConstraints(max_length=64)]


# --- verification --------------------------------------------------------------------------------


class ChangeView(BaseModel):
    """One line that reads differently now."""

    name: str
    label: str
    signed: str | None
    present: str | None


class LinkView(BaseModel):
    """One certificate of the chain, from the signer's up to the root."""

    subject: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime


class Finding(BaseModel):
    """One question of a verification and its answer: `yes`, `no` or `unknown`."""

    name: str
    label: str
    answer: str
    text: str


class VerificationView(BaseModel):
    """Everything that can be said of one signature.

    `verdict` is `valid`, `changed` (the signature is good, the document reads differently now),
    `doubtful` (something could not be established) or `invalid`.
    """

    signature_id: UUID
    verdict: str
    verdict_text: str
    document_type: str
    document_id: UUID
    title: str
    version: int
    current: bool
    kind: str
    signer_name: str
    signed_at: datetime
    digest: str
    algorithm: str
    image_url: str | None
    timestamp_at: datetime | None
    timestamp_authority: str | None
    chain: list[LinkView]
    findings: list[Finding]
    fields: list[LineView]
    changes: list[ChangeView]
    versions: list[SignatureMark]
    verify_url: str
    checked_at: datetime


class CheckFile(BaseModel):
    """A CMS signature in Base64, with the signed content when it is detached."""

    cms: Annotated[str, StringConstraints(max_length=8_000_000)]
    content: Annotated[str, StringConstraints(max_length=16_000_000)] | None = None


class CheckedFile(BaseModel):
    """What an uploaded signature says."""

    verdict: str
    verdict_text: str
    signer: str
    signed_at: datetime | None
    digest: str
    chain: list[LinkView]
    findings: list[Finding]
    content: str | None
    signature_id: UUID | None


# --- keeping -------------------------------------------------------------------------------------


class SignerView(BaseModel):
    """Somebody who signs, as administrators see it."""

    id: UUID
    user_id: UUID
    name: str
    standing: Standing
    standing_text: str
    certificate: CertificateView | None
    suspended_reason: str | None
    signatures: int
    waiting: int


class GiveReason(BaseModel):
    """Why; it goes into the audit."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class RevokeSigner(GiveReason):
    """Why a certificate is taken back, in a word for the CA and in words for people."""

    kind: RevokeReason = RevokeReason.LEFT


class UsageLine(BaseModel):
    """How much of one limit is used."""

    used: int
    limit: int
    percent: int
    level: str


class UsageView(BaseModel):
    """Certificates in force and signatures of the calendar year against what was bought."""

    year: int
    certificates: UsageLine
    signatures: UsageLine
    by_type: dict[str, int] = Field(default_factory=dict)
    seal: CertificateView | None
    unfinished_requests: int
