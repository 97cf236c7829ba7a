"""Where a datagram comes from and to which address of ours it came, as the kernel writes it."""

from __future__ import annotations

import ctypes
import socket
import struct
from dataclasses import dataclass
from typing import Any, Final

from media.sfu.ice import Address

#: An address as a wire tells it: what the kernel wrote, or what Python made of it.
Name = bytes | Address


@dataclass(frozen=True)
class Layout:
    """How the kernel writes where a datagram comes from, and to which address of ours it came.

    ``length`` is that of the name, ``telling`` says how many octets tell one from another, ``room``
    how many lie between two. ``beside`` is where what the kernel tells of our own address lies, 0
    for not at all: an ancillary message of ``control`` octets, which has the address at ``local``.
    """

    six: bool
    length: int
    telling: int
    room: int
    beside: int = 0
    control: int = 0
    local: int = 0


# struct cmsghdr, then struct in_pktinfo (RFC 3542 has the other one): interface, our address, that
# of the header; or our address, interface. Both filled up to words.
_IP_PKTINFO: Final = 8
FOUR: Final = Layout(six=False, length=16, telling=8, room=28)
SIX: Final = Layout(six=True, length=28, telling=28, room=28)
FOUR_ANY: Final = Layout(False, 16, 48, 48, beside=16, control=32, local=16 + 16 + 4)
SIX_ANY: Final = Layout(True, 28, 72, 72, beside=32, control=40, local=32 + 16)
_CONTROL_HEAD: Final = struct.Struct("=Qii")


def layout_of(bound: socket.socket) -> Layout:
    """The layout for a socket. One that is bound to no address of its own is made to tell to which
    one a datagram came: answers leave from there, whatever the route to their target says.
    """
    six = bound.family == socket.AF_INET6
    if any(socket.inet_pton(bound.family, bound.getsockname()[0].partition("%")[0])):
        return SIX if six else FOUR
    if six:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        return SIX_ANY
    bound.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    return FOUR_ANY


class Names:
    """Addresses as the kernel writes them, and as the engine knows them, both ways.

    Where the layout has something beside the name, an address ends with the one of ours that
    belongs to it: whoever comes to two of ours has two.
    """

    MOST: Final = 8192

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.known: dict[bytes, Address] = {}
        self.written: dict[Address, int] = {}
        self._kept: list[Any] = []
        self._kept_before: list[Any] = []

    def read(self, name: bytes) -> Address:
        """The address of a name, which is ``known`` from now on."""
        (port,) = struct.unpack_from("!H", name, 2)
        found: Any
        if self.layout.six:
            flow, host = struct.unpack_from("!I16s", name, 4)
            (scope,) = struct.unpack_from("=I", name, 24)
            found = (socket.inet_ntop(socket.AF_INET6, host), port, flow, scope)
        else:
            found = (socket.inet_ntop(socket.AF_INET, name[4:8]), port)
        at = self.layout.local
        if at:
            found += (self._text(name[at : at + (16 if self.layout.six else 4)]),)
        if len(self.known) >= self.MOST:
            # Somebody plays with source addresses; who is real is known again at once.
            self.known.clear()
        self.known[name] = found
        return found  # type: ignore[no-any-return]

    def _text(self, octets: bytes) -> str:
        return socket.inet_ntop(socket.AF_INET6 if self.layout.six else socket.AF_INET, octets)

    def write(self, address: Address) -> int:
        """Where the name of an address lies, which is ``written`` from now on. Raises OSError when
        it is none of this family.
        """
        if self.layout.six:
            flow, scope = (*address[2:4], 0, 0)[:2]
            host = socket.inet_pton(socket.AF_INET6, address[0])
            head = struct.pack("=H", socket.AF_INET6)
            name = head + struct.pack("!HI16s", address[1], flow, host) + struct.pack("=I", scope)
        else:
            host = socket.inet_pton(socket.AF_INET, address[0])
            name = struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", address[1], host)
        if self.layout.beside:
            name = name.ljust(self.layout.beside, b"\0") + self._from(address)
        if len(self.written) >= self.MOST:
            self.written.clear()
            # What waits to be sent still names its address there.
            self._kept_before, self._kept = self._kept, []
        kept = ctypes.create_string_buffer(name, len(name))
        self._kept.append(kept)
        found = self.written[address] = ctypes.addressof(kept)
        return found

    def _from(self, address: Address) -> bytes:
        """Which of our addresses the kernel is to send from; it chooses when none is said."""
        local: Any = address[4:] if self.layout.six else address[2:]
        if self.layout.six:
            none = "::ffff:0.0.0.0" if address[0].startswith("::ffff:") else "::"
            ours = socket.inet_pton(socket.AF_INET6, local[0] if local else none)
            head = _CONTROL_HEAD.pack(36, socket.IPPROTO_IPV6, socket.IPV6_PKTINFO)
            return head + ours + bytes(8)
        ours = socket.inet_pton(socket.AF_INET, local[0]) if local else bytes(4)
        head = _CONTROL_HEAD.pack(28, socket.IPPROTO_IP, _IP_PKTINFO)
        return head + bytes(4) + ours + bytes(8)
