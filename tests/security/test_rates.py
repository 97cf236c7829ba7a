"""Rate limits: the rule, the counters of one process, and those that processes share in Redis."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.defence.addresses import client_key
from core.defence.counters import Counter, LocalCounters
from core.defence.kinds import Kind
from core.defence.limits import RequestLimits
from core.defence.rates import Rate, judge, whole_seconds
from core.defence.shared_counters import RedisCounters
from core.modules import Modules
from core.runtime import Runtime
from tests.support.cast import Cast
from tests.support.demo import free_port
from tests.support.http import Client
from tests.support.redis import redis_program

SLOW = Rate(per_minute=6, burst=3)


@dataclass
class Ticks:
    """A clock of seconds that a test moves."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def admitted(rate: Rate, times: Sequence[float]) -> list[float]:
    """The moments at which a request was let through."""
    kept, passed = None, []
    for now in times:
        verdict = judge(rate, kept, now)
        if verdict.admitted:
            kept, passed = verdict.arrival, [*passed, now]
    return passed


def test_a_burst_passes_and_then_one_for_each_interval() -> None:
    assert admitted(SLOW, [0, 0, 0, 0, 0]) == [0, 0, 0]
    assert admitted(SLOW, [0, 0, 0, 9.9, 10, 10, 20]) == [0, 0, 0, 10, 20]
    assert whole_seconds(judge(SLOW, 30.0, 0.0).wait) == 10


@given(
    st.floats(1, 6000),
    st.integers(1, 50),
    st.lists(st.floats(0, 120), min_size=1, max_size=200).map(sorted),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_no_stretch_of_time_ever_sees_more_than_burst_and_rate(
    per_minute: float, burst: int, times: list[float]
) -> None:
    rate = Rate(per_minute, burst)
    passed = admitted(rate, times)
    for start in range(len(passed)):
        for end in range(start, len(passed)):
            stretch = passed[end] - passed[start]
            assert end - start + 1 <= burst + stretch / rate.interval + 1e-6


@given(st.lists(st.floats(0, 120), min_size=1, max_size=100).map(sorted))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_who_is_told_to_wait_is_let_in_after_the_wait(times: list[float]) -> None:
    kept: float | None = None
    for now in times:
        verdict = judge(SLOW, kept, now)
        if verdict.admitted:
            kept = verdict.arrival
        else:
            assert judge(SLOW, kept, now + verdict.wait + 1e-6).admitted


def counter(key: str, rate: Rate = SLOW) -> Counter:
    return Counter("person", key, rate)


async def test_a_request_takes_from_all_of_its_counters_or_from_none() -> None:
    counters = LocalCounters(Ticks())
    for _ in range(3):
        assert await counters.take([counter("a")]) is None
    refusal = await counters.take([counter("b"), counter("a")])
    assert refusal is not None
    assert refusal.counter.key == "a"
    for _ in range(3):
        assert await counters.take([counter("b")]) is None


async def test_counters_of_a_process_stay_bounded_and_forget_the_idle_first() -> None:
    clock = Ticks()
    counters = LocalCounters(clock, most=100)
    for number in range(100):
        await counters.take([counter(f"idle-{number}")])
    clock.now += 60
    for _ in range(3):
        await counters.take([counter("busy")])
    for number in range(500):
        await counters.take([counter(f"flood-{number}")])
        if number % 50 == 0:
            assert await counters.take([counter("busy")]) is not None
    assert len(counters) <= 100


def test_addresses_are_counted_by_what_one_subscriber_gets() -> None:
    assert client_key("203.0.113.9") == "203.0.113.9"
    assert client_key("::ffff:203.0.113.9") == "203.0.113.9"
    assert client_key("2001:db8:1:2:3::4") == client_key("2001:db8:1:2:ffff::1")
    assert client_key("2001:db8:1:2::1") != client_key("2001:db8:1:3::1")
    assert client_key("fe80::1%eth0") == "fe80::/64"
    assert client_key("no address at all") == "no address at all"


# --- Redis ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def redis_server() -> str:
    return redis_program()


@contextlib.asynccontextmanager
async def running_redis(
    program: str, folder: Path
) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """A Redis of this test's own on loopback; its URL and process."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
        "--dir", str(folder), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            while b"Ready to accept" not in await process.stdout.readline():
                assert process.returncode is None
        yield f"redis://127.0.0.1:{port}/0", process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.requirement("S3-013")
async def test_processes_count_together_in_redis_and_alone_while_it_is_gone(
    redis_server: str, tmp_path: Path
) -> None:
    async with running_redis(redis_server, tmp_path) as (url, process):
        one, other = RedisCounters(url), RedisCounters(url)
        assert await one.take([counter("a")]) is None
        assert await other.take([counter("a")]) is None
        assert await one.take([counter("a"), counter("b")]) is None
        refusal = await other.take([counter("b"), counter("a")])
        assert refusal is not None
        assert refusal.counter.key == "a"
        assert 8 < refusal.wait <= 10
        # What was refused took nothing from the counter beside it.
        assert await one.take([counter("b")]) is None
        assert await one.take([counter("b")]) is None
        assert await one.take([counter("b")]) is not None
        process.kill()
        await process.wait()
        for _ in range(3):
            assert await one.take([counter("a")]) is None
        assert await one.take([counter("a")]) is not None
        await one.aclose()
        await other.aclose()


# --- Over HTTP ------------------------------------------------------------------------------------


@pytest.fixture
def tight(runtime: Runtime) -> Iterator[RequestLimits]:
    """Limits on a clock that stands still: a count is exact."""
    limits = RequestLimits(LocalCounters(Ticks()))
    runtime.ports[RequestLimits] = limits
    yield limits
    del runtime.ports[RequestLimits]


@pytest.mark.requirement("S3-013")
async def test_a_flood_of_one_person_is_refused_with_the_time_to_wait_and_harms_nobody_else(
    client: Client, cast: Cast, tight: RequestLimits
) -> None:
    answers = [await client.get("/me", token=cast.patient.token) for _ in range(310)]
    assert [answer.status for answer in answers[:300]] == [200] * 300
    refused = answers[-1]
    assert (refused.status, refused.code) == (429, "rate_limited")
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json["details"] == {"scope": "person", "kind": "read"}
    assert (await client.get("/me", token=cast.doctor.token)).status == 200
    # Reading too much keeps nobody from writing.
    saved = await client.patch("/me", token=cast.patient.token, json={})
    assert saved.status != 429


async def test_guesses_at_a_login_are_counted_by_address_before_the_password_is_looked_at(
    asgi: object, client: Client, cast: Cast, tight: RequestLimits
) -> None:
    body = {"hospital": "renhe", "login": "nobody", "password": "x" * 12, "device": {}}
    codes = [(await client.post("/auth/login/password", json=body)).status for _ in range(125)]
    assert set(codes[-5:]) == {429}
    elsewhere = Client(client._app, address="198.51.100.7")
    assert (await elsewhere.post("/auth/login/password", json=body)).status != 429


async def test_one_ipv6_network_is_one_client(
    client: Client, cast: Cast, tight: RequestLimits
) -> None:
    await client.get("/hospitals")
    tight._address[Kind.READ] = Rate(60, 20)
    for number in range(20):
        neighbour = Client(client._app, address=f"2001:db8:0:1::{number:x}")
        assert (await neighbour.get("/hospitals")).status == 200
    assert (await Client(client._app, "2001:db8:0:1:ffff::1").get("/hospitals")).status == 429
    assert (await Client(client._app, "2001:db8:0:2::1").get("/hospitals")).status == 200


async def test_forged_tokens_use_up_the_address(
    client: Client, cast: Cast, tight: RequestLimits
) -> None:
    await client.get("/hospitals")
    tight._total = Rate(60, 10)
    forger = Client(client._app, "198.51.100.9")
    statuses = [(await forger.get("/me", token="a.b.c")).status for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2


async def test_the_numbers_are_settings(
    client: Client, cast: Cast, runtime: Runtime, tight: RequestLimits
) -> None:
    changed = await client.put(
        "/settings/defence.export_per_person",
        token=cast.operator.token,
        json={"value": 12, "scope": "group", "scope_id": None, "reason": "演练"},
    )
    assert changed.status in (200, 204), changed.body
    path = "/consultations/export.csv"
    statuses = [(await client.get(path, token=cast.administrator.token)).status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]


def test_every_route_has_a_limit_that_fits_what_it_does(modules: Modules) -> None:
    for route in modules.routes:
        kind = route.limits.kind.value
        if route.path.startswith("/auth/login") or route.path == "/auth/sms-codes":
            assert kind == "login", route.path
        if "export" in route.path or route.path.endswith(".csv"):
            assert kind == "export", route.path
        assert 0 < route.seconds <= 900, route.path
