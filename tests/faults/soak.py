"""`make soak`: so many acknowledged messages under faults, and not one broken promise."""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import tempfile
from pathlib import Path

from tests.faults.chaos import run
from tests.faults.world import running_world


def say(line: str) -> None:
    print(line, flush=True)


async def soak(messages: int, rooms: int, calm: float, seconds: float) -> int:
    with tempfile.TemporaryDirectory(prefix="zhenjian-soak-") as folder:
        async with running_world(Path(folder), rooms=rooms) as world:
            outcome = await run(
                world, messages=messages, pause=0.005, calm=calm, seconds=seconds, say=say
            )
    print(outcome.tell())
    for violation in outcome.violations[:20]:
        print(violation.kind, violation.text, file=sys.stderr)
    short = outcome.acknowledged < messages
    return 1 if outcome.violations or outcome.refused or outcome.crashes or short else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rooms", type=int, default=16, help="of three devices each")
    parser.add_argument("--calm", type=float, default=8.0, help="seconds between two faults")
    parser.add_argument("--seconds", type=float, default=math.inf, help="give up after so long")
    given = parser.parse_args()
    raise SystemExit(asyncio.run(soak(given.messages, given.rooms, given.calm, given.seconds)))


if __name__ == "__main__":
    main()
