"""Pictures over a network that loses, in simulated time, to a viewer who asks only once."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtcrtpreceiver import NackGenerator
from aiortc.rtp import RtpPacket

from media.sfu import rtcp, rtp
from media.sfu.counters import Counters
from media.sfu.sdp import CODECS
from media.sfu.subscription import Subscription
from media.sfu.track import Track
from tests.media.sfu.test_rtp import packet

LOSS, DELAY, PICTURES = 0.05, 0.040, 30
PAYLOAD = bytes.fromhex("1001") + bytes(98)
VIDEO = [codec for codec in CODECS if codec.kind == "video"]


class World:
    """A publisher, our track and subscription, and a viewer with aiortc's own receiving parts.

    Its generator of NACKs tells what is missing when something new is, and never again by the
    clock; its buffer holds pictures back until they are whole and in order. Reports and requests
    are not lost. A picture has ``packets``; every packet travels alone.
    """

    def __init__(self, seed: int, packets: int, loss: float = LOSS) -> None:
        self.dice = random.Random(seed)
        self.loss = loss
        self.now = 0.0
        self.shown: list[float] = []
        self.sent = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._packets = packets
        self._history: dict[int, bytes] = {}
        self._nacks, self._buffer = NackGenerator(), JitterBuffer(512, is_video=True)
        self._told = [0, 0]
        self.track = Track("video", "anna", self._from_worker, lambda _: None, Counters(), 1)
        self.track.announce(5, 6)
        self.viewer = Subscription(self.track, self._to_viewer, lambda _: None, "u_anna")
        self.track.subscribed(self.viewer)
        self.viewer.accept({"vp8": 96, "h264": 102}, {96: 97, 102: 103}, VIDEO)
        self.viewer.live = True

    def at(self, moment: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._order), what))

    def run(self, seconds: float) -> None:
        for picture in range(int(seconds * PICTURES)):
            for part in range(self._packets):
                moment = picture / PICTURES + part * 0.001
                self.at(moment, partial(self._publish, picture, part))
        for tick in range(int(seconds * 100)):
            self.at(tick / 100, self._tend)
        while self._events and self._events[0][0] < seconds:
            self.now, _, what = heapq.heappop(self._events)
            what()

    def _travel(self, what: Callable[[], None], *, media: bool) -> None:
        if not media or self.dice.random() >= self.loss:
            self.at(self.now + DELAY, what)

    # The publisher.

    def _publish(self, picture: int, part: int) -> None:
        sequence = picture * self._packets + part & 0xFFFF
        data = self._history[sequence] = packet(
            PAYLOAD, sequence=sequence, timestamp=picture * 3000, marker=part == self._packets - 1
        )
        self._travel(lambda: self._arrive(data), media=True)

    def _answer(self, message: rtcp.Message) -> None:
        if isinstance(message, rtcp.Nack):
            for number in message.lost:
                data = rtp.wrap_rtx(self._history[number], 12, 97, number, 6)
                self._travel(partial(self._arrive, data), media=True)

    # The worker.

    def _arrive(self, data: bytes) -> None:
        layer = self.track.layers[0]
        self.track.receive(layer, data, rtp.payload_offset(data), self.now)

    def _tend(self) -> None:
        self.track.tend(self.now, 2 * DELAY)
        if round(self.now * 100) % 10 == 0:
            self.viewer.repeat(self.now)
        if round(self.now * 100) % 100 == 0:
            got, lost = self._told
            self.viewer.loss = lost / max(got + lost, 1)
            self._told = [0, 0]

    def _from_worker(self, data: bytes) -> None:
        for message in rtcp.read(data) or []:
            self._travel(partial(self._answer, message), media=False)

    def _to_viewer(self, data: bytes) -> None:
        self.sent += 1
        self._travel(lambda: self._watch(data), media=True)

    # The viewer.

    def _watch(self, data: bytes) -> None:
        found = RtpPacket.parse(data)
        if found.payload_type == 97:
            original = rtp.unwrap_rtx(data, 96, self.viewer.ssrc)
            assert original is not None
            found = RtpPacket.parse(original)
        found._data = b"x"  # type: ignore[attr-defined]
        before = len(self._nacks.missing)
        if self._nacks.add(found):
            lost = tuple(sorted(self._nacks.missing))
            self._travel(lambda: self._ask(lost), media=False)
        self._told[0] += 1
        self._told[1] += max(0, len(self._nacks.missing) - before)
        _, picture = self._buffer.add(found)
        if picture is not None:
            self.shown.append(self.now)

    def _ask(self, lost: tuple[int, ...]) -> None:
        self.viewer.resend(lost, self.now)


def worst_second(shown: list[float], seconds: int) -> int:
    """The pictures of the second in which fewest were shown, the first ones apart."""
    each = Counter(int(at) for at in shown)
    return min(each[second] for second in range(2, seconds - 1))


@pytest.mark.parametrize(("seed", "packets"), [(9, 1), (3, 2), (4, 2), (2, 4)])
def test_who_asks_once_for_what_he_lost_sees_pictures_in_every_second_all_the_same(
    seed: int, packets: int
) -> None:
    world = World(seed, packets)
    world.run(120)
    assert worst_second(world.shown, 120) >= 15
    assert len(world.shown) > 119 * PICTURES
