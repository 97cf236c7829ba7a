"""Floods on the sockets and the door: bounded in number and time, over loopback, really served."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from core.clock import FakeClock, SystemClock
from core.config import Config
from core.crypto.keyring import Keyring
from core.defence.rates import Rate
from core.identity.tokens import issue_access_token
from core.modules import Modules
from core.runtime import Runtime
from realtime.floods import DoorRules
from realtime.watch import MAX_WATCHED
from tests.support.cast import Cast, Person
from tests.support.nodes import Node, serving
from tests.support.web import WebProcess

ENGINE = "/socket.io/?EIO=4&transport=websocket"
CALM = DoorRules(per_address=Rate(600, 40), per_user=Rate(60, 6), strangers=10, sockets_per_user=4)


class Line:
    """A raw WebSocket on which anything can be sent."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws

    async def text(self) -> str:
        """The next frame that is no ping; empty when the line has ended."""
        while True:
            message = await self.ws.receive(timeout=15)
            if message.type is not aiohttp.WSMsgType.TEXT:
                return ""
            if message.data != "2":
                return str(message.data)

    async def enter(self, token: str) -> str:
        """Say who we are; the answer's first two characters tell: 40 in, 44 refused."""
        await self.ws.send_str("40" + json.dumps({"token": token}))
        return await self.text()


@contextlib.asynccontextmanager
async def line(http: aiohttp.ClientSession, url: str, **headers: str) -> AsyncIterator[Line]:
    async with http.ws_connect(url + ENGINE, headers=headers, max_msg_size=0) as ws:
        opened = Line(ws)
        assert (await opened.text()).startswith("0{")
        yield opened


@pytest.fixture
def clock() -> FakeClock:
    """Now, because the web process has the real clock and would end logins of long ago."""
    return FakeClock(SystemClock().now())


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(trust_env=False) as session:
        yield session


@pytest.fixture
async def node(
    config: Config, modules: Modules, keyring: Keyring, clock: FakeClock, cast: Cast
) -> AsyncIterator[Node]:
    async with serving(config, modules, keyring, clock, door_rules=CALM) as started:
        yield started


@pytest.mark.requirement("S3-013")
async def test_one_user_holds_a_few_sockets_and_is_told_when_to_come_back(
    node: Node, http: aiohttp.ClientSession, cast: Cast
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(line(http, node.url)) for _ in range(5)]
        answers = [await each.enter(cast.patient.token) for each in lines]
        assert [each[:2] for each in answers] == ["40"] * 4 + ["44"]
        refusal = json.loads(answers[-1][2:])["data"]
        assert refusal == {"code": "overloaded", "retry_after": 30}
        # Somebody else comes in from the same address.
        other = await stack.enter_async_context(line(http, node.url))
        assert (await other.enter(cast.doctor.token)).startswith("40")


async def test_reconnecting_without_pause_is_slowed_down(
    node: Node, http: aiohttp.ClientSession, cast: Cast
) -> None:
    refused = None
    for _ in range(10):
        async with line(http, node.url) as opened:
            answer = await opened.enter(cast.patient.token)
        if answer.startswith("44"):
            refused = json.loads(answer[2:])["data"]
            break
    assert refused is not None
    assert refused["code"] == "overloaded"
    assert refused["retry_after"] >= 1


async def test_strangers_and_a_flood_of_connections_are_refused_before_they_are_accepted(
    node: Node, http: aiohttp.ClientSession, cast: Cast
) -> None:
    refusals: list[tuple[int, str]] = []
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(60):
            try:
                await stack.enter_async_context(line(http, node.url))
            except aiohttp.WSServerHandshakeError as error:
                refusals.append((error.status, (error.headers or {})["Retry-After"]))
        assert len(refusals) >= 50, "ten strangers may wait, no more"
        assert {status for status, _ in refusals} == {503}
        assert all(int(wait) >= 1 for _, wait in refusals)
        # HTTP goes on meanwhile.
        async with http.get(node.url + "/healthz") as answer:
            assert answer.status == 200


async def test_watching_and_joining_without_end_is_refused_by_name(
    node: Node, http: aiohttp.ClientSession, cast: Cast
) -> None:
    async with line(http, node.url) as opened:
        await opened.enter(cast.patient.token)
        codes = []
        for number in range(MAX_WATCHED // 500 + 2):
            users = [str(uuid4()) for _ in range(500)]
            await opened.ws.send_str(
                f"42{number}" + json.dumps(["presence:watch", {"users": users}])
            )
            codes.append(json.loads((await opened.text()).partition("[")[2].rstrip("]")))
        for number in range(40):
            message = ["room:join", {"room": str(uuid4())}]
            await opened.ws.send_str(f"42{number}" + json.dumps(message))
            answer = json.loads((await opened.text()).partition("[")[2].rstrip("]"))
            assert answer["error"]["code"] in ("not_found", "rate_limited")
    (connection,) = node.gateway.connections.of_user(cast.patient.user_id) or (None,)
    assert connection is None or len(connection.watching) <= MAX_WATCHED


# --- The whole web process ------------------------------------------------------------------------

RUBBISH: list[str | bytes] = [
    "", "9", "4", "49", "42", "42[", "42{}", '42["x"', '42["message:send"]', "42[1]", "42[[]]",
    '42["a",{},{}]', "40", "40{", "40[]", "41", "43[]", "44", "45-1[]", "46", "1x" * 10, "6", "5",
    "2probe", "3", "\x00", "4" * 70_000, "42" + "[" * 5000, '42999999999999999999["x",{}]',
    '42/other,["x",{}]', "4" + "\u202e" * 100, b"", b"\x00" * 100, b"\xff" * 5000,
]  # fmt: skip


@pytest.fixture
def config(config: Config) -> Config:
    """Rate limits on, as in production."""
    return config.model_copy(update={"rate_limits": True})


@pytest.fixture
async def process(
    database_url: str, runtime: Runtime, keyring: Keyring, tmp_path: Path
) -> AsyncIterator[WebProcess]:
    web = WebProcess(tmp_path, database_url, keyring)
    await web.start()
    yield web
    await web.kill()


def token_of(person: Person, keyring: Keyring) -> str:
    return issue_access_token(person.caller, SystemClock().now(), keyring)


@pytest.mark.requirement("S3-013", "S4-074")
async def test_a_web_process_outlives_rubbish_floods_and_forged_origins(
    process: WebProcess,
    http: aiohttp.ClientSession,
    cast: Cast,
    keyring: Keyring,
    tmp_path: Path,
) -> None:
    token = token_of(cast.patient, keyring)
    await rubbish(process, http, token)
    await oversize(process, http)
    await many_frames(process, http, token)
    await forged_origins(process, http)
    async with line(http, process.url) as opened:
        answer = await opened.enter(token)
        assert answer.startswith("40")
    async with http.get(process.url + "/readyz") as ready:
        assert ready.status == 200
    for written in (tmp_path / "web.log").read_text().splitlines():
        entry = json.loads(written)
        assert entry["level"] in ("info", "warning", "debug"), written
        assert token not in written


async def rubbish(process: WebProcess, http: aiohttp.ClientSession, token: str) -> None:
    """Malformed packets, before and after saying who one is."""
    for known in (False, True):
        for start in range(0, len(RUBBISH), 8):
            async with line(http, process.url) as opened:
                if known:
                    await opened.enter(token)
                for frame in RUBBISH[start : start + 8]:
                    with contextlib.suppress(ConnectionError):
                        await send(opened, frame)


async def send(opened: Line, frame: str | bytes) -> None:
    if isinstance(frame, bytes):
        await opened.ws.send_bytes(frame)
    else:
        await opened.ws.send_str(frame)


async def oversize(process: WebProcess, http: aiohttp.ClientSession) -> None:
    """More than the largest frame: the line is cut, nothing is kept."""
    async with line(http, process.url) as opened:
        with contextlib.suppress(ConnectionError):
            await opened.ws.send_str("4" * 3_000_000)
        while await opened.text():
            continue
        assert opened.ws.closed


async def many_frames(process: WebProcess, http: aiohttp.ClientSession, token: str) -> None:
    """Two thousand commands at once: most are refused by name, the process answers others."""
    async with line(http, process.url) as opened:
        await opened.enter(token)
        for number in range(2000):
            await opened.ws.send_str(f'42{number}["typing",{{"room":"{uuid4()}"}}]')

        async def answered() -> list[Any]:
            codes = []
            while len(codes) < 2000 and (text := await opened.text()):
                if text.startswith("43"):
                    codes.append(json.loads(text[text.index("[") :])[0]["error"]["code"])
            return codes

        answers = asyncio.create_task(answered())
        async with http.get(process.url + "/healthz") as healthy:
            assert healthy.status == 200
        codes = await answers
        assert codes.count("rate_limited") > 1000


async def forged_origins(process: WebProcess, http: aiohttp.ClientSession) -> None:
    """Loopback is the trusted proxy: the address that it adds counts, what came before does not."""
    body = {"hospital": "renhe", "login": "nobody", "password": "x" * 12, "device": {}}

    async def guess(forwarded: str) -> int:
        async with http.post(
            process.url + "/api/v1/auth/login/password",
            json=body,
            headers={"X-Forwarded-For": forwarded, "Idempotency-Key": uuid4().hex},
        ) as answer:
            return answer.status

    statuses = [await guess(f"203.0.113.{number}, 198.51.100.7") for number in range(150)]
    assert statuses[-1] == 429, "the forged first addresses changed nothing"
    assert await guess("198.51.100.8") != 429
    assert await guess("2001:db8::1") != 429
