"""Recognising what waits, and letting go of what is over."""

from datetime import timedelta

from sqlalchemy import delete, select

from core.jobs import Job
from core.runtime import Runtime
from media.speech.models import SpeechTextRow
from media.speech.rules import SpeechKind
from media.speech.transcriber import Transcriber
from realtime.models import MessageRow, RoomRow


async def recognise_next(runtime: Runtime) -> None:
    """Begin with what waits next; the work goes on beside the jobs."""
    await Transcriber.of(runtime).poll()


async def remove_with_its_sound(runtime: Runtime) -> None:
    """Delete the words of messages that were recalled or whose room was cleared."""
    gone = select(MessageRow.id).where(MessageRow.recalled_at.is_not(None))
    cleared = select(RoomRow.id).where(RoomRow.cleared_at.is_not(None))
    async with runtime.unit_of_work() as uow:
        await uow.session.execute(
            delete(SpeechTextRow).where(
                SpeechTextRow.kind == SpeechKind.VOICE,
                SpeechTextRow.subject_id.in_(gone) | SpeechTextRow.room_id.in_(cleared),
            )
        )


JOBS = [
    Job("speech.recognise", timedelta(seconds=2), recognise_next),
    Job("speech.remove_with_its_sound", timedelta(hours=1), remove_with_its_sound),
]
