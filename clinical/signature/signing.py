"""Signing a shown document: one transaction from the check of the digest to the stored signature.

Nothing outside is called here: the timestamp follows after the commit (`timestamping`).
"""

from uuid import UUID

from clinical.signature import access, confirming, documents, enrolment
from clinical.signature.confirming import Shown
from clinical.signature.documents import Draft
from clinical.signature.errors import DocumentChanged
from clinical.signature.formats import cms
from clinical.signature.models import DocumentSignature, SigningKey
from core.crypto.signing import load_private
from core.identity import second_factor
from core.identity.caller import Caller
from core.uow import UnitOfWork


async def sign(
    uow: UnitOfWork, caller: Caller, shown: Shown, confirmation_id: UUID, token: str
) -> DocumentSignature:
    """Sign what the screen has shown; signing the same version again gives the first signature.

    Raises NotFound, NotTheSigner, DocumentNotReady, DocumentChanged (the digest is another one
    now), SecondFactorRequired, what `enrolment.require_ready` says, ConfirmationInvalid.
    """
    draft = await documents.read_for(uow, caller, shown.kind, shown.document_id, lock=True)
    documents.require_signer(caller, draft)
    if draft.digest != shown.digest:
        raise DocumentChanged(details={"digest": draft.digest})
    await second_factor.require(uow, caller)
    signer = await access.own_signer(uow.session, caller, lock=True)
    await enrolment.require_ready(uow, signer)
    assert signer is not None
    task = await documents.task_for(uow, draft)
    given = await documents.signature_on(uow, task, signer)
    if given is not None:
        return given
    private_key, key, _ = await confirming.use(uow, caller, confirmation_id, token, shown)
    row = await documents.store(
        uow,
        task=task,
        draft=draft,
        signer=signer,
        signer_name=caller.name,
        key=key,
        cms=make_cms(uow, draft, private_key, key),
        caller=caller,
    )
    enrolment.tell_own_devices(uow, signer)
    return row


def make_cms(uow: UnitOfWork, draft: Draft, private_key: bytes, key: SigningKey) -> bytes:
    """The detached CMS signature (GM/T 0010) over a document's canonical bytes."""
    if key.certificate is None:
        raise ValueError("The signing key has no certificate.")
    return cms.sign(
        draft.data,
        load_private(private_key),
        key.certificate,
        key.chain,
        detached=True,
        signed_at=uow.now,
    )
