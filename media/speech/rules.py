"""States of a text, its subtitles, and when a failed attempt is repeated. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

MAX_ATTEMPTS = 3
FIRST_PAUSE = timedelta(seconds=20)
#: A caption that stays longer than this is read long before it goes.
LINE_LENGTH = 42


class SpeechKind(StrEnum):
    VOICE = "voice"
    RECORDING = "recording"


class SpeechState(StrEnum):
    WAITING = "waiting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Something that somebody said without a pause; times from the beginning, in milliseconds."""

    from_ms: int
    to_ms: int
    text: str
    user: str | None = None


def pause_after(attempts: int) -> timedelta:
    """How long a failed attempt rests before the next one."""
    factor: int = 4 ** max(attempts - 1, 0)
    return FIRST_PAUSE * factor


def subtitles(segments: Sequence[Segment], names: dict[str, str]) -> str:
    """The text as WebVTT, each caption with the voice it belongs to."""
    lines = ["WEBVTT", ""]
    for number, each in enumerate(segments, start=1):
        name = _plain(names.get(each.user or "", ""))
        text = "\n".join(_wrapped(_plain(each.text)))
        lines += [
            str(number),
            f"{_moment(each.from_ms)} --> {_moment(max(each.to_ms, each.from_ms + 500))}",
            f"<v {name}>{text}" if name else text,
            "",
        ]
    return "\n".join(lines)


def _moment(ms: int) -> str:
    seconds, rest = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{rest:03}"


def _plain(text: str) -> str:
    """No markup of the format, no line break that would end a caption."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(escaped.split())


def _wrapped(text: str) -> list[str]:
    if len(text) <= LINE_LENGTH:
        return [text]
    lines, rest = [], text
    while len(rest) > LINE_LENGTH:
        space = rest.rfind(" ", LINE_LENGTH // 2, LINE_LENGTH)
        # An entity must not be torn.
        cut = space if space > 0 else LINE_LENGTH
        torn = rest.rfind("&", cut - 5, cut)
        if torn > 0 and ";" not in rest[torn:cut]:
            cut = torn
        lines.append(rest[:cut].strip())
        rest = rest[cut:].strip()
    return [*lines, rest]
