"""What stands on the time line beside the picture: who came and went, gaps, how loud each was."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from media.recording.frames import Mark
from media.recording.timeline import Timeline, person_of

#: A pause of the network shorter than this is no gap to speak of.
GAP_SECONDS = 3
#: Bars of a loudness track at most, and the least length of one in pieces of 40 ms.
MOST_BARS = 720
LEAST_PIECES = 6
FLOOR_DB = -55.0


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Something that happened to a user: ``joined``, ``left``, ``camera_on``, ``camera_off``,
    ``microphone_on``, ``microphone_off``, ``screen_on``, ``screen_off``.
    """

    at_ms: int
    kind: str
    user: str


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A stretch of which nothing arrived: of one user, or of everybody (``user`` None)."""

    from_ms: int
    to_ms: int
    user: str | None


@dataclass(frozen=True, kw_only=True)
class Outline:
    """Positions are milliseconds from the origin; ``loudness`` holds bars from 0 to 100 of equal
    length over the whole recording.
    """

    moments: list[Moment] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    loudness: dict[str, list[int]] = field(default_factory=dict)


def outline_of(timeline: Timeline, levels: Mapping[str, bytes]) -> Outline:
    """The outline of a call. ``levels``: per side one loudness (0 to 100) for each 40 ms."""
    moments = _moments(timeline)
    return Outline(
        moments=moments,
        gaps=_gaps(timeline, moments),
        loudness={person_of(side): bars_of(each) for side, each in levels.items()},
    )


def level_of(mean_square: float) -> int:
    """How loud it sounds, from 0 (silence) to 100 (full scale)."""
    if mean_square <= 0:
        return 0
    decibels = 10 * math.log10(mean_square)
    return max(0, min(100, round(100 * (1 - decibels / FLOOR_DB))))


def bars_of(levels: bytes) -> list[int]:
    """The loudest of each stretch, in at most `MOST_BARS` bars."""
    length = max(LEAST_PIECES, -(-len(levels) // MOST_BARS))
    return [max(levels[start : start + length]) for start in range(0, len(levels), length)]


_SWITCHES = {"video": "camera", "audio": "microphone", "screen": "screen"}


def _moments(timeline: Timeline) -> list[Moment]:
    found: list[Moment] = []
    known: dict[tuple[str, str], bool] = {}
    for mark in timeline.marks:
        user = mark.data.get("user")
        if not isinstance(user, str):
            continue
        at = max(mark.arrival_us - timeline.origin_us, 0) // 1000
        if mark.kind in ("joined", "left"):
            found.append(Moment(at_ms=at, kind=mark.kind, user=user))
            for name in _SWITCHES:
                # Whoever comes back begins with what his tracks say.
                known.pop((user, name), None)
        found += _switched(mark, user, at, known)
    return found


def _switched(
    mark: Mark, user: str, at_ms: int, known: dict[tuple[str, str], bool]
) -> list[Moment]:
    """What this mark says is on or off and was not before."""
    found = []
    for name, word in _SWITCHES.items():
        on = mark.data.get(name)
        if not isinstance(on, bool):
            continue
        # A screen is shared by an act of its own, the other two are on from the start.
        before = known.get((user, name), name != "screen")
        known[user, name] = on
        if on != before:
            kind = f"{word}_{'on' if on else 'off'}"
            found.append(Moment(at_ms=at_ms, kind=kind, user=user))
    return found


def _gaps(timeline: Timeline, moments: list[Moment]) -> list[Gap]:
    everybody = set().union(*timeline.heard.values())
    gaps = [Gap(from_ms=a, to_ms=b, user=None) for a, b in _holes(timeline, everybody)]
    for user, heard in timeline.heard.items():
        away = _away(timeline, moments, user)
        for start, end in _holes(timeline, heard):
            known = any(
                each.from_ms <= start and end <= each.to_ms for each in gaps if each.user is None
            )
            if not known and not any(a <= start + 1000 and end - 1000 <= b for a, b in away):
                gaps.append(Gap(from_ms=start, to_ms=end, user=user))
    return sorted(gaps, key=lambda gap: (gap.from_ms, gap.user or ""))


def _holes(timeline: Timeline, heard: set[int]) -> list[tuple[int, int]]:
    """Stretches of `GAP_SECONDS` and more between two seconds in which something arrived."""
    found = []
    for last, following in pairwise(sorted(heard)):
        if following - last > GAP_SECONDS:
            start = (last + 1) * 1000 - timeline.origin_us // 1000
            end = following * 1000 - timeline.origin_us // 1000
            found.append((max(start, 0), min(end, timeline.duration_us // 1000)))
    return found


def _away(timeline: Timeline, moments: list[Moment], user: str) -> list[tuple[int, int]]:
    """When the user had left, or had switched off both sound and picture: nothing is missing."""
    found: list[tuple[int, int]] = []
    off: set[str] = set()
    since: int | None = None
    for moment in moments:
        if moment.user != user:
            continue
        match moment.kind:
            case "left":
                off = {"away"}
            case "joined":
                off = set()
            case "camera_off" | "microphone_off":
                off.add(moment.kind.removesuffix("_off"))
            case "camera_on" | "microphone_on":
                off.discard(moment.kind.removesuffix("_on"))
        nothing = "away" in off or off >= {"camera", "microphone"}
        if nothing and since is None:
            since = moment.at_ms
        elif not nothing and since is not None:
            found.append((since, moment.at_ms))
            since = None
    if since is not None:
        found.append((since, timeline.duration_us // 1000))
    return found
