"""What ratings do about the news of others."""

from clinical.consultation.events import ConsultationEnded
from clinical.rating import service
from core.runtime import Runtime


async def invite_the_patient(runtime: Runtime, event: ConsultationEnded) -> None:
    """After the end the patient is asked for a word about it."""
    async with runtime.unit_of_work() as uow:
        await service.invite(uow, event)


AFTER_COMMIT = {ConsultationEnded: [invite_the_patient]}
