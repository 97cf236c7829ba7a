"""What is left of a talk over a bad network: pictures a second, and the longest gap in the sound.

Two aiortc callers who encode and decode for themselves, each with a bad network of its own between
itself and our worker (`bench_media_network`). Pictures count when they are decoded. Sound counts
when it arrives, by the clock of who sent it as well as by that of who hears it: aiortc's buffer
throws a third of a second of sound away for each packet that is lost, which players do not.
"""

from __future__ import annotations

import asyncio
import fractions
import itertools
import re
import sys
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack
from aiortc.rtp import RtpPacket

from loadtests.bench_common import cpu_seconds
from loadtests.bench_media_network import DELAY, LOSS
from loadtests.bench_media_world import HOST, SECRET, serve
from media.control import MediaWorkers, WorkerLink

ROOM = "bad-network"
PEOPLE = 2
#: The aims of the issue: pictures a second, milliseconds of silence.
PICTURES, GAP_MS = 15, 200
#: Ticks a second of sound's timestamps.
SOUND_CLOCK = 48000
_PATIENCE = 20.0


class Picture(VideoStreamTrack):
    """30 pictures a second of 320 by 180 in which a bar moves over noise that stays."""

    def __init__(self) -> None:
        super().__init__()
        dice = np.random.default_rng(3)
        self._still = dice.integers(90, 140, (180, 320, 3), np.uint8)
        self._count = 0

    async def recv(self) -> av.VideoFrame:
        pts, base = await self.next_timestamp()
        image = self._still.copy()
        at = self._count * 4 % 300
        self._count += 1
        image[:, at : at + 20] = 230
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = pts, fractions.Fraction(base)
        return frame


@dataclass
class Heard:
    """What one caller got since the count began: the seconds (monotonic) at which pictures came out
    of the decoder and sound arrived, and the sender's seconds of each piece of sound.
    """

    pictures: list[float] = field(default_factory=list)
    sound: list[float] = field(default_factory=list)
    spoken: list[float] = field(default_factory=list)

    def figures(self, began: float, seconds: float) -> dict[str, float]:
        """Of the whole seconds of a window: pictures a second (mean, and in the worst one), and the
        longest gaps of the sound in milliseconds, heard and spoken.
        """
        whole = int(seconds)
        each = Counter(int(at - began) for at in self.pictures)
        return {
            "pictures_per_s": round(sum(each[n] for n in range(whole)) / whole, 1),
            "worst_second": min(each[n] for n in range(whole)),
            "gap_heard_ms": _longest([began, *self.sound, began + seconds]),
            "gap_spoken_ms": _longest(sorted(self.spoken)),
        }


def _longest(moments: list[float]) -> float:
    pairs = itertools.pairwise(moments)
    return round(1000 * max((after - before for before, after in pairs), default=0.0), 1)


class Caller:
    """Somebody with a real PeerConnection, behind the port of a bad network."""

    def __init__(self, name: str, network: int) -> None:
        self.name = name
        self.session = uuid.uuid4().hex
        self.heard = Heard()
        self.seen, self.listened = asyncio.Event(), asyncio.Event()
        self._network = network
        self._tracks: dict[str, MediaStreamTrack] = {"0": AudioStreamTrack(), "1": Picture()}
        self._readers: list[asyncio.Task[None]] = []
        self._pc = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        self._pc.on("track", self._on_track)

    async def answer(self, link: WorkerLink, version: int, sdp: str) -> None:
        """Take an offer, as one who reaches the worker through the network alone."""
        there = re.sub(r" \d+ typ host", f" {self._network} typ host", sdp)
        await self._pc.setRemoteDescription(RTCSessionDescription(there, "offer"))
        for transceiver in self._pc.getTransceivers():
            track = self._tracks.get(transceiver.mid or "")
            if track is not None and transceiver.sender.track is None:
                transceiver.direction = "sendonly"
                transceiver.sender.replaceTrack(track)
        await self._pc.setLocalDescription(await self._pc.createAnswer())
        local = self._pc.localDescription.sdp
        await link.answer(ROOM, self.name, self.session, version, local)

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            [receiver] = [it for it in self._pc.getReceivers() if it.track is track]
            self._listen(receiver)
        self._readers.append(asyncio.create_task(self._read(track)))

    def _listen(self, receiver: RTCRtpReceiver) -> None:
        """Note each packet of sound on its way into aiortc."""
        taken = receiver._handle_rtp_packet

        async def take(packet: RtpPacket, arrival_time_ms: int) -> None:
            self.heard.sound.append(time.monotonic())
            self.heard.spoken.append(packet.timestamp / SOUND_CLOCK)
            self.listened.set()
            await taken(packet, arrival_time_ms)

        receiver._handle_rtp_packet = take  # type: ignore[method-assign]

    async def _read(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                await track.recv()
            except MediaStreamError:
                return
            if track.kind == "video":
                self.heard.pictures.append(time.monotonic())
                self.seen.set()

    async def close(self) -> None:
        await self._pc.close()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)


@asynccontextmanager
async def bad_network(host: str, port: int) -> AsyncIterator[int]:
    """A bad network in front of a server; yields the port that stands for the server's."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtests.bench_media_network", host, str(port)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_PATIENCE):
            stands_for = int(await process.stdout.readline())
        yield stands_for
    finally:
        process.terminate()
        await process.wait()


async def loss(
    folder: Path, *, warm: float, seconds: float, host: str = HOST, kind: str = "zhenjian"
) -> dict[str, Any]:
    """Two talk over a bad network for so many seconds; the worst of both is what counts."""
    server = await serve(folder, kind, host)
    callers: dict[str, Caller] = {}

    async def heard(link: WorkerLink, event: dict[str, Any]) -> None:
        caller = callers.get(event.get("peer", ""))
        if event["event"] == "offer" and caller is not None:
            await caller.answer(link, event["version"], event["sdp"])

    async def nothing(_: WorkerLink) -> None:
        return

    url = f"ws://127.0.0.1:{server.control}/control"
    workers = MediaWorkers([url], SECRET, heard, nothing, nothing)
    try:
        await workers.start()
        [link] = workers.links
        await link.wait_up()
        await link.open_call(ROOM, ROOM, record=False)
        await link.refresh()
        async with bad_network(host, link.status.port) as network:
            for name in (f"p{number}" for number in range(PEOPLE)):
                caller = callers[name] = Caller(name, network)
                offer = await link.add_peer(ROOM, peer=name, session=caller.session, user=name)
                await caller.answer(link, offer.version, offer.sdp)
            found = await _count(list(callers.values()), server.pid, warm, seconds)
    finally:
        for caller in callers.values():
            await caller.close()
        await workers.close()
        server.stop()
    return found


async def _count(people: list[Caller], pid: int, warm: float, seconds: float) -> dict[str, Any]:
    async with asyncio.timeout(_PATIENCE):
        for caller in people:
            await caller.seen.wait()
            await caller.listened.wait()
    await asyncio.sleep(warm)
    for caller in people:
        caller.heard = Heard()
    used, began = cpu_seconds(pid), time.monotonic()
    await asyncio.sleep(seconds)
    each = [caller.heard.figures(began, seconds) for caller in people]
    return {
        "loss": LOSS,
        "round_trip_ms": round(2000 * DELAY),
        "seconds": seconds,
        "pictures_per_s": min(one["pictures_per_s"] for one in each),
        "worst_second": min(one["worst_second"] for one in each),
        "gap_ms": max(max(one["gap_heard_ms"], one["gap_spoken_ms"]) for one in each),
        "cpu_s": round(cpu_seconds(pid) - used, 2),
        "each": each,
    }


def told(figures: dict[str, Any]) -> str:
    """The figures as a person reads them, beside what is aimed at."""
    return (
        "{loss:.0%} loss each way, {round_trip_ms} ms round trip: {pictures_per_s} pictures a "
        "second, {worst_second} in the worst one (aim {pictures}); longest gap in the sound "
        "{gap_ms:.0f} ms (aim {gap})"
    ).format(**figures, pictures=PICTURES, gap=GAP_MS)
