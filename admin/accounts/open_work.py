"""What keeps an account from being taken away."""

from uuid import UUID

from clinical.consultation import access as consultations
from core.errors import Conflict
from core.uow import UnitOfWork


class WorkOpen(Conflict):
    """Patients still wait for this person."""

    code = "work_open"
    title = "该人员还有未完成的问诊，请先处理或转交"


async def require_no_open_work(uow: UnitOfWork, hospital_id: UUID, user_id: UUID) -> None:
    """Raise WorkOpen while this person has consultations waiting or active."""
    if await consultations.open_count(uow.session, hospital_id, user_id):
        raise WorkOpen()
