"""Towards the outside: the circuit breaker, and addresses out of data that lead into the house."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from core.defence import breaker as breakers
from core.defence.addresses import Internal, is_public
from core.defence.breaker import Breaker, State
from core.defence.forgery import AddressRefused, ForeignUrls
from core.outside import (
    OutsideClient,
    OutsideGarbled,
    OutsideNotCalled,
    OutsideUnavailable,
)
from tests.security.test_rates import Ticks


class Neighbour:
    """An outside system on loopback that answers as it is told and counts its calls."""

    def __init__(self) -> None:
        self.status, self.calls, self.location, self.body = 200, 0, "", b"{}"
        self.gate: asyncio.Event | None = None
        self.port = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        if self.gate is not None:
            await self.gate.wait()
        headers = {"Location": self.location} if self.location else {}
        return web.Response(status=self.status, headers=headers, body=self.body)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
async def neighbour() -> AsyncIterator[Neighbour]:
    system = Neighbour()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", system.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    system.port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    yield system
    await runner.cleanup()


# --- Breaker --------------------------------------------------------------------------------------


def test_a_breaker_opens_after_failures_in_a_row_probes_once_and_waits_longer_each_time() -> None:
    clock = Ticks()
    breaker = Breaker("x", clock, failures=3, first_pause=5, longest=15)
    for _ in range(2):
        breaker.failed()
    breaker.succeeded()
    for _ in range(3):
        assert breaker.admit() == 0
        breaker.failed()
    assert (breaker.state, breaker.admit()) == (State.OPEN, 5)
    for pause in (10, 15, 15):
        clock.now += breaker.admit()
        assert breaker.state is State.HALF_OPEN
        assert breaker.admit() == 0
        assert breaker.admit() > 0, "one probe at a time"
        breaker.failed()
        assert breaker.admit() == pause
    clock.now += 15
    assert breaker.admit() == 0
    breaker.succeeded()
    assert (breaker.state, breaker.admit()) == (State.CLOSED, 0)


def test_a_probe_that_was_given_up_lets_the_next_one_through() -> None:
    clock = Ticks()
    breaker = Breaker("x", clock, failures=1)
    breaker.failed()
    clock.now += 5
    assert breaker.admit() == 0
    breaker.abandoned()
    assert breaker.admit() == 0


@pytest.mark.requirement("S3-013")
async def test_a_dead_system_costs_no_more_calls_and_comes_back_by_one_probe(
    neighbour: Neighbour,
) -> None:
    clock = Ticks()
    breaker = Breaker("his", clock, failures=3)
    async with OutsideClient("his", neighbour.url, breaker=breaker, attempts=2) as client:
        neighbour.status = 503
        for _ in range(3):
            with pytest.raises(OutsideUnavailable):
                await client.call("GET", "/")
        with pytest.raises(OutsideNotCalled):
            await client.call("GET", "/")
        with pytest.raises(OutsideNotCalled):
            await client.call_repeatedly("GET", "/")
        assert neighbour.calls == 3
        (view,) = [each for each in breakers.views() if each.system == "his"]
        assert (view.state, view.failures) == (State.OPEN, 3)
        clock.now += view.retry_in
        neighbour.status = 404
        assert (await client.call("GET", "/")).status == 404, "a refusal is an answer"
        assert breaker.state is State.CLOSED


async def test_a_cancelled_call_counts_for_nothing(neighbour: Neighbour) -> None:
    breaker = Breaker("his", failures=1)
    neighbour.gate = asyncio.Event()
    async with OutsideClient("his", neighbour.url, breaker=breaker) as client:
        call = asyncio.create_task(client.call("GET", "/"))
        while not neighbour.calls:
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        neighbour.gate.set()
        assert breaker.state is State.CLOSED


# --- A configured system --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:1/",
        "https://127.0.0.1/",
        "HTTP://evil.test/",
        "@evil.test/",
        ":80@evil.test/",
        ".evil.test/",
    ],
)
@pytest.mark.requirement("S1-249")
async def test_a_client_calls_its_own_host_and_port_only(neighbour: Neighbour, target: str) -> None:
    async with OutsideClient("bank", neighbour.url) as client:
        with pytest.raises(OutsideGarbled):
            await client.call("GET", target)
        assert (await client.call("GET", neighbour.url + "/bill")).status == 200
        assert (await client.call("GET", "/x?back=http://evil.test/")).status == 200
    assert neighbour.calls == 2


async def test_redirects_of_a_configured_system_are_not_followed_and_answers_are_bounded(
    neighbour: Neighbour,
) -> None:
    async with OutsideClient("bank", neighbour.url, max_body=1000) as client:
        neighbour.status, neighbour.location = 302, "http://169.254.169.254/latest/meta-data"
        assert (await client.call("GET", "/")).status == 302
        neighbour.status, neighbour.body = 200, b"x" * 1001
        with pytest.raises(OutsideGarbled):
            await client.call("GET", "/")
    assert neighbour.calls == 2


# --- Addresses out of data ------------------------------------------------------------------------

FORGED = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://0/",
    "http://0.0.0.0/",
    "http://[::]/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.100.100.200/latest/meta-data/",
    "http://100.64.0.1/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://localhost/",
    "http://localhost:5432/",
    "http://ca.example:6379/",
    "http://user:secret@ca.example/",
    "http://ca.example@127.0.0.1/",
    "ftp://ca.example/x.crl",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "ldap://ca.example/cn=crl",
    "//127.0.0.1/",
    "http://",
    "http://[::1",
    "",
    "http://ca.example/" + "x" * 3000,
]


@pytest.mark.parametrize("url", FORGED)
@pytest.mark.requirement("S4-074")
async def test_an_address_out_of_data_never_leads_into_the_house(url: str) -> None:
    async with ForeignUrls("crl", timeout=2) as urls:
        with pytest.raises(AddressRefused):
            await urls.get(url)


class Answers(AbstractResolver):
    """A name server that answers as it is told, each time the next."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers, self.asked = list(answers), 0

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        addresses = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=10 if ":" in address else 2,
                proto=0,
                flags=0,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        return None


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """The name server that every new connector asks."""
    server = Answers(["127.0.0.1"])
    monkeypatch.setattr(aiohttp.connector, "DefaultResolver", lambda **options: server)
    return server


async def test_a_name_that_points_into_the_house_is_refused_at_the_socket(
    names: Answers, neighbour: Neighbour
) -> None:
    names.answers = [["127.0.0.1"], ["10.0.0.8", "::1"], ["169.254.169.254"]]
    async with ForeignUrls("ocsp", timeout=2) as urls:
        for _ in range(3):
            with pytest.raises(AddressRefused):
                await urls.get("http://ca.example/crl")
    assert (names.asked, neighbour.calls) == (3, 0)


async def test_a_name_that_changes_its_answer_gains_nothing(
    names: Answers, neighbour: Neighbour
) -> None:
    # 192.0.2.0/24 is documentation space: not global either, and nobody answers there.
    names.answers = [["192.0.2.1"], ["127.0.0.1"]]
    async with ForeignUrls("ocsp", timeout=2) as urls:
        for _ in range(2):
            with pytest.raises(AddressRefused):
                await urls.get("http://rebinding.example/")
    assert neighbour.calls == 0


async def test_an_internal_system_is_reached_by_setting_and_cannot_redirect_elsewhere(
    names: Answers, neighbour: Neighbour
) -> None:
    internal = Internal.parse(f"ocsp.hospital.local:{neighbour.port}, 10.8.0.0/16")
    async with ForeignUrls("ocsp", internal, timeout=2) as urls:
        address = f"http://ocsp.hospital.local:{neighbour.port}/"
        assert (await urls.get(address)).status == 200
        neighbour.status = 302
        for location in ("http://169.254.169.254/", "http://other.local/", "file:///etc/passwd"):
            neighbour.location = location
            with pytest.raises(AddressRefused):
                await urls.get(address)
        neighbour.location = "/again"
        with pytest.raises(AddressRefused):
            await urls.get(address)
        neighbour.status, neighbour.body = 200, b"x" * 20
        urls._max_body = 10
        with pytest.raises(OutsideGarbled):
            await urls.post(address, b"question")
        with pytest.raises(AddressRefused):
            await urls.get("http://ocsp.hospital.local:1/")


def test_only_the_open_internet_counts_as_public() -> None:
    for text in ("8.8.8.8", "203.0.114.1", "2400:3200::1"):
        assert is_public(ipaddress.ip_address(text)), text
    with pytest.raises(ValueError, match="neither"):
        Internal.parse("host:port")
