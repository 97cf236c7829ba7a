"""What a production is asked for and what it answers.

Apart from the production itself: who orders in a web process needs no decoders in its memory.
"""

from dataclasses import dataclass, field
from typing import Any

from media.recording.layouts import Layout


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to make: all takes below ``takes`` (one folder each) into files in ``out``.

    ``names`` maps users to what is written on their tile; its order is the order of the tiles.
    With ``sides`` (and ``origin_us``) those finished files are composed again and nothing else is
    made. ``zone`` names the time zone of the clock on the picture.
    """

    takes: str
    out: str
    names: dict[str, str]
    layout: str = Layout.SIDE_BY_SIDE
    zone: str = "UTC"
    sides: list[dict[str, Any]] = field(default_factory=list)
    origin_us: int = 0


@dataclass(frozen=True, kw_only=True)
class Product:
    """One finished file. ``kind`` is ``composed``, ``side`` or ``screen``; ``user`` is set for the
    latter two.
    """

    kind: str
    user: str | None
    path: str
    content_type: str
    size: int
    sha256: str
    duration_ms: int


@dataclass(frozen=True, kw_only=True)
class Result:
    """What was made. ``damaged`` counts stretches of the journals that could not be read,
    ``dropped`` packets for which the disk had no room; ``outline`` and ``sides`` are empty when
    finished sides were composed again.
    """

    started_us: int
    duration_ms: int
    products: list[Product]
    damaged: int
    dropped: int = 0
    outline: dict[str, Any] = field(default_factory=dict)
    sides: list[dict[str, Any]] = field(default_factory=list)


class NothingToProduce(Exception):
    """No take holds anything that can be played."""
