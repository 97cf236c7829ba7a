"""Size and time: bodies, headers, addresses, depth, slow senders, slow handlers, full processes."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from pydantic import BaseModel
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.types import ASGIApp

from core.defence.kinds import Kind, Priority
from core.defence.load import LoadGate, Overburdened
from core.http import ANY_ROLE, PUBLIC, Context, Routes, body, dispatch
from core.http.middleware import RequestMiddleware
from core.http.protocol import GuardedProtocol
from core.http.routes import LARGE_BODY
from core.modules import Modules
from core.runtime import Runtime
from tests.support.cast import Cast
from tests.support.demo import free_port
from tests.support.http import Client

routes = Routes(tag="slow", title="慢")


class Tree(BaseModel):
    node: Any = None


GATES: dict[str, asyncio.Event] = {}


@routes.post("/trees", roles=PUBLIC, transaction=False, max_body=2000)
async def plant(ctx: Context, body: Tree) -> dict[str, int]:
    return {"bytes": len(str(body.node))}


@routes.post("/forests", roles=PUBLIC, transaction=False, max_body=8_000_000, limit=Kind.WRITE)
async def plant_many(ctx: Context, body: Tree) -> dict[str, int]:
    return {"bytes": len(str(body.node))}


@routes.post("/writes", roles=ANY_ROLE, time_limit=0.3)
async def write_slowly(ctx: Context) -> None:
    await ctx.uow.session.execute(text("CREATE TABLE half_done (x int)"))
    await ctx.uow.session.execute(text("SELECT pg_sleep(30)"))


@routes.get("/held", roles=PUBLIC, transaction=False, limit=Kind.EXPORT)
async def held(ctx: Context) -> None:
    GATES["entered"].set()
    await GATES["go"].wait()


@routes.get("/rooms", roles=PUBLIC, transaction=False, priority=Priority.HIGH)
async def rooms(ctx: Context) -> None:
    GATES["entered"].set()
    await GATES["go"].wait()


@pytest.fixture
def slow(runtime: Runtime) -> ASGIApp:
    application = Starlette(routes=dispatch.build_routes(runtime, routes.routes))
    return RequestMiddleware(application)


# --- Size -----------------------------------------------------------------------------------------


async def test_bodies_are_cut_at_the_limit_of_their_route(slow: ASGIApp) -> None:
    client = Client(slow)
    assert (await client.post("/trees", json={"node": "x" * 1900})).status == 200
    assert (await client.post("/trees", json={"node": "x" * 2000})).code == "body_too_large"
    lying = {"content-length": "10", "content-type": "application/json"}
    answer = await client.post("/trees", body=b'{"node":"' + b"x" * 5000 + b'"}', headers=lying)
    assert answer.code == "body_too_large"


def test_every_route_bounds_its_body(modules: Modules) -> None:
    for route in modules.routes:
        assert route.max_body <= 32 * 1024 * 1024, route.path
        if route.method != "GET" and not route.max_body:
            assert route.limits.kind is Kind.UPLOAD, f"{route.path} reads its body by itself"


async def test_large_bodies_are_few_at_a_time_whoever_sends_them(
    slow: ASGIApp, runtime: Runtime
) -> None:
    runtime.ports[LoadGate] = gate = LoadGate(8)
    headers = {"content-type": "application/json"}
    large = b'{"node":"' + b"x" * LARGE_BODY + b'"}'
    with contextlib.ExitStack() as places:
        for _ in range(6):
            places.enter_context(gate.enter_upload("127.0.0.1"))
        answer = await Client(slow).post("/forests", body=large, headers=headers)
        assert answer.code == "overloaded"
        assert (await Client(slow).post("/forests", json={"node": 1})).status == 200
        elsewhere = Client(slow, "198.51.100.3")
        assert (await elsewhere.post("/forests", body=large, headers=headers)).status == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip", "GZIP"])
async def test_nothing_sent_is_ever_unpacked(slow: ASGIApp, encoding: str) -> None:
    bomb = gzip.compress(b'{"node":"' + b" " * 1_000_000 + b'"}')
    headers = {"content-encoding": encoding, "content-type": "application/json"}
    answer = await Client(slow).post("/trees", body=bomb[:1500], headers=headers)
    assert answer.code == "unsupported_media_type"


@pytest.mark.parametrize(
    "nested", ["[" * 900, "[" * 900 + "]" * 900, '{"a":' * 300 + "1" + "}" * 300]
)
async def test_json_that_is_nested_too_deep_is_malformed(slow: ASGIApp, nested: str) -> None:
    raw = b'{"node":' + nested.encode() + b"}"
    answer = await Client(slow).post(
        "/trees", body=raw, headers={"content-type": "application/json"}
    )
    assert answer.code == "malformed"


async def test_long_addresses_and_many_headers_are_refused(client: Client) -> None:
    assert (await client.get("/hospitals?q=" + "x" * 9000)).code == "uri_too_long"
    many = {f"x-{number}": "1" for number in range(150)}
    assert (await client.get("/hospitals", headers=many)).code == "headers_too_large"


# --- Time -----------------------------------------------------------------------------------------


async def test_a_handler_that_takes_too_long_is_ended_and_leaves_nothing(
    slow: ASGIApp, runtime: Runtime, cast: Cast
) -> None:
    answer = await Client(slow).post("/writes", token=cast.patient.token)
    assert (answer.status, answer.code) == (503, "timed_out")
    assert answer.headers["retry-after"]
    async with runtime.unit_of_work() as uow:
        left = await uow.session.scalar(text("SELECT to_regclass('half_done')"))
        running = await uow.session.scalar(
            text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%'"
                 " AND state = 'active' AND pid <> pg_backend_pid()")
        )  # fmt: skip
    assert (left, running) == (None, 0)


async def test_under_load_exports_give_way_and_rooms_go_on(slow: ASGIApp, runtime: Runtime) -> None:
    runtime.ports[LoadGate] = gate = LoadGate(8)
    client = Client(slow)
    GATES["go"] = asyncio.Event()
    held: list[asyncio.Task[Any]] = []
    for _ in range(4):
        GATES["entered"] = asyncio.Event()
        held.append(asyncio.create_task(client.get("/held")))
        await GATES["entered"].wait()
    refused = await client.get("/held")
    assert (refused.status, refused.code) == (503, "overloaded")
    assert refused.headers["retry-after"] == "10"
    for _ in range(4):
        GATES["entered"] = asyncio.Event()
        held.append(asyncio.create_task(client.get("/rooms")))
        await GATES["entered"].wait()
    assert (await client.get("/rooms")).status == 503, "eight are all there is"
    GATES["go"].set()
    assert {answer.status for answer in await asyncio.gather(*held)} == {204}
    assert gate.in_hand == 0
    assert (await client.get("/held")).status == 204


def test_one_person_cannot_hold_all_places_for_uploads() -> None:
    gate = LoadGate(100)
    places = [gate.enter_upload(None) for _ in range(7)]
    for place in places[:6]:
        place.__enter__()
    with pytest.raises(Overburdened):
        places[6].__enter__()
    places[0].__exit__(None, None, None)
    with gate.enter_upload(None):
        pass


# --- Against a real server ------------------------------------------------------------------------


class Hasty(GuardedProtocol):
    """The same protocol with less patience."""

    head_seconds = 0.4
    rest_seconds = 0.4
    stall_seconds = 0.4


@pytest.fixture
async def port(slow: ASGIApp) -> AsyncIterator[int]:
    """A real uvicorn server on loopback."""
    number = free_port()
    server = uvicorn.Server(
        uvicorn.Config(slow, port=number, http=Hasty, ws="none", lifespan="off", log_config=None)
    )
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield number
    server.should_exit = server.force_exit = True
    await task


async def end_of(reader: asyncio.StreamReader) -> bytes:
    """What the server sends until it closes; fails when it does not."""
    async with asyncio.timeout(10):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


Speaker = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def trickle(writer: asyncio.StreamWriter, pieces: int, piece: bytes) -> None:
    try:
        for _ in range(pieces):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.05)
    except ConnectionError:
        return


async def test_a_slow_loris_is_cut_off_while_others_are_served(port: int) -> None:
    """Many connections send headers drop by drop, or nothing at all."""
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(60)]
    for number, (_, writer) in enumerate(streams):
        if number % 2:
            writer.write(b"GET /api/v1/trees HTTP/1.1\r\nHost: x\r\nX-A: ")
    drops = [asyncio.create_task(trickle(writer, 100, b"b")) for _, writer in streams[1::2]]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /api/v1/trees HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"405" in (await end_of(reader)).split(b"\r\n")[0]
    for each, _ in streams:
        assert await end_of(each) == b""
    for drop in drops:
        drop.cancel()
    for _, writer in streams:
        writer.close()


async def test_a_kept_connection_may_not_dribble_its_second_request(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /api/v1/trees HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"405" in await reader.readline()
    writer.write(b"GET /api/v1/trees HTTP/1.1\r\nX-B: ")
    drop = asyncio.create_task(trickle(writer, 100, b"b"))
    await end_of(reader)
    drop.cancel()
    writer.close()


async def test_a_body_that_does_not_come_is_given_up(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "IDLE_SECONDS", 0.3)
    monkeypatch.setattr(body, "GRACE_SECONDS", 0.6)
    for dribble in (False, True):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /api/v1/trees HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 1000\r\n\r\n{"
        )
        drop = asyncio.create_task(trickle(writer, 200 if dribble else 0, b" "))
        answer = await end_of(reader)
        drop.cancel()
        assert b" 408 " in answer.split(b"\r\n")[0]
        assert b"body_too_slow" in answer
        writer.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /api/v1/trees HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
        b"POST /api/v1/trees HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        b"Content-Length: 6\r\n\r\nabcdef",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["header", "address", "smuggled", "two-lengths", "null", "space", "tls"],
)
async def test_what_is_no_clean_request_is_refused_and_the_line_is_closed(
    port: int, raw: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    answer = await end_of(reader)
    assert answer == b"" or answer.startswith(
        (b"HTTP/1.1 400 ", b"HTTP/1.1 414 ", b"HTTP/1.1 431 ")
    ), answer[:200]
    assert answer.count(b"HTTP/1.1 ") <= 1
    writer.close()
