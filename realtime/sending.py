"""Storing messages: many messages of many rooms in one transaction.

The rooms are locked in the order of their ids (two batches that lock in different orders deadlock),
repeated messages are found under that lock, and only what is new is numbered, so that the numbers
have no holes. `ON CONFLICT DO NOTHING` would number first and drop afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import insert, select, tuple_

from core.crypto.scope import ForHospital
from core.errors import FieldProblem, InvalidRequest, NotFound, ProblemError
from core.http.messages import field_problems
from core.identity.caller import Caller
from core.ids import new_id
from core.uow import UnitOfWork
from realtime import access, attachments, room, schemas
from realtime.errors import MessageKindNotAllowed
from realtime.models import MessageRow, ParticipantRow, RoomRow
from realtime.room import Room
from realtime.rules import ATTACHMENT_KINDS, MessageKind
from realtime.schemas import Body, FileBody, MessageView, SenderView

Key = tuple[UUID, UUID, UUID]


@dataclass(frozen=True, slots=True)
class Send:
    """A message that somebody wants to say. `client_id` is his own name for it, for good."""

    caller: Caller
    room_id: UUID
    client_id: UUID
    kind: MessageKind
    body: Body
    reply_to: int | None = None

    @property
    def key(self) -> Key:
        return self.room_id, self.caller.user_id, self.client_id


@dataclass(frozen=True, slots=True)
class Sent:
    """A stored message. `duplicate`: it was stored before, and this is its first number and time.

    `message` is what others see; None for a duplicate, which is not delivered again.
    """

    seq: int
    at: datetime
    duplicate: bool
    message: MessageView | None


Outcome = Sent | ProblemError


def check_body(kind: MessageKind, body: dict[str, Any]) -> Body:
    """The typed body of a message of this kind. Raises `invalid` naming the fields."""
    shape = schemas.BODIES.get(kind)
    if shape is None:
        raise MessageKindNotAllowed
    try:
        return shape.model_validate(body)
    except ValidationError as error:
        problems = [
            FieldProblem(f"body.{each.field}", each.message) for each in field_problems(error)
        ]
        raise InvalidRequest(fields=problems) from error


async def send_messages(uow: UnitOfWork, sends: Sequence[Send]) -> list[Outcome]:
    """Store a batch in the order given; the outcome of each is its place or its named refusal.

    A refused message takes no number and disturbs no other. Nothing is announced.
    """
    rows = await _lock_rooms(uow, {send.room_id for send in sends})
    rooms = await _with_senders(uow, rows, sends)
    known = await _find_known(uow, sends)
    outcomes: list[Outcome] = []
    fresh: list[dict[str, Any]] = []
    for send in sends:
        outcome = await _place(uow, send, rooms, rows, known)
        if isinstance(outcome, Sent) and outcome.message is not None:
            known[send.key] = (outcome.seq, outcome.at)
            fresh.append(_row(send, outcome.message))
        outcomes.append(outcome)
    if fresh:
        await uow.session.execute(insert(MessageRow), fresh)
        await uow.session.flush()
    return outcomes


async def _place(
    uow: UnitOfWork,
    send: Send,
    rooms: dict[UUID, Room],
    rows: dict[UUID, RoomRow],
    known: dict[Key, tuple[int, datetime]],
) -> Outcome:
    """Number one message, or find its earlier number, or refuse it."""
    state = rooms.get(send.room_id)
    if state is None or state.hospital_id != send.caller.hospital_id:
        return NotFound()
    member = state.member(send.caller.user_id)
    before = known.get(send.key)
    if before is not None and member is not None:
        # A retry gets its first acknowledgement even if the room has closed meanwhile.
        return Sent(*before, duplicate=True, message=None)
    try:
        row = rows[send.room_id]
        room.check_send(
            _at(state, row), send.caller.user_id, send.caller.role, send.kind, send.reply_to
        )
        message_id = new_id()
        body = await _stored_body(uow, send, message_id)
    except ProblemError as refusal:
        return refusal
    assert member is not None
    row.seq += 1
    row.last_at = uow.now
    message = MessageView(
        room=send.room_id,
        seq=row.seq,
        id=message_id,
        kind=send.kind,
        sender=SenderView(
            user_id=send.caller.user_id, name=member.person.name, role=member.person.role
        ),
        client_id=send.client_id,
        body=body,
        reply_to=send.reply_to,
        at=uow.now,
        recalled=False,
    )
    return Sent(row.seq, uow.now, duplicate=False, message=message)


def _at(state: Room, row: RoomRow) -> Room:
    """The room with the number that this batch has come to."""
    if state.seq == row.seq:
        return state
    return Room(**{**vars(state), "seq": row.seq})


async def _stored_body(uow: UnitOfWork, send: Send, message_id: UUID) -> dict[str, Any]:
    if isinstance(send.body, FileBody):
        assert send.kind in ATTACHMENT_KINDS
        file = await attachments.attach_file(
            uow, send.caller, send.body.file.id, send.kind, message_id
        )
        body: dict[str, Any] = {"file": file}
        if send.body.caption:
            body["caption"] = send.body.caption
        return body
    if isinstance(send.body, schemas.CardBody):
        attachments.check_card(send.caller, send.body)
    return send.body.model_dump(mode="json", exclude_none=True)


async def _lock_rooms(uow: UnitOfWork, room_ids: set[UUID]) -> dict[UUID, RoomRow]:
    found = await uow.session.scalars(
        select(RoomRow)
        .where(RoomRow.id.in_(sorted(room_ids)))
        .order_by(RoomRow.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {row.id: row for row in found}


async def _with_senders(
    uow: UnitOfWork, rows: dict[UUID, RoomRow], sends: Sequence[Send]
) -> dict[UUID, Room]:
    """The rooms with those members that this batch is about."""
    pairs = sorted({(send.room_id, send.caller.user_id) for send in sends})
    found = await uow.session.scalars(
        select(ParticipantRow).where(
            tuple_(ParticipantRow.room_id, ParticipantRow.user_id).in_(pairs)
        )
    )
    senders: dict[UUID, list[ParticipantRow]] = {room_id: [] for room_id in rows}
    for each in found:
        senders[each.room_id].append(each)
    return {room_id: access.as_room(row, senders[room_id]) for room_id, row in rows.items()}


async def _find_known(uow: UnitOfWork, sends: Sequence[Send]) -> dict[Key, tuple[int, datetime]]:
    key = tuple_(MessageRow.room_id, MessageRow.sender_id, MessageRow.client_id)
    found = await uow.session.execute(
        select(
            MessageRow.room_id,
            MessageRow.sender_id,
            MessageRow.client_id,
            MessageRow.seq,
            MessageRow.at,
        ).where(key.in_([send.key for send in sends]))
    )
    return {(r, s, c): (seq, at) for r, s, c, seq, at in found}  # type: ignore[misc]


def _row(send: Send, message: MessageView) -> dict[str, Any]:
    return {
        "room_id": message.room,
        "seq": message.seq,
        "id": message.id,
        "sender_id": send.caller.user_id,
        "sender_role": send.caller.role.value,
        "client_id": send.client_id,
        "kind": message.kind.value,
        "body": ForHospital(send.caller.hospital_id, message.body),
        "reply_to": message.reply_to,
        "at": message.at,
    }
