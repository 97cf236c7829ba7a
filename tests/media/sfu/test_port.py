"""The socket of a worker: what arrives is handed over, and what is posted leaves."""

import asyncio
import socket
import time
from collections.abc import Iterable

import pytest

from media.sfu import port as ports
from media.sfu import wire as wires
from media.sfu.counters import Counters
from media.sfu.ice import Address
from media.sfu.names import FOUR, Names
from media.sfu.port import Port
from media.sfu.wire import ROOM, SENT, Taken, octets


class Caller:
    """A socket beside the port."""

    def __init__(self, host: str, port: Port) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.connect((host, port.number))
        self.socket.settimeout(5)

    @property
    def address(self) -> Address:
        name: Address = self.socket.getsockname()
        return name


class Ears:
    """Hears what a port takes."""

    def __init__(self) -> None:
        self.heard: list[tuple[bytes, Address]] = []
        self.port: Port | None = None

    def receive(self, batch: Iterable[Taken], now: float) -> None:
        assert self.port is not None
        for place, (size,), (name,), _ in batch:
            source = self.port.wire.source(name)
            self.heard.append((octets[ROOM * place : ROOM * place + size], source))

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.heard) < count:
                await asyncio.sleep(0.001)


@pytest.fixture(params=["batches", "singles"])
def calls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Once with a system call for many datagrams, once with one for each."""
    if request.param == "singles":
        monkeypatch.setattr(wires, "_LIBC", None)
    elif wires._LIBC is None:
        pytest.skip("this system has no calls for many datagrams")
    return str(request.param)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_datagrams_come_whole_with_their_source_and_answers_find_it(
    calls: str, host: str
) -> None:
    ears, counters = Ears(), Counters()
    port = ears.port = Port(host, 0, ears.receive, counters)
    callers = [Caller(host, port) for _ in range(3)]
    for number in range(200):
        callers[number % 3].socket.send(bytes([number]) * (number + 1))
    await ears.wait_for(200)
    for number, (data, source) in enumerate(ears.heard):
        assert data == bytes([number]) * (number + 1)
        assert source == callers[number % 3].address
        port.send(data, source)
    for number in range(200):
        assert callers[number % 3].socket.recv(ROOM) == bytes([number]) * (number + 1)
    assert (counters.datagrams_in, counters.datagrams_out) == (200, 200)
    assert counters.bytes_in == counters.bytes_out == sum(range(1, 201))
    port.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
async def test_a_port_for_all_addresses_answers_from_the_one_that_was_asked(host: str) -> None:
    if wires._LIBC is None:
        pytest.skip("this system does not tell to which address a datagram came")
    ears, counters = Ears(), Counters()
    port = ears.port = Port(host, 0, ears.receive, counters)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        # By the route alone an answer to this caller would leave from 127.0.0.1.
        caller.bind(("127.0.0.1", 0))
        caller.settimeout(5)
        for asked in ("127.0.0.2", "127.0.0.3", "127.0.0.2"):
            caller.sendto(asked.encode(), (asked, port.number))
        await ears.wait_for(3)
        sources = [source for _, source in ears.heard]
        assert sources[0] == sources[2] != sources[1]
        # Answers together, and once more when both are known.
        for batch in (ears.heard, ears.heard[::-1]):
            port.wire.gathering = True
            for data, source in batch:
                port.send(data, source)
            port.wire.flush()
            told = [caller.recvfrom(99) for _ in batch]
            assert [data.decode() for data, _ in told] == [name for _, (name, _) in told]
        # Where nobody came from, the route decides.
        known = caller.getsockname()
        port.send(b"by the route", (known[0] if "." in host else f"::ffff:{known[0]}", known[1]))
        port.wire.flush()
        assert caller.recvfrom(99) == (b"by the route", ("127.0.0.1", port.number))
    assert counters.send_refused == 0
    port.close()


async def test_more_than_fits_goes_out_in_order_and_what_is_refused_costs_nothing_else(
    calls: str,
) -> None:
    counters = Counters()
    port = Port("127.0.0.1", 0, Ears().receive, counters)
    caller = Caller("127.0.0.1", port)
    port.wire.gathering = True
    for number in range(2 * SENT + 5):
        # Port 0 is nobody's: the kernel refuses it.
        port.send(bytes([number]), ("127.0.0.1", 0) if number % 10 == 3 else caller.address)
    port.send(b"nowhere", ("no address", 5))
    port.send(bytes(ROOM + 1), caller.address)
    port.wire.gathering = False
    port.wire.flush()
    refused = len([number for number in range(2 * SENT + 5) if number % 10 == 3])
    assert counters.send_refused == refused + 2
    kept = [number for number in range(2 * SENT + 5) if number % 10 != 3]
    assert [caller.socket.recv(9) for _ in kept] == [bytes([number]) for number in kept]
    assert counters.datagrams_out == counters.bytes_out == len(kept)
    port.close()


async def test_a_port_that_is_about_busy_does_not_go_to_and_fro(calls: str) -> None:
    port = Port("127.0.0.1", 0, Ears().receive, Counters())
    began, ticking = time.monotonic(), []
    for turn, a_second in enumerate((5_500, 6_500, 5_500, 5_200, 4_500, 5_500), start=1):
        port._count(a_second, began + turn)
        ticking.append(port.ticking)
    assert ticking == [False, True, True, True, False, False]
    port.close()


async def test_a_busy_port_goes_by_the_clock_and_comes_back(
    calls: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "_BUSY", 1000)
    monkeypatch.setattr(ports, "_CALM", 1000)
    ears = Ears()
    port = ears.port = Port("127.0.0.1", 0, ears.receive, Counters())
    caller = Caller("127.0.0.1", port)
    sent = 0
    async with asyncio.timeout(20):
        while not port.ticking:
            for _ in range(50):
                caller.socket.send(b"many")
            sent += 50
            await ears.wait_for(sent)
        while port.ticking:
            caller.socket.send(b"few")
            sent += 1
            await ears.wait_for(sent)
            await asyncio.sleep(0.005)
    caller.socket.send(b"last")
    await ears.wait_for(sent + 1)
    assert ears.heard[-1] == (b"last", caller.address)
    port.close()


def test_addresses_are_forgotten_before_they_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Names, "MOST", 10)
    names = Names(FOUR)
    for number in range(35):
        name = bytes([2, 0, 0, number, 10, 0, 0, 1])
        assert names.read(name) == ("10.0.0.1", number)
        names.write(("10.0.0.1", number + 1))
    assert len(names.known) <= 10
    assert len(names.written) <= 10
