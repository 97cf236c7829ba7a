"""The UDP port of a worker: one socket for every peer, drained in batches."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from media.sfu.counters import Counters
from media.sfu.dtls import workplace
from media.sfu.ice import Address

_BATCH: Final = 64
# While this many datagrams a second arrive, the port lets a few gather before it takes them, like a
# network card under load: a wake-up costs more than a packet. What is added to their way is the
# pause, and nothing is added once they come in such numbers that batches fill by themselves.
_BUSY: Final = 2000
_PAUSE: Final = 0.0002
_WELL_FILLED: Final = 16
_WINDOW: Final = 0.1
_BUFFER: Final = 4 * 1024 * 1024


class Port:
    """A bound, non-blocking UDP socket on the running loop.

    Each datagram lies in the ``workplace`` while ``receive`` is called with its size, its source
    and the time of its batch (monotonic seconds). Raises OSError when the address cannot be bound.
    """

    def __init__(
        self,
        host: str,
        port: int,
        receive: Callable[[int, Address, float], None],
        counters: Counters,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            if host == "::":
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                # The kernel may grant less; that is a matter of its settings.
                with suppress(OSError):
                    self._socket.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self._sendto = self._socket.sendto
        self.number: int = self._socket.getsockname()[1]
        self._receive = receive
        self._counters = counters
        self._busy = False
        self._taken = 0
        self._counted = 0
        self._counted_since = time.monotonic()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._drain)

    def _drain(self) -> None:
        """Take up to a batch of datagrams; the loop comes back when more are waiting."""
        if self._busy and self._taken < _WELL_FILLED:
            time.sleep(_PAUSE)
        now = time.monotonic()
        receive = self._receive
        take = self._socket.recvfrom_into
        taken = octets = 0
        try:
            while taken < _BATCH:
                try:
                    size, source = take(workplace)
                except BlockingIOError:
                    break
                except OSError:
                    # An ICMP error of an earlier send: it says nothing about what is waiting.
                    taken += 1
                    continue
                taken += 1
                octets += size
                receive(size, source, now)
        finally:
            self._counters.datagrams_in += taken
            self._counters.bytes_in += octets
            self._count(taken, now)

    def _count(self, taken: int, now: float) -> None:
        """Judge from time to time whether many come."""
        self._taken = taken
        self._counted += taken
        passed = now - self._counted_since
        if passed >= _WINDOW:
            self._busy = self._counted >= _BUSY * passed
            self._counted, self._counted_since = 0, now

    def send(self, data: bytes, address: Address) -> None:
        """Send a datagram now; one that the kernel refuses is counted and lost."""
        counters = self._counters
        try:
            counters.bytes_out += self._sendto(data, address)
        except OSError:
            counters.send_refused += 1
            return
        counters.datagrams_out += 1

    def send_worked(self, size: int, address: Address) -> None:
        """Send what lies in the ``workplace``; see ``send``."""
        counters = self._counters
        try:
            counters.bytes_out += self._sendto(workplace[:size], address)
        except OSError:
            counters.send_refused += 1
            return
        counters.datagrams_out += 1

    def close(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()


def plain_address(address: Address) -> Address:
    """Host and port as STUN shows them: IPv4 out of a dual-stack socket's mapped form."""
    host = address[0]
    return (host[7:] if host.startswith("::ffff:") and "." in host else host, address[1])
