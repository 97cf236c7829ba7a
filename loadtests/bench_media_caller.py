"""The callers of `make bench-media`: real ICE, DTLS and SRTP, and packets sent by the clock.

A `Connection` is one PeerConnection without a browser: it checks, shakes hands, publishes one
voice and one picture, and counts what reaches it. A `Traffic` sends for all publishers, open loop:
packet k is due at start + k / rate, whatever the server does. Every packet ends with the moment at
which it was sent; every eighth that arrives is decrypted and read, which also shows that what
arrives is what was sent.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import socket
import struct
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pylibsrtp
from aioice import stun
from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
)
from aiortc.rtp import RtcpReceiverInfo

from loadtests.bench_media_clip import FRAMES_PER_SECOND, Clip
from media.sfu import rtcp
from media.sfu.dtls import Link, SharedCertificate
from media.sfu.extensions import SEND_TIME_ID
from media.sfu.ice import Credentials, new_credentials

PROFILE: Final = SRTP_AEAD_AES_128_GCM
AUDIO_RATE: Final = 50
VIDEO_RATE: Final = 160
#: Bytes of a plain packet, its header included.
AUDIO_BYTES: Final = 100
VIDEO_BYTES: Final = 1050
FRAME_PACKETS: Final = 5
AUDIO_TYPE, VIDEO_TYPE, RTX_TYPE = 111, 96, 97


_HEADER = struct.Struct("!BBHII")
_STAMP = struct.Struct("!d")
_SSRC = struct.Struct("!I")
_SAMPLE = 7  # A mask: every eighth packet is read.
_SEND_TIME = b"\xbe\xde\x00\x01" + bytes([SEND_TIME_ID << 4 | 2])
_REPORT_SECONDS = 1.0
_CHECK_SECONDS = 4.0
_REPEAT_SECONDS = 0.02
_PATIENCE = 15.0
_BUFFER = 4 * 1024 * 1024


@dataclass(frozen=True)
class Remote:
    """Where a server listens for one connection, and how it proves itself."""

    address: tuple[str, int]
    credentials: Credentials
    fingerprints: tuple[tuple[str, str], ...]


class _Transport(RTCDtlsTransport):
    """aiortc's transport as the DTLS client; one SRTP profile, the same for every server."""

    def __init__(self, link: Any, certificate: SharedCertificate) -> None:
        super().__init__(link, [certificate])
        self._set_role("client")
        self._srtp_profiles = [PROFILE]


class Connection:
    """One side of one PeerConnection. ``host`` is the address that its socket binds."""

    def __init__(self, traffic: Traffic, host: str, *, name: str = "") -> None:
        self.name = name
        self.traffic = traffic
        self.credentials = new_credentials()
        self.audio_ssrc, self.video_ssrc, self.rtx_ssrc = (
            secrets.randbelow(1 << 31) + 1 for _ in range(3)
        )
        self.received = 0
        self.sent = 0
        self.failed = 0
        self.first_media = 0.0
        self.heard: dict[int, int] = {}
        self.pictures_wanted = 0
        self.arrived = asyncio.Event()
        self.key_wanted = True
        #: Real sound and picture instead of packets that only look like it.
        self.clip: Clip | None = None
        self._played = 0
        self._audio_sequence, self._video_sequence = 0, 0
        self._audio_time, self._video_time = 0, 0
        self._frame_place = 0
        self._key = True
        self._remote: Remote | None = None
        self._checked = asyncio.Event()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.bind((host, 0))
        self.address: tuple[str, int] = self._socket.getsockname()
        self._flight: list[bytes] = []
        self._link = Link(self._put_handshake)
        self._dtls = _Transport(self._link, traffic.certificate)
        self._loop = asyncio.get_running_loop()
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    @property
    def profile(self) -> str:
        """The SRTP profile; only one is ever offered."""
        return PROFILE.openssl_profile.decode()

    async def connect(self, remote: Remote) -> None:
        """Check the path and agree keys. Raises TimeoutError, ConnectionError."""
        self._remote = remote
        self._socket.connect(remote.address)
        self._loop.add_reader(self._socket.fileno(), self._drain)
        async with asyncio.timeout(_PATIENCE):
            while not self._checked.is_set():
                self._check()
                try:
                    await asyncio.wait_for(self._checked.wait(), 0.05)
                except TimeoutError:
                    continue
            prints = [RTCDtlsFingerprint(*each) for each in remote.fingerprints]
            again = asyncio.create_task(self._repeat())
            try:
                await self._dtls.start(RTCDtlsParameters(fingerprints=prints))
            finally:
                again.cancel()
        if self._dtls.state != "connected":
            raise ConnectionError(f"No keys were agreed: {self._dtls.state}.")
        self._tasks.append(asyncio.create_task(self._keep()))

    async def _repeat(self) -> None:
        """Send an unanswered flight of the handshake again soon, as browsers do; OpenSSL waits 1 s.

        A server may need a moment after the check until it takes the first flight.
        """
        while True:
            await asyncio.sleep(_REPEAT_SECONDS)
            for data in self._flight:
                self._put(data)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await self._dtls.stop()
        self._link.close()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    # Sending.

    def sources(self) -> list[tuple[int, Callable[[float], None]]]:
        """What to call, how often a second."""
        if self.clip is not None:
            return [(AUDIO_RATE, self.play_sound), (FRAMES_PER_SECOND, self.play_picture)]
        return [(AUDIO_RATE, self.send_audio), (VIDEO_RATE, self.send_video)]

    def send_audio(self, now: float) -> None:
        self._audio_sequence = (self._audio_sequence + 1) & 0xFFFF
        self._audio_time += 48000 // AUDIO_RATE
        head = _HEADER.pack(
            0x90, AUDIO_TYPE, self._audio_sequence, self._audio_time, self.audio_ssrc
        )
        self._send(head, _AUDIO_FILLING, now)

    def send_video(self, now: float) -> None:
        self._video_sequence = (self._video_sequence + 1) & 0xFFFF
        place = self._frame_place
        second, filling = VIDEO_TYPE, _VIDEO_MIDDLE
        if place == 0:
            filling = _VIDEO_KEY if self.key_wanted else _VIDEO_FIRST
            self.key_wanted = False
        elif place == FRAME_PACKETS - 1:
            second |= 0x80
        head = _HEADER.pack(0x90, second, self._video_sequence, self._video_time, self.video_ssrc)
        self._frame_place = (place + 1) % FRAME_PACKETS
        if self._frame_place == 0:
            self._video_time += 90000 * FRAME_PACKETS // VIDEO_RATE
        self._send(head, filling, now)

    def _send(self, head: bytes, filling: bytes, now: float) -> None:
        moment = (int(now * 262144) & 0xFFFFFF).to_bytes(3, "big")
        stamp = _STAMP.pack(time.perf_counter())
        self._put(self._dtls._tx_srtp.protect(b"".join((head, _SEND_TIME, moment, filling, stamp))))
        self.sent += 1

    def play_sound(self, now: float) -> None:
        """The next 20 ms of the clip."""
        assert self.clip is not None
        sound = self.clip.sound
        payload = sound[self._audio_sequence % len(sound)]
        self._audio_time += 48000 // AUDIO_RATE
        self._play(AUDIO_TYPE, self._audio_time, payload, marker=False)

    def play_picture(self, now: float) -> None:
        """The next picture of the clip."""
        assert self.clip is not None
        payloads = self.clip.picture[self._played % len(self.clip.picture)]
        self._played += 1
        self._video_time += 90000 // FRAMES_PER_SECOND
        for payload in payloads:
            self._play(VIDEO_TYPE, self._video_time, payload, marker=payload is payloads[-1])

    def _play(self, kind: int, timestamp: int, payload: bytes, *, marker: bool) -> None:
        video = kind == VIDEO_TYPE
        if video:
            self._video_sequence = (self._video_sequence + 1) & 0xFFFF
        else:
            self._audio_sequence = (self._audio_sequence + 1) & 0xFFFF
        sequence = self._video_sequence if video else self._audio_sequence
        ssrc = self.video_ssrc if video else self.audio_ssrc
        head = _HEADER.pack(
            0x80, kind | marker << 7, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc
        )
        self._put(self._dtls._tx_srtp.protect(head + payload))
        self.sent += 1

    def _put_handshake(self, data: bytes) -> None:
        self._flight.append(data)
        self._put(data)

    def _put(self, data: bytes) -> None:
        try:
            self._socket.send(data)
        except (BlockingIOError, ConnectionError):
            self.failed += 1

    # Receiving.

    def _drain(self) -> None:
        take = self._socket.recv
        try:
            while True:
                data = take(2048)
                first = data[0]
                if 127 < first < 192:
                    if 191 < data[1] < 224:
                        self._reported(data)
                    else:
                        self._media(data)
                elif first < 4:
                    self._stun(data)
                else:
                    self._flight.clear()
                    self._link.feed(data)
        except BlockingIOError:
            return
        except ConnectionError:
            self.failed += 1

    def _media(self, data: bytes) -> None:
        if data[1] & 0x7F == RTX_TYPE or self._dtls._rx_srtp is None:
            return
        count = self.received = self.received + 1
        if count & _SAMPLE == 1:
            self._read(data)

    def _read(self, data: bytes) -> None:
        """Decrypt a packet, note who sends it and how long it took."""
        now = time.perf_counter()
        try:
            plain = self._dtls._rx_srtp.unprotect(data)
        except pylibsrtp.Error:
            self.failed += 1
            return
        sequence = int.from_bytes(plain[2:4], "big")
        self.heard[_SSRC.unpack_from(plain, 8)[0]] = sequence
        if not self.first_media:
            self.first_media = now
            self.arrived.set()
        if self.traffic.listening and self.clip is None:
            (sent,) = _STAMP.unpack_from(plain, len(plain) - 8)
            self.traffic.delays.append(now - sent)

    def _reported(self, data: bytes) -> None:
        if self._dtls._rx_srtp is None:
            return
        try:
            messages = rtcp.read(self._dtls._rx_srtp.unprotect_rtcp(data))
        except pylibsrtp.Error:
            self.failed += 1
            return
        for message in messages or ():
            if isinstance(message, rtcp.KeyFrameRequest):
                self.key_wanted = True
                self.pictures_wanted += 1

    def _stun(self, data: bytes) -> None:
        assert self._remote is not None
        try:
            message = stun.parse_message(data)
        except (ValueError, struct.error, IndexError):
            self.failed += 1
            return
        if message.message_class is stun.Class.RESPONSE:
            self._checked.set()
        elif message.message_class is stun.Class.REQUEST:
            answer = stun.Message(
                stun.Method.BINDING, stun.Class.RESPONSE, transaction_id=message.transaction_id
            )
            answer.attributes["XOR-MAPPED-ADDRESS"] = self._remote.address
            answer.add_message_integrity(self.credentials.password.encode())
            self._put(bytes(answer))

    def _check(self) -> None:
        assert self._remote is not None
        check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        remote = self._remote.credentials
        check.attributes["USERNAME"] = f"{remote.ufrag}:{self.credentials.ufrag}"
        check.attributes["PRIORITY"] = 1853824767
        check.attributes["ICE-CONTROLLING"] = 1
        check.attributes["USE-CANDIDATE"] = None
        check.add_message_integrity(remote.password.encode())
        self._put(bytes(check))

    # Reports.

    async def _keep(self) -> None:
        """Consent checks, and the reports that a browser would send."""
        checked = time.monotonic()
        while True:
            await asyncio.sleep(_REPORT_SECONDS * random.uniform(0.9, 1.1))
            if time.monotonic() - checked > _CHECK_SECONDS:
                checked = time.monotonic()
                self._check()
            if self.sent:
                self._report_sending()
            if self.heard:
                self._report_receiving()

    def _report_sending(self) -> None:
        seconds = time.time() + 2208988800
        ntp = int(seconds * 4294967296)
        for ssrc, at in (
            (self.audio_ssrc, self._audio_time),
            (self.video_ssrc, self._video_time),
        ):
            report = rtcp.write_sender_report(ssrc, ntp, at & 0xFFFFFFFF, self.sent, 0, "bench")
            self._put(self._dtls._tx_srtp.protect_rtcp(report))

    def _report_receiving(self) -> None:
        blocks = [RtcpReceiverInfo(ssrc, 0, 0, seq, 0, 0, 0) for ssrc, seq in self.heard.items()]
        for at in range(0, len(blocks), 24):
            report = rtcp.write_receiver_report(
                self.audio_ssrc, blocks[at : at + 24], None, "bench"
            )
            self._put(self._dtls._tx_srtp.protect_rtcp(report))


def _filling(head: bytes, size: int) -> bytes:
    """A payload of which the header, its extension and the stamp are left out."""
    rest = size - _HEADER.size - len(_SEND_TIME) - 3 - _STAMP.size - len(head)
    return head + bytes(n % 251 for n in range(rest))


_AUDIO_FILLING = _filling(b"\x78", AUDIO_BYTES)
# VP8: a descriptor that begins a partition, then a frame tag whose lowest bit says "no key frame".
_VIDEO_KEY = _filling(b"\x10\x50\x04\x00\x9d\x01\x2a\x80\x02\xe0\x01", VIDEO_BYTES)
_VIDEO_FIRST = _filling(b"\x10\x51\x04\x00", VIDEO_BYTES)
_VIDEO_MIDDLE = _filling(b"\x00", VIDEO_BYTES)


class Traffic:
    """Sends for every publisher by the clock.

    It does not rest in between: packets reach the server one by one, as from callers who know
    nothing of each other, and a server's packets wake nobody up, as on a network card. With
    ``rest`` (seconds) it leaves the processor to others, and packets go in small groups.
    """

    def __init__(self, rest: float = 0.0) -> None:
        self._rest = rest
        self.certificate = SharedCertificate.generateCertificate()
        self.publishers: list[Connection] = []
        self.listening = False
        self.delays = array("d")
        self.lags = array("d")
        self._plan: list[tuple[float, Callable[[float], None]]] = []
        self._task: asyncio.Task[None] | None = None

    def start(self, publishers: Sequence[Connection]) -> None:
        """Send for these and nobody else from now on."""
        self.stop()
        self.publishers = list(publishers)
        self._plan = []
        dice = random.Random(5)
        for connection in publishers:
            for rate, send in connection.sources():
                phase = dice.random() / rate
                self._plan += [(phase + n / rate, send) for n in range(rate)]
        self._plan.sort(key=lambda item: item[0])
        if self._plan:
            self._task = asyncio.create_task(self._run())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._task = None

    async def _run(self) -> None:
        plan, size = self._plan, len(self._plan)
        clock = time.perf_counter
        began, cycle, place = clock(), 0, 0
        while True:
            now = clock()
            due = now - began - cycle
            while plan[place][0] <= due:
                if place & _SAMPLE == 0 and self.listening:
                    self.lags.append(now - began - cycle - plan[place][0])
                plan[place][1](now)
                place += 1
                if place == size:
                    place, cycle = 0, cycle + 1
                    due -= 1.0
            await asyncio.sleep(self._rest)
