"""Pure decisions about announcements: how a text is read, what is complete, who is reminded when.

A text is plain. Lines that begin with `## ` are headings, with `- ` items of a list, an empty line
ends a paragraph, and `[words](https://…)` is a link. Nothing else means anything, so nobody's
markup reaches a screen: clients draw blocks, never HTML.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from clinical.notifications.announcements.states import BlockKind, Kind, Phase, State
from core.identity.roles import Role

#: Unread marks are for what is new; a new colleague is not told of all that was ever said.
FRESH = timedelta(days=30)
SUMMARY_LENGTH = 80
_LINK = re.compile(r"\[([^\[\]\n]{1,200})\]\(([^()\s]{1,1000})\)")
_SCHEMES = frozenset({"http", "https"})
_KEPT_CONTROLS = frozenset("\n\t")
_CONTROLS = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


@dataclass(frozen=True)
class Span:
    """A piece of a line; `href` is the address of a link."""

    text: str
    href: str | None = None


@dataclass(frozen=True)
class Block:
    """A heading, a paragraph (its text may hold line feeds) or an item of a list."""

    kind: BlockKind
    spans: tuple[Span, ...]


def clean(text: str) -> str:
    """The text without what cannot be seen: controls, marks that turn the direction of writing."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        each
        for each in lines
        if each in _KEPT_CONTROLS or unicodedata.category(each) not in _CONTROLS
    ).strip()


def blocks(text: str) -> list[Block]:
    """A text as it is drawn."""
    found: list[Block] = []
    open_lines: list[str] = []

    def close() -> None:
        if open_lines:
            found.append(Block(BlockKind.PARAGRAPH, spans("\n".join(open_lines))))
            open_lines.clear()

    for line in (each.strip() for each in clean(text).split("\n")):
        marked = _marked(line)
        if marked is not None:
            close()
            found.append(Block(marked[0], spans(marked[1])))
        elif line:
            open_lines.append(line)
        else:
            close()
    close()
    return found


def _marked(line: str) -> tuple[BlockKind, str] | None:
    for mark, kind in (("## ", BlockKind.HEADING), ("- ", BlockKind.ITEM)):
        if line.startswith(mark) and line[len(mark) :].strip():
            return kind, line[len(mark) :].strip()
    return None


def spans(text: str) -> tuple[Span, ...]:
    """A line with its links; what looks like a link and leads nowhere safe stays text."""
    return tuple(_spans(text))


def _spans(text: str) -> Iterator[Span]:
    end = 0
    for match in _LINK.finditer(text):
        if not is_address(match[2]):
            continue
        if match.start() > end:
            yield Span(text[end : match.start()])
        yield Span(match[1], match[2])
        end = match.end()
    if end < len(text):
        yield Span(text[end:])


def is_address(address: str) -> bool:
    """Whether a link may lead there: a web page, without a name and password in the address."""
    try:
        parts = urlsplit(address)
        return (
            parts.scheme in _SCHEMES
            and bool(parts.hostname)
            and parts.username is None
            and parts.password is None
        )
    except ValueError:
        return False


def summary(text: str) -> str:
    """The first words, for a list."""
    lines = (
        "".join(span.text for span in block.spans).replace("\n", " ")
        for block in blocks(text)
        if block.kind is not BlockKind.HEADING
    )
    words = " ".join(lines)
    return words if len(words) <= SUMMARY_LENGTH else f"{words[: SUMMARY_LENGTH - 1]}…"


def phase(
    state: State, published_at: datetime | None, until: datetime | None, now: datetime
) -> Phase:
    """How an announcement stands now."""
    if state is not State.PUBLISHED or published_at is None:
        return Phase.DRAFT if state is State.DRAFT else Phase.WITHDRAWN
    if published_at > now:
        return Phase.SCHEDULED
    return Phase.OVER if until is not None and until <= now else Phase.SHOWN


def problems(
    *,
    kind: Kind,
    roles: frozenset[Role],
    departments: bool,
    people: bool,
    confirm: bool,
    starts_at: datetime | None,
    ends_at: datetime | None,
    place: str,
    until: datetime | None,
) -> Iterator[tuple[str, str]]:
    """What stands against an announcement: fields with Chinese sentences."""
    if not roles and not people:
        yield "roles", "请选择公告对象"
    if departments and not roles - {Role.PATIENT}:
        yield "department_ids", "限定科室时请同时选择岗位"
    inside = kind.is_work or kind is Kind.INTERNAL
    if inside and Role.PATIENT in roles:
        yield "roles", f"{kind.label}不能发给患者"
    if confirm and not inside:
        yield "confirm", "只有院内通知和工作安排可以要求确认"
    if kind.is_work and starts_at is None:
        yield "starts_at", "请填写开始时间"
    if kind.is_work and not place:
        yield "place", "请填写地点"
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        yield "ends_at", "结束时间应晚于开始时间"
    if starts_at is not None and until is not None and until < starts_at:
        yield "until", "展示截止不能早于开始时间"


def remind_at(starts_at: datetime, minutes: int) -> datetime:
    """When people are reminded of an appointment."""
    return starts_at - timedelta(minutes=minutes)
