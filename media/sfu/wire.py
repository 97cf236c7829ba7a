"""The memory in which packets are worked on, and the calls that take and send many at once.

Linux has ``recvmmsg`` and ``sendmmsg``: one call for a batch of datagrams. Elsewhere there is a
call for each (``Singles``).
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from collections.abc import Iterable
from ctypes import c_int, c_size_t, c_uint, c_void_p
from typing import Any, Final

from pylibsrtp._binding import ffi

from media.sfu.counters import Counters
from media.sfu.ice import Address
from media.sfu.names import Layout, Name, Names, layout_of

#: Octets of a place: more than any datagram that is forwarded, with what encryption adds.
ROOM: Final = 2048
#: Places for what is sent together, and after them those for what was taken together.
SENT: Final = 64
TAKEN: Final = 64
_memory = ffi.new("char[]", ROOM * (TAKEN + SENT))
#: All places: place n begins at ``ROOM * n``. A slice is a copy as bytes. What lies here is gone
#: with the next batch.
octets: Final = ffi.buffer(_memory)
#: The same memory as integers.
workplace: Final = memoryview(octets)
#: Where each place begins, for libsrtp.
pointers: Final[tuple[Any, ...]] = tuple(_memory + ROOM * place for place in range(TAKEN + SENT))
_BEGIN: Final = int(ffi.cast("uintptr_t", _memory))


#: A datagram of a batch: its place, its size, its source, and what an RTP header would say: its
#: first two octets, sequence number, timestamp, SSRC, and words of a header extension.
Taken = tuple[int, tuple[int], tuple[Name], tuple[int, int, int, int, int, int]]
_HEAD: Final = struct.Struct(f"!BBHII2xH{ROOM - 16}x")


def taken(place: int, size: int, name: Name) -> Taken:
    """One datagram that lies in a place."""
    head: Any = _HEAD.unpack_from(workplace, ROOM * place)
    return place, (size,), (name,), head


class Wire:
    """Takes datagrams from a bound, non-blocking UDP socket, and sends some.

    What is to be sent is laid into the place ``free`` and posted; it goes out with others while
    ``gathering``, else at once.
    """

    #: How many are taken at once.
    MOST = 1

    def __init__(self, bound: socket.socket, counters: Counters) -> None:
        self.gathering = False
        self.free = 0
        self._socket = bound
        self._counters = counters

    def take(self) -> int:
        """Take what waits, into the places from ``SENT`` on; returns how many. Raises OSError:
        nothing waits (BlockingIOError), or an earlier datagram was refused somewhere.
        """
        raise NotImplementedError

    def batch(self, count: int) -> Iterable[Taken]:
        """The datagrams that were taken last. What lies behind the end of one is old."""
        raise NotImplementedError

    def source(self, name: Name) -> Address:
        """The address of a name."""
        return name if isinstance(name, tuple) else self._read(name)

    def _read(self, name: bytes) -> Address:
        raise NotImplementedError

    def post(self, size: int, address: Address) -> None:
        """Send what lies in the place ``free``; what the kernel refuses is counted and lost."""
        raise NotImplementedError

    def flush(self) -> None:
        """Send what was posted."""

    def send(self, data: bytes, address: Address) -> None:
        """Send a datagram."""
        if len(data) > ROOM:
            self._counters.send_refused += 1
            return
        start = ROOM * self.free
        octets[start : start + len(data)] = data
        self.post(len(data), address)


class Singles(Wire):
    """A call for each datagram."""

    def __init__(self, bound: socket.socket, counters: Counters) -> None:
        super().__init__(bound, counters)
        self._taken: tuple[int, Address] = (0, ("", 0))
        self._place = workplace[ROOM * SENT : ROOM * (SENT + 1)]

    def take(self) -> int:
        size, source = self._socket.recvfrom_into(self._place, ROOM)
        self._taken = (size, source)
        self._counters.datagrams_in += 1
        self._counters.bytes_in += size
        return 1

    def batch(self, count: int) -> Iterable[Taken]:
        return [taken(SENT, *self._taken)][:count]

    def post(self, size: int, address: Address) -> None:
        start = ROOM * self.free
        counters = self._counters
        try:
            counters.bytes_out += self._socket.sendto(workplace[start : start + size], address)
        except OSError:
            counters.send_refused += 1
            return
        counters.datagrams_out += 1


class _Vector(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", c_void_p), ("length", c_size_t))


class _Message(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = (
        ("name", c_void_p),
        ("name_length", c_uint),
        ("vectors", c_void_p),
        ("vector_count", c_size_t),
        ("control", c_void_p),
        ("control_length", c_size_t),
        ("flags", c_int),
        ("padding", c_int),
        ("length", c_uint),
    )


_STEP: Final = ctypes.sizeof(_Message)


class _Messages:
    """Headers for a batch of datagrams, each with its vector and room for a name and what is
    beside it.
    """

    def __init__(self, first_place: int, count: int, layout: Layout) -> None:
        self.headers = bytearray(_STEP * count)
        self._vectors = bytearray(ctypes.sizeof(_Vector) * count)
        self._room = ffi.new("char[]", layout.room * count)
        vectors = (_Vector * count).from_buffer(self._vectors)
        headers = (_Message * count).from_buffer(self.headers)
        names = int(ffi.cast("uintptr_t", self._room))
        for number in range(count):
            vectors[number].base = _BEGIN + ROOM * (first_place + number)
            vectors[number].length = ROOM
            headers[number].name = names + layout.room * number
            headers[number].name_length = layout.length
            if layout.beside:
                headers[number].control = names + layout.room * number + layout.beside
                # As long as what the kernel writes, so it need not be set again for the next.
                headers[number].control_length = layout.control
            headers[number].vectors = ctypes.addressof(vectors[number])
            headers[number].vector_count = 1
        self.address = ctypes.addressof(headers)
        self.names = ffi.buffer(self._room)
        #: Header n names its address at ``_STEP // 8 * n``, what is beside it at ``_BESIDE`` after
        #: that, its size at ``_SIZE + _STEP // 4 * n``.
        self.targets = memoryview(self.headers).cast("Q")
        self.sizes = memoryview(self.headers).cast("I")
        #: The length of vector n is at ``2 * n + 1``.
        self.lengths = memoryview(self._vectors).cast("Q")


_SIZE: Final = _Message.length.offset // 4
_SIZE_STEP: Final = _STEP // 4
_SIZES: Final = struct.Struct(f"{4 * _SIZE}xI{_STEP - 4 * _SIZE - 4}x")
_TAKEN_PLACES: Final = workplace[ROOM * SENT :]
_TARGET_STEP: Final = _STEP // 8
_BESIDE: Final = _Message.control.offset // 8


def _library() -> ctypes.PyDLL | None:
    # These calls wait for nothing. To let other threads run meanwhile, as others do, is to queue
    # behind them afterwards: while a recording is sealed that would be milliseconds each time.
    found = ctypes.PyDLL(None, use_errno=True)
    if ctypes.sizeof(c_void_p) != 8:
        return None
    try:
        take, send = found.recvmmsg, found.sendmmsg
    except AttributeError:
        return None
    take.argtypes = [c_int, c_void_p, c_uint, c_int, c_void_p]
    send.argtypes = [c_int, c_void_p, c_uint, c_int]
    return found


_LIBC: Final = _library()


class Batches(Wire):
    """One call for many datagrams."""

    MOST = TAKEN

    def __init__(self, bound: socket.socket, counters: Counters) -> None:
        super().__init__(bound, counters)
        assert _LIBC is not None
        layout = layout_of(bound)
        self._names = Names(layout)
        self._in = _Messages(SENT, TAKEN, layout)
        self._out = _Messages(0, SENT, layout)
        self._recvmmsg, self._sendmmsg = _LIBC.recvmmsg, _LIBC.sendmmsg
        self._number = bound.fileno()
        # What a packet touches, without the way through other objects.
        self._sizes = self._in.sizes
        self._targets, self._lengths = self._out.targets, self._out.lengths
        self._written = self._names.written
        self._beside = layout.beside
        self._telling = struct.Struct(f"{layout.telling}s{layout.room - layout.telling}x")

    def take(self) -> int:
        count: int = self._recvmmsg(
            self._number, self._in.address, TAKEN, socket.MSG_DONTWAIT, None
        )
        if count < 0:
            number = ctypes.get_errno()
            raise OSError(number, errno.errorcode.get(number, ""))
        self._counters.datagrams_in += count
        self._counters.bytes_in += sum(self._sizes[_SIZE : _SIZE_STEP * count : _SIZE_STEP])
        return count

    def batch(self, count: int) -> Iterable[Taken]:
        found: Any = zip(
            range(SENT, SENT + count),
            _SIZES.iter_unpack(self._in.headers),
            self._telling.iter_unpack(self._in.names),
            _HEAD.iter_unpack(_TAKEN_PLACES),
            strict=False,
        )
        return found  # type: ignore[no-any-return]

    def _read(self, name: bytes) -> Address:
        return self._names.known.get(name) or self._names.read(name)

    def post(self, size: int, address: Address) -> None:
        target = self._written.get(address)
        if target is None:
            try:
                target = self._names.write(address)
            except OSError:
                self._counters.send_refused += 1
                return
        place = self.free
        self._targets[_TARGET_STEP * place] = target
        if self._beside:
            self._targets[_TARGET_STEP * place + _BESIDE] = target + self._beside
        self._lengths[2 * place + 1] = size
        self.free = place = place + 1
        if place == SENT or not self.gathering:
            self.flush()

    def flush(self) -> None:
        count, self.free = self.free, 0
        refused = lost = at = 0
        while at < count:
            done = self._sendmmsg(
                self._number, self._out.address + _STEP * at, count - at, socket.MSG_DONTWAIT
            )
            if done > 0:
                at += done
            elif ctypes.get_errno() != errno.EINTR:
                # The first of them is refused; the others may go elsewhere.
                lost += self._lengths[2 * at + 1]
                refused += 1
                at += 1
        counters = self._counters
        counters.datagrams_out += count - refused
        counters.bytes_out += sum(self._lengths[1 : 2 * count : 2]) - lost
        counters.send_refused += refused


def wire_of(bound: socket.socket, counters: Counters) -> Wire:
    """The best that the system has. Addresses of a socket are of its own family."""
    return Singles(bound, counters) if _LIBC is None else Batches(bound, counters)
