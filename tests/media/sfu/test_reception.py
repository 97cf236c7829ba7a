import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from media.sfu.reception import Reception


def feed(reception: Reception, *sequences: int, start: float = 0.0) -> list[int]:
    return [
        reception.accept(sequence & 0xFFFF, 3000 * index, start + index * 0.033)
        for index, sequence in enumerate(sequences)
    ]


def test_numbers_continue_over_the_wrap() -> None:
    numbers = feed(Reception(90000), 65534, 65535, 0, 1)
    assert [b - a for a, b in itertools.pairwise(numbers)] == [1, 1, 1]


def test_a_reordered_packet_fills_its_hole_and_a_second_copy_is_refused() -> None:
    reception = Reception(90000)
    first = feed(reception, 10, 12)[0]
    assert reception.accept(11, 0, 1.0) == first + 1
    assert reception.accept(11, 0, 1.0) == -1
    assert reception.accept(12, 0, 1.0) == -1
    assert reception.lost == 0
    assert reception.duplicates == 2


def test_a_retransmission_of_what_was_never_missed_is_refused() -> None:
    reception = Reception(90000)
    assert reception.accept(10, 0, 0.0, late=True) == -1
    first = feed(reception, 10, 12)[0]
    assert reception.accept(13, 0, 1.0, late=True) == -1
    assert reception.accept(40000, 0, 1.0, late=True) == -1
    assert reception.accept(11, 0, 1.0, late=True) == first + 1
    assert (reception.recovered, reception.lost) == (1, 0)


def test_a_hole_is_asked_for_after_reordering_is_unlikely_and_again_after_a_round_trip() -> None:
    reception = Reception(90000)
    feed(reception, 10, 13, start=5.0)
    at = 5.033
    assert reception.missing(at + 0.005, 0.1) == ([], False)
    assert reception.missing(at + 0.012, 0.1) == ([11, 12], False)
    assert reception.missing(at + 0.05, 0.1) == ([], False)
    reception.accept(11, 0, at + 0.1, late=True)
    assert reception.missing(at + 0.2, 0.1) == ([12], False)


def test_a_hole_is_given_up_after_a_second() -> None:
    reception = Reception(90000)
    feed(reception, 10, 12)
    assert reception.missing(2.0, 0.1) == ([], True)
    assert reception.holes == {}


def test_reports_tell_the_loss_since_the_last_one_and_in_all() -> None:
    reception = Reception(90000)
    feed(reception, 0, 1, 2, 4, 5, 6, 7, 9)
    block, fraction = reception.report(77, 1.0)
    assert (block.ssrc, block.packets_lost, fraction) == (77, 2, 0.2)
    feed(reception, 10, 11)
    block, fraction = reception.report(77, 2.0)
    assert (block.packets_lost, fraction) == (2, 0.0)


def test_a_report_quotes_the_last_sender_report_and_how_long_ago_it_came() -> None:
    reception = Reception(48000)
    feed(reception, 1, 2)
    reception.note_sender_report(0x0000_1122_3344_0000, 3.0)
    block, _ = reception.report(1, 3.5)
    assert (block.lsr, block.dlsr) == (0x11223344, 32768)


def test_a_sender_that_begins_anew_has_lost_nothing() -> None:
    reception = Reception(90000)
    feed(reception, 100, 101)
    feed(reception, 40000, 40001)
    assert reception.lost == 0
    assert reception.holes == {}


def test_even_arrival_has_no_jitter_and_uneven_has_some() -> None:
    even, uneven = Reception(90000), Reception(90000)
    for index in range(100):
        stamp = index * 3000
        even.accept(index, stamp, index / 30)
        uneven.accept(index, stamp, index / 30 + (0.01 if index % 2 else 0))
    assert even.jitter < 2
    assert 700 < uneven.jitter < 1000


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 2**32 - 1)), max_size=60))
def test_any_order_of_packets_keeps_the_books_consistent(packets: list[tuple[int, int]]) -> None:
    reception = Reception(90000)
    seen = set()
    for index, (sequence, stamp) in enumerate(packets):
        number = reception.accept(sequence, stamp, index * 0.01)
        if number >= 0:
            assert number not in seen
            assert number & 0xFFFF == sequence
            seen.add(number)
        reception.missing(index * 0.01, 0.05)
        block, fraction = reception.report(1, index * 0.01)
        assert 0 <= fraction <= 1
        bytes(block)


def test_random_loss_with_retransmission_delivers_each_packet_once() -> None:
    dice = random.Random(3)
    reception = Reception(90000)
    waiting: list[tuple[float, int]] = []
    delivered: list[int] = []
    sent = 3000
    for index in range(sent):
        now = index * 0.005
        for due, sequence in [w for w in waiting if w[0] <= now]:
            waiting.remove((due, sequence))
            if (number := reception.accept(sequence, 0, now, late=True)) >= 0:
                delivered.append(number)
        if dice.random() > 0.1 and (number := reception.accept(index, 0, now)) >= 0:
            delivered.append(number)
        ask, _ = reception.missing(now, 0.05)
        waiting += [(now + 0.05, sequence) for sequence in ask if dice.random() > 0.1]
    assert len(delivered) == len(set(delivered))
    assert len(delivered) > sent * 0.985
