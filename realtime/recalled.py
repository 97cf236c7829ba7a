"""The words that somebody took back: kept, and read by auditors alone, with a reason."""

import base64
from uuid import UUID

from sqlalchemy import select

from core import audit
from core.access import grant
from core.errors import NotFound
from core.files.models import File
from core.identity.caller import Caller
from core.identity.roles import Role
from core.runtime import Runtime
from core.storage import StorageError
from core.uow import UnitOfWork
from realtime.access import RECALLED, ROOM, participants_of
from realtime.attachments import SCOPE
from realtime.models import MessageRow, RoomRow
from realtime.rules import MessageKind
from realtime.schemas import RecalledView, SenderView


async def original(
    runtime: Runtime, caller: Caller, room_id: UUID, seq: int, reason: str
) -> RecalledView:
    """A recalled message as it was; who read it and why is in the audit.

    Raises NotPermitted; `not_found` also for a message that was not recalled. Of a picture or
    video the small picture comes along: its file opens for nobody any more.
    """
    async with runtime.unit_of_work() as uow:
        view, file = await _read(uow, caller, room_id, seq, reason)
    small = file.thumbnails() if file is not None else {}
    if file is None or not small:
        return view
    try:
        data = await runtime.storage.get(small[max(small)])
    except StorageError:
        return view
    text = base64.b64encode(data).decode()
    return view.model_copy(update={"preview": f"data:{file.thumbnail_type};base64,{text}"})


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
    await audit.record(
        uow,
        caller,
        "recalled_message.look",
        "room",
        room_id,
        patient_id,
        {"seq": seq, "message": row.id},
        reason=reason,
    )
    sender = None
    if row.sender_id is not None and row.sender_role is not None:
        name = names.get(row.sender_id, "")
        sender = SenderView(user_id=row.sender_id, name=name, role=Role(row.sender_role))
    file = await uow.session.scalar(
        select(File).where(File.scope == SCOPE, File.scope_id == row.id)
    )
    view = RecalledView(
        room=room_id,
        seq=seq,
        kind=MessageKind(row.kind),
        sender=sender,
        body=row.body,
        at=row.at,
        recalled_at=row.recalled_at,
        preview=None,
    )
    return view, file
