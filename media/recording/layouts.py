"""Where each side stands in the composed picture, and who is speaking. No I/O."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

TILE = (640, 480)
LARGE = (960, 720)
SMALL = (320, 240)
COLUMN = 3
#: Pieces (40 ms) over which loudness is smoothed, and for which a new speaker keeps the picture.
SMOOTHING = 12
HOLD = 50
AUDIBLE = 25
LOUDER = 8


class Layout(StrEnum):
    """How a composed file shows the sides."""

    SIDE_BY_SIDE = "side_by_side"
    SPEAKER = "speaker"
    SCREEN = "screen"


@dataclass(frozen=True)
class Place:
    """A side (by its index) in the picture: its size and its upper left corner, in pixels."""

    side: int
    size: tuple[int, int]
    x: int
    y: int


def canvas_of(layout: Layout, sides: int) -> tuple[int, int]:
    """Width and height of the composed picture."""
    if layout is Layout.SIDE_BY_SIDE or sides < 2:
        columns = math.ceil(math.sqrt(sides)) if sides else 1
        rows = math.ceil(sides / columns) if sides else 1
        return columns * TILE[0], rows * TILE[1]
    return LARGE[0] + SMALL[0], LARGE[1]


def places(
    layout: Layout, screens: Sequence[bool], showing: Sequence[bool], speaker: int
) -> list[Place]:
    """Where everybody stands now.

    ``screens`` tells which sides are shared screens, ``showing`` which of them have a picture at
    this moment, ``speaker`` who speaks. A screen that shows nothing takes no place beside a
    speaker; side by side every tile keeps its own.
    """
    count = len(screens)
    if layout is Layout.SIDE_BY_SIDE or count < 2:
        columns = math.ceil(math.sqrt(count)) if count else 1
        return [
            Place(index, TILE, index % columns * TILE[0], index // columns * TILE[1])
            for index in range(count)
        ]
    people = [index for index in range(count) if not screens[index]]
    shared = [index for index in range(count) if screens[index] and showing[index]]
    ordered = sorted(people, key=lambda index: index != speaker)
    if layout is Layout.SCREEN and shared:
        ordered = [shared[0], *ordered, *shared[1:]]
    else:
        ordered += shared
    main, *others = ordered or [0]
    return [
        Place(main, LARGE, 0, 0),
        *(
            Place(index, SMALL, LARGE[0], row * SMALL[1])
            for row, index in enumerate(others[:COLUMN])
        ),
    ]


class Speaker:
    """Who speaks, told from loudness: changes when somebody else is louder for a while."""

    def __init__(self, sides: int) -> None:
        self._smooth = [0.0] * sides
        self._since = HOLD
        self.now = 0

    def hear(self, levels: Sequence[int]) -> int:
        """Take the loudness (0 to 100) of every side for the next 40 ms; returns who speaks."""
        for index, level in enumerate(levels):
            self._smooth[index] += (level - self._smooth[index]) / SMOOTHING
        self._since += 1
        if self._smooth and self._since >= HOLD:
            loudest = max(range(len(self._smooth)), key=self._smooth.__getitem__)
            ahead = self._smooth[loudest] - self._smooth[self.now]
            if loudest != self.now and self._smooth[loudest] > AUDIBLE and ahead > LOUDER:
                self.now, self._since = loudest, 0
        return self.now
