"""What somebody took back: kept, and read, seen and heard by auditors alone, with a reason."""

import base64
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from core import audit
from core.access import find_grant, grant
from core.errors import NotFound
from core.files.models import File
from core.files.schemas import FileLink
from core.http.routes import PREFIX
from core.identity import sessions
from core.identity.caller import Caller
from core.identity.roles import Role
from core.runtime import Runtime
from core.storage import StorageError
from core.tickets import issue_ticket, read_ticket
from core.uow import UnitOfWork
from realtime.access import RECALLED, ROOM, participants_of
from realtime.attachments import SCOPE
from realtime.models import MessageRow, RoomRow
from realtime.rules import MessageKind
from realtime.schemas import RecalledView, SenderView


async def original(
    runtime: Runtime, caller: Caller, room_id: UUID, seq: int, reason: str, now: datetime
) -> RecalledView:
    """A recalled message as it was; who read it and why is in the audit.

    Raises NotPermitted; `not_found` also for a message that was not recalled. Of a picture or
    video the small picture comes along, and for any file an address that opens it for a while.
    """
    async with runtime.unit_of_work() as uow:
        view, file = await _read(uow, caller, room_id, seq, reason)
    if file is None:
        return view
    ticket, expires_at = issue_ticket(runtime.keyring, caller, _subject(room_id, seq), now)
    address = f"{PREFIX}/rooms/{room_id}/messages/{seq}/original/content?ticket={ticket}"
    link = FileLink(url=address, thumbnail_url=None, expires_at=expires_at)
    return view.model_copy(update={"link": link, "preview": await _preview(runtime, file)})


async def file_behind(
    runtime: Runtime, room_id: UUID, seq: int, ticket: str, now: datetime
) -> File:
    """The file of a recalled message, for the auditor to whom `original` gave the ticket.

    The look itself is in the audit with its reason; here it is asked again whether it may still be.
    Raises TicketInvalid, NotFound.
    """
    claimed = read_ticket(runtime.keyring, ticket, _subject(room_id, seq), now)
    caller = await sessions.live_caller(runtime, claimed)
    async with runtime.unit_of_work() as uow:
        allowed = await find_grant(uow, caller, ROOM, RECALLED)
        message = await uow.session.scalar(
            select(MessageRow)
            .join(RoomRow, RoomRow.id == MessageRow.room_id)
            .where(
                MessageRow.room_id == room_id,
                MessageRow.seq == seq,
                MessageRow.recalled_at.is_not(None),
                allowed.condition,
            )
        )
        file = await _file_of(uow, message) if message is not None else None
    if file is None:
        raise NotFound
    return file


def _subject(room_id: UUID, seq: int) -> str:
    return f"recalled:{room_id}:{seq}"


async def _preview(runtime: Runtime, file: File) -> str | None:
    small = file.thumbnails()
    if not small:
        return None
    try:
        data = await runtime.storage.get(small[max(small)])
    except StorageError:
        return None
    return f"data:{file.thumbnail_type};base64,{base64.b64encode(data).decode()}"


async def _file_of(uow: UnitOfWork, message: MessageRow) -> File | None:
    file: File | None = await uow.session.scalar(
        select(File).where(File.scope == SCOPE, File.scope_id == message.id)
    )
    return file


async def _read(
    uow: UnitOfWork, caller: Caller, room_id: UUID, seq: int, reason: str
) -> tuple[RecalledView, File | None]:
    allowed = await grant(uow, caller, ROOM, RECALLED)
    room = await uow.session.scalar(select(RoomRow).where(RoomRow.id == room_id, allowed.condition))
    row = await uow.session.get(MessageRow, (room_id, seq)) if room is not None else None
    if room is None or row is None or row.recalled_at is None:
        raise NotFound
    names = {each.user_id: each.name for each in await participants_of(uow, room_id)}
    patient_id = await audit.patient_of(uow, room.ref_type, room.ref_id)
    file = await _file_of(uow, row)
    detail = {"seq": seq, "message": row.id} | ({"file": file.id} if file is not None else {})
    await audit.record(
        uow,
        caller,
        "recalled_message.look",
        "room",
        room_id,
        patient_id,
        detail,
        reason=reason,
    )
    sender = None
    if row.sender_id is not None and row.sender_role is not None:
        name = names.get(row.sender_id, "")
        sender = SenderView(user_id=row.sender_id, name=name, role=Role(row.sender_role))
    view = RecalledView(
        room=room_id,
        seq=seq,
        kind=MessageKind(row.kind),
        sender=sender,
        body=row.body,
        at=row.at,
        recalled_at=row.recalled_at,
        preview=None,
        link=None,
    )
    return view, file
