"""What signing does about the news of others and about its own."""

from clinical.consent.events import ConsentGiven
from clinical.signature import authority, confirming, documents, keeping, sealing, timestamping
from clinical.signature.events import CaRequestMade, DocumentSigned
from core.documents import DocumentFinished
from core.identity.events import SessionRevoked
from core.runtime import Runtime
from core.uow import UnitOfWork

#: The name under which `clinical.consent` registers what it gives to be sealed.
CONSENT = "consent"
#: Ends of a session that say something about the account behind it.
_ACCOUNT_REASONS = frozenset({"account_disabled", "role_removed"})


async def put_it_up_for_signature(uow: UnitOfWork, event: DocumentFinished) -> None:
    """A finished document waits for its signature from the same moment on."""
    await documents.document_finished(uow, event)


async def have_the_consent_sealed(uow: UnitOfWork, event: ConsentGiven) -> None:
    """A consent lies finished the moment it is given."""
    uow.record(
        DocumentFinished(
            hospital_id=event.hospital_id,
            aggregate_id=event.aggregate_id,
            occurred_at=event.occurred_at,
            document_type=CONSENT,
        )
    )


async def end_what_the_login_confirmed(uow: UnitOfWork, event: SessionRevoked) -> None:
    """A signing session never outlives its login."""
    await confirming.end_of_login(uow, event.aggregate_id)


async def seal_it(runtime: Runtime, event: DocumentFinished) -> None:
    """What nobody has to sign is sealed with the hospital's certificate."""
    if event.signer_id is None:
        await sealing.seal_waiting(runtime, event.aggregate_id)


async def get_its_timestamp(runtime: Runtime, event: DocumentSigned) -> None:
    """The time authority is asked right after the signature; the job repeats what fails."""
    await timestamping.stamp(runtime, event.signature_id)


async def ask_the_authority(runtime: Runtime, event: CaRequestMade) -> None:
    """The CA is asked right after the request was made; the job repeats what fails."""
    await authority.process(runtime, event.aggregate_id)


async def follow_the_account(runtime: Runtime, event: SessionRevoked) -> None:
    """A disabled or departed person signs no more."""
    if event.reason in _ACCOUNT_REASONS:
        async with runtime.unit_of_work() as uow:
            await keeping.follow_accounts(uow, event.user_id)


WITH_COMMIT = {
    DocumentFinished: [put_it_up_for_signature],
    ConsentGiven: [have_the_consent_sealed],
    SessionRevoked: [end_what_the_login_confirmed],
}
AFTER_COMMIT = {
    DocumentFinished: [seal_it],
    DocumentSigned: [get_its_timestamp],
    CaRequestMade: [ask_the_authority],
    SessionRevoked: [follow_the_account],
}
