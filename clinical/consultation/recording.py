"""The consent to record, given or taken back while the consultation runs: it counts at once."""

from uuid import UUID

from clinical.consultation import access, errors
from clinical.consultation.notices import refresh_lists
from clinical.consultation.states import OVER
from core.uow import UnitOfWork
from realtime import access as room_access
from realtime import service as rooms
from realtime.rules import RecordingPolicy


async def answered(uow: UnitOfWork, consultation_id: UUID, by: UUID, *, agreed: bool) -> None:
    """Follow the answer to a call that asks when it rings: it may be answered, or is over.

    Raises NotDraft where nothing is asked any more.
    """
    row = await access.find_by_system(uow.session, consultation_id)
    if row is None or row.room_id is None or row.state in OVER:
        raise errors.NotDraft()
    if await room_access.recording_of(uow, row.room_id) is not RecordingPolicy.ASK:
        raise errors.NotDraft()
    row.recording_agreed = agreed
    row.changed_at = uow.now
    policy = RecordingPolicy.REQUIRED if agreed else RecordingPolicy.REFUSED
    await rooms.set_recording(uow, row.room_id, policy, by)
    refresh_lists(uow, row)


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
