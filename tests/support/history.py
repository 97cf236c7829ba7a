"""What happened in rooms as each device saw it, and whether that keeps the promises.

A device notes what it sends, what is acknowledged, what it receives and which read marks it is
told. `violations` compares all of it with what is stored in the end:

- `lost`: acknowledged, and not stored; `invented`: stored, and never sent; `doubled`: stored twice
- `moved`: stored under another number than was acknowledged
- `hole`: the numbers of a room are not 1, 2, 3 …
- `overtaken`: stored in another order than its sender gave it out, one after the other
- `missed`: a device that was in the room to the end lacks something
- `reordered`: a device received in another order than the numbers, or something twice
- `differs`: a device was shown something else than what is stored
- `unread`: a read mark went back, or is behind what was acknowledged
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass(frozen=True)
class Violation:
    """A promise that was broken: its name, and where."""

    kind: str
    text: str


@dataclass(frozen=True)
class Acknowledged:
    """An answer to a send: its place in the room. `duplicate`: an earlier try had arrived."""

    seq: int
    duplicate: bool


@dataclass
class History:
    """A message is known by its `key`, which is its text; a room and a device by their names."""

    sent: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    acknowledged: dict[str, list[Acknowledged]] = field(default_factory=lambda: defaultdict(list))
    received: dict[tuple[str, str], list[tuple[int, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    marks: dict[tuple[str, str, str], list[int]] = field(default_factory=lambda: defaultdict(list))

    def send(self, device: str, room: str, key: str) -> None:
        """A device says something, after everything it said before."""
        self.sent[key] = device, room, len(self.sent)

    def acknowledge(self, key: str, seq: int, *, duplicate: bool = False) -> None:
        self.acknowledged[key].append(Acknowledged(seq, duplicate))

    def receive(self, device: str, room: str, seq: int, key: str) -> None:
        self.received[device, room].append((seq, key))

    def mark(self, device: str, user: str, room: str, seq: int) -> None:
        """A device is told how far this user has read."""
        self.marks[device, user, room].append(seq)


Stored = Mapping[str, Sequence[tuple[int, str | None]]]


def violations(
    history: History, stored: Stored, read: Mapping[tuple[str, str], int] | None = None
) -> list[Violation]:
    """Everything that is wrong. `stored`: each room's numbers and keys (None: the house's own
    words); `read`: how far each user has read in each room in the end.
    """
    return [
        *_of_the_log(stored),
        *_of_acknowledgements(history, stored),
        *_of_senders(history, stored),
        *_of_receivers(history, stored),
        *_of_marks(history, read or {}),
    ]


def _of_the_log(stored: Stored) -> list[Violation]:
    found = []
    for room, entries in stored.items():
        numbers = [seq for seq, _ in entries]
        if numbers != list(range(1, len(numbers) + 1)):
            found.append(Violation("hole", f"{room}: {_around_break(numbers)}"))
    keys = Counter(key for entries in stored.values() for _, key in entries if key is not None)
    found += [Violation("doubled", key) for key, count in keys.items() if count > 1]
    return found


def _around_break(numbers: Sequence[int]) -> str:
    for expected, number in enumerate(numbers, start=1):
        if number != expected:
            return f"{number} where {expected} is due"
    return ""


def _of_acknowledgements(history: History, stored: Stored) -> list[Violation]:
    places = {(room, key): seq for room, entries in stored.items() for seq, key in entries if key}
    found = []
    for key, answers in history.acknowledged.items():
        _, room, _ = history.sent[key]
        place = places.get((room, key))
        if place is None:
            found.append(Violation("lost", f"{key} in {room}"))
        elif any(answer.seq != place for answer in answers):
            said = sorted({answer.seq for answer in answers})
            found.append(Violation("moved", f"{key}: stored as {place}, acknowledged as {said}"))
    return found


def _of_senders(history: History, stored: Stored) -> list[Violation]:
    found = []
    for room, entries in stored.items():
        last: dict[str, tuple[int, str]] = {}
        for _, key in entries:
            if key is None:
                continue
            if key not in history.sent or history.sent[key][1] != room:
                found.append(Violation("invented", f"{key} in {room}"))
                continue
            device, _, turn = history.sent[key]
            before = last.get(device)
            if before is not None and before[0] > turn:
                found.append(Violation("overtaken", f"{before[1]} by {key} in {room}"))
            last[device] = turn, key
    return found


def _of_receivers(history: History, stored: Stored) -> list[Violation]:
    found = []
    for (device, room), heard in history.received.items():
        numbers = [seq for seq, _ in heard]
        if any(one >= other for one, other in pairwise(numbers)):
            found.append(Violation("reordered", f"{device} in {room}"))
        entries = {seq: key for seq, key in stored.get(room, ()) if key is not None}
        for seq, key in heard:
            if entries.get(seq) != key:
                found.append(Violation("differs", f"{device} in {room}: {seq} was {key}"))
        missing = len(entries.keys() - set(numbers))
        if missing:
            found.append(Violation("missed", f"{device} lacks {missing} of {room}"))
    return found


def _of_marks(history: History, read: Mapping[tuple[str, str], int]) -> list[Violation]:
    found = []
    for (device, user, room), seen in history.marks.items():
        if any(one > other for one, other in pairwise(seen)):
            found.append(Violation("unread", f"{user} in {room}, as {device} was told"))
        end = read.get((user, room))
        if end is not None and seen and end < max(seen):
            found.append(Violation("unread", f"{user} in {room}: {end}, after {max(seen)}"))
    return found
