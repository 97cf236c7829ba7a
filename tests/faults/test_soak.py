"""People talk while everything under them breaks: no promise of the rooms is broken. People come
and go in a call: nothing of them stays (both are the short form of `make soak`).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import call_soak
from tests.faults.chaos import FAULTS, run, stop_a_web_node_in_order
from tests.faults.world import running_world
from tests.support.redis import redis_program

#: The long form stops nodes in order as well.
SHORT = tuple(fault for fault in FAULTS if fault is not stop_a_web_node_in_order)


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_nothing_acknowledged_is_lost_doubled_or_reordered_under_faults(
    tmp_path: Path,
) -> None:
    redis_program()
    async with running_world(tmp_path, rooms=6) as world:
        outcome = await run(world, messages=2000, faults=SHORT, calm=0.5)
    assert outcome.violations == [], outcome.tell()
    assert outcome.refused == {}
    assert outcome.crashes == []
    assert outcome.acknowledged >= 2000
    # The faults were felt: people came back, and some answers had got lost on their way.
    assert outcome.connections > len(world.devices)
    assert outcome.answered_twice > 0
    assert set(outcome.faults) == {fault.__name__ for fault in SHORT}


async def test_who_comes_and_goes_in_a_call_leaves_no_socket_and_no_task(tmp_path: Path) -> None:
    outcome = await call_soak.run(tmp_path, people=3, seconds=4, warm=1, sample=0.5, change=0.5)
    assert outcome.silent == []
    assert outcome.changes >= 3
    assert outcome.received > 500
    assert outcome.after == outcome.before, outcome.tell()


def test_memory_that_grows_sockets_that_stay_and_silence_are_problems() -> None:
    grown = [(10.0 * n, 100_000 + 500 * n) for n in range(60)]
    leaking = call_soak.Outcome(8, 120.0, grown, (5, 8), (6, 8), silent=["long-1"])
    assert leaking.growth_kb == 500 * 42
    assert [problem.split()[0] for problem in leaking.problems] == [
        "resident",
        "sockets",
        "nothing",
    ]
    steady = [(10.0 * n, 100_000 + 4000 * (n % 2)) for n in range(60)]
    assert call_soak.Outcome(8, 120.0, steady, (5, 8), (5, 8)).problems == []
