"""The UDP port of a worker: one socket for every peer, drained in batches."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from media.sfu.counters import Counters
from media.sfu.ice import Address

_BATCH: Final = 64
_LARGEST: Final = 2048
_BUFFER: Final = 4 * 1024 * 1024


class Port:
    """A bound, non-blocking UDP socket on the running loop.

    ``receive`` is called with each datagram, its source and the time of its batch (monotonic
    seconds). Raises OSError when the address cannot be bound.
    """

    def __init__(
        self,
        host: str,
        port: int,
        receive: Callable[[bytes, Address, float], None],
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
        self.number: int = self._socket.getsockname()[1]
        self._receive = receive
        self._counters = counters
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._drain)

    def _drain(self) -> None:
        """Take up to a batch of datagrams; the loop comes back when more are waiting."""
        now = time.monotonic()
        receive = self._receive
        take = self._socket.recvfrom
        counters = self._counters
        for _ in range(_BATCH):
            try:
                data, source = take(_LARGEST)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                # An ICMP error of an earlier send: it says nothing about what is waiting.
                continue
            counters.datagrams_in += 1
            counters.bytes_in += len(data)
            receive(data, source, now)

    def send(self, data: bytes, address: Address) -> None:
        """Send a datagram now; one that the kernel refuses is counted and lost."""
        try:
            self._socket.sendto(data, address)
        except OSError:
            self._counters.send_refused += 1
            return
        self._counters.datagrams_out += 1
        self._counters.bytes_out += len(data)

    def close(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()


def plain_address(address: Address) -> Address:
    """Host and port as STUN shows them: IPv4 out of a dual-stack socket's mapped form."""
    host = address[0]
    return (host[7:] if host.startswith("::ffff:") and "." in host else host, address[1])
