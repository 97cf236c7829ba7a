"""aiortc PeerConnections as callers, and a relay that behaves like a bad network."""

import asyncio
import fractions
import random
import re
import uuid
from typing import Any

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCIceServer,
    RTCIceTransportPolicy,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack

from media.control import Offer
from tests.media.sfu.support import CALL, Controls


class Tone(AudioStreamTrack):
    """A sine of 440 Hz."""

    async def recv(self) -> av.AudioFrame:
        frame = await super().recv()
        at = (frame.pts + np.arange(frame.samples)) / frame.sample_rate
        wave = (np.sin(2 * np.pi * 440 * at) * 12000).astype(np.int16).reshape(1, -1)
        tone = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
        tone.sample_rate, tone.pts, tone.time_base = (
            frame.sample_rate,
            frame.pts,
            frame.time_base,
        )
        return tone


class Picture(VideoStreamTrack):
    """A moving picture whose brightness names its owner."""

    def __init__(self, brightness: int) -> None:
        super().__init__()
        self.brightness = brightness
        self._count = 0

    async def recv(self) -> av.VideoFrame:
        pts, base = await self.next_timestamp()
        self._count += 1
        image = np.full((180, 320, 3), self.brightness, np.uint8)
        image[60:120, (self._count * 4) % 260 :][:, :60] = 255 - self.brightness
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = pts, fractions.Fraction(base)
        return frame


class Client:
    """One participant. ``relay`` (a port) stands between it and the worker when given.

    A ``quiet`` one may publish, but does not; ``codec`` is the only video codec it knows; one with
    a ``turn`` server uses no other way.
    """

    def __init__(
        self,
        controls: Controls,
        user: str,
        relay: int = 0,
        *,
        quiet: bool = False,
        codec: str = "",
        turn: RTCIceServer | None = None,
        **spec: Any,
    ) -> None:
        self.turn = turn
        self.controls = controls
        self.user = user
        self.peer = f"{user}:test"
        self.relay = relay
        self.quiet = quiet
        self.codec = codec
        self.spec = spec
        self.session = ""
        self.versions: list[int] = []
        self.frames: dict[tuple[str, str], int] = {}
        self.energy: dict[str, float] = {}
        self.brightness: dict[str, float] = {}
        self.pc: RTCPeerConnection | None = None
        self.closed = False
        self.sends = [Tone(), Picture(60 if user == "anna" else 180)]
        self._readers: list[asyncio.Task[None]] = []
        self._changed = asyncio.Condition()

    async def join(self) -> None:
        self.session = uuid.uuid4().hex
        policy = RTCIceTransportPolicy.RELAY if self.turn else RTCIceTransportPolicy.ALL
        self.pc = RTCPeerConnection(
            RTCConfiguration(
                iceServers=[self.turn] if self.turn else [],
                iceTransportPolicy=policy,
                bundlePolicy=RTCBundlePolicy.MAX_BUNDLE,
            )
        )
        self.pc.on("track", self._on_track)
        offer = await self.controls.link.add_peer(
            CALL, peer=self.peer, session=self.session, user=self.user, **self.spec
        )
        await self.answer(offer)

    async def answer(self, offer: Offer) -> None:
        assert self.pc is not None
        sdp = offer.sdp
        if self.relay:
            sdp = re.sub(r"127\.0\.0\.1 \d+ typ", f"127.0.0.1 {self.relay} typ", sdp)
        self.versions.append(offer.version)
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        for transceiver in self.pc.getTransceivers():
            if self.codec and transceiver.kind == "video":
                known = RTCRtpReceiver.getCapabilities("video").codecs
                chosen = [c for c in known if c.mimeType in (f"video/{self.codec}", "video/rtx")]
                transceiver.setCodecPreferences(chosen)
        if self.codec:
            # aiortc looks at preferences while it takes an offer, but only an offer makes the
            # transceivers that can have them: so it takes this one twice.
            await self.pc.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        if self.spec.get("publish", True) and not self.quiet:
            for transceiver in self.pc.getTransceivers():
                if transceiver.mid in ("0", "1"):
                    transceiver.direction = "sendonly"
                    transceiver.sender.replaceTrack(self.sends[int(transceiver.mid)])
        await self.pc.setLocalDescription(await self.pc.createAnswer())
        await self.controls.link.answer(
            CALL, self.peer, self.session, offer.version, self.pc.localDescription.sdp
        )

    async def follow(self, event: dict[str, Any]) -> None:
        """Answer the worker's later offers."""
        mine = event.get("peer") == self.peer and event.get("session") == self.session
        if mine and event["event"] == "offer" and not self.closed:
            await self.answer(Offer(event["version"], event["sdp"]))

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._readers.append(asyncio.create_task(self._read(track)))

    async def _read(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            key = (track.kind, track.id)
            self.frames[key] = self.frames.get(key, 0) + 1
            if isinstance(frame, av.AudioFrame):
                samples = frame.to_ndarray().astype(np.float64)
                self.energy[track.id] = float(np.sqrt((samples**2).mean()))
            else:
                luma = frame.to_ndarray(format="gray")
                self.brightness[track.id] = float(np.median(luma))
            async with self._changed:
                self._changed.notify_all()

    def count(self, kind: str) -> int:
        return sum(number for (k, _), number in self.frames.items() if k == kind)

    async def receives(self, audio: int, video: int, timeout: float = 60) -> None:
        """Return once this many more frames of each kind were decoded."""
        audio, video = audio + self.count("audio"), video + self.count("video")
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(
                lambda: self.count("audio") >= audio and self.count("video") >= video
            )

    async def close(self) -> None:
        self.closed = True
        if self.pc is not None:
            await self.pc.close()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)


class Relay(asyncio.DatagramProtocol):
    """A NAT with loss between one client and the worker.

    ``loss`` is the share of SRTP media packets that vanish, each way; ``rebind`` gives the client
    another source address as the worker sees it; ``cut`` lets nothing through. ``narrow`` is the
    bandwidth towards the client in bit/s, with a queue of 0.4 s; ``delay`` what every datagram
    waits on its way, in seconds, each way.
    """

    def __init__(self, worker: int) -> None:
        self.loss_up = 0.0
        self.loss_down = 0.0
        self.cut = False
        self.narrow = 0
        self.delay = 0.0
        self._free_at = 0.0
        self.dropped = 0
        self.port = 0
        self._worker = worker
        self._dice = random.Random(1)
        self._client: tuple[str, int] | None = None
        self._inside: asyncio.DatagramTransport | None = None
        self._outside: asyncio.DatagramTransport | None = None
        self._old: list[asyncio.DatagramTransport] = []

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._inside, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self.port = self._inside.get_extra_info("sockname")[1]
        await self.rebind()

    async def rebind(self) -> None:
        relay = self

        class Outside(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                relay.downward(data)

        if self._outside is not None:
            self._old.append(self._outside)
        loop = asyncio.get_running_loop()
        self._outside, _ = await loop.create_datagram_endpoint(
            Outside, remote_addr=("127.0.0.1", self._worker)
        )
        for transport in self._old:
            transport.close()

    def _lost(self, data: bytes, loss: float) -> bool:
        media = len(data) > 1 and 127 < data[0] < 192 and not 192 <= data[1] <= 223
        lost = self.cut or (media and self._dice.random() < loss)
        self.dropped += lost
        return lost

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._client = addr
        if self._outside is None or self._lost(data, self.loss_up):
            return
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self._out, data)
        else:
            self._outside.sendto(data)

    def _out(self, data: bytes) -> None:
        if self._outside is not None and not self._outside.is_closing():
            self._outside.sendto(data)

    def downward(self, data: bytes) -> None:
        if self._inside is not None and self._client and not self._lost(data, self.loss_down):
            if self.narrow:
                self._queue(data)
            elif self.delay:
                asyncio.get_running_loop().call_later(self.delay, self._through, data)
            else:
                self._inside.sendto(data, self._client)

    def _queue(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        begins = max(loop.time(), self._free_at)
        if begins - loop.time() > 0.4:
            self.dropped += 1
            return
        self._free_at = begins + len(data) * 8 / self.narrow
        loop.call_at(self._free_at, self._through, data)

    def _through(self, data: bytes) -> None:
        if self._inside is not None and self._client and not self._inside.is_closing():
            self._inside.sendto(data, self._client)

    def close(self) -> None:
        for transport in (self._inside, self._outside, *self._old):
            if transport is not None:
                transport.close()
