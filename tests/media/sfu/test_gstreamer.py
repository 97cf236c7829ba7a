"""Another stack than browsers and aiortc: GStreamer's webrtcbin calls through a real worker."""

import asyncio
import json
import subprocess
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aioice.ice import get_host_addresses

from media.control import Offer
from media.sfu.engine import EngineSettings
from media.worker import Worker
from tests.media.sfu.clients import Client
from tests.media.sfu.support import CALL, ROOT, Controls

#: libnice looks for no path to a loopback address.
OWN = get_host_addresses(True, False)[:1]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,  # It may have to install its stack first.
    pytest.mark.skipif(not OWN, reason="this machine has no network"),
]
#: The system's Python: its packages bind GStreamer.
PYTHON = "/usr/bin/python3"
PEER = Path(__file__).with_name("gstreamer_peer.py")


class Webrtcbin:
    """A caller in a process of its own."""

    def __init__(self, controls: Controls, user: str) -> None:
        self.peer = f"{user}:gst"
        self.user = user
        self.session = uuid.uuid4().hex
        self.report: dict[str, Any] = {}
        self._controls = controls
        self._changed = asyncio.Condition()
        self._process: asyncio.subprocess.Process
        self._reader: asyncio.Task[None]

    async def join(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            PYTHON, str(PEER), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        self._reader = asyncio.create_task(self._read())
        offer = await self._controls.link.add_peer(
            CALL, peer=self.peer, session=self.session, user=self.user
        )
        self._hand_over(offer)

    def _hand_over(self, offer: Offer) -> None:
        assert self._process.stdin is not None
        line = json.dumps({"version": offer.version, "sdp": offer.sdp})
        self._process.stdin.write(line.encode() + b"\n")

    async def follow(self, event: dict[str, Any]) -> None:
        if event["event"] == "offer" and event["peer"] == self.peer:
            self._hand_over(Offer(event["version"], event["sdp"]))

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            if "sdp" in told:
                await self._controls.link.answer(
                    CALL, self.peer, self.session, told["version"], told["sdp"]
                )
                continue
            async with self._changed:
                self.report = told
                self._changed.notify_all()

    async def until(self, met: Callable[[dict[str, Any]], bool], timeout: float = 40) -> None:
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: bool(self.report) and met(self.report))

    async def close(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)


@pytest.fixture
def engine_settings() -> EngineSettings:
    return EngineSettings(host=OWN[0], announced=tuple(OWN))


@pytest.fixture(scope="module")
def gstreamer() -> None:
    subprocess.run([ROOT / "scripts" / "tools.sh", "gstreamer"], check=True, timeout=280)


@pytest.fixture
async def gst(gstreamer: None, controls: Controls) -> AsyncIterator[Webrtcbin]:
    gst = Webrtcbin(controls, "gst")
    await gst.join()
    yield gst
    await gst.close()


async def test_webrtcbin_hears_and_sees_and_is_heard_and_seen(
    gst: Webrtcbin, controls: Controls, worker: Worker
) -> None:
    anna = Client(controls, "anna")

    async def follow(event: dict[str, Any]) -> None:
        await asyncio.gather(anna.follow(event), gst.follow(event))

    controls.on_event = follow
    await controls.event("peer.connected", peer=gst.peer)
    await anna.join()
    try:
        await anna.receives(100, 30)
        await gst.until(lambda it: it["frames"]["audio"] >= 100 and it["frames"]["video"] >= 30)
        tracks = worker.engine.calls[CALL].peers[gst.peer].tracks
        assert tracks["video"].layers[0].codec is not None
        assert tracks["video"].layers[0].codec.name == "vp8"
        assert worker.engine.counters.rtp_unauthentic == 0
        assert [e for e in controls.events if e["event"] == "peer.gone"] == []
    finally:
        await anna.close()
