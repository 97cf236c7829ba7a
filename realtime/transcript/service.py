"""Asking for transcripts, fetching them, and checking a copy against its digest."""

from collections.abc import Sequence
from uuid import UUID

import orjson
from sqlalchemy import Select, or_, select

from core import audit
from core.crypto.sm import sm3
from core.errors import NotFound, ProblemError
from core.identity.caller import Caller
from core.ids import new_id
from core.storage.owners import tell_owners, uuid_in
from core.uow import UnitOfWork
from realtime import access
from realtime.models import RoomRow, TranscriptRow
from realtime.schemas import TranscriptCheck, TranscriptView
from realtime.transcript.content import FORMAT, digest_of
from realtime.transcript.making import number_of
from realtime.transcript.states import HIDDEN, MASKED, NONE, READY, RUNNING, WAITING
from realtime.veil import Veil

CONTENT_TYPES = {"json": "application/json", "pdf": "application/pdf"}


class TranscriptNotReady(ProblemError):
    """The files are not there yet, or not any more: ask again."""

    code, status, title = "transcript_not_ready", 409, "沟通记录尚未生成或已过期，请重新导出"


async def ask(uow: UnitOfWork, caller: Caller, room_id: UUID) -> TranscriptRow:
    """Have a transcript made of the room as it stands; who asks is in the audit.

    One that is being made for the caller already is returned as it is. Raises `not_found`.
    """
    room = await _room(uow, caller, room_id)
    running = await uow.session.scalar(
        _own(caller)
        .where(TranscriptRow.room_id == room_id, TranscriptRow.state.in_((WAITING, RUNNING)))
        .limit(1)
    )
    if running is not None:
        return running
    row = TranscriptRow(
        id=new_id(),
        hospital_id=caller.hospital_id,
        room_id=room_id,
        asked_by=caller.user_id,
        role=caller.role.value,
        names=_names(await access.veil_for(uow, caller)),
        state=WAITING,
        last_seq=room.seq,
        total=room.seq,
        created_at=uow.now,
    )
    uow.session.add(row)
    await uow.session.flush()
    patient_id = await audit.patient_of(uow, room.ref_type, room.ref_id)
    detail = {"transcript": row.id, "last_seq": room.seq}
    await audit.record(uow, caller, "room.export", "room", room_id, patient_id, detail)
    return row


def _names(veil: Veil | None) -> str:
    if veil is None:
        return NONE
    return HIDDEN if veil.hidden else MASKED


async def _room(uow: UnitOfWork, caller: Caller, room_id: UUID) -> RoomRow:
    found = await access.room_for(uow, caller, room_id)
    if found.emergency:
        # What was opened for a moment of need is looked at, not taken away.
        raise NotFound
    return found.row


def _own(caller: Caller) -> Select[TranscriptRow]:
    return select(TranscriptRow).where(
        TranscriptRow.asked_by == caller.user_id,
        TranscriptRow.hospital_id == caller.hospital_id,
        TranscriptRow.role == caller.role.value,
    )


async def own(uow: UnitOfWork, caller: Caller, transcript_id: UUID) -> TranscriptRow:
    """A transcript that the caller asked for, in this role. Raises `not_found`."""
    row: TranscriptRow | None = await uow.session.scalar(
        _own(caller).where(TranscriptRow.id == transcript_id)
    )
    if row is None:
        raise NotFound
    return row


async def of_room(uow: UnitOfWork, caller: Caller, room_id: UUID) -> Sequence[TranscriptRow]:
    """The caller's own transcripts of a room, newest first. Raises `not_found`."""
    await _room(uow, caller, room_id)
    found = await uow.session.scalars(
        _own(caller)
        .where(TranscriptRow.room_id == room_id)
        .order_by(TranscriptRow.created_at.desc(), TranscriptRow.id.desc())
        .limit(20)
    )
    rows: Sequence[TranscriptRow] = found.all()
    return rows


async def fetchable(uow: UnitOfWork, caller: Caller, transcript_id: UUID) -> TranscriptRow:
    """A transcript whose files the caller may have now: he must still see the room.

    Raises `not_found`, TranscriptNotReady.
    """
    row = await own(uow, caller, transcript_id)
    await _room(uow, caller, row.room_id)
    if row.state != READY or row.expires_at is None or row.expires_at <= uow.now:
        raise TranscriptNotReady
    return row


async def note_fetch(uow: UnitOfWork, caller: Caller, row: TranscriptRow) -> None:
    """Record that links were given out."""
    detail = {"transcript": row.id, "digest": row.digest}
    await audit.record(uow, caller, "room.download", "room", row.room_id, detail=detail)


async def check(uow: UnitOfWork, caller: Caller, file: bytes) -> TranscriptCheck:
    """Whether a file is a transcript that this hospital made, unchanged.

    A JSON file is judged by its content, however it is laid out; a PDF byte by byte. Says nothing
    of the room to somebody who could not see it: only number and time.
    """
    digest, stated = _digests(file)
    row = await uow.session.scalar(
        select(TranscriptRow)
        .where(
            TranscriptRow.hospital_id == caller.hospital_id,
            or_(TranscriptRow.digest == digest, TranscriptRow.pdf_digest == digest),
        )
        .limit(1)
    )
    return TranscriptCheck(
        digest=digest,
        intact=row is not None and stated in (None, digest),
        number=None if row is None else number_of(row.id),
        made_at=None if row is None else row.ready_at,
        entries=None if row is None else row.total,
    )


def _digests(file: bytes) -> tuple[str, str | None]:
    """The digest that the file has, and the one that it claims (None: it claims none)."""
    try:
        found = orjson.loads(file)
    except orjson.JSONDecodeError:
        return sm3(file).hex(), None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        return sm3(file).hex(), None
    content, digest = found.get("content"), found.get("digest")
    if not isinstance(content, dict):
        return sm3(file).hex(), None
    stated = digest.get("value") if isinstance(digest, dict) else ""
    return digest_of(content), str(stated)


def view(row: TranscriptRow) -> TranscriptView:
    """The shape that clients see."""
    return TranscriptView(
        id=row.id,
        room=row.room_id,
        number=number_of(row.id),
        state=row.state,
        done=row.done,
        total=row.total,
        created_at=row.created_at,
        expires_at=row.expires_at,
        digest=row.digest,
    )


async def _hospitals(uow: UnitOfWork, keys: Sequence[str]) -> dict[str, UUID]:
    """Whose the stored objects are: `transcripts/<year>/<month>/<transcript>/...`."""
    ids = {key: uuid_in(key, 3) for key in keys}
    rows = await uow.session.execute(
        select(TranscriptRow.id, TranscriptRow.hospital_id).where(
            TranscriptRow.id.in_(set(ids.values()) - {None})
        )
    )
    hospitals = {transcript_id: hospital_id for transcript_id, hospital_id in rows}
    return {key: hospitals[found] for key, found in ids.items() if found in hospitals}


tell_owners("transcripts", _hospitals)
