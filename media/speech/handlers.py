"""What the life of a recording leads to for its words."""

from core import settings
from core.events import AfterCommitTable, WithCommitTable
from core.runtime import Runtime
from core.uow import UnitOfWork
from media.recording.events import RecordingReady, RecordingRemoved
from media.speech import access, service
from media.speech.rules import SpeechKind
from media.speech.settings import TRANSCRIBE_RECORDINGS


async def have_it_recognised(runtime: Runtime, event: RecordingReady) -> None:
    """Where the hospital wants it and a recogniser is there, recordings are turned into text;
    anew when a lost take was found, not when only the layout of the picture changed.
    """
    if not access.available(runtime):
        return
    async with runtime.unit_of_work() as uow:
        if not await settings.get(uow, TRANSCRIBE_RECORDINGS, hospital_id=event.hospital_id):
            return
        await service.ask(
            uow,
            hospital_id=event.hospital_id,
            room_id=event.room_id,
            kind=SpeechKind.RECORDING,
            subject_id=event.aggregate_id,
            anew=await access.is_older_than_its_sound(uow, event.aggregate_id),
        )


async def forget_its_words(uow: UnitOfWork, event: RecordingRemoved) -> None:
    """With a recording that is over go its words and its subtitles."""
    await service.forget(uow, SpeechKind.RECORDING, event.aggregate_id)


WITH_COMMIT: WithCommitTable = {RecordingRemoved: [forget_its_words]}
AFTER_COMMIT: AfterCommitTable = {RecordingReady: [have_it_recognised]}
