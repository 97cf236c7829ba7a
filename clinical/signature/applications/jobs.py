"""What time does to the signing service."""

from datetime import timedelta

from sqlalchemy import delete

from clinical.signature.applications.keys import ask_waiting
from clinical.signature.applications.licence import warn
from clinical.signature.applications.models import RequestNonce
from clinical.signature.applications.proving import WINDOW_SECONDS
from core.jobs import Job
from core.runtime import Runtime

#: Longer than a repeated request could be taken for fresh, whichever way the clocks differ.
NONCE_LIFE = timedelta(seconds=3 * WINDOW_SECONDS)


async def forget_nonces(runtime: Runtime) -> None:
    """Requests with these numbers are too old to be taken anyway."""
    async with runtime.unit_of_work() as uow:
        old = RequestNonce.at < uow.now - NONCE_LIFE
        await uow.session.execute(delete(RequestNonce).where(old))


JOBS = [
    Job("signature_service.keys", timedelta(seconds=15), ask_waiting),
    Job("signature_service.nonces", timedelta(minutes=5), forget_nonces),
    Job("signature_service.licence", timedelta(hours=1), warn),
]
