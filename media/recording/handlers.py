"""What the life of a call leads to for its recording."""

from typing import Any
from uuid import UUID

from core.alarms import raise_alarm
from core.documents import DocumentFinished
from core.events import WithCommitTable
from core.runtime import Runtime
from core.uow import UnitOfWork
from media.calls.controller import on_worker_event
from media.calls.events import CallAnswered, CallEnded, CallRecordingStopped
from media.recording import service
from media.recording.documents import RECORDING
from media.recording.events import RecordingReady

#: Title and text of the alarm, by what the media worker says of its disk.
DISK_TROUBLE = {
    "disk_full": (
        "录制磁盘已满",
        "媒体服务器的磁盘已满，正在进行的通话可能有一段录不下来。请尽快清理磁盘，通话不受影响",
    ),
    "disk_failed": (
        "录制磁盘写入失败",
        "媒体服务器的磁盘写入失败，正在进行的通话可能有一段录不下来。请检查磁盘，通话不受影响",
    ),
}


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


async def alarm_of_a_disk_that_refuses(runtime: Runtime, event: dict[str, Any]) -> None:
    """The officers of the hospital hear of it while the call runs: there is time to make room."""
    async with runtime.unit_of_work() as uow:
        hospital_id = await service.hospital_of(uow, UUID(event["call"]))
        if hospital_id is not None:
            title, text = DISK_TROUBLE[str(event["problem"])]
            await raise_alarm(
                uow, hospital_id, "recording_disk", title, text, ("call", event["call"])
            )


on_worker_event("recording.refused", alarm_of_a_disk_that_refuses)
on_worker_event("recording.started", note_take_started)
on_worker_event("recording.sealed", note_take_sealed)

WITH_COMMIT: WithCommitTable = {
    CallAnswered: [begin_the_recording],
    CallEnded: [finish_the_recording],
    CallRecordingStopped: [finish_before_the_end],
    RecordingReady: [have_it_sealed],
}
