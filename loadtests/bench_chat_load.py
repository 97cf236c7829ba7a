"""The load of `make bench-chat`: one process, many Socket.IO clients by hand, sending by the clock.

Open loop: message k is due at start + k / rate, whatever the server does, and every latency counts
from that moment. Frames are masked with the key 0, so that masking costs the generator nothing;
servers unmask as always. Orders come as lines of JSON on standard input, reports go to standard
output: `{"do": "connect" | "run" | "drop" | "resync" | "disconnect" | "quit", ...}`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import resource
import sys
import time
from array import array
from collections.abc import Sequence
from typing import Any

import orjson
import uvloop

from loadtests.bench_common import cpu_seconds, percentiles

PAYLOAD = 200
READY_SECONDS = 300.0
#: Connections that may be on their way at once.
ARRIVING = 40
SETTLE_SECONDS = 2.0


def frame(payload: bytes) -> bytes:
    """A masked text frame of a client, with the key 0."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, 0x80 | size)) + b"\0\0\0\0" + payload
    return b"\x81\xfe" + size.to_bytes(2, "big") + b"\0\0\0\0" + payload


class Client(asyncio.Protocol):
    """One Socket.IO client over WebSocket."""

    __slots__ = ("after", "auth", "buffer", "index", "last", "load", "ready", "room", "transport")

    def __init__(self, load: Load, index: int, auth: dict[str, Any], room: str) -> None:
        self.load = load
        self.index = index
        self.auth = auth
        self.room = room
        self.buffer = b""
        self.last = 0
        self.after: int | None = None
        self.transport: Any = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.write(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(f"The line was cut: {self.buffer[:200]!r}"))
        self.load.lost += 1

    def data_received(self, data: bytes) -> None:
        if self.buffer:
            data = self.buffer + data
        place, end = 0, len(data)
        if data.startswith(b"HTTP/1.1"):
            head = data.find(b"\r\n\r\n")
            if head < 0 or not data.startswith(b"HTTP/1.1 101"):
                self.buffer = data
                return
            place = head + 4
        while end - place >= 2:
            size, start = data[place + 1], place + 2
            if size == 126:
                size, start = int.from_bytes(data[start : start + 2], "big"), start + 2
            elif size == 127:
                size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
            if start > end or start + size > end:
                break
            if data[place] == 0x81:
                self.heard(data[start : start + size])
            place = start + size
        self.buffer = data[place:]

    def heard(self, text: bytes) -> None:
        if text.startswith(b'42["message",'):
            at = text.find(b'"#')
            if at > 0:
                self.load.event(int(text[at + 2 : at + 11]), self.index)
            seq = text.find(b'"seq":')
            self.last = int(text[seq + 6 : text.find(b",", seq)])
        elif text.startswith(b"43"):
            bracket = text.index(b"[")
            number = int(text[2:bracket])
            if number:
                self.load.acknowledged(number, b'"ok":true' in text)
            elif b'"ok":true' not in text:
                self.ready.set_exception(ConnectionError(text.decode()))
            elif not self.ready.done():
                self.ready.set_result(None)
        elif text == b"2":
            self.transport.write(frame(b"3"))
        elif text.startswith(b"0"):
            self.transport.write(frame(b"40" + orjson.dumps(self.auth)))
        elif text.startswith(b"40"):
            asked = {"room": self.room, "after": self.after}
            self.transport.write(frame(b'420["room:join",' + orjson.dumps(asked) + b"]"))
        elif text.startswith(b"44") and not self.ready.done():
            self.ready.set_exception(ConnectionError(text.decode()))


class Load:
    """All clients of this process and what became of their messages."""

    def __init__(self) -> None:
        self.clients: list[Client] = []
        self.lost = 0
        self.host = "127.0.0.1"
        self.ports: list[int] = []
        self.people: list[dict[str, Any]] = []
        self.run_id = 0
        self.first = 1
        self.due = array("d")
        self.acked = array("d")
        self.reached = array("d")
        self.events = array("b")
        self.refused = 0

    async def connect(self, order: dict[str, Any]) -> dict[str, Any]:
        """Connect and join everybody, on the ports in turn: `{ports, people: [{auth, room}]}`."""
        self.ports, self.people = order["ports"], order["people"]
        return await self._arrive([None] * len(self.people))

    async def resync(self, order: dict[str, Any]) -> dict[str, Any]:
        """Connect everybody anew, each joining some messages below the newest that he heard."""
        if "people" in order:
            self.people = order["people"]
        return await self._arrive([max(0, each.last - order["missed"]) for each in self.clients])

    async def _arrive(self, cursors: Sequence[int | None]) -> dict[str, Any]:
        gate, loop = asyncio.Semaphore(ARRIVING), asyncio.get_running_loop()

        async def one(index: int) -> Client:
            person = self.people[index]
            client = Client(self, index, person["auth"], person["room"])
            client.after = cursors[index]
            async with gate, asyncio.timeout(READY_SECONDS):
                port = self.ports[index % len(self.ports)]
                await loop.create_connection(lambda: client, self.host, port)
                await client.ready
            return client

        began = time.perf_counter()
        self.clients = await asyncio.gather(*(one(n) for n in range(len(self.people))))
        # Nothing that lives for the whole run is looked through again: a pause of the collector
        # here would count as the server's.
        gc.collect()
        gc.freeze()
        return {"connected": len(self.clients), "seconds": time.perf_counter() - began}

    async def drop(self, order: dict[str, Any]) -> dict[str, Any]:
        """Cut every line at once, without a word."""
        began = time.perf_counter()
        for client in self.clients:
            client.transport.abort()
        await asyncio.sleep(0)
        return {"seconds": time.perf_counter() - began}

    async def disconnect(self, order: dict[str, Any]) -> dict[str, Any]:
        await self.drop(order)
        await asyncio.sleep(0.5)
        self.clients = []
        return {}

    async def run(self, order: dict[str, Any]) -> dict[str, Any]:
        """Send at `rate` for `warm` + `seconds`; `watch` names processes by their ids."""
        rate, warm, seconds = order["rate"], order["warm"], order["seconds"]
        total, skipped = int(rate * (warm + seconds)), int(rate * warm)
        zeros = bytes(8 * total)
        self.due, self.acked, self.reached = (array("d", zeros) for _ in range(3))
        self.events, self.refused, self.lost = array("b", bytes(total)), 0, 0
        self.first += 1_000_000
        self.run_id = random.getrandbits(48)
        watched = {**order["watch"], "generator": os.getpid()}
        order_of = list(range(len(self.clients)))
        random.Random(7).shuffle(order_of)
        lags = array("d")
        began = time.perf_counter()
        before: dict[str, float] = {}
        sent = 0
        while sent < total:
            now = time.perf_counter()
            if not before and now - began >= warm:
                before = {name: cpu_seconds(pid) for name, pid in watched.items()}
                clock = now
            due = min(total, int((now - began) * rate) + 1)
            if due > sent:
                self._send(sent, due, began, rate, order_of)
                lags.append(now - (began + sent / rate))
                sent = due
            await asyncio.sleep(max(0.001, began + sent / rate - time.perf_counter()))
        await asyncio.sleep(max(0.0, began + warm + seconds - time.perf_counter()))
        after = {name: cpu_seconds(pid) for name, pid in watched.items()}
        spent = time.perf_counter() - clock
        heard = sum(self.events[skipped:])
        done = sum(1 for each in self.acked[skipped:] if each)
        await self._settle(total)
        return {
            "rate": rate,
            "seconds": spent,
            "sent": total - skipped,
            "acknowledged": done,
            "delivered": heard,
            "lost_messages": sum(1 for each in self.acked if not each),
            "missing_events": 2 * total - sum(self.events),
            "refused": self.refused,
            "lines_lost": self.lost,
            "cpu": {name: after[name] - before[name] for name in watched},
            "ack_ms": percentiles(_since(self.acked, self.due, skipped)),
            "end_to_end_ms": percentiles(_since(self.reached, self.due, skipped)),
            "send_lag_p99_ms": percentiles(lags[len(lags) // 4 :])["p99"],
        }

    def _send(self, start: int, end: int, began: float, rate: float, order: list[int]) -> None:
        clients, count = self.clients, len(order)
        for number in range(start, end):
            client = clients[order[number % count]]
            self.due[number] = began + number / rate
            text = (
                b'42%d["message:send",{"room":"%b","client_id":"%08x-%04x-7000-8000-%012x",'
                b'"kind":"text","body":{"text":"#%09d %b"},"reply_to":null}]'
                % (
                    self.first + number,
                    client.room.encode(),
                    number,
                    self.run_id & 0xFFFF,
                    self.run_id,
                    number,
                    FILLING,
                )
            )
            # An overloaded server lets lines go; what was due on them counts as not delivered.
            if not client.transport.is_closing():
                client.transport.write(frame(text))

    async def _settle(self, total: int) -> None:
        """Wait for stragglers as long as some come, so that they do not count for the next run."""
        heard, until = -1, 0.0
        while (now := sum(self.events)) < 2 * total:
            if now > heard:
                heard, until = now, time.perf_counter() + SETTLE_SECONDS
            elif time.perf_counter() > until:
                return
            await asyncio.sleep(0.05)

    def event(self, number: int, index: int) -> None:
        if number < len(self.events):
            self.events[number] += 1
            if not self.reached[number] or self.events[number] == 2:
                self.reached[number] = time.perf_counter()

    def acknowledged(self, ack: int, ok: bool) -> None:
        number = ack - self.first
        if 0 <= number < len(self.acked):
            if ok:
                self.acked[number] = time.perf_counter()
            else:
                self.refused += 1


FILLING = b"x" * (PAYLOAD - 11)


def _since(times: array[float], due: array[float], skipped: int) -> list[float]:
    return [
        time_ - due_
        for time_, due_ in zip(times[skipped:], due[skipped:], strict=True)
        if time_ and due_
    ]


async def obey() -> None:
    """Follow orders until `quit`."""
    load, loop = Load(), asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order = orjson.loads(line)
        if order["do"] == "quit":
            return
        try:
            report = await getattr(load, order["do"])(order)
        except (OSError, TimeoutError) as error:
            report = {"error": repr(error)}
        sys.stdout.write(orjson.dumps(report).decode() + "\n")
        sys.stdout.flush()


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(obey())


if __name__ == "__main__":
    main()
