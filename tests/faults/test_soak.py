"""People talk while everything under them breaks: no promise of the rooms is broken (short form of
`make soak`).
"""

from __future__ import annotations

from pathlib import Path

import pytest

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
    assert outcome.acknowledged >= 2000
    # The faults were felt: people came back, and some answers had got lost on their way.
    assert outcome.connections > len(world.devices)
    assert outcome.answered_twice > 0
    assert set(outcome.faults) == {fault.__name__ for fault in SHORT}
