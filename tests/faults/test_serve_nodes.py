"""`zhenjian serve --nodes 2`: two nodes and a private Redis under one parent."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

import app as zhenjian
from core.clock import FakeClock
from core.config import Config
from core.crypto.keyring import Keyring
from core.identity import tokens
from core.redis_server import PrivateRedis, RedisMissing
from core.runtime import Runtime
from core.supervisor import port_is_free
from realtime import service
from realtime.rules import RoomState
from realtime.service import NewMember
from tests.support.cast import Cast, Person
from tests.support.demo import ROOT, free_port
from tests.support.redis import redis_program
from tests.support.web import READY_SECONDS, WebProcess
from zhenjian_client import RoomClient


@pytest.fixture
def clock() -> FakeClock:
    """Now: the processes under test would end a login of long ago as idle."""
    return FakeClock(datetime.now(UTC))


def _two_ports() -> int:
    """The first of two neighbouring ports that are free."""
    while True:
        port = free_port()
        if port_is_free("127.0.0.1", port + 1):
            return port


def children_of(pid: int) -> dict[str, int]:
    """The supervisor's children by the last word of their command, web nodes by their port."""
    found = {}
    for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            words = Path(f"/proc/{each}/cmdline").read_bytes().split(b"\0")[:-1]
            settings = Path(f"/proc/{each}/environ").read_bytes().split(b"\0")
        except OSError:
            # It has just ended.
            continue
        if not words:
            continue
        name = "redis" if b"redis-server" in words[0] else words[-1].decode()
        if name == "web":
            name = next(s for s in settings if s.startswith(b"ZHENJIAN_PORT=")).decode()
        found[name] = int(each)
    return found


async def ready(url: str) -> None:
    async with aiohttp.ClientSession() as http, asyncio.timeout(READY_SECONDS):
        while True:
            try:
                async with http.get(url + "/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)


@pytest.mark.alone
@pytest.mark.timeout(300)
async def test_two_nodes_share_a_private_redis_and_are_kept_alive(
    tmp_path: Path, runtime: Runtime, cast: Cast, keyring: Keyring
) -> None:
    redis_program()
    port = _two_ports()
    pattern = WebProcess(tmp_path, runtime.config.require_database(), keyring)
    environment = pattern._environment | {
        "ZHENJIAN_PORT": str(port),
        "ZHENJIAN_SANDBOX_PORT": str(free_port()),
        "ZHENJIAN_MEDIA_PORT": str(free_port()),
        "ZHENJIAN_MEDIA_CONTROL_PORT": str(free_port()),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app", "serve", "--nodes", "2", cwd=ROOT, env=environment
    )
    urls = [f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}"]
    try:
        for url in urls:
            await ready(url)
        children = children_of(process.pid)
        nodes = {f"ZHENJIAN_PORT={port}", f"ZHENJIAN_PORT={port + 1}"}
        assert children.keys() == {"redis", "media", "worker"} | nodes
        await _talk_across(urls, runtime, cast, keyring)
        os.kill(children[f"ZHENJIAN_PORT={port + 1}"], signal.SIGKILL)
        os.kill(children["redis"], signal.SIGKILL)
        async with asyncio.timeout(READY_SECONDS):
            while (now := children_of(process.pid)).keys() != children.keys() or any(
                now[name] == children[name] for name in ("redis", f"ZHENJIAN_PORT={port + 1}")
            ):
                await asyncio.sleep(0.1)
        await ready(urls[1])
        await _talk_across(urls, runtime, cast, keyring)
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0


async def _talk_across(urls: list[str], runtime: Runtime, cast: Cast, keyring: Keyring) -> None:
    people = cast.patient, cast.doctor
    async with runtime.unit_of_work() as uow:
        room = await service.open_room(
            uow,
            hospital_id=cast.hospital_id,
            title="复诊",
            members=[NewMember(each.user_id, each.caller.role) for each in people],
            state=RoomState.ACTIVE,
        )

    def client(url: str, person: Person) -> RoomClient:
        token = tokens.issue_access_token(person.caller, datetime.now(UTC), keyring)
        return RoomClient(url, token)

    async with client(urls[0], people[0]) as patient, client(urls[1], people[1]) as doctor:
        hers, his = await patient.join(str(room)), await doctor.join(str(room))
        sent = await hers.send_text("您好")
        await his.wait_for(lambda log: log.last == sent.seq, timeout=20)
        sent = await his.send_text("您好，请讲")
        await hers.wait_for(lambda log: log.last == sent.seq, timeout=20)


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    port = _two_ports()
    config = Config(_env_file=None, port=port, media_control_port=port + 1, data_dir=tmp_path)
    with pytest.raises(zhenjian.SetupProblem, match=str(port + 1)):
        zhenjian.children_of(config, 2, print)


def test_without_a_redis_server_it_is_said_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.redis_server.find_program", lambda: None)
    with pytest.raises(RedisMissing, match="ZHENJIAN_REDIS_URL"):
        PrivateRedis.prepare(tmp_path)


def test_a_private_redis_lies_in_a_folder_of_its_own(tmp_path: Path) -> None:
    redis_program()
    redis = PrivateRedis.prepare(tmp_path)
    folder = Path(redis.command[redis.command.index("--dir") + 1])
    assert folder.stat().st_mode & 0o077 == 0
    assert redis.url == f"unix://{folder}/redis.sock"
    folder.chmod(0o755)
    with pytest.raises(RedisMissing, match=str(folder)):
        PrivateRedis.prepare(tmp_path)
    folder.rmdir()
