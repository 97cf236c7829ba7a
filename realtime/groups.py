"""The one statement that stores a group of messages, and what it answers.

`store_messages` (migration 0018) locks the rooms in the order of their ids, finds what is known
already, judges what is new against its room as it is under the lock, numbers it without holes and
inserts it. Who may say what in which state stays in `realtime.rules`: the statement is told, with
each message, in which kinds and states of a room it may be said.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson

from core.crypto.keyring import installed_keyring
from core.crypto.sealing import seal_many, unseal
from core.errors import InvalidRequest, NotFound, ProblemError
from core.identity.caller import Caller
from core.identity.roles import Role
from core.ids import new_ids
from realtime import attachments, rules
from realtime.errors import MessageKindNotAllowed, RoomIsClosed, RoomNotActive
from realtime.rules import MessageKind, RoomKind, RoomState
from realtime.schemas import Body, CardBody, FileBody, TextBody

Key = tuple[UUID, UUID, UUID]

# Arrays go as their text: the driver takes several times longer over a list than over a string.
STATEMENT: Final = (
    "SELECT verdict, seq, at, name FROM store_messages($1::text::uuid[], $2::text::uuid[], "
    "$3::text::uuid[], $4::text::text[], $5::text::uuid[], $6::text::text[], $7::text::text[], "
    "$8::text::bigint[], $9::text::uuid[], $10::text::bytea[], $11)"
)
FRESH, KNOWN = "fresh", "known"
#: What the cells are bound to (`core.crypto.columns`).
BODY: Final = "room_messages.body"
_NAME: Final = "room_participants.name"
#: Names of senders that are remembered decrypted.
_MOST_NAMES = 20_000
_names: dict[bytes, str] = {}


# Tuples: they are made for every message, and a frozen dataclass takes four times as long to make.


class Send(NamedTuple):
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


class Entry(NamedTuple):
    """An entry of a room's log as it goes out: `json` is its `MessageView`, encoded once.

    `body` only for what changes the room itself (kind `system`). `hospital` where it is known: with
    its key the entry is sealed for the way to other processes.
    """

    room: UUID
    seq: int
    kind: MessageKind
    json: bytes
    body: dict[str, Any] | None = None
    hospital: UUID | None = None


class Sent(NamedTuple):
    """A stored message. `duplicate`: it was stored before, and this is its first number and time.

    `entry` is what others see; None for a duplicate, which is not delivered again.
    """

    seq: int
    at: datetime
    duplicate: bool
    entry: Entry | None


Outcome = Sent | ProblemError


class Group:
    """Messages for one run of the statement, in the order given."""

    def __init__(self, sends: Sequence[Send], bodies: Sequence[bytes] | None = None) -> None:
        """`bodies`: the JSON of what is stored of each, if not simply what its sender gave."""
        self.sends = sends
        self.bodies = [_json(send.body) for send in sends] if bodies is None else list(bodies)
        self.ids = new_ids(len(sends))

    def arguments(self, now: datetime) -> list[Any]:
        """The parameters of `STATEMENT`, the bodies sealed with the keys of their hospitals."""
        sends, callers = self.sends, [send.caller for send in self.sends]
        owned = zip((caller.hospital_id for caller in callers), self.bodies, strict=True)
        cells = seal_many(installed_keyring(), BODY, owned)
        return [
            _array(send.room_id.hex for send in sends),
            _array(caller.hospital_id.hex for caller in callers),
            _array(caller.user_id.hex for caller in callers),
            _array(caller.role for caller in callers),
            _array(send.client_id.hex for send in sends),
            _array(send.kind for send in sends),
            _array(f'"{_places_of(send)}"' for send in sends),
            _array("NULL" if send.reply_to is None else str(send.reply_to) for send in sends),
            _array(each.hex for each in self.ids),
            _array(f'"\\\\x{cell.hex()}"' for cell in cells),
            now,
        ]

    def outcomes(self, rows: Sequence[Any]) -> list[Outcome]:
        """What became of each, from the rows of `STATEMENT`."""
        return [self._outcome(index, *row) for index, row in enumerate(rows)]

    def _outcome(
        self, index: int, verdict: str, seq: int, at: datetime, name: bytes | None
    ) -> Outcome:
        if verdict == KNOWN:
            return Sent(seq, at, True, None)
        if verdict != FRESH:
            return _refusal(verdict)
        send = self.sends[index]
        assert name is not None
        sender = {
            "user_id": send.caller.user_id,
            "name": name_in(name),
            "role": send.caller.role.value,
        }
        json = view_json(
            send.room_id,
            seq,
            self.ids[index],
            send.kind,
            sender,
            send.client_id,
            self.bodies[index],
            send.reply_to,
            at,
        )
        hospital = send.caller.hospital_id
        entry = Entry(send.room_id, seq, send.kind, json, hospital=hospital)
        return Sent(seq, at, False, entry)


def view_json(
    room: UUID,
    seq: int,
    message_id: UUID,
    kind: str,
    sender: dict[str, Any] | None,
    client_id: UUID | None,
    body: bytes,
    reply_to: int | None,
    at: datetime,
    *,
    recalled: bool = False,
) -> bytes:
    """The JSON of a `MessageView` without the model; `body` is JSON already."""
    view = {
        "room": room,
        "seq": seq,
        "id": message_id,
        "kind": kind,
        "sender": sender,
        "client_id": client_id,
        "body": orjson.Fragment(body),
        "reply_to": reply_to,
        "at": at,
        "recalled": recalled,
    }
    # The driver's own kind of UUID, where ids were read from the database, is text as well.
    return orjson.dumps(view, default=str, option=orjson.OPT_UTC_Z)


def _json(body: Body) -> bytes:
    if type(body) is TextBody:
        return orjson.dumps({"text": body.text})
    return orjson.dumps(body.model_dump(mode="json", exclude_none=True))


def _array(values: Iterable[str]) -> str:
    """The text of an array of values that need no quoting, or bring their quotes."""
    return "{" + ",".join(values) + "}"


def group_end(sends: Sequence[Send], start: int = 0) -> int:
    """Where the group that begins at `start` ends.

    A message with a file is alone: hanging the file on it takes statements of its own. The
    statement judges by the log as it is before the group; so what may look at a message of the same
    group begins the next: a `client_id` that came already (a retry), and a reply in a room that is
    touched.
    """
    # The numbers in the ids: hashing an id itself takes several times longer.
    touched: set[int] = set()
    named: set[int] = set()
    for index in range(start, len(sends)):
        send = sends[index]
        if isinstance(send.body, FileBody):
            return max(index, start + 1)
        name, room = send.client_id.int, send.room_id.int
        if name in named or (send.reply_to is not None and room in touched):
            return index
        touched.add(room)
        named.add(name)
    return len(sends)


def _places_of(send: Send) -> str:
    if isinstance(send.body, CardBody) and not attachments.may_send_card(send.caller, send.body):
        return ""
    return _places(send.caller.role, send.kind)


@cache
def _places(role: Role, kind: MessageKind) -> str:
    """The kinds and states of rooms in which this may be said, as the statement takes them."""
    return " ".join(
        f"{room.value}:{state.value}"
        for room in RoomKind
        for state in RoomState
        if kind in rules.sendable(room, state, role)
    )


def _refusal(verdict: str) -> ProblemError:
    match verdict:
        case "room_closed":
            return RoomIsClosed()
        case "room_not_active":
            return RoomNotActive()
        case "message_kind_not_allowed":
            return MessageKindNotAllowed()
        case "reply_unknown":
            return InvalidRequest("被回复的消息不存在")
        case _:
            return NotFound()


def name_in(cell: bytes) -> str:
    """The name in an encrypted cell; a cell never changes its meaning, so it is opened once."""
    found = _names.get(cell)
    if found is None:
        if len(_names) >= _MOST_NAMES:
            _names.clear()
        found = _names[cell] = unseal(installed_keyring(), _NAME, cell).decode()
    return found
