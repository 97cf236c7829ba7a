"""What personal signing announces."""

from dataclasses import dataclass
from uuid import UUID

from core.events import Event, event


@event("signature.document_signed")
@dataclass(frozen=True, kw_only=True)
class DocumentSigned(Event):
    """Sent once for every signature or seal, in the transaction that stores it.

    The aggregate is the document, so the signatures of one document stay in order. `signer_id` is
    the person's user id, None for the hospital's seal; `digest` is the SM3 digest of what was
    signed, in hexadecimal. The timestamp may come a little later.
    """

    document_type: str
    document_id: UUID
    signature_id: UUID
    signer_id: UUID | None
    digest: str
    version: int


@event("signature.request_made")
@dataclass(frozen=True, kw_only=True)
class CaRequestMade(Event):
    """Sent with every new request to the CA; the aggregate is the request. Heard by this module
    after the commit, so that the CA is asked at once and not only when the job comes round.
    """


@event("signature.certificate_changed")
@dataclass(frozen=True, kw_only=True)
class CertificateChanged(Event):
    """Sent when a certificate was issued, renewed, refused or revoked; the aggregate is the signer.

    `user_id` is None for the hospital's seal; `state` is the key's state after the change.
    """

    user_id: UUID | None
    state: str
