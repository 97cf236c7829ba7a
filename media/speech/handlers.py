"""What a finished recording leads to."""

from core import settings
from core.events import AfterCommitTable
from core.runtime import Runtime
from media.recording.events import RecordingReady
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


AFTER_COMMIT: AfterCommitTable = {RecordingReady: [have_it_recognised]}
