"""Who may read what was said: whoever may hear it.

The text of a voice message shows to whom its room shows, until the message is recalled; that of a
recording to whoever may watch it.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from core.errors import NotFound
from core.identity.caller import Caller
from core.runtime import Runtime
from core.uow import UnitOfWork
from media.recording import access as recordings
from media.recording.models import RecordingRow
from media.recording.rules import FileKind
from media.speech.gateway import Recogniser
from media.speech.models import SpeechTextRow
from media.speech.rules import Segment, SpeechKind, SpeechState
from media.speech.schemas import SegmentView, SpeechTextView
from realtime import access as rooms
from realtime.models import MessageRow
from realtime.rules import MessageKind
from realtime.search import tells_spoken


def available(runtime: Runtime) -> bool:
    """Whether the installation has a recogniser."""
    return Recogniser in runtime.ports


async def voice_message(uow: UnitOfWork, caller: Caller, room_id: UUID, seq: int) -> MessageRow:
    """A voice message that the caller may hear. Raises NotFound alike for any other."""
    room = await rooms.room_for(uow, caller, room_id)
    row = await uow.session.scalar(
        select(MessageRow).where(
            MessageRow.room_id == room.row.id,
            MessageRow.seq == seq,
            MessageRow.kind == MessageKind.VOICE.value,
            MessageRow.recalled_at.is_(None),
        )
    )
    if row is None or "file" not in row.body:
        raise NotFound
    return row


async def recording(uow: UnitOfWork, caller: Caller, recording_id: UUID) -> RecordingRow:
    """A recording that the caller may watch. Raises NotFound, RecordingNotShared."""
    return await recordings.recording_for(uow, caller, recording_id)


async def text_of(
    uow: UnitOfWork, kind: SpeechKind, subject_id: UUID, *, available: bool
) -> SpeechTextView:
    """What is known of something that the caller has been let to."""
    row = await _row(uow, kind, subject_id)
    if row is None:
        return SpeechTextView(state="none", available=available, progress=0.0, segments=[])
    return SpeechTextView(
        state=SpeechState(row.state).value,
        available=available,
        progress=row.progress,
        segments=[
            SegmentView(
                from_ms=each.from_ms,
                to_ms=each.to_ms,
                user=UUID(each.user) if each.user else None,
                text=each.text,
            )
            for each in segments_in(row)
        ],
    )


async def segments_of(
    uow: UnitOfWork, kind: SpeechKind, subject_id: UUID
) -> Sequence[Segment] | None:
    """The text, or None while there is none."""
    row = await _row(uow, kind, subject_id)
    return None if row is None or row.content is None else segments_in(row)


async def is_older_than_its_sound(uow: UnitOfWork, recording_id: UUID) -> bool:
    """Whether a text is there that was asked for before the recording got its present sides."""
    row = await _row(uow, SpeechKind.RECORDING, recording_id)
    files = await recordings.files_of(uow, recording_id)
    sides = [each for each in files if each.kind == FileKind.SIDE]
    return row is not None and any(each.created_at > row.asked_at for each in sides)


async def _row(uow: UnitOfWork, kind: SpeechKind, subject_id: UUID) -> SpeechTextRow | None:
    return await uow.session.scalar(
        select(SpeechTextRow).where(
            SpeechTextRow.kind == kind, SpeechTextRow.subject_id == subject_id
        )
    )


def segments_in(row: SpeechTextRow) -> list[Segment]:
    """What was said, in its order; opens what is sealed."""
    return [Segment(**each) for each in (row.content or {}).get("segments", [])]


async def _spoken(uow: UnitOfWork, message_ids: Sequence[UUID]) -> dict[UUID, str]:
    """What voice messages say, for whoever searches the rooms they are in."""
    rows = await uow.session.scalars(
        select(SpeechTextRow).where(
            SpeechTextRow.kind == SpeechKind.VOICE,
            SpeechTextRow.subject_id.in_(message_ids),
            SpeechTextRow.state == SpeechState.READY,
        )
    )
    return {row.subject_id: " ".join(each.text for each in segments_in(row)) for row in rows}


tells_spoken(_spoken)
