"""Calls in the room of a consultation: only such as belong to the way that was booked."""

from uuid import UUID

from sqlalchemy import select

from clinical.consultation import rules
from clinical.consultation.models import Consultation
from core.uow import UnitOfWork
from realtime.call_checks import register_call_check


async def check_call(uow: UnitOfWork, consultation_id: UUID, media: str) -> None:
    """Raises CallNotBooked."""
    mode = await uow.session.scalar(
        select(Consultation.mode).where(Consultation.id == consultation_id)
    )
    if mode is not None:
        rules.may_call(mode, media)


register_call_check("consultation", check_call)
