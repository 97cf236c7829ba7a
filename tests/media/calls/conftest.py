"""Calls for the tests: media workers as processes, people with sockets and PeerConnections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from core.config import Config
from core.runtime import Runtime
from media.calls.controller import Controller
from media.recording.composer import Composer
from tests.media.sfu.clients import Picture, Tone
from tests.media.sfu.support import SECRET, WorkerProcess
from tests.realtime.conftest import StartNode, connect, open_room, room, start_node
from tests.support.cast import Person
from tests.support.nodes import Node
from zhenjian_client import RoomClient

__all__ = ["connect", "open_room", "room", "start_node"]

#: What the people of a call are told; these callers have a way of their own.
TURN = "turns:turn.example:443?transport=tcp"
#: Into these an attendee publishes: sound, picture, and what it shares of its screen.
OWN_LINES = ("0", "1", "screen")

Attend = Callable[..., Awaitable["Attendee"]]


@pytest.fixture
def worker_count() -> int:
    """Overridden by tests that need several workers."""
    return 1


@pytest.fixture
async def workers(tmp_path: Path, worker_count: int) -> AsyncIterator[list[WorkerProcess]]:
    """Media workers on free ports, with one folder of journals and one store."""
    found = [WorkerProcess(tmp_path) for _ in range(worker_count)]
    for worker in found:
        await worker.start()
    yield found
    for worker in found:
        await worker.stop()


@pytest.fixture
def config(database_url: str, tmp_path: Path, workers: list[WorkerProcess]) -> Config:
    return Config(
        _env_file=None,
        demo=True,
        database_url=database_url,
        data_dir=tmp_path,
        media_secret=SECRET,
        media_workers=",".join(worker.url for worker in workers),
        media_turn_urls=TURN,
        media_turn_secret="between us and the relay",
        relay=False,
        rate_limits=False,
    )


@pytest.fixture
async def node(start_node: StartNode, runtime: Runtime) -> AsyncIterator[Node]:
    """A node; controllers and composers are closed before their runtimes go."""
    started = await start_node()
    yield started
    for each in (runtime, started.runtime):
        for port in (Controller, Composer):
            found = each.ports.get(port)
            if found is not None:
                await found.aclose()


class Attendee:
    """Somebody with a socket who follows the offers sent to his device."""

    def __init__(self, person: Person, device: str, brightness: int) -> None:
        self.person, self.device = person, device
        self.brightness = brightness
        self.pc: RTCPeerConnection | None = None
        self.session = ""
        self.sessions: list[str] = []
        self.frames: dict[str, int] = {"audio": 0, "video": 0, "screen": 0}
        self.problems: list[str] = []
        self.client: RoomClient = None  # type: ignore[assignment]
        self._readers: list[asyncio.Task[None]] = []
        self._changed = asyncio.Condition()
        self._negotiating = asyncio.Lock()

    def hear(self, event: str, payload: Any) -> None:
        if event == "call:offer":
            self._readers.append(asyncio.create_task(self._negotiate(payload)))

    async def call(self, event: str, **payload: Any) -> dict[str, Any]:
        return await self.client.call(event, payload)

    async def _negotiate(self, offer: dict[str, Any]) -> None:
        async with self._negotiating:
            if offer["session"] != self.session:
                await self._fresh(offer["session"])
            assert self.pc is not None
            await self.pc.setRemoteDescription(RTCSessionDescription(offer["sdp"], "offer"))
            for transceiver in self.pc.getTransceivers():
                if transceiver.mid in OWN_LINES and transceiver.sender.track is None:
                    transceiver.direction = "sendonly"
                    track = Tone() if transceiver.mid == "0" else Picture(self.brightness)
                    transceiver.sender.replaceTrack(track)
            await self.pc.setLocalDescription(await self.pc.createAnswer())
            await self.call(
                "call:answer",
                call=offer["call"],
                session=offer["session"],
                version=offer["version"],
                sdp=self.pc.localDescription.sdp,
            )

    async def _fresh(self, session: str) -> None:
        if self.pc is not None:
            await self.pc.close()
        self.session = session
        async with self._changed:
            self.sessions.append(session)
            self._changed.notify_all()
        self.pc = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        self.pc.on("track", self._on_track)

    def _on_track(self, track: MediaStreamTrack) -> None:
        assert self.pc is not None
        mid = next(t.mid for t in self.pc.getTransceivers() if t.receiver.track is track)
        kind = "screen" if mid.startswith("screen-") else track.kind
        self._readers.append(asyncio.create_task(self._read(track, kind)))

    async def _read(self, track: MediaStreamTrack, kind: str) -> None:
        while True:
            try:
                await track.recv()
            except MediaStreamError:
                return
            async with self._changed:
                self.frames[kind] += 1
                self._changed.notify_all()

    async def receives(
        self, audio: int = 50, video: int = 15, screen: int = 0, timeout: float = 30
    ) -> None:
        """Return once this many more frames of each kind were decoded."""
        more = {"audio": audio, "video": video, "screen": screen}
        want = {kind: self.frames[kind] + count for kind, count in more.items()}
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(
                lambda: all(self.frames[kind] >= count for kind, count in want.items())
            )

    async def turns_to(self, session: int, timeout: float = 60) -> None:
        """Return once so many sessions came: frames of the one before may still be decoded."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: len(self.sessions) >= session)

    async def close(self) -> None:
        if self.pc is not None:
            await self.pc.close()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)


@pytest.fixture
async def attend(connect: Any, room: UUID) -> AsyncIterator[Attend]:
    """Somebody in the room: ``await attend(cast.doctor, "pc")``."""
    async with contextlib.AsyncExitStack() as stack:

        async def enter(
            person: Person, device: str, brightness: int = 60, *, into: str | None = None
        ) -> Attendee:
            attendee = Attendee(person, device, brightness)
            attendee.client = await connect(person, device=device, on_event=attendee.hear)
            stack.push_async_callback(attendee.close)
            await attendee.client.join(into or str(room))
            return attendee

        yield enter
