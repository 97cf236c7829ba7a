"""Transport-wide feedback: written and read, and what malformed packets do (nothing)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.sfu import transport
from media.sfu.transport import Arrivals


def told(arrivals: dict[int, float]) -> dict[int, float | None]:
    notes = Arrivals()
    for number, moment in arrivals.items():
        notes.note(number & 0xFFFF, moment)
    data = notes.feedback(1, 2)
    assert len(data) % 4 == 0
    assert (int.from_bytes(data[2:4], "big") + 1) * 4 == len(data)
    feedback = transport.read(data)
    assert feedback is not None
    return dict(feedback.packets)


@given(
    st.integers(0, 0xFFFF),
    st.lists(st.tuples(st.integers(1, 6), st.integers(-40, 4000)), min_size=1, max_size=200),
)
def test_what_arrived_is_told_to_a_quarter_of_a_millisecond(
    first: int, steps: list[tuple[int, int]]
) -> None:
    number, moment, arrivals = first, 1000.0, {}
    for step, ticks in steps:
        number += step
        moment += ticks * 0.00025
        arrivals[number] = moment
    found = told(arrivals)
    assert {each & 0xFFFF for each in arrivals} == {n for n, at in found.items() if at is not None}
    for each, moment in arrivals.items():
        heard = found[each & 0xFFFF]
        assert heard is not None
        # 24 bits of 64 ms: 12 days, within which the clock of this test stays.
        assert heard == pytest.approx(moment, abs=0.0002)


def test_the_next_feedback_begins_where_the_last_one_ended() -> None:
    notes = Arrivals()
    for number in (10, 11):
        notes.note(number, 5.0)
    assert notes.feedback(1, 2)
    assert notes.feedback(1, 2) == b""
    notes.note(14, 5.1)
    feedback = transport.read(notes.feedback(1, 2))
    assert feedback is not None
    assert [(n, at is not None) for n, at in feedback.packets] == [
        (12, False),
        (13, False),
        (14, True),
    ]
    notes.note(13, 5.2)  # Late, but it came.
    feedback = transport.read(notes.feedback(1, 2))
    assert feedback is not None
    assert feedback.packets[0][0] == 13


def test_one_bit_vectors_of_other_implementations_are_read() -> None:
    head = bytes.fromhex("8fcd00050000000100000002") + (100).to_bytes(2, "big")
    body = (14).to_bytes(2, "big") + bytes.fromhex("00000100") + bytes.fromhex("a001")
    feedback = transport.read(head + body + b"\x04\x08")
    assert feedback is not None
    assert [n for n, at in feedback.packets if at is not None] == [100, 113]


@given(st.binary(max_size=80))
def test_nothing_that_arrives_raises(tail: bytes) -> None:
    transport.read(tail)
    transport.read(bytes.fromhex("8fcd000500000001000000020001") + tail)
