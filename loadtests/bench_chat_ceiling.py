"""The ceiling of `make bench-chat`: the statement that stores messages, without any server.

pgbench runs it where that program is installed, an asyncpg loop otherwise; the report names which.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
import uuid
from typing import Any
from urllib.parse import parse_qs, urlparse

import asyncpg

from core.ids import new_id
from loadtests.bench_chat_world import World

CALLERS = 8
GROUP = 64

STORE = "SELECT seq FROM store_messages($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now())"
# pgbench takes every colon before a word for a variable, within quotes as well: hence chr(58).
SCRIPT = """
\\set pair random(0, {last})
SELECT s.seq
FROM bench_people p, store_messages(
    ARRAY[p.room], ARRAY[p.hospital], ARRAY[p.person], ARRAY['patient'], ARRAY[gen_random_uuid()],
    ARRAY['text'], ARRAY['consultation' || chr(58) || 'active'],
    ARRAY[NULL]::bigint[], ARRAY[gen_random_uuid()],
    ARRAY[decode(repeat('78', 220), 'hex')], now()) s
WHERE p.pair = :pair;
"""


class CeilingUnknown(Exception):
    """pgbench did not measure; the text is what it said."""


async def measure(world: World, seconds: float) -> dict[str, Any]:
    """Messages a second that PostgreSQL stores: each in a commit of its own, and in groups."""
    await world.empty_rooms()
    pgbench = shutil.which("pgbench")
    one = await (_pgbench(world, pgbench, seconds) if pgbench else _loop(world, 1, seconds))
    groups = await _loop(world, GROUP, seconds)
    return {
        "by": "pgbench" if pgbench else "asyncpg loop",
        "groups_by": "asyncpg loop",
        "one_per_s": one,
        f"groups_of_{GROUP}_per_s": groups,
    }


async def _pgbench(world: World, program: str, seconds: float) -> float:
    connection = await asyncpg.connect(world.postgres.url())
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS bench_people (pair int PRIMARY KEY, room uuid, person uuid, "
        "hospital uuid)"
    )
    await connection.execute("TRUNCATE bench_people")
    await connection.copy_records_to_table(
        "bench_people",
        records=[
            (pair, uuid.UUID(room), world.callers[2 * pair].user_id, uuid.UUID(world.hospital))
            for pair, room in enumerate(world.rooms)
        ],
    )
    await connection.close()
    script = world.folder / "store.sql"
    script.write_text(SCRIPT.format(last=len(world.rooms) - 1))
    address = urlparse(world.postgres.url())
    host = parse_qs(address.query)["host"][0]
    command = [
        program, "-h", host, "-U", address.username or "", "-n", "-M", "prepared", "-c",
        str(CALLERS), "-T", str(max(2, int(seconds))), "-f", str(script), address.path[1:],
    ]  # fmt: skip
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        if not done.returncode and line.startswith("tps = "):
            return float(line.split()[2])
    raise CeilingUnknown(f"pgbench ended with {done.returncode}: {done.stderr[-2000:]}")


async def _loop(world: World, group: int, seconds: float) -> float:
    """Callers that each store one group after the other."""
    stored = 0
    until = time.perf_counter() + seconds

    async def call(number: int) -> None:
        nonlocal stored
        connection = await asyncpg.connect(world.postgres.url())
        statement = await connection.prepare(STORE)
        pairs = range(number, len(world.rooms), CALLERS)
        chosen = [pairs[index % len(pairs)] for index in range(group)]
        fixed = (
            [uuid.UUID(world.rooms[pair]) for pair in chosen],
            [uuid.UUID(world.hospital)] * group,
            [world.callers[2 * pair].user_id for pair in chosen],
            ["patient"] * group,
        )
        while time.perf_counter() < until:
            await statement.fetch(
                *fixed,
                [new_id() for _ in range(group)],
                ["text"] * group,
                ["consultation:active"] * group,
                [None] * group,
                [new_id() for _ in range(group)],
                [b"x" * 220] * group,
            )
            stored += group
        await connection.close()

    began = time.perf_counter()
    await asyncio.gather(*(call(number) for number in range(CALLERS)))
    return stored / (time.perf_counter() - began)
