"""The checker of histories catches each way of breaking a promise, and nothing else."""

from __future__ import annotations

import pytest

from tests.support.history import History, violations

Log = list[tuple[int, str | None]]


def good() -> tuple[History, dict[str, Log], dict[tuple[str, str], int]]:
    """Two devices, one room, four messages, all promises kept."""
    history = History()
    log: Log = [(1, None), (2, "a1"), (3, "b1"), (4, "a2"), (5, "b2")]
    for seq, key in log:
        if key is None:
            continue
        history.send(key[0], "room", key)
        if key != "b2":
            # The last one was stored while its sender heard nothing of it.
            history.acknowledge(key, seq)
    history.acknowledge("a2", 4, duplicate=True)
    for device in "ab":
        for seq, key in log:
            if key is not None:
                history.receive(device, "room", seq, key)
        for mark in (2, 2, 4):
            history.mark(device, "user", "room", mark)
    return history, {"room": log}, {("user", "room"): 5}


def kinds(history: History, stored: dict[str, Log], read: dict[tuple[str, str], int]) -> set[str]:
    return {each.kind for each in violations(history, stored, read)}


def test_what_keeps_its_promises_passes() -> None:
    assert violations(*good()) == []


def test_an_acknowledged_message_that_is_not_there_is_lost() -> None:
    history, stored, read = good()
    history.send("a", "room", "a3")
    history.acknowledge("a3", 6)
    assert kinds(history, stored, read) == {"lost"}


def test_a_message_in_another_room_than_its_own_is_lost_there_and_invented_here() -> None:
    history, stored, read = good()
    history.send("a", "other", "a3")
    history.acknowledge("a3", 6)
    stored["room"].append((6, "a3"))
    for device in "ab":
        history.receive(device, "room", 6, "a3")
    assert kinds(history, stored, read) == {"lost", "invented"}


def test_a_message_stored_twice_is_doubled() -> None:
    history, stored, read = good()
    stored["room"].append((6, "a2"))
    for device in "ab":
        history.receive(device, "room", 6, "a2")
    assert "doubled" in kinds(history, stored, read)


def test_a_second_answer_with_another_number_is_a_move() -> None:
    history, stored, read = good()
    history.acknowledge("a1", 3, duplicate=True)
    assert kinds(history, stored, read) == {"moved"}


@pytest.mark.parametrize("numbers", [[1, 2, 3, 5, 6], [1, 2, 2, 3, 4], [2, 3, 4, 5, 6]])
def test_numbers_that_do_not_follow_each_other_are_a_hole(numbers: list[int]) -> None:
    history, stored, read = good()
    keys = [key for _, key in stored["room"]]
    stored["room"] = list(zip(numbers, keys, strict=True))
    assert "hole" in kinds(history, stored, read)


def test_a_later_word_of_the_same_device_must_not_stand_before_an_earlier_one() -> None:
    history, stored, read = good()
    history.sent["a1"], history.sent["a2"] = history.sent["a2"], history.sent["a1"]
    assert kinds(history, stored, read) == {"overtaken"}


def test_a_device_that_lacks_something_has_missed_it() -> None:
    history, stored, read = good()
    del history.received["a", "room"][1]
    assert kinds(history, stored, read) == {"missed"}


def test_a_device_that_hears_out_of_order_or_twice_is_noticed() -> None:
    for change in ([0, 2, 1, 3], [0, 1, 1, 2, 3]):
        history, stored, read = good()
        heard = history.received["a", "room"]
        history.received["a", "room"] = [heard[index] for index in change]
        assert kinds(history, stored, read) == {"reordered"}


def test_a_device_that_is_shown_something_else_is_noticed() -> None:
    history, stored, read = good()
    seq, _ = history.received["b", "room"][0]
    history.received["b", "room"][0] = seq, "other"
    assert kinds(history, stored, read) == {"differs"}


def test_a_read_mark_that_goes_back_is_noticed() -> None:
    history, stored, read = good()
    history.mark("a", "user", "room", 3)
    assert kinds(history, stored, read) == {"unread"}
    history, stored, read = good()
    read["user", "room"] = 3
    assert kinds(history, stored, read) == {"unread"}
