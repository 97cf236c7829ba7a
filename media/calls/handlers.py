"""What the life of a room and of a call leads to."""

from core.events import AfterCommitTable, WithCommitTable
from core.runtime import Runtime
from core.uow import UnitOfWork
from media.calls import access, moderation, recording, service
from media.calls.controller import Controller
from media.calls.events import CallEnded, CallRecordingStopped
from media.calls.rules import EndReason
from realtime.events import ParticipantLeft, RoomClosed, RoomHandedOver, RoomRecordingChanged
from realtime.rules import RecordingPolicy


async def end_the_call(uow: UnitOfWork, event: RoomClosed) -> None:
    """A room that closes ends its call."""
    await service.end_in_room(uow, event.aggregate_id, EndReason.ROOM_CLOSED)


async def take_out_of_the_call(uow: UnitOfWork, event: ParticipantLeft) -> None:
    """Who is no longer in the room is no longer in its call."""
    await service.take_out(uow, event.aggregate_id, event.user_id)


async def show_who_moderates(uow: UnitOfWork, event: RoomHandedOver) -> None:
    """Whoever leads the room from now on moderates its call."""
    await moderation.retell(uow, event.aggregate_id)


async def stop_the_recording(uow: UnitOfWork, event: RoomRecordingChanged) -> None:
    """A consent that is taken back counts in the middle of a call, one that is refused before."""
    if event.recording == RecordingPolicy.REFUSED:
        await recording.stop(uow, event.aggregate_id)


async def record_from_the_answer(uow: UnitOfWork, event: RoomRecordingChanged) -> None:
    """A consent that is given while a call rings counts for that call."""
    if event.recording == RecordingPolicy.REQUIRED:
        await recording.begin_with_the_answer(uow, event.aggregate_id)


async def seal_on_the_worker(runtime: Runtime, event: CallRecordingStopped) -> None:
    """Have the worker record no more; what was recorded until then is sealed."""
    async with runtime.unit_of_work() as uow:
        stored = await access.stored(uow, event.aggregate_id)
    if stored is not None:
        controller = await Controller.of(runtime)
        await controller.stop_recording(stored.row)


async def close_on_the_worker(runtime: Runtime, event: CallEnded) -> None:
    """Free the worker and have the recording sealed."""
    async with runtime.unit_of_work() as uow:
        stored = await access.stored(uow, event.aggregate_id)
    if stored is not None:
        controller = await Controller.of(runtime)
        await controller.close(stored.row)


WITH_COMMIT: WithCommitTable = {
    RoomClosed: [end_the_call],
    ParticipantLeft: [take_out_of_the_call],
    RoomHandedOver: [show_who_moderates],
    RoomRecordingChanged: [stop_the_recording, record_from_the_answer],
}
AFTER_COMMIT: AfterCommitTable = {
    CallEnded: [close_on_the_worker],
    CallRecordingStopped: [seal_on_the_worker],
}
