"""The consent to record is taken back while the consultation runs: from then on nothing records."""

from uuid import UUID

from clinical.consultation import access
from clinical.consultation.notices import refresh_lists
from clinical.consultation.states import OVER
from core.uow import UnitOfWork
from realtime import service as rooms
from realtime.rules import RecordingPolicy


async def withdrawn(uow: UnitOfWork, consultation_id: UUID, by: UUID) -> None:
    """Follow a withdrawal: the room refuses recordings, its call stops recording or ends."""
    row = await access.find_by_system(uow.session, consultation_id)
    if row is None or row.state in OVER or not row.recording_agreed:
        return
    row.recording_agreed = False
    row.changed_at = uow.now
    if row.room_id is not None:
        await rooms.set_recording(uow, row.room_id, RecordingPolicy.REFUSED, by)
    refresh_lists(uow, row)
