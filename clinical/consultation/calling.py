"""Calls in the room of a consultation: those of the booked way, in text what is open there."""

from uuid import UUID

from clinical.consultation import access, rules, settings
from clinical.consultation.models import Consultation
from clinical.consultation.states import TextCalls
from core import settings as core_settings
from core.uow import UnitOfWork
from realtime.call_checks import register_call_check


async def calls_of(uow: UnitOfWork, row: Consultation) -> list[str]:
    """The calls that may be started in a consultation: of `voice`, `video` none, one or both."""
    return list(rules.calls(row.mode, await _in_text(uow, row)))


async def check_call(uow: UnitOfWork, consultation_id: UUID, media: str) -> None:
    """Raises CallNotBooked."""
    row = await access.find_by_system(uow.session, consultation_id)
    if row is not None:
        rules.may_call(row.mode, await _in_text(uow, row), media)


async def _in_text(uow: UnitOfWork, row: Consultation) -> TextCalls:
    if row.kind not in settings.TEXT_CALLS:
        return TextCalls.NONE
    return TextCalls(
        await core_settings.get(
            uow,
            settings.TEXT_CALLS[row.kind],
            hospital_id=row.hospital_id,
            department_id=row.department_id,
            user_id=row.doctor_id,
        )
    )


register_call_check("consultation", check_call)
