"""Whether a message holds what somebody looks for, and where; pure, no I/O.

Full and half width, upper and lower case and the kinds of blanks make no difference: both sides
are compared in their normalised form (Unicode NFKC, case folded).
"""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

#: Characters shown before the first hit of a long text, and of the text in all.
BEFORE = 24
SHOWN = 120


class Part(NamedTuple):
    """A piece of text as it was written; `hit`: it is what was looked for."""

    text: str
    hit: bool


def normalised(text: str) -> str:
    """The form in which texts are compared."""
    return unicodedata.normalize("NFKC", text).casefold()


def words_of(query: str) -> tuple[str, ...]:
    """What is looked for: every word must occur."""
    return tuple(dict.fromkeys(normalised(query).split()))


def words_in(body: Mapping[str, Any]) -> str:
    """What people read in a message: its text, caption, file name, place or title."""
    file = body.get("file")
    found = [
        body.get("text"),
        body.get("caption"),
        file.get("name") if isinstance(file, Mapping) else None,
        body.get("name"),
        body.get("title"),
        body.get("summary"),
    ]
    return " ".join(part for part in found if isinstance(part, str) and part)


def match(text: str, words: Sequence[str]) -> list[Part] | None:
    """The part of the text around the first hit, hits marked; None when a word is missing."""
    whole = normalised(text)
    if any(word not in whole for word in words):
        return None
    pieces = [normalised(char) for char in text]
    # Where each character of the normalised text comes from: one may become several.
    origin = [index for index, piece in enumerate(pieces) for _ in piece]
    plain = "".join(pieces)
    marked: set[int] = set()
    for word in words:
        # Signs that only together make another one are found, and stand there unmarked.
        start = plain.find(word)
        while start >= 0:
            marked.update(origin[start : start + len(word)])
            start = plain.find(word, start + len(word))
    first = max(0, min(marked, default=0) - BEFORE)
    return _parts(text, marked, first, min(len(text), first + SHOWN))


def _parts(text: str, marked: set[int], first: int, end: int) -> list[Part]:
    parts: list[Part] = [Part("…", False)] if first > 0 else []
    start = first
    for index in range(first + 1, end + 1):
        if index == end or (index in marked) != (start in marked):
            parts.append(Part(text[start:index], start in marked))
            start = index
    if end < len(text):
        parts.append(Part("…", False))
    return parts
