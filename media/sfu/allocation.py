"""Sharing a viewer's bandwidth among the pictures that it is sent. Pure.

Sound comes first: it is taken off before. Then a shared screen, then every picture gets its
smallest size, the largest tile first, then larger ones in turn. What does not fit even in its
smallest size pauses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

#: A larger size is given when this much more than it needs is there, so that it is not taken
#: back at once.
_MARGIN: Final = 1.15
#: A size that is there stays while so much of it fits: estimates breathe.
_PATIENCE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Want:
    """A picture that a viewer wants: ``sizes`` are rank and bit/s, smallest first, up to the one
    that it shows; ``rank`` is what it gets now (-1 for nothing). A ``first`` one is served before
    the others.
    """

    sizes: Sequence[tuple[int, int]]
    rank: int
    height: int
    first: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """``ranks`` in the order of the wants; ``missing`` bit/s more would improve one of them (0:
    everything is as good as wanted).
    """

    ranks: list[int]
    missing: int


def share(budget: int, wants: Sequence[Want]) -> Share:
    """What each picture gets of ``budget`` bit/s."""
    chosen = [-1] * len(wants)
    spent = [0] * len(wants)
    left = float(budget)
    missing = 0
    order = sorted(range(len(wants)), key=lambda at: (not wants[at].first, -wants[at].height))
    for step in range(max((len(want.sizes) for want in wants), default=0)):
        for at in order:
            want = wants[at]
            if step >= len(want.sizes) or (step and chosen[at] != want.sizes[step - 1][0]):
                continue
            rank, rate = want.sizes[step]
            more = rate - spent[at]
            needed = more * (_PATIENCE if rank <= want.rank else _MARGIN)
            if needed <= left:
                chosen[at], spent[at] = rank, rate
                left -= more
            elif not missing:
                missing = int(more * _MARGIN - left) + 1
    return Share(chosen, missing)
