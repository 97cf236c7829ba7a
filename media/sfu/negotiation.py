"""Offers of one peer: which lines they hold, and which version is outstanding. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from media.errors import StaleAnswer
from media.sfu.sdp import AnswerLine, Direction, Line
from media.sfu.subscription import Subscription

FIRST_SLOT_MID: Final = 2


@dataclass(slots=True)
class Slot:
    """A pair of lines for one other participant.

    A slot that its user left is ``cooling`` until the client has answered an offer that shows it
    inactive. Only the same user may take it before: browsers announce a change of stream only
    where a line comes back from inactive.
    """

    index: int
    user: str
    audio: Subscription | None = None
    video: Subscription | None = None
    cooling: bool = False

    @property
    def mids(self) -> tuple[str, str]:
        first = FIRST_SLOT_MID + 2 * self.index
        return str(first), str(first + 1)

    def lines(self) -> list[Line]:
        audio, video = self.mids
        if self.audio is None or self.video is None:
            return [Line(audio, "audio", "inactive"), Line(video, "video", "inactive")]
        return [
            _sending(audio, self.audio),
            _sending(video, self.video),
        ]


def _sending(mid: str, subscription: Subscription) -> Line:
    # Browsers keep the first track id that a line had: one made of the user would come up again
    # on another line, when the user comes back there.
    track = f"{subscription.track.kind}-{subscription.ssrc}"
    return Line(
        mid,
        subscription.track.kind,
        "sendonly",
        ssrc=subscription.ssrc,
        rtx_ssrc=subscription.rtx_ssrc,
        stream=subscription.track.stream,
        track=track,
        cname=subscription.cname,
    )


class Negotiation:
    """The line layout of a peer and the life of its offers.

    ``wanted`` says that something changed since the last offer. An offer may be made when none is
    outstanding; what changes meanwhile goes into the next one. ``mids`` are the last offer's.
    """

    def __init__(self, *, publish: bool) -> None:
        self.publish = publish
        self.version = 0
        self.outstanding = False
        self.wanted = True
        self.slots: list[Slot] = []
        self.mids: list[str] = []
        self._offered: dict[str, Subscription] = {}
        self._inactive: list[Slot] = []

    def place(self, user: str, audio: Subscription, video: Subscription) -> None:
        """Give another participant's tracks a pair of lines."""
        slot = self._slot_for(user)
        slot.user, slot.audio, slot.video, slot.cooling = user, audio, video, False
        self.wanted = True

    def _slot_for(self, user: str) -> Slot:
        free = [slot for slot in self.slots if slot.audio is None]
        for slot in free:
            if slot.user == user:
                return slot
        for slot in free:
            if not slot.cooling:
                return slot
        slot = Slot(len(self.slots), user)
        self.slots.append(slot)
        return slot

    def vacate(self, user: str) -> tuple[Subscription, ...]:
        """Take a participant's tracks off their lines; returns the subscriptions they had."""
        for slot in self.slots:
            if slot.user == user and slot.audio is not None and slot.video is not None:
                ended = (slot.audio, slot.video)
                slot.audio = slot.video = None
                slot.cooling = True
                self.wanted = True
                return ended
        return ()

    @property
    def due(self) -> bool:
        return self.wanted and not self.outstanding

    def begin(self) -> int:
        """Make the next offer from ``lines()``; returns its version."""
        self.version += 1
        self.outstanding = True
        self.wanted = False
        self.mids = [line.mid for line in self.lines()]
        self._offered = {}
        for slot in self.slots:
            for mid, subscription in zip(slot.mids, (slot.audio, slot.video), strict=True):
                if subscription is not None:
                    self._offered[mid] = subscription
        self._inactive = [slot for slot in self.slots if slot.audio is None]
        return self.version

    def lines(self) -> list[Line]:
        """Every line of an offer made now."""
        direction: Direction = "recvonly" if self.publish else "inactive"
        lines: list[Line] = [
            Line("0", "audio", direction),
            Line("1", "video", direction, layers=self.publish),
        ]
        for slot in self.slots:
            lines += slot.lines()
        return lines

    def check(self, version: int) -> None:
        """Raise StaleAnswer unless ``version`` is outstanding."""
        if not self.outstanding or version != self.version:
            raise StaleAnswer(f"version {version} is not outstanding")

    def finish(self, lines: tuple[AnswerLine, ...]) -> list[tuple[Subscription, AnswerLine]]:
        """Take the answer; returns the subscriptions of the offer with their answered lines."""
        self.outstanding = False
        for slot in self._inactive:
            slot.cooling = False
        answered = {line.mid: line for line in lines}
        return [(sub, answered[mid]) for mid, sub in self._offered.items() if mid in answered]
