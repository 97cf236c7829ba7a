"""A small hospital under fault: PostgreSQL, Redis and two web nodes as processes, a proxy in front,
and people who talk through it all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from sqlalchemy import select

import app as zhenjian
from core import migrate
from core.bus import LocalBus
from core.clock import SystemClock
from core.config import Config
from core.crypto.keyring import Keyring
from core.db import create_engine
from core.identity import tokens
from core.identity.roles import Role
from core.modules import Modules
from core.postgres import EmbeddedPostgres, PostgresFailed
from core.runtime import Runtime
from realtime import service
from realtime.models import MessageRow, ParticipantRow
from realtime.rules import MessageKind, RoomState
from realtime.service import NewMember
from tests.support.cast import Person, hire, hire_cast
from tests.support.history import History, Violation, violations
from tests.support.proxy import Proxy
from tests.support.redis import RedisProcess
from tests.support.web import WebProcess
from zhenjian_client import ConnectionLost, JoinedRoom, RequestFailed, RoomClient

#: One message in so many is said by two devices of a user at once, under one name.
TWINS = 50
#: One message in so many is followed by a read mark.
MARKS = 10


class Database:
    """A durable cluster of the test's own that may be killed: what it acknowledged must survive."""

    def __init__(self, folder: Path) -> None:
        self.server = EmbeddedPostgres(folder)
        self.url = self.server.url("postgres")

    def kill(self) -> None:
        """SIGKILL of the postmaster; its children notice and end."""
        os.kill(self._pid(), signal.SIGKILL)

    def stop_the_world(self, number: signal.Signals) -> None:
        """SIGSTOP or SIGCONT for the postmaster and every backend."""
        postmaster = self._pid()
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for pid in (postmaster, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    async def start(self) -> None:
        """Start, or start again once the remains of the killed one are gone."""
        deadline = time.monotonic() + 60
        while True:
            try:
                await asyncio.to_thread(self.server.start)
                return
            except PostgresFailed:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.2)

    def _pid(self) -> int:
        return int((self.server.data / "postmaster.pid").read_text().split("\n", 1)[0])


@dataclass
class Device:
    """One device in one room: what it says goes out one after the other."""

    name: str
    person: Person
    room: JoinedRoom
    twin: Device | None = None
    count: int = 0


@dataclass
class World:
    """Everything that runs. `front` leads to either node."""

    database: Database
    redis: RedisProcess
    nodes: list[WebProcess]
    front: Proxy
    runtime: Runtime
    keyring: Keyring
    history: History = field(default_factory=History)
    devices: list[Device] = field(default_factory=list)
    talking: bool = True
    acknowledged: int = 0
    twice: int = 0
    refused: dict[str, int] = field(default_factory=dict)

    # ---- people ------------------------------------------------------------------------------

    async def open_rooms(self, count: int, stack: contextlib.AsyncExitStack) -> None:
        """Rooms of a patient with one device and a doctor with two, all of them connected."""
        cast = await hire_cast(self.runtime)
        for number in range(count):
            patient = await hire(
                self.runtime, cast.hospital_id, Role.PATIENT, f"病人{number}", serial=2 * number
            )
            doctor = await hire(
                self.runtime,
                cast.hospital_id,
                Role.DOCTOR,
                f"医生{number}",
                cast.department_id,
                serial=2 * number + 1,
            )
            async with self.runtime.unit_of_work() as uow:
                room_id = await service.open_room(
                    uow,
                    hospital_id=cast.hospital_id,
                    title=f"复诊 {number}",
                    members=[NewMember(p.user_id, p.caller.role) for p in (patient, doctor)],
                    state=RoomState.ACTIVE,
                )
            made = [
                await self._connect(f"{number}{letter}", person, str(room_id), stack)
                for letter, person in (("p", patient), ("d", doctor), ("e", doctor))
            ]
            made[1].twin, made[2].twin = made[2], made[1]
            self.devices += made

    async def _connect(
        self, name: str, person: Person, room_id: str, stack: contextlib.AsyncExitStack
    ) -> Device:
        async def fresh_token() -> str:
            return tokens.issue_access_token(person.caller, datetime.now(UTC), self.keyring)

        url = f"http://127.0.0.1:{self.front.port}"
        client = RoomClient(url, await fresh_token(), device=name, refresh=fresh_token)
        await stack.enter_async_context(client)
        return Device(name, person, await client.join(room_id))

    # ---- talking -----------------------------------------------------------------------------

    async def talk(self, device: Device, pause: float) -> None:
        """Say one thing after the other until it is enough, and read now and then."""
        chooser = random.Random(device.name)
        while self.talking:
            await self._say(device, together=device.twin if _one_in(chooser, TWINS) else None)
            if _one_in(chooser, MARKS):
                await self._read(device)
            await asyncio.sleep(pause * chooser.uniform(0.5, 1.5))

    async def _say(self, device: Device, together: Device | None) -> None:
        key = f"{device.name}:{device.count}"
        device.count += 1
        name = str(uuid.uuid4())
        self.history.send(device.name, device.room.id, key)
        speakers = [device] if together is None else [device, together]
        answers = await asyncio.gather(
            *(each.room.send("text", {"text": key}, client_id=name) for each in speakers),
            return_exceptions=True,
        )
        for answer in answers:
            if isinstance(answer, RequestFailed):
                self.refused[answer.code] = self.refused.get(answer.code, 0) + 1
            elif isinstance(answer, BaseException):
                raise answer
            else:
                self.history.acknowledge(key, answer.seq, duplicate=answer.duplicate)
                self.twice += answer.duplicate
        if not all(isinstance(answer, BaseException) for answer in answers):
            self.acknowledged += 1

    async def _read(self, device: Device) -> None:
        with contextlib.suppress(ConnectionLost, RequestFailed):
            marks = await device.room.read(device.room.log.last)
            user = str(device.person.user_id)
            self.history.mark(device.name, user, device.room.id, marks["read_seq"])

    # ---- the end -----------------------------------------------------------------------------

    async def settle(self, seconds: float = 90.0) -> None:
        """Wait until every device has what its room holds."""
        # The connections of the test itself did not outlive the database.
        await self.runtime.engine.dispose()
        for device in self.devices:
            assert device.room.problem is None, f"{device.name}: {device.room.problem}"
            head = len(await self._log_of(device.room.id))
            await device.room.wait_for(
                lambda log, head=head: log.last >= head,  # type: ignore[misc]
                timeout=seconds,
            )

    async def judge(self) -> list[Violation]:
        """Compare what the devices saw with what is stored."""
        stored = {room: await self._log_of(room) for room in {d.room.id for d in self.devices}}
        for device in self.devices:
            for message in device.room.log.messages:
                if message["kind"] == MessageKind.TEXT.value:
                    text = message["body"]["text"]
                    self.history.receive(device.name, device.room.id, message["seq"], text)
        async with self.runtime.unit_of_work() as uow:
            rows = await uow.session.scalars(select(ParticipantRow))
            read = {(str(row.user_id), str(row.room_id)): row.read_seq for row in rows}
        return violations(self.history, stored, read)

    async def _log_of(self, room_id: str) -> list[tuple[int, str | None]]:
        async with self.runtime.unit_of_work() as uow:
            rows = await uow.session.scalars(
                select(MessageRow)
                .where(MessageRow.room_id == uuid.UUID(room_id))
                .order_by(MessageRow.seq)
            )
            return [(row.seq, _key_of(row)) for row in rows]


def _key_of(row: MessageRow) -> str | None:
    return str(row.body["text"]) if row.kind == MessageKind.TEXT.value else None


def _one_in(chooser: random.Random, number: int) -> bool:
    return chooser.randrange(number) == 0


@contextlib.asynccontextmanager
async def running_world(folder: Path, *, rooms: int) -> AsyncIterator[World]:
    """Start everything and connect everybody; all of it is gone afterwards."""
    async with contextlib.AsyncExitStack() as stack:
        database = Database(folder / "postgres")
        await database.start()
        stack.callback(database.server.remove)
        modules = zhenjian.all_modules(Config(_env_file=None))
        engine = create_engine(database.url)
        await migrate.upgrade(engine)
        await engine.dispose()
        keyring = Keyring.create(folder / "keys.json", datetime.now(UTC))
        runtime = await stack.enter_async_context(_runtime(folder, database.url, keyring, modules))
        redis = RedisProcess(folder)
        await redis.start()
        stack.push_async_callback(redis.kill)
        first = _node(folder / "node1", database.url, keyring, redis)
        # Both hold the same key-encryption key.
        keys = {"key_file": str(folder / "node1" / "keys.json")}
        nodes = [first, _node(folder / "node2", database.url, keyring, redis, **keys)]
        for node in nodes:
            stack.push_async_callback(node.kill)
        for node in nodes:
            await node.start()
        front = Proxy(*(("127.0.0.1", node.port) for node in nodes))
        await front.start()
        stack.push_async_callback(front.stop)
        world = World(database, redis, nodes, front, runtime, keyring)
        await world.open_rooms(rooms, stack)
        yield world


def _node(
    folder: Path, url: str, keyring: Keyring, redis: RedisProcess, **settings: str
) -> WebProcess:
    folder.mkdir()
    settings |= {"redis_url": redis.url, "rate_limits": "false", "log_level": "warning"}
    return WebProcess(folder, url, keyring, **settings)


@contextlib.asynccontextmanager
async def _runtime(
    folder: Path, url: str, keyring: Keyring, modules: Modules
) -> AsyncIterator[Runtime]:
    """What the test itself asks and prepares with."""
    config = Config(
        _env_file=None, demo=True, database_url=url, data_dir=folder, media_secret="secret"
    )
    built = zhenjian.build_runtime(
        config, modules, clock=SystemClock(), bus=LocalBus(), keyring=keyring
    )
    yield built
    await built.engine.dispose()


async def answers(url: str) -> bool:
    """Whether the database takes a connection."""
    try:
        connection = await asyncpg.connect(url, timeout=2)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return False
    await connection.close()
    return True
