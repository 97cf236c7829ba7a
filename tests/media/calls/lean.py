"""People of a call who cost little: real sockets, ICE, DTLS and SRTP, and packets that nobody
decodes. What they receive is counted by whose it is."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

import pylibsrtp

from loadtests.bench_media_caller import RTX_TYPE, Connection, Traffic
from loadtests.bench_media_signalling import describe, remote_of
from tests.support.cast import Person
from zhenjian_client import RoomClient

_TURNED = {"sendonly": "recvonly", "recvonly": "sendonly"}


class Ear(Connection):
    """A connection that decrypts everything, and counts it by its stream."""

    def __init__(self, traffic: Traffic) -> None:
        super().__init__(traffic, "127.0.0.1")
        self.counted: Counter[int] = Counter()

    def _media(self, data: bytes) -> None:
        if data[1] & 0x7F == RTX_TYPE or self._dtls._rx_srtp is None:
            return
        try:
            plain = self._dtls._rx_srtp.unprotect(data)
        except pylibsrtp.Error:
            self.failed += 1
            return
        self.received += 1
        self.counted[int.from_bytes(plain[8:12], "big")] += 1


class LeanAttendee:
    """Somebody with a socket who follows the offers sent to his device."""

    def __init__(self, person: Person, device: str, traffic: Traffic) -> None:
        self.person, self.device = person, device
        self.client: RoomClient = None  # type: ignore[assignment]
        self.connection: Ear | None = None
        self.sessions: list[str] = []
        self._traffic = traffic
        self._streams: dict[int, tuple[str, str]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._connecting: asyncio.Task[None] | None = None
        self._negotiating = asyncio.Lock()

    def hear(self, event: str, payload: Any) -> None:
        if event == "call:offer":
            self._tasks.append(asyncio.create_task(self._negotiate(payload)))

    async def call(self, event: str, **payload: Any) -> dict[str, Any]:
        return await self.client.call(event, payload)

    def heard(self, event: str) -> list[Any]:
        """What has come of an event so far."""
        return [payload for name, payload in self.client.events if name == event]

    async def _negotiate(self, offer: dict[str, Any]) -> None:
        async with self._negotiating:
            sdp = offer["sdp"]
            if not self.sessions or offer["session"] != self.sessions[-1]:
                await self._drop()
                self.sessions.append(offer["session"])
                self.connection = Ear(self._traffic)
            assert self.connection is not None
            lines = []
            for block in sdp.split("m=")[1:]:
                mid, direction = _found(r"a=mid:(\S+)", block), _direction(block)
                kind = block.split()[0]
                lines.append((kind, mid, _TURNED.get(direction, "inactive")))
                if direction == "sendonly":
                    user = _found(r"a=msid:[us]_(\S+)", block)
                    self._streams[int(_found(r"a=ssrc:(\d+)", block))] = (user, kind)
            await self.call(
                "call:answer",
                call=offer["call"],
                session=offer["session"],
                version=offer["version"],
                sdp=describe(self.connection, lines, "active"),
            )
            if self._connecting is None:
                self._connecting = asyncio.create_task(self.connection.connect(remote_of(sdp)))

    @property
    def counted(self) -> dict[tuple[str, str], int]:
        """Packets by user and kind, so far."""
        found: Counter[tuple[str, str]] = Counter()
        if self.connection is not None:
            for ssrc, count in self.connection.counted.items():
                found[self._streams[ssrc]] += count
        return found

    async def connected(self) -> None:
        async with asyncio.timeout(15):
            while self._connecting is None:
                await asyncio.sleep(0.01)
            await self._connecting

    def say(self, now: float) -> None:
        """A packet of sound, and one of the picture."""
        assert self.connection is not None
        self.connection.send_audio(now)
        self.connection.send_video(now)

    async def _drop(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        if self.connection is not None:
            await self.connection.close()
        self._connecting = self.connection = None

    async def close(self) -> None:
        await self._drop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found is not None, pattern
    return found[1]


def _direction(block: str) -> str:
    return _found(r"a=(sendonly|recvonly|inactive)\r", block)
