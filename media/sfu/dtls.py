"""DTLS-SRTP on aiortc's transport, with our own small thing in place of its ICE transport.

aiortc makes the handshake and the SRTP sessions. Packets of a connected peer never pass through
it: its receive loop is one await and one queue per packet. The engine uses the sessions
directly; ``unprotect`` and ``protect`` are the seam.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_PROFILES,
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    SRTPProtectionProfile,
)
from OpenSSL import SSL
from pylibsrtp._binding import ffi, lib

from media.sfu.wire import ROOM, octets, pointers

_MAX_WAITING = 64
_TRAILER: Final = 16 + 128
_LONGEST: Final = ROOM - _TRAILER
_LONGEST_REPORT: Final = _LONGEST - 4
_length = ffi.new("int *")
_rtp_in, _rtp_out = lib.srtp_unprotect, lib.srtp_protect
_rtcp_in, _rtcp_out = lib.srtp_unprotect_rtcp, lib.srtp_protect_rtcp
SUPPORTED_HASHES: Final = ("sha-256", "sha-384", "sha-512")


def _ignore(_: object) -> None:
    """In place of what is gone."""


class SharedCertificate(RTCCertificate):
    """The certificate of a worker: one key and one prepared TLS context for all its peers."""

    _context: SSL.Context | None = None

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        if self._context is None:
            self._context = super()._create_ssl_context(srtp_profiles)
        return self._context

    @property
    def fingerprint(self) -> str:
        """``"sha-256 AB:CD:…"``, as in SDP."""
        first = self.getFingerprints()[0]
        return f"{first.algorithm} {first.value}"


class Link:
    """What aiortc's DTLS transport needs of an ICE transport: its role, receive and send."""

    role = "controlled"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send_datagram = send
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(_MAX_WAITING)
        self._closed = False

    def feed(self, data: bytes) -> bool:
        """Queue a DTLS datagram; False when too many wait."""
        if self._closed or self._waiting.full():
            return False
        self._waiting.put_nowait(data)
        return True

    def close(self) -> None:
        """Make the transport's next receive fail."""
        self._closed = True
        if self._waiting.full():
            self._waiting.get_nowait()
        self._waiting.put_nowait(None)

    def release(self) -> None:
        """Forget who sends for it."""
        self._send_datagram = _ignore

    async def _recv(self) -> bytes:
        data = await self._waiting.get()
        if data is None:
            raise ConnectionError("closed")
        return data

    async def _send(self, data: bytes) -> None:
        if self._closed:
            raise ConnectionError("closed")
        self._send_datagram(data)


class _Transport(RTCDtlsTransport):
    """aiortc's transport as DTLS server; the cheapest of the strong SRTP profiles first."""

    def __init__(self, link: Any, certificate: SharedCertificate) -> None:
        super().__init__(link, [certificate])
        self._set_role("server")
        self._srtp_profiles = sorted(SRTP_PROFILES, key=lambda p: p is not SRTP_AEAD_AES_128_GCM)

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        """Nothing arrives here: the demultiplexer hands media to the peer."""

    async def _handle_rtcp_data(self, data: bytes) -> None:
        """See ``_handle_rtp_data``."""


class Dtls:
    """The secure transport of one peer.

    ``on_state`` is called with ``"connected"``, ``"failed"`` or ``"closed"``.
    """

    def __init__(
        self,
        certificate: SharedCertificate,
        send: Callable[[bytes], None],
        on_state: Callable[[str], None],
    ) -> None:
        self.link = Link(send)
        self.connected = False
        self._transport = _Transport(self.link, certificate)
        self._on_state = on_state
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        #: What libsrtp knows the sessions by; None without keys.
        self.receiving: Any = None
        self.sending: Any = None
        self._sessions: tuple[Any, ...] = ()
        self._transport.on("statechange", self._changed)

    @property
    def started(self) -> bool:
        return self._task is not None

    def start(self, fingerprints: tuple[tuple[str, str], ...]) -> None:
        """Begin the handshake as the server; only a certificate with these digests passes."""
        values = [RTCDtlsFingerprint(algorithm, value) for algorithm, value in fingerprints]
        parameters = RTCDtlsParameters(fingerprints=values)
        self._task = asyncio.get_running_loop().create_task(self._transport.start(parameters))

    def stop(self) -> asyncio.Task[None]:
        """Say goodbye and release everything; the returned task ends when that is done."""
        self._stopped = True
        self.connected = False
        self.receiving = self.sending = None
        return asyncio.get_running_loop().create_task(self._stop())

    async def _stop(self) -> None:
        running = [task for task in (self._task, self._transport._task) if task is not None]
        if self._task is not None and not self._task.done():
            self._task.cancel()
        await self._transport.stop()
        self.link.close()
        await asyncio.gather(*running, return_exceptions=True)
        self._release()

    def _release(self) -> None:
        """Give back what the keys and the handshake took, now and not with some later collection:
        the collector of a worker runs seldom.
        """
        transport: Any = self._transport
        transport.remove_all_listeners()
        transport._rx_srtp = transport._tx_srtp = transport._ssl = None
        self._sessions = ()
        self._task = None
        self._on_state = _ignore
        self.link.release()

    def _changed(self) -> None:
        state = self._transport.state
        self.connected = state == "connected" and not self._stopped
        self.receiving = self.sending = None
        if self.connected:
            # They live as long as their Python objects.
            self._sessions = (self._transport._rx_srtp, self._transport._tx_srtp)
            self.receiving, self.sending = (each._srtp[0] for each in self._sessions)
        if not self._stopped and state in ("connected", "failed", "closed"):
            self._on_state(state)

    def unprotect(self, place: int, size: int) -> bytes | None:
        """Plain RTP of the SRTP packet in a place; None when it is not authentic or was seen
        before.
        """
        receiving = self.receiving
        _length[0] = size
        if receiving is None or _rtp_in(receiving, pointers[place], _length):
            return None
        start = ROOM * place
        plain: bytes = octets[start : start + _length[0]]
        return plain

    def unprotect_rtcp(self, place: int, size: int) -> bytes | None:
        """Plain RTCP of the SRTCP packet in a place; None when it is not authentic."""
        receiving = self.receiving
        _length[0] = size
        if receiving is None or _rtcp_in(receiving, pointers[place], _length):
            return None
        start = ROOM * place
        plain: bytes = octets[start : start + _length[0]]
        return plain

    def protect(self, place: int, data: bytes) -> int:
        """Lay SRTP of a plain RTP packet into a place; its size, 0 for too long a one."""
        size = len(data)
        sending = self.sending
        if sending is None or size > _LONGEST:
            return 0
        start = ROOM * place
        octets[start : start + size] = data
        _length[0] = size
        if _rtp_out(sending, pointers[place], _length):
            return 0
        done: int = _length[0]
        return done

    def protect_rtcp(self, place: int, data: bytes) -> int:
        """The same for RTCP and SRTCP."""
        size = len(data)
        sending = self.sending
        if sending is None or size > _LONGEST_REPORT:
            return 0
        start = ROOM * place
        octets[start : start + size] = data
        _length[0] = size
        if _rtcp_out(sending, pointers[place], _length):
            return 0
        done: int = _length[0]
        return done
