"""The short way of a packet: what is known about its stream is looked up once, not each time.

A way leads from an address, a stream and a payload type to the layer that takes its packets. It is
found by the long way (``Engine``), and all are forgotten whenever an address or a stream changes
its owner. Each packet is authenticated all the same, by the keys of the peer whose way it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from media.sfu.counters import Counters
from media.sfu.ice import Address
from media.sfu.names import Name
from media.sfu.sdp import Codec
from media.sfu.wire import Taken, Wire

if TYPE_CHECKING:
    from media.sfu.layer import Layer
    from media.sfu.peer import Peer

#: A stream's peer is noted as heard this often, not with every packet.
_PAUSE: Final = 0.02
_MOST: Final = 8192


class Way:
    """Where the packets of one stream go."""

    __slots__ = ("codec", "layer", "noted", "peer", "source", "track")

    def __init__(self, peer: Peer, layer: Layer, codec: Codec) -> None:
        self.peer = peer
        self.layer = layer
        self.track = layer.track
        self.codec = codec
        self.source: Address = ("", 0)
        self.noted = float("-inf")


class Ways:
    """Takes a batch of datagrams. ``arrived`` is the long way, for all that has no short one;
    ``find`` tells the way of a stream from an address, if there is one.
    """

    def __init__(
        self,
        wire: Wire,
        counters: Counters,
        arrived: Callable[[int, int, Address, float], None],
        find: Callable[[Address, int, int], Way | None],
    ) -> None:
        self._wire = wire
        self._counters = counters
        self._arrived = arrived
        self._find = find
        self._known: dict[tuple[Name, int, int], Way] = {}

    def forget(self) -> None:
        """An address or a stream changed its owner."""
        self._known.clear()

    def carry(self, batch: Iterable[Taken], now: float) -> None:
        """Take the datagrams of a batch, each used or counted."""
        known = self._known
        for place, (size,), (name,), head in batch:
            first, second, sequence, timestamp, ssrc, words = head
            way = known.get((name, ssrc, second & 0x7F))
            # Padding and further sources are rare; nothing shorter is authentic.
            if way is None or first & 0xEF != 0x80 or size < 28:
                self._the_long_way(place, size, name, second, ssrc, now)
                continue
            peer = way.peer
            data = peer.dtls.unprotect(place, size)
            if data is None:
                self._counters.rtp_unauthentic += 1
                continue
            end = 16 + 4 * words if first == 0x90 else 12
            if now - way.noted >= _PAUSE:
                way.noted = way.layer.heard = now
                peer.note_source(way.source, now)
            if end > len(data):
                self._counters.rtp_malformed += 1
                continue
            if peer.arrivals is not None:
                peer.note_arrival(data, end, now)
            layer = way.layer
            layer.octets += len(data)
            number = layer.reception.accept(sequence, timestamp, now)
            if number >= 0:
                way.track.pass_on(
                    layer, way.codec, data, end, now, first, second, number, timestamp
                )

    def _the_long_way(
        self, place: int, size: int, name: Name, second: int, ssrc: int, now: float
    ) -> None:
        source = self._wire.source(name)
        self._arrived(place, size, source, now)
        way = self._find(source, ssrc, second & 0x7F)
        if way is not None and len(self._known) < _MOST:
            way.source = source
            self._known[name, ssrc, second & 0x7F] = way
