"""What the log keeps of a room's events: system messages, and the way back from them.

A system message is `{"event": ..., "text": ..., ...}`. `text` is the Chinese line that people read;
the other fields are what a client needs to follow the room's state from the log alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from core.identity.roles import Role
from realtime.events import (
    MessageRecalled,
    ParticipantJoined,
    ParticipantLeft,
    Person,
    RoomActivated,
    RoomClosed,
    RoomEvent,
    RoomOpened,
)
from realtime.room import Member, Room
from realtime.rules import CloseReason, RoomKind, RoomState

OPENED = "room_opened"
ACCEPTED = "accepted"
MEMBER_JOINED = "member_joined"
MEMBER_LEFT = "member_left"
RECALLED = "recalled"
CLOSED = "closed"

#: Entries that only the room itself writes; `service.system_message` refuses them.
OWN_ENTRIES = frozenset({OPENED, ACCEPTED, MEMBER_JOINED, MEMBER_LEFT, RECALLED, CLOSED})

CLOSE_TEXTS: Mapping[CloseReason, str] = {
    CloseReason.COMPLETED: "医生已结束本次问诊",
    CloseReason.ENDED_BY_PATIENT: "患者已结束本次问诊",
    CloseReason.CANCELLED_BY_PATIENT: "患者已取消本次问诊",
    CloseReason.NOT_ACCEPTED: "医生未在规定时间内接诊，问诊已取消",
    CloseReason.DECLINED: "医生未能接诊，问诊已取消",
    CloseReason.REFUNDED_BY_DOCTOR: "医生已退诊，费用将原路退回",
    CloseReason.NOT_A_REVISIT: "不符合复诊条件，问诊已结束",
    CloseReason.ENDED_BY_SUPERVISOR: "本次问诊已由监督员结束",
}


def entry_of(event: RoomEvent, names: Mapping[UUID, str]) -> dict[str, Any]:
    """The body of the system message that stands for `event`; `names` are those of the members."""
    match event:
        case RoomOpened():
            people = [_person(person) for person in event.members]
            text = "诊间已开启，等待医生接诊" if event.state == RoomState.WAITING else "诊间已开启"
            return {
                "event": OPENED,
                "text": text,
                "kind": event.room_kind,
                "state": event.state,
                "members": people,
            }
        case RoomActivated():
            return {"event": ACCEPTED, "text": "医生已接诊，可以开始交流", "by": _id(event.by)}
        case ParticipantJoined(person=person):
            text = f"{person.role.label}{person.name}加入诊间"
            data = {"member": _person(person), "reason": event.reason}
            return {"event": MEMBER_JOINED, "text": text, **data}
        case ParticipantLeft():
            text = f"{event.role.label}{names.get(event.user_id, '')}离开诊间"
            data = {"user_id": str(event.user_id), "reason": event.reason}
            return {"event": MEMBER_LEFT, "text": text, **data}
        case MessageRecalled():
            text = f"{names.get(event.by, '')}撤回了一条消息"
            return {"event": RECALLED, "text": text, "seq": event.target_seq, "by": str(event.by)}
        case RoomClosed():
            reason = CloseReason(event.reason)
            text = CLOSE_TEXTS[reason]
            return {"event": CLOSED, "text": text, "reason": reason.value, "by": _id(event.by)}
    raise TypeError(f"{type(event).__name__} has no entry.")


def replay(
    room_id: UUID, hospital_id: UUID, log: Iterable[tuple[int, Mapping[str, Any] | None]]
) -> Room:
    """Rebuild a room from its log: `(seq, body)`, the body of system messages and None for others.

    Raises ValueError when the log does not begin with the opening or has a hole.
    """
    room: Room | None = None
    for seq, body in log:
        if room is None:
            if seq != 1 or body is None or body["event"] != OPENED:
                raise ValueError("The log does not begin with the opening of the room.")
            room = _begin(room_id, hospital_id, body)
            continue
        if seq != room.seq + 1:
            raise ValueError(f"The log of room {room_id} has a hole before {seq}.")
        room = _step(replace(room, seq=seq), body)
    if room is None:
        raise ValueError("The log is empty.")
    return room


def _begin(room_id: UUID, hospital_id: UUID, body: Mapping[str, Any]) -> Room:
    people = [_person_of(data) for data in body["members"]]
    return Room(
        id=room_id,
        hospital_id=hospital_id,
        kind=RoomKind(body["kind"]),
        state=RoomState(body["state"]),
        seq=1,
        members={person.user_id: Member(person) for person in people},
    )


def _step(room: Room, body: Mapping[str, Any] | None) -> Room:
    match body:
        case {"event": "accepted"}:
            return replace(room, state=RoomState.ACTIVE)
        case {"event": "closed", "reason": reason}:
            return replace(room, state=RoomState.CLOSED, close_reason=CloseReason(reason))
        case {"event": "member_joined", "member": data}:
            person = _person_of(data)
            return replace(room, members={**room.members, person.user_id: Member(person)})
        case {"event": "member_left", "user_id": user_id}:
            key = UUID(user_id)
            left = replace(room.members[key], joined=False)
            return replace(room, members={**room.members, key: left})
        case _:
            return room


def _person(person: Person) -> dict[str, Any]:
    return {
        "user_id": str(person.user_id),
        "name": person.name,
        "role": person.role.value,
        "avatar": person.avatar,
    }


def _person_of(data: Mapping[str, Any]) -> Person:
    return Person(
        user_id=UUID(data["user_id"]),
        role=Role(data["role"]),
        name=data["name"],
        avatar=data["avatar"],
    )


def _id(value: UUID | None) -> str | None:
    return None if value is None else str(value)
