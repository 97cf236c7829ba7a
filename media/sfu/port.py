"""The UDP port of a worker: one socket for every peer, drained in batches."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from media.sfu.counters import Counters
from media.sfu.ice import Address
from media.sfu.ticks import ticks_of
from media.sfu.wire import TAKEN, Taken, wire_of

# While this many datagrams a second arrive, about half of what a core bears one by one, the port is
# looked at by the clock, not whenever one comes: to wake up costs more than a packet does. What is
# added to their way is a tick at most, and nothing as long as the core has time.
_BUSY: Final = 6000
#: Below this many it is looked at whenever one comes again: between the two it stays as it is.
_CALM: Final = 5000
_TICK: Final = 0.004
#: Datagrams that one look takes before other work has its turn.
_MOST: Final = 4 * TAKEN
_WINDOW: Final = 0.1
_BUFFER: Final = 4 * 1024 * 1024


class Port:
    """A bound, non-blocking UDP socket on the running loop.

    ``receive`` is called with each batch of datagrams and its time (monotonic seconds). Raises
    OSError when the address cannot be bound.
    """

    def __init__(
        self,
        host: str,
        port: int,
        receive: Callable[[Iterable[Taken], float], None],
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
        self.wire = wire_of(self._socket, counters)
        self.send = self.wire.send
        self._receive = receive
        self._counters = counters
        self._counted = 0
        self._counted_since = time.monotonic()
        self._ticks = ticks_of(_TICK)
        #: Whether it is looked at by the clock.
        self.ticking = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._drain)

    def _drain(self) -> None:
        """Take what waits, up to a limit; the loop comes back when more does."""
        now = time.monotonic()
        wire = self.wire
        total = 0
        wire.gathering = True
        try:
            while total < _MOST:
                try:
                    count = wire.take()
                except BlockingIOError:
                    break
                except OSError:
                    # An ICMP error of an earlier send: it says nothing about what is waiting.
                    total += 1
                    continue
                total += count
                self._receive(wire.batch(count), now)
                if count < wire.MOST:
                    break
        finally:
            wire.gathering = False
            wire.flush()
            self._count(total, now)

    def _count(self, taken: int, now: float) -> None:
        """Judge from time to time whether many come."""
        self._counted += taken
        passed = now - self._counted_since
        if passed >= _WINDOW:
            busy = self._counted >= (_CALM if self.ticking else _BUSY) * passed
            self._counted, self._counted_since = 0, now
            if busy != self.ticking:
                self._tick(busy)

    def _tick(self, busy: bool) -> None:
        """Look at the socket by the clock from now on, or whenever something comes."""
        if self._ticks is None:
            return
        self.ticking = busy
        if busy:
            self._loop.remove_reader(self._socket.fileno())
            self._ticks.start()
            self._loop.add_reader(self._ticks.number, self._on_tick)
        else:
            self._loop.remove_reader(self._ticks.number)
            self._ticks.stop()
            self._loop.add_reader(self._socket.fileno(), self._drain)

    def _on_tick(self) -> None:
        assert self._ticks is not None
        self._ticks.heard()
        self._drain()

    def close(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        if self._ticks is not None:
            self._loop.remove_reader(self._ticks.number)
            self._ticks.close()
        self._socket.close()


def plain_address(address: Address) -> Address:
    """Host and port as STUN shows them: IPv4 out of a dual-stack socket's mapped form."""
    host = address[0]
    return (host[7:] if host.startswith("::ffff:") and "." in host else host, address[1])
