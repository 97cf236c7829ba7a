"""A room's log as a client holds it: ordered, without holes, and the room's state that follows.
Pure.

Messages may come twice, late or out of order; `add` takes them in and gives back those that are
now next. What is missing is asked for by `last`.
"""

from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]


@dataclass
class RoomLog:
    """`last` is the `seq` up to which everything is here, or was read before this log began."""

    last: int = 0
    messages: list[Message] = field(default_factory=list)
    waiting: dict[int, Message] = field(default_factory=dict)
    state: str | None = None
    close_reason: str | None = None
    members: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, message: Message) -> list[Message]:
        """Take a message in; returns those that are next now, in order."""
        seq = message["seq"]
        if seq <= self.last:
            return []
        self.waiting[seq] = message
        fresh = []
        while (found := self.waiting.pop(self.last + 1, None)) is not None:
            self.last += 1
            self._apply(found)
            fresh.append(found)
        self.messages += fresh
        return fresh

    def begin_at(self, seq: int) -> None:
        """Start after `seq`, for a client that shows the newest page only."""
        if not self.messages:
            self.last = max(self.last, seq)

    @property
    def has_gap(self) -> bool:
        """Whether something later is here while something earlier is missing."""
        return bool(self.waiting)

    def view(self, room: dict[str, Any]) -> None:
        """Take over the state from a fresh `RoomView`."""
        self.state, self.close_reason = room["state"], room["close_reason"]
        for member in room["members"]:
            self.members[member["user_id"]] = _member(member, member["state"])

    def _apply(self, message: Message) -> None:
        body = message["body"]
        event = body.get("event") if message["kind"] == "system" else None
        match event:
            case "room_opened":
                self.state = body["state"]
                for member in body["members"]:
                    self.members[member["user_id"]] = _member(member, "joined")
            case "accepted":
                self.state = "active"
            case "closed":
                self.state, self.close_reason = "closed", body["reason"]
            case "member_joined":
                self.members[body["member"]["user_id"]] = _member(body["member"], "joined")
            case "member_left":
                self.members[body["user_id"]]["state"] = "left"
            case "recalled":
                self._recall(body["seq"])

    def _recall(self, seq: int) -> None:
        for message in self.messages:
            if message["seq"] == seq:
                message["recalled"], message["body"] = True, {}


def _member(member: dict[str, Any], state: str) -> dict[str, Any]:
    return {
        "user_id": member["user_id"],
        "name": member["name"],
        "role": member["role"],
        "avatar": member["avatar"],
        "state": state,
    }
