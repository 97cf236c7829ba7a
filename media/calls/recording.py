"""What the word of the patient about the recording means for the call of the room."""

from uuid import UUID

from sqlalchemy import select

from core.uow import UnitOfWork
from media.calls import access, observers, service, telling
from media.calls.events import CallRecordingStopped
from media.calls.models import CallRow
from media.calls.rules import CallState, EndReason
from realtime import service as room_service


async def stop(uow: UnitOfWork, room_id: UUID) -> None:
    """Nobody may record the room any more: its call goes on without, or ends, as the hospital says.

    Announces `CallRecordingStopped` or, with the end, `CallEnded`.
    """
    call_id = await uow.session.scalar(
        select(CallRow.id).where(CallRow.room_id == room_id, CallRow.state != CallState.ENDED)
    )
    found = await access.stored(uow, call_id, lock=True) if call_id is not None else None
    if found is None:
        return
    if not await access.may_go_unrecorded(uow, found.row.hospital_id):
        await service.end_in_room(uow, room_id, EndReason.RECORDING_REFUSED)
        return
    if not found.row.record:
        return
    facts = telling.facts(found.row, uow)
    found.row.record = False
    await uow.session.flush()
    text = "已停止录制，通话继续进行"
    await room_service.system_message(
        uow, room_id, "recording_stopped", text, {"call": str(found.row.id)}
    )
    uow.record(CallRecordingStopped(**facts))
    watching = await observers.users_of(uow, found.row.id)
    telling.tell_state(uow, found, [each.user_id for each in found.people], watching)


async def begin_with_the_answer(uow: UnitOfWork, room_id: UUID) -> None:
    """The patient agreed while it rang: the room's call is recorded from its answer on."""
    row = await uow.session.scalar(
        select(CallRow)
        .where(CallRow.room_id == room_id, CallRow.state == CallState.RINGING)
        .with_for_update()
    )
    if row is None or row.record:
        return
    row.record = True
    await uow.session.flush()
    found = await access.stored(uow, row.id)
    assert found is not None
    telling.tell_state(uow, found, [each.user_id for each in found.people], [])
