"""Finding words that were spoken in recordings.

Texts are encrypted, so no index knows their words: a search opens the texts of the recordings that
the caller may watch, the latest first, a bounded number for each answer, and compares in a thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from anyio import to_thread
from sqlalchemy import select

from core.errors import FieldProblem, InvalidRequest
from core.http import decode_cursor, encode_cursor
from core.identity.caller import Caller
from core.uow import UnitOfWork
from media.recording import access as recordings
from media.recording.models import RecordingRow
from media.speech.access import segments_in
from media.speech.models import SpeechTextRow
from media.speech.rules import Segment, SpeechKind, SpeechState
from media.speech.schemas import SpokenHit, SpokenPage
from realtime.matching import Part, match, words_of
from realtime.schemas import Fragment
from realtime.search import LONGEST_QUERY

#: Texts opened for one answer, and places shown of one recording.
TEXTS = 40
PLACES = 5


@dataclass(frozen=True)
class _Place:
    recording: RecordingRow
    segment: Segment
    parts: list[Part]


async def spoken(
    uow: UnitOfWork, caller: Caller, query: str, room_id: UUID | None, cursor: str | None
) -> SpokenPage:
    """Where all words of the query were said together, in recordings that the caller may watch.

    Raises NotPermitted, RecordingNotShared, InvalidRequest.
    """
    words = words_of(query[: LONGEST_QUERY + 1])
    if not words or len(query) > LONGEST_QUERY:
        raise InvalidRequest(
            fields=[FieldProblem("q", f"请输入要查找的内容，最多{LONGEST_QUERY}个字")]
        )
    mine = await recordings.watchable(uow, caller)
    found = (
        select(SpeechTextRow, RecordingRow)
        .join(RecordingRow, RecordingRow.id == SpeechTextRow.subject_id)
        .where(
            SpeechTextRow.kind == SpeechKind.RECORDING,
            SpeechTextRow.state == SpeechState.READY,
            mine,
        )
        .order_by(RecordingRow.started_at.desc(), RecordingRow.id.desc())
    )
    if room_id is not None:
        found = found.where(RecordingRow.room_id == room_id)
    after = decode_cursor(cursor, 2)
    if after is not None:
        at, last = datetime.fromisoformat(str(after[0])), UUID(str(after[1]))
        found = found.where(
            (RecordingRow.started_at < at)
            | ((RecordingRow.started_at == at) & (RecordingRow.id < last))
        )
    rows = [(text, row) for text, row in await uow.session.execute(found.limit(TEXTS))]
    places = await to_thread.run_sync(_look, rows, words)
    following = None
    if len(rows) == TEXTS:
        following = encode_cursor(rows[-1][1].started_at, rows[-1][1].id)
    return SpokenPage(items=await _hits(uow, caller, places), next=following)


def _look(rows: Sequence[tuple[SpeechTextRow, RecordingRow]], words: Sequence[str]) -> list[_Place]:
    """The first places of each recording. CPU-bound: run it in a thread."""
    found = []
    for text, row in rows:
        here = 0
        for segment in segments_in(text):
            parts = match(segment.text, words)
            if parts is not None:
                found.append(_Place(row, segment, parts))
                here += 1
            if here == PLACES:
                break
    return found


async def _hits(uow: UnitOfWork, caller: Caller, places: Sequence[_Place]) -> list[SpokenHit]:
    names: dict[UUID, dict[UUID, str]] = {}
    titles: dict[UUID, str] = {}
    for place in places:
        row = place.recording
        if row.id not in names:
            names[row.id] = await recordings.names_shown(uow, caller, row)
            titles[row.id] = await recordings.title_of(uow, row) or "、".join(
                names[row.id].values()
            )
    return [
        SpokenHit(
            recording_id=place.recording.id,
            room_id=place.recording.room_id,
            title=titles[place.recording.id],
            started_at=place.recording.started_at,
            at_ms=place.segment.from_ms,
            speaker=names[place.recording.id].get(UUID(place.segment.user))
            if place.segment.user
            else None,
            fragments=[Fragment(text=part.text, hit=part.hit) for part in place.parts],
        )
        for place in places
    ]
