"""Making transcripts in the background, page by page, and removing their files in time."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
import structlog
from anyio import to_thread
from sqlalchemy import or_, select, update

from core import settings
from core.crypto.sm import sm3
from core.files.models import File
from core.identity.models import Hospital
from core.runtime import Runtime
from core.storage import StorageError
from core.uow import UnitOfWork
from realtime.access import participants_of
from realtime.attachments import SCOPE
from realtime.models import MessageRow, RoomRow, TranscriptRow
from realtime.settings import TRANSCRIPT_DAYS
from realtime.transcript import content as contents
from realtime.transcript.paper import draw
from realtime.transcript.states import EXPIRED, FAILED, MASKED, READY, RUNNING, WAITING
from realtime.veil import Veil

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=3)
MAX_ATTEMPTS = 3
PAGE = 500
#: Pictures in one paper; the others stand there with their names and digests.
PICTURES = 200
BATCH = 100


async def make_waiting(runtime: Runtime) -> None:
    """Make every transcript that waits, one after the other."""
    while (row := await _claim(runtime)) is not None:
        try:
            await _make(runtime, row)
        except (StorageError, OSError) as error:
            await _failed(runtime, row.id, str(error))


async def _claim(runtime: Runtime) -> TranscriptRow | None:
    async with runtime.unit_of_work() as uow:
        row = await uow.session.scalar(
            select(TranscriptRow)
            .where(
                TranscriptRow.state.in_((WAITING, RUNNING)),
                or_(TranscriptRow.claimed_until.is_(None), TranscriptRow.claimed_until <= uow.now),
            )
            .order_by(TranscriptRow.created_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if row is not None and row.attempts >= MAX_ATTEMPTS:
            # Whoever made it died in the middle, again and again.
            row.state, row.claimed_until = FAILED, None
        elif row is not None:
            row.state, row.done = RUNNING, 0
            row.attempts += 1
            row.claimed_until = uow.now + LEASE
    return row


async def _make(runtime: Runtime, row: TranscriptRow) -> None:
    if row.state != RUNNING:
        return
    async with runtime.unit_of_work() as uow:
        room = await uow.session.get_one(RoomRow, row.room_id)
        hospital = await uow.session.get_one(Hospital, row.hospital_id)
        people = await participants_of(uow, room.id)
        content = contents.head(
            hospital.name, room, people, row.last_seq, uow.now, number_of(row.id)
        )
        zone = ZoneInfo(hospital.time_zone)
    names = {each.user_id: each.name for each in people}
    entries: list[dict[str, Any]] = []
    files: dict[str, File] = {}
    after = 0
    while after < row.last_seq:
        async with runtime.unit_of_work() as uow:
            rows = await _page(uow, row, after)
            attached = await _files(uow, rows)
            await _progress(uow, row.id, min(row.last_seq, after + PAGE))
        entries += [contents.entry(each, names, attached) for each in rows]
        files |= {str(file.id): file for file in attached.values()}
        after += PAGE
    content["entries"] = entries
    if row.names != "none":
        content = Veil(hidden=row.names != MASKED).over(content)
    # Only what the document shows: never the picture of a recalled message.
    shown = [each["file"]["id"] for each in entries if each.get("file")]
    pictures = await _pictures(runtime, [files[file_id] for file_id in shown])
    data = orjson.dumps(contents.document(content), option=orjson.OPT_INDENT_2)
    paper = await to_thread.run_sync(draw, content, pictures, zone)
    await runtime.storage.put(row.key("json"), data, row.hospital_id)
    await runtime.storage.put(row.key("pdf"), paper, row.hospital_id)
    async with runtime.unit_of_work() as uow:
        days = await settings.get(uow, TRANSCRIPT_DAYS, hospital_id=row.hospital_id)
        await uow.session.execute(
            update(TranscriptRow)
            .where(TranscriptRow.id == row.id, TranscriptRow.state == RUNNING)
            .values(
                state=READY,
                done=row.total,
                claimed_until=None,
                ready_at=uow.now,
                expires_at=uow.now + timedelta(days=days),
                digest=contents.digest_of(content),
                json_digest=sm3(data).hex(),
                pdf_digest=sm3(paper).hex(),
            )
        )


def number_of(transcript_id: UUID) -> str:
    """The number that people quote."""
    return f"GT{transcript_id.hex[:20].upper()}"


async def _page(uow: UnitOfWork, row: TranscriptRow, after: int) -> Sequence[MessageRow]:
    found = await uow.session.scalars(
        select(MessageRow)
        .where(
            MessageRow.room_id == row.room_id,
            MessageRow.seq > after,
            MessageRow.seq <= min(row.last_seq, after + PAGE),
        )
        .order_by(MessageRow.seq)
    )
    return found.all()


async def _files(uow: UnitOfWork, rows: Sequence[MessageRow]) -> dict[UUID, File]:
    ids = [row.id for row in rows if row.recalled_at is None]
    found = await uow.session.scalars(
        select(File).where(File.scope == SCOPE, File.scope_id.in_(ids))
    )
    return {file.scope_id: file for file in found if file.scope_id is not None}


async def _progress(uow: UnitOfWork, transcript_id: UUID, done: int) -> None:
    await uow.session.execute(
        update(TranscriptRow)
        .where(TranscriptRow.id == transcript_id, TranscriptRow.state == RUNNING)
        .values(done=done, claimed_until=uow.now + LEASE)
    )


async def _pictures(runtime: Runtime, files: Sequence[File]) -> dict[str, bytes]:
    """The small pictures of what has one, the smallest size."""
    with_one = [(file, file.thumbnails()) for file in files if file.thumbnails()]
    found = {}
    for file, small in with_one[:PICTURES]:
        try:
            found[str(file.id)] = await runtime.storage.get(small[min(small)])
        except StorageError as error:
            # The paper still names it with its digest.
            log.warning("transcript_picture_missing", file=str(file.id), error=repr(error))
    return found


async def _failed(runtime: Runtime, transcript_id: UUID, error: str) -> None:
    log.error("transcript_failed", transcript=str(transcript_id), error=error)
    async with runtime.unit_of_work() as uow:
        row = await uow.session.get_one(TranscriptRow, transcript_id, with_for_update=True)
        row.last_error, row.claimed_until = error[:2000], uow.now + timedelta(seconds=30)
        if row.attempts >= MAX_ATTEMPTS:
            row.state, row.claimed_until = FAILED, None


async def remove_expired(runtime: Runtime) -> None:
    """Delete the files of transcripts whose days are over; their digests stay."""
    while True:
        async with runtime.unit_of_work() as uow:
            rows = list(
                await uow.session.scalars(
                    select(TranscriptRow).where(TranscriptRow.expires_at <= uow.now).limit(BATCH)
                )
            )
        for row in rows:
            await runtime.storage.delete(row.key("json"))
            await runtime.storage.delete(row.key("pdf"))
            async with runtime.unit_of_work() as uow:
                await uow.session.execute(
                    update(TranscriptRow)
                    .where(TranscriptRow.id == row.id)
                    .values(state=EXPIRED, expires_at=None)
                )
        if len(rows) < BATCH:
            return
