"""What the life of a room and of a call leads to."""

from core.events import AfterCommitTable, WithCommitTable
from core.runtime import Runtime
from core.uow import UnitOfWork
from media.calls import access, service
from media.calls.controller import Controller
from media.calls.events import CallEnded
from media.calls.rules import EndReason
from realtime.events import ParticipantLeft, RoomClosed


async def end_the_call(uow: UnitOfWork, event: RoomClosed) -> None:
    """A room that closes ends its call."""
    await service.end_in_room(uow, event.aggregate_id, EndReason.ROOM_CLOSED)


async def take_out_of_the_call(uow: UnitOfWork, event: ParticipantLeft) -> None:
    """Who is no longer in the room is no longer in its call."""
    await service.take_out(uow, event.aggregate_id, event.user_id)


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
}
AFTER_COMMIT: AfterCommitTable = {
    CallEnded: [close_on_the_worker],
}
