"""One RTP stream of a publisher: its sound, its picture, or one of the sizes of its picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiortc.rtp import RtcpReceiverInfo

from media.sfu import vp8
from media.sfu.reception import Reception
from media.sfu.sdp import Codec

if TYPE_CHECKING:
    from media.sfu.subscription import Subscription
    from media.sfu.track import Track


#: A received packet as viewers may need it again: extended sequence number, version and padding
#: bits, marker and payload type, timestamp, what follows the header. A bare tuple: the garbage
#: collector need not look at it twice.
Packet = tuple[int, int, int, int, bytes]


class PacketCache:
    """The last packets of a stream, by extended sequence number: ``size`` at most."""

    #: Seconds of a stream that are kept, and packets at least: a viewer asks two or three times
    #: within that, and later the picture has gone on. A second more is 200 KB per participant.
    SPAN: Final = 0.6
    FEWEST: Final = 64

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept = min(size, self.FEWEST)
        self._newest = -1
        self._slots: list[Packet | None] = [None] * self._kept

    def put(self, packet: Packet) -> None:
        number, kept = packet[0], self._kept
        if number > self._newest:
            self._newest = number
        elif number <= self._newest - kept:
            return  # Its place is a newer one's.
        self._slots[number % kept] = packet

    def follow(self, rate: float) -> None:
        """Keep what fits a stream of so many packets a second."""
        kept = min(self._size, max(self.FEWEST, int(rate * self.SPAN)))
        if kept == self._kept:
            return
        packets = sorted(slot for slot in self._slots if slot is not None)
        self._kept = kept
        self.clear()
        for packet in packets[-kept:]:
            self.put(packet)

    def get(self, number: int) -> Packet | None:
        slot = self._slots[number % self._kept]
        return slot if slot is not None and slot[0] == number else None

    def clear(self) -> None:
        self._newest = -1
        self._slots = [None] * self._kept


class KeyFrameRequests:
    """Throttles requests to a publisher: one in half a second, repeated until a key frame comes.

    After a while they come more seldom, but never end: a screen that stands still may bring nothing
    for long, and whoever watches it must not stay without a picture.

    For somebody who has no picture yet the first one comes sooner: he is to see within half a
    second, even where others joined just before him.
    """

    PAUSE: Final = 0.5
    #: libwebrtc passes over requests within 300 ms of the one before: sooner would be later.
    SOON: Final = 0.31
    MANY_TRIES: Final = 10
    SELDOM: Final = 2.0

    def __init__(self) -> None:
        self.wanted = False
        self._pause = self.PAUSE
        self._last = float("-inf")
        self._tries = 0

    def want(self, now: float, *, soon: bool = False, askable: bool = True) -> bool:
        """Somebody needs a key frame; True when the request is to be sent now. One that cannot be
        sent yet (not ``askable``) waits, and is due as soon as it can.
        """
        self.wanted = True
        self._tries = 0
        if soon:
            self._pause = self.SOON
        return askable and self.due(now)

    @property
    def urgent(self) -> bool:
        """Whether somebody who has no picture yet waits for the request to be sent."""
        return self.wanted and self._pause == self.SOON

    def due(self, now: float) -> bool:
        """Whether an open request is to be sent (again) now."""
        pause = self._pause if self._tries < self.MANY_TRIES else self.SELDOM
        if not self.wanted or now - self._last < pause:
            return False
        self._last = now
        self._pause = self.PAUSE
        self._tries += 1
        return True

    def came(self) -> None:
        self.wanted = False
        self._pause = self.PAUSE


class Layer:
    """What one SSRC of a track brings. ``rank`` is 0 for the smallest picture; ``rid`` its name in
    the SDP, empty without simulcast.

    ``viewers`` get its packets; ``waiting`` ones will, from its next key frame on.
    """

    CACHE: Final = 512
    #: A layer that was not heard for this long is not sent at present.
    SILENCE: Final = 1.0
    #: What a size is taken for until its key frame has told: 180, 360, 720 lines.
    LOWEST_HEIGHT: Final = 180

    def __init__(self, track: Track, rank: int = 0, rid: str = "") -> None:
        self.track = track
        self.rank = rank
        self.rid = rid
        self.ssrc = 0
        self.rtx_ssrc = 0
        self.heard = float("-inf")
        #: Without retransmissions, for they may be padding, and what they repair was counted.
        self.octets = 0
        self.flow = 0
        self.loss = 0.0
        self.height = self.LOWEST_HEIGHT << rank
        self.codec: Codec | None = None
        self.picture = vp8.NONE
        self.reception = Reception(track.clock_rate)
        self.cache = PacketCache(self.CACHE if track.kind == "video" else 1)
        self.key_frames = KeyFrameRequests()
        self.viewers: list[Subscription] = []
        self.waiting: list[Subscription] = []
        #: NTP and RTP time of its latest sender report.
        self.clock: tuple[int, int] | None = None
        self._measured = 0
        self._counted = 0

    def sent_lately(self, now: float) -> bool:
        return now - self.heard < self.SILENCE

    def turn_to(self, ssrc: int) -> None:
        """Another stream of the publisher takes this place."""
        self.ssrc = ssrc
        self.reception = Reception(self.track.clock_rate)
        self.cache.clear()
        self.clock = None
        for viewer in self.viewers:
            viewer.resume(new_stream=True)

    def measure(self, passed: float) -> None:
        """Set ``flow``, the bit/s received in the last ``passed`` seconds."""
        self.flow = int((self.octets - self._measured) * 8 / passed)
        self._measured = self.octets
        received = self.reception.received
        self.cache.follow(max(0, received - self._counted) / passed)
        self._counted = received

    def report(self, now: float) -> RtcpReceiverInfo | None:
        """The block for the publisher's next receiver report; None before the first packet."""
        if self.reception.highest < 0:
            return None
        block, self.loss = self.reception.report(self.ssrc, now)
        return block
