"""Offers of one peer: which lines they hold, and which version is outstanding. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from media.errors import StaleAnswer
from media.sfu.sdp import AnswerLine, Direction, Line
from media.sfu.subscription import Subscription

FIRST_SLOT_MID: Final = 2
#: The line into which a client publishes its screen, from its first sharing on.
SCREEN_MID: Final = "screen"


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


@dataclass(slots=True)
class ScreenSlot:
    """A line for the screen that another participant shares; ``cooling`` as in ``Slot``."""

    index: int
    user: str
    video: Subscription | None = None
    cooling: bool = False

    @property
    def mids(self) -> tuple[str]:
        return (f"{SCREEN_MID}-{self.index + 1}",)

    def lines(self) -> list[Line]:
        (mid,) = self.mids
        return [_sending(mid, self.video) if self.video else Line(mid, "video", "inactive")]


@dataclass(slots=True)
class OwnScreen:
    """The line for what the client itself shares; ``open`` while it does."""

    open: bool = True

    def lines(self) -> list[Line]:
        return [Line(SCREEN_MID, "video", "recvonly" if self.open else "inactive")]


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
        self.screens: list[ScreenSlot] = []
        self.mids: list[str] = []
        self._own_screen: OwnScreen | None = None
        #: Slots and screens as they came up: lines never change their order.
        self._sections: list[Slot | ScreenSlot | OwnScreen] = []
        self._offered: dict[str, Subscription] = {}
        self._inactive: list[Slot | ScreenSlot] = []

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
        self._sections.append(slot)
        return slot

    def place_screen(self, user: str, video: Subscription) -> None:
        """Give the screen that another participant shares a line."""
        free = [slot for slot in self.screens if slot.video is None]
        slot = next((slot for slot in free if slot.user == user or not slot.cooling), None)
        if slot is None:
            slot = ScreenSlot(len(self.screens), user)
            self.screens.append(slot)
            self._sections.append(slot)
        slot.user, slot.video, slot.cooling = user, video, False
        self.wanted = True

    def vacate_screen(self, user: str) -> tuple[Subscription, ...]:
        """Take a participant's screen off its line; returns the subscription it had."""
        for slot in self.screens:
            if slot.user == user and slot.video is not None:
                ended = (slot.video,)
                slot.video, slot.cooling = None, True
                self.wanted = True
                return ended
        return ()

    def share(self, *, on: bool) -> None:
        """The client shares its own screen from now on, or no longer."""
        if self._own_screen is None:
            if not on:
                return
            self._own_screen = OwnScreen()
            self._sections.append(self._own_screen)
            self.wanted = True
        elif self._own_screen.open is not on:
            self._own_screen.open = on
            self.wanted = True

    def vacate(self, user: str) -> tuple[Subscription, ...]:
        """Take a participant's tracks off their lines; returns the subscriptions they had."""
        ended = self.vacate_screen(user)
        for slot in self.slots:
            if slot.user == user and slot.audio is not None and slot.video is not None:
                ended = (slot.audio, slot.video, *ended)
                slot.audio = slot.video = None
                slot.cooling = True
                self.wanted = True
                break
        return ended

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
        for screen in self.screens:
            if screen.video is not None:
                self._offered[screen.mids[0]] = screen.video
        watched: list[Slot | ScreenSlot] = [*self.slots, *self.screens]
        self._inactive = [slot for slot in watched if slot.video is None]
        return self.version

    def lines(self) -> list[Line]:
        """Every line of an offer made now."""
        direction: Direction = "recvonly" if self.publish else "inactive"
        lines: list[Line] = [
            Line("0", "audio", direction),
            Line("1", "video", direction, layers=self.publish),
        ]
        for section in self._sections:
            lines += section.lines()
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
        # Who leaves is not to be remembered here until the next offer.
        offered, self._offered = self._offered, {}
        return [(sub, answered[mid]) for mid, sub in offered.items() if mid in answered]

    def release(self) -> None:
        """Forget all lines: the peer is gone."""
        self.slots, self.screens, self._sections, self._inactive = [], [], [], []
        self._offered = {}
