"""What the life of a call leads to for its recording."""

from typing import Any
from uuid import UUID

from core.documents import DocumentFinished
from core.events import WithCommitTable
from core.runtime import Runtime
from core.uow import UnitOfWork
from media.calls.controller import on_worker_event
from media.calls.events import CallAnswered, CallEnded, CallRecordingStopped
from media.recording import service
from media.recording.documents import RECORDING
from media.recording.events import RecordingReady


async def begin_the_recording(uow: UnitOfWork, event: CallAnswered) -> None:
    """From the answer on a recorded call has a recording."""
    if event.recorded:
        await service.begin(
            uow,
            hospital_id=event.hospital_id,
            room_id=event.room_id,
            call_id=event.aggregate_id,
        )


async def finish_the_recording(uow: UnitOfWork, event: CallEnded) -> None:
    """The recording's end is the call's end."""
    await service.finish(uow, event.aggregate_id)


async def have_it_sealed(uow: UnitOfWork, event: RecordingReady) -> None:
    """Finished files are sealed with the hospital's certificate, anew when they were made anew."""
    uow.record(
        DocumentFinished(
            hospital_id=event.hospital_id,
            aggregate_id=event.aggregate_id,
            occurred_at=event.occurred_at,
            document_type=RECORDING,
        )
    )


async def finish_before_the_end(uow: UnitOfWork, event: CallRecordingStopped) -> None:
    """The call goes on, its recording does not."""
    await service.finish(uow, event.aggregate_id)


async def note_take_started(runtime: Runtime, event: dict[str, Any]) -> None:
    async with runtime.unit_of_work() as uow:
        await service.take_started(uow, UUID(event["call"]), str(event["take"]))


async def note_take_sealed(runtime: Runtime, event: dict[str, Any]) -> None:
    async with runtime.unit_of_work() as uow:
        await service.take_sealed(uow, UUID(event["call"]), str(event["take"]))


on_worker_event("recording.started", note_take_started)
on_worker_event("recording.sealed", note_take_sealed)

WITH_COMMIT: WithCommitTable = {
    CallAnswered: [begin_the_recording],
    CallEnded: [finish_the_recording],
    CallRecordingStopped: [finish_before_the_end],
    RecordingReady: [have_it_sealed],
}
