"""What the log keeps of a room's events: system messages, and the way back from them.

A system message is `{"event": ..., "text": ..., ...}`. `text` is the Chinese line that people read;
the other fields are what a client needs to follow the room's state from the log alone.
"""

from collections.abc import Iterable, Mapping, Sequence
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
    RoomHandedOver,
    RoomOpened,
)
from realtime.room import Member, Room
from realtime.rules import (
    CloseReason,
    JoinReason,
    LeaveReason,
    RoomKind,
    RoomState,
    first_lead,
    lead_after_start,
)

OPENED = "room_opened"
ACCEPTED = "accepted"
MEMBER_JOINED = "member_joined"
MEMBER_LEFT = "member_left"
HANDED_OVER = "handed_over"
RECALLED = "recalled"
CLOSED = "closed"

#: Entries that only the room itself writes; `service.system_message` refuses them.
OWN_ENTRIES = frozenset(
    {OPENED, ACCEPTED, MEMBER_JOINED, MEMBER_LEFT, HANDED_OVER, RECALLED, CLOSED}
)

OPEN_TEXTS: Mapping[RoomKind, str] = {
    RoomKind.CONSULTATION: "诊间已开启",
    RoomKind.COLLEAGUE: "会话已开启",
    RoomKind.GROUP: "群聊已建立",
    RoomKind.SERVICE: "客服会话已开启",
    RoomKind.WORD: "督导沟通已开启，仅双方可见",
}
WAITING_TEXTS: Mapping[RoomKind, str] = {
    RoomKind.CONSULTATION: "诊间已开启，等待接诊",
    RoomKind.SERVICE: "正在为您接通客服，可以先留言",
}
ACCEPTED_TEXTS: Mapping[RoomKind, str] = {
    RoomKind.CONSULTATION: "已接诊，可以开始交流",
    RoomKind.SERVICE: "客服已接入",
}

#: `{who}` is the profession of whoever leads the room.
CLOSE_TEXTS: Mapping[CloseReason, str] = {
    CloseReason.COMPLETED: "本次问诊已结束",
    CloseReason.ENDED_BY_PATIENT: "患者已结束本次问诊",
    CloseReason.CANCELLED_BY_PATIENT: "患者已取消本次问诊",
    CloseReason.NOT_ACCEPTED: "{who}未在规定时间内接诊，问诊已取消",
    CloseReason.DECLINED: "{who}未能接诊，问诊已取消",
    CloseReason.REFUNDED_BY_DOCTOR: "{who}已退诊，费用将原路退回",
    CloseReason.NOT_A_REVISIT: "不符合复诊条件，问诊已结束",
    CloseReason.SUSPENDED: "{who}停诊，预约已取消",
    CloseReason.ENDED_BY_SUPERVISOR: "本次问诊已由监督员结束",
    CloseReason.DISSOLVED: "群聊已解散",
    CloseReason.SERVED: "客服已结束本次服务",
    CloseReason.WITHDRAWN: "提问人已结束本次服务",
}


def entry_of(
    event: RoomEvent, names: Mapping[UUID, str], lead: Role = Role.DOCTOR
) -> dict[str, Any]:
    """The body of the system message that stands for `event`.

    `names` are those of the members, `lead` is the role of whoever leads the room.
    """
    match event:
        case RoomOpened():
            return {
                "event": OPENED,
                "text": _open_text(RoomKind(event.room_kind), RoomState(event.state)),
                "kind": event.room_kind,
                "state": event.state,
                "members": [_person(person) for person in event.members],
                "lead": _id(event.lead_id),
            }
        case RoomActivated():
            text = ACCEPTED_TEXTS.get(RoomKind(event.room_kind), "可以开始交流")
            return {"event": ACCEPTED, "text": text, "by": _id(event.by)}
        case ParticipantJoined(person=person):
            data = {"member": _person(person), "reason": event.reason}
            return {"event": MEMBER_JOINED, "text": _joined_text(event), **data}
        case ParticipantLeft():
            data = {"user_id": str(event.user_id), "reason": event.reason}
            return {"event": MEMBER_LEFT, "text": _left_text(event, names), **data}
        case RoomHandedOver():
            text, to = _handed_over_text(event, names), str(event.to.user_id)
            return {"event": HANDED_OVER, "text": text, "lead": to, "by": _id(event.by)}
        case MessageRecalled():
            text = f"{names.get(event.by, '')}撤回了一条消息"
            return {"event": RECALLED, "text": text, "seq": event.target_seq, "by": str(event.by)}
        case RoomClosed():
            reason = CloseReason(event.reason)
            text = CLOSE_TEXTS[reason].format(who=lead.label)
            return {"event": CLOSED, "text": text, "reason": reason.value, "by": _id(event.by)}
    raise TypeError(f"{type(event).__name__} has no entry.")


def _open_text(kind: RoomKind, state: RoomState) -> str:
    texts = WAITING_TEXTS if state is RoomState.WAITING else OPEN_TEXTS
    return texts.get(kind, OPEN_TEXTS[kind])


def _joined_text(event: ParticipantJoined) -> str:
    who = f"{event.person.role.label}{event.person.name}"
    match event.reason:
        case JoinReason.RETURNED:
            return f"{who}重新加入"
        case JoinReason.TAKEN:
            return f"{who}为您服务"
        case _:
            return f"{who}加入诊间" if event.room_kind == RoomKind.CONSULTATION else f"{who}加入"


def _left_text(event: ParticipantLeft, names: Mapping[UUID, str]) -> str:
    who = f"{event.role.label}{names.get(event.user_id, '')}"
    match event.reason:
        case LeaveReason.REMOVED:
            return f"{who}被移出"
        case _:
            return f"{who}离开诊间" if event.room_kind == RoomKind.CONSULTATION else f"{who}离开"


def _handed_over_text(event: RoomHandedOver, names: Mapping[UUID, str]) -> str:
    to = event.to.name
    match event.room_kind:
        case RoomKind.CONSULTATION:
            former = "" if event.from_id is None else names.get(event.from_id, "")
            who = event.to.role.label
            return f"本次问诊由{former}{who}转交{to}{who}继续接诊"
        case RoomKind.GROUP:
            return f"{to}成为群主"
        case _:
            return f"已转接{to}"


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
        lead_id=_lead_of(body, people),
        members={person.user_id: Member(person) for person in people},
    )


def _lead_of(body: Mapping[str, Any], people: Sequence[Person]) -> UUID | None:
    """Logs from before leads were written name none: it was the doctor."""
    if "lead" in body:
        return None if body["lead"] is None else UUID(body["lead"])
    return first_lead(RoomKind(body["kind"]), ((each.user_id, each.role) for each in people))


def _step(room: Room, body: Mapping[str, Any] | None) -> Room:
    match body:
        case {"event": "accepted", "by": by}:
            lead_id = lead_after_start(room.kind, room.lead_id, UUID(by) if by else None)
            return replace(room, state=RoomState.ACTIVE, lead_id=lead_id)
        case {"event": "closed", "reason": reason}:
            return replace(room, state=RoomState.CLOSED, close_reason=CloseReason(reason))
        case {"event": "member_joined", "member": data}:
            person = _person_of(data)
            return replace(room, members={**room.members, person.user_id: Member(person)})
        case {"event": "handed_over", "lead": lead}:
            return replace(room, lead_id=UUID(lead))
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
