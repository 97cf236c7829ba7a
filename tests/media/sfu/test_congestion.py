"""The estimate of a viewer's bandwidth over simulated networks: time is a number here."""

import heapq
import random

import pytest

from media.sfu.allocation import Want, share
from media.sfu.congestion import Congestion
from media.sfu.transport import Feedback


class Network:
    """A bottleneck of ``capacity`` bit/s with a queue, a delay, loss and some jitter."""

    def __init__(self, capacity: int, *, loss: float = 0.0, jitter: float = 0.0) -> None:
        self.capacity = capacity
        self.loss = loss
        self.jitter = jitter
        self.delay = 0.04
        self.queue_seconds = 0.5
        self.dice = random.Random(7)
        self.free_at = 0.0
        self.now = 100.0
        self.control = Congestion()
        self.media = 0
        self.wanted = 0
        self.probes = 0
        self.estimates: list[int] = []
        self._numbers: list[int] = []
        self._arrived: dict[int, float] = {}
        self._waiting: list[tuple[float, Feedback]] = []
        self._owed = 0.0

    def send(self, size: int) -> None:
        word = self.control.stamp(size, self.now)
        number = word >> 8 & 0xFFFF
        self._numbers.append(number)
        begins = max(self.now, self.free_at)
        if self.dice.random() < self.loss or begins - self.now > self.queue_seconds:
            return
        self.free_at = begins + size * 8 / self.capacity
        shake = self.dice.expovariate(1 / self.jitter) if self.jitter else 0.0
        self._arrived[number] = self.free_at + self.delay + shake

    def run(self, seconds: float) -> None:
        """Media and probes in steps of 10 ms, feedback each 100 ms."""
        for _ in range(round(seconds * 100)):
            self.now += 0.01
            self._owed += self.media * 0.01 / 8
            while self._owed >= 1000:
                self._owed -= 1000
                self.send(1000)
            tick = round(self.now * 100) % 10 == 0
            if tick and self.wanted > self.control.estimate and self.control.may_probe(self.now):
                self.control.begin_probe(self.wanted, self.now)
                self.probes += 1
            if tick and (padding := self.control.portion(self.media, self.now)):
                for _ in range(padding // 275):
                    self.send(275)
                self.control.portion_sent(self.now)
            if tick:
                self._tell()
            while self._waiting and self._waiting[0][0] <= self.now:
                self.control.take(heapq.heappop(self._waiting)[1], self.now)
            self.estimates.append(self.control.estimate)

    def _tell(self) -> None:
        """The receiver tells what it has until now; it says "missing" after 0.6 s."""
        packets: list[tuple[int, float | None]] = []
        kept = []
        for number in self._numbers:
            moment = self._arrived.get(number)
            if moment is not None and moment <= self.now:
                packets.append((number, moment + 5000))  # A clock of its own.
            elif moment is None:
                packets.append((number, None))
            else:
                kept.append(number)
        self._numbers = kept
        if packets:
            heapq.heappush(self._waiting, (self.now + self.delay, Feedback(tuple(packets))))


@pytest.mark.parametrize("capacity", [250_000, 600_000, 1_500_000])
def test_too_much_for_the_network_brings_the_estimate_below_its_capacity(capacity: int) -> None:
    network = Network(capacity, jitter=0.003)
    network.media = int(capacity * 1.6)
    network.run(6)
    assert min(network.estimates) < capacity
    assert network.control.estimate < capacity * 1.1


def test_the_estimate_falls_within_two_seconds_when_the_network_narrows() -> None:
    network = Network(3_000_000)
    network.media = 900_000
    network.run(5)
    assert network.control.estimate >= 900_000
    network.capacity = 400_000
    network.run(2)
    assert network.control.estimate < 450_000


def test_jitter_alone_is_no_congestion() -> None:
    network = Network(5_000_000, jitter=0.004)
    network.media = 800_000
    network.run(30)
    assert min(network.estimates) > 750_000


def test_little_loss_changes_nothing_and_much_loss_lowers_the_estimate() -> None:
    network = Network(5_000_000, loss=0.01)
    network.media = 800_000
    network.run(10)
    assert network.control.estimate >= 1_000_000
    network.loss = 0.25
    network.run(5)
    assert network.control.estimate < 600_000


def test_a_still_picture_does_not_raise_the_estimate_without_a_probe() -> None:
    network = Network(50_000_000)
    network.media = 100_000
    network.run(30)
    assert network.control.estimate <= Congestion.START


def test_probes_find_the_room_that_is_there_and_no_more() -> None:
    network = Network(2_000_000)
    network.media, network.wanted = 300_000, 4_000_000
    network.run(30)
    assert 1_500_000 < network.control.estimate < 2_300_000
    wide = Network(20_000_000)
    wide.media, wide.wanted = 300_000, 1_800_000
    wide.run(10)
    assert wide.control.estimate >= 1_700_000


def test_probes_in_vain_become_rare() -> None:
    network = Network(1_000_000)
    network.media, network.wanted = 300_000, 3_000_000
    network.run(120)
    assert network.probes < 20


def test_after_a_bad_moment_everything_comes_back() -> None:
    network = Network(3_000_000)
    network.media, network.wanted = 900_000, 1_500_000
    network.run(5)
    network.capacity, network.media = 200_000, 900_000
    network.run(3)
    network.media = 150_000  # What allocation leaves of it.
    network.run(5)
    assert network.control.estimate < 350_000
    network.capacity = 3_000_000
    network.run(40)
    assert network.control.estimate > 1_300_000


def test_feedback_about_packets_that_were_never_sent_is_ignored() -> None:
    control = Congestion()
    control.take(Feedback(((5, 1.0), (6, None), (60_000, 2.0))), 10.0)
    for _ in range(6000):
        control.stamp(100, 10.0)
    control.take(Feedback(((5, 1.0), (6, 1.1))), 11.0)  # Long forgotten.
    assert control.estimate == Congestion.START


SIZES = ((0, 120_000), (1, 400_000), (2, 1_200_000))


@pytest.mark.parametrize(
    ("budget", "rank"),
    [(50_000, -1), (110_000, -1), (140_000, 0), (435_000, 0), (470_000, 1), (1_500_000, 2)],
)
def test_one_picture_gets_the_largest_size_that_fits(budget: int, rank: int) -> None:
    assert share(budget, [Want(SIZES, -1, 720)]).ranks == [rank]


def test_every_picture_gets_its_smallest_size_before_one_gets_a_larger() -> None:
    wants = [Want(SIZES, -1, 180), Want(SIZES, -1, 720), Want(SIZES[:1], -1, 90)]
    assert share(300_000, wants).ranks == [0, 0, -1]
    assert share(450_000, wants).ranks == [0, 0, 0]
    assert share(800_000, wants).ranks == [0, 1, 0]
    assert share(9_000_000, wants).ranks == [2, 2, 0]
    assert share(9_000_000, wants).missing == 0


def test_a_shared_screen_is_served_before_the_cameras() -> None:
    wants = [Want(SIZES, -1, 720), Want(SIZES[:1], -1, 90, first=True)]
    assert share(SIZES[0][1] * 2 - 1, wants).ranks == [-1, 0]


def test_what_is_given_is_not_taken_back_for_a_breath() -> None:
    assert share(390_000, [Want(SIZES, 1, 720)]).ranks == [1]
    assert share(340_000, [Want(SIZES, 1, 720)]).ranks == [0]


def test_what_is_missing_for_the_next_size_is_told() -> None:
    found = share(200_000, [Want(SIZES, 0, 720)])
    assert found.ranks == [0]
    assert 200_000 + found.missing >= 400_000
