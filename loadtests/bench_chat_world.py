"""What `make bench-chat` measures in: a private PostgreSQL, people, rooms of two, server processes.

The server under test has one core for itself; PostgreSQL and the load share the other one.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import orjson
from sqlalchemy import insert, update

import app as zhenjian
from core.bus import LocalBus
from core.config import Config
from core.crypto.scope import for_hospitals
from core.identity import tokens
from core.identity.caller import Caller
from core.identity.models import DeviceSession, Hospital, RoleAssignment, User
from core.identity.roles import Role
from core.ids import new_id
from core.postgres import EmbeddedPostgres
from core.redis_server import PrivateRedis
from core.runtime import Runtime
from loadtests.bench_common import PEERS, ROOT, cores, end, free_port, resident_kb
from loadtests.signing_service import environment
from realtime.models import ParticipantRow, RoomRow

READY_SECONDS = 90.0
ROLES = (Role.PATIENT, Role.DOCTOR)
NAME = "压力测试"


@dataclass
class World:
    """The database with its people; `callers[i]` and his neighbour share `rooms[i // 2]`."""

    folder: Path
    postgres: EmbeddedPostgres
    settings: dict[str, str]
    runtime: Runtime
    hospital: str
    callers: list[Caller]
    rooms: list[str]

    def people(self, count: int) -> list[dict[str, Any]]:
        """The first `count` with fresh tokens, as the load takes them; peers read user and role."""
        now, keyring = self.runtime.clock.now(), self.runtime.keyring
        return [
            {
                "auth": {
                    "token": tokens.issue_access_token(caller, now, keyring),
                    "device": "bench",
                    "user": str(caller.user_id),
                    "role": caller.role.value,
                },
                "room": self.rooms[index // 2],
            }
            for index, caller in enumerate(self.callers[:count])
        ]

    async def empty_rooms(self) -> None:
        """Every server begins with rooms in which nothing was said."""
        async with self.runtime.engine.begin() as connection:
            await connection.exec_driver_sql("TRUNCATE room_messages")
            await connection.execute(update(RoomRow).values(seq=0))
        async with self.runtime.engine.connect() as connection:
            autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await autocommit.exec_driver_sql("VACUUM ANALYZE rooms, room_messages")
            # The files of what one server stored go now, not while the next one is measured.
            await autocommit.exec_driver_sql("CHECKPOINT")


async def found(folder: Path, people: int) -> World:
    """Start PostgreSQL on the load's core and fill it."""
    postgres = EmbeddedPostgres(folder / "pg")
    _, others = cores()
    os.sched_setaffinity(0, others)
    postgres.start()
    port = free_port()
    settings = environment(folder, postgres.url(), port)
    for command in ("keys", "migrate"):
        await _zhenjian(command, settings)
    with configured(settings):
        config = Config(_env_file=None)
        runtime = await zhenjian.open_runtime(config, zhenjian.all_modules(config), LocalBus())
    hospital = new_id()
    callers, rooms = await _fill(runtime, hospital, people)
    await _be_settled(postgres)
    return World(folder, postgres, settings, runtime, str(hospital), callers, rooms)


async def _be_settled(postgres: EmbeddedPostgres) -> None:
    """A database that has run for a while writes into old segments of its log again. A new one
    makes a segment of 16 MB of zeros every few seconds, and everybody waits meanwhile. A message
    costs a kilobyte of the log, so these two gigabytes last for one server's turns and more.
    """
    connection = await asyncpg.connect(postgres.url())
    try:
        await connection.execute("ALTER SYSTEM SET min_wal_size = '2GB'")
        await connection.execute("ALTER SYSTEM SET max_wal_size = '6GB'")
        await connection.execute("SELECT pg_reload_conf()")
        # Into the log alone: the file of a table would be given back to the disk while we measure.
        await connection.execute(
            "SELECT count(pg_logical_emit_message(false, 'filler', repeat('x', 1000000))) "
            "FROM generate_series(1, 1900)"
        )
        await connection.execute("CHECKPOINT")
        # Only what has grown old is used again.
        await connection.execute("SELECT pg_switch_wal()")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _fill(runtime: Runtime, hospital: Any, people: int) -> tuple[list[Caller], list[str]]:
    now = runtime.clock.now() - timedelta(minutes=1)
    callers = [
        Caller(
            user_id=new_id(),
            hospital_id=hospital,
            role=ROLES[index % 2],
            session_id=new_id(),
            device_id="bench",
        )
        for index in range(people)
    ]
    rooms = [new_id() for _ in range(0, people, 2)]
    async with runtime.unit_of_work() as uow:
        session = uow.session
        session.add(Hospital(id=hospital, code="bench", name=NAME, created_at=now))
        await session.flush()
        await session.execute(
            insert(User),
            [{"id": each.user_id, "name": NAME, "created_at": now} for each in callers],
        )
        await session.execute(
            insert(DeviceSession),
            [
                {
                    "id": each.session_id,
                    "user_id": each.user_id,
                    "hospital_id": hospital,
                    "device_id": each.device_id,
                    "platform": "h5",
                    "created_at": now,
                    "last_seen_at": now,
                    "active_at": now,
                    "second_factor_at": now,
                }
                for each in callers
            ],
        )
        await session.execute(
            insert(RoleAssignment),
            [
                {
                    "id": new_id(),
                    "user_id": each.user_id,
                    "hospital_id": hospital,
                    "role": each.role,
                    "created_at": now,
                }
                for each in callers
            ],
        )
        rows = [
            {
                "id": room,
                "hospital_id": hospital,
                "kind": "consultation",
                "state": "active",
                "seq": 0,
                "title": NAME,
                "recording": "required",
                "opened_at": now,
                "activated_at": now,
                "last_at": now,
            }
            for room in rooms
        ]
        await session.execute(insert(RoomRow), for_hospitals(RoomRow, rows))
        await session.execute(
            insert(ParticipantRow),
            [
                {
                    "room_id": rooms[index // 2],
                    "user_id": each.user_id,
                    "role": each.role.value,
                    "name": NAME,
                    "joined_at": now,
                }
                for index, each in enumerate(callers)
            ],
        )
    return callers, [str(room) for room in rooms]


@contextmanager
def configured(values: dict[str, str]) -> Iterator[None]:
    """This process configured like those that it starts."""
    before = dict(os.environ)
    os.environ.update({k: v for k, v in values.items() if k.startswith("ZHENJIAN_")})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


async def _zhenjian(name: str, settings: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app", name, cwd=ROOT, env=settings, stdout=subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"zhenjian {name}: {output.decode()}")


class Server:
    """A server under test, alone on its core."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.name = name
        self.process = process
        self.port = port
        self.log = log

    @property
    def pid(self) -> int:
        return self.process.pid

    def resident_kb(self) -> int:
        """Resident memory, in KB."""
        return resident_kb(self.pid)

    def stop(self) -> None:
        end(self.process)

    async def longest_stall_ms(self) -> float:
        """The longest that the event loop was away since the last time this was asked."""
        async with (
            aiohttp.ClientSession(trust_env=False) as http,
            http.get(f"http://127.0.0.1:{self.port}/metrics") as answer,
        ):
            for line in (await answer.text()).splitlines():
                if line.startswith("zhenjian_loop_longest_stall_seconds "):
                    return float(line.split()[1]) * 1000
        return -1.0


@contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """A private Redis on the load's core; its URL."""
    redis = PrivateRedis.prepare(folder)
    _, core = cores()
    process = subprocess.Popen(redis.command, preexec_fn=lambda: os.sched_setaffinity(0, core))
    try:
        yield redis.url
    finally:
        process.terminate()
        process.wait(15)


async def serve(world: World, kind: str, settings: Mapping[str, str] | None = None) -> Server:
    """Start a server: `zhenjian`, `node`, `node-sql` or `stock-sql`."""
    port = free_port()
    database = world.postgres.url()
    environment_ = world.settings | {"BENCH_HOSPITAL": world.hospital} | dict(settings or {})
    commands = {
        "zhenjian": [sys.executable, "-m", "app", "web"],
        "node": ["node", str(PEERS / "server.mjs"), str(port)],
        "node-sql": ["node", str(PEERS / "server.mjs"), str(port), database],
        "stock-sql": [sys.executable, "-m", "loadtests.bench_chat_stock", str(port), database],
    }
    environment_["ZHENJIAN_PORT"] = str(port)
    log = world.folder / f"{kind}.log"
    core, _ = cores()
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: ASYNC220
            commands[kind],
            cwd=ROOT,
            env=environment_,
            stdout=output,
            stderr=output,
            preexec_fn=lambda: os.sched_setaffinity(0, core),
        )
    await _ready(port, process, log)
    return Server(kind, process, port, log)


async def _ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    url = f"http://127.0.0.1:{port}/healthz"
    async with aiohttp.ClientSession(trust_env=False) as http, asyncio.timeout(READY_SECONDS):
        while True:
            if process.poll() is not None:
                raise RuntimeError(f"The server ended: see {log}.")
            try:
                async with http.get(url):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)


class Generator:
    """The load process, on the core of everything else."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls) -> Generator:
        _, core = cores()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "loadtests.bench_chat_load",
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            limit=64 * 1024 * 1024,
            preexec_fn=lambda: os.sched_setaffinity(0, core),
        )
        return cls(process)

    async def do(self, what: str, **fields: Any) -> dict[str, Any]:
        """Give an order and wait for its report. Raises RuntimeError for one that failed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(orjson.dumps({"do": what, **fields}) + b"\n")
        await self._process.stdin.drain()
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("The load process ended.")
        report: dict[str, Any] = orjson.loads(line)
        if "error" in report:
            raise RuntimeError(f"{what}: {report['error']}")
        return report

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b'{"do": "quit"}\n')
        await self._process.stdin.drain()
        await asyncio.wait_for(self._process.wait(), 10)
