"""One track on its way to one viewer: numbers rewritten, holes refilled, reports kept."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from media.sfu import extensions, rtcp, vp8
from media.sfu.sdp import Codec

if TYPE_CHECKING:
    from media.sfu.congestion import Congestion
    from media.sfu.layer import Layer, Packet
    from media.sfu.track import Track

_MAX_RESENDS = 8
_MAX_REMEMBERED = 1024
_MAX_REPORTS = 8
# A viewer who tells no arrivals gets each repair so often more, unasked, while he loses between
# these shares: where more is lost, more packets are the reason rather than the help.
_LOSSY, _CHOKED = 0.005, 0.2
_REPEATS: Final = 2
_REPEAT_PAUSE: Final = 0.03
_PADDING: Final = 255
_pack_head: Final = extensions.HEADER_AND_WORD.pack
_BLOCK: Final = extensions.BLOCK
#: Two clocks of one publisher that differ by more than this many seconds are not believed.
_MAX_CLOCK_ERROR = 1.0
#: No ceiling: the largest picture that there is.
UNLIMITED: Final = 99


def random_ssrc() -> int:
    """An SSRC; 0 is avoided because RTCP uses it for "none"."""
    return secrets.randbelow(0xFFFFFFFE) + 1


class Subscription:
    """Forwards one published track to one peer.

    The viewer sees one continuous stream: its own SSRC, sequence numbers without the gaps that
    muting, another layer or a change of the publisher's stream would leave. ``send_rtp`` and
    ``send_rtcp`` take plain packets. It forwards while ``live``: once the viewer's answer has
    accepted the line.

    ``layer`` is the one whose packets it forwards, ``pending`` the one that it turns to at that
    layer's next key frame. ``wish`` and ``allowed`` are the highest ranks that the viewer asks
    for and that its network bears; -1 for nothing.
    """

    def __init__(
        self,
        track: Track,
        send_rtp: Callable[[bytes], None],
        send_rtcp: Callable[[bytes], None],
        cname: str,
    ) -> None:
        self.track = track
        self.cname = cname
        self.ssrc = random_ssrc()
        self.rtx_ssrc = random_ssrc() if track.kind == "video" else 0
        self.live = False
        self.layer: Layer | None = None
        self.pending: Layer | None = None
        self.wish = UNLIMITED
        self.allowed = UNLIMITED
        self.packets = 0
        self.octets = 0
        self.retransmitted = 0
        #: Counts every packet to this viewer, when it tells what arrives.
        self.congestion: Congestion | None = None
        self.loss = 0.0
        self.round_trip: float | None = None
        self._send_rtp = send_rtp
        self._send_rtcp = send_rtcp
        self._payloads: dict[int, int] | None = None
        self._rtx_payloads: dict[int, int] = {}
        self._highest = secrets.randbelow(0x8000) + 0x10000
        self._floor = self._highest + 1
        self._offset: int | None = None
        self._time_offset = 0
        self._last_timestamp = 0
        self._last_sent = 0.0
        self._new_stream = True
        self._before: Layer | None = None
        self._pictures: tuple[int, int] | None = None
        self._last_pictures = (0, 0)
        self._rtx_sequence = secrets.randbelow(0x8000)
        self._resent: dict[int, tuple[float, int]] = {}
        #: Repairs that are sent again by ``repeat``, and how often still.
        self.again: dict[int, int] = {}
        self._reports: dict[int, float] = {}

    def accept(self, payloads: dict[str, int], rtx: dict[int, int], codecs: list[Codec]) -> None:
        """Follow the viewer's answer: the payload types it chose for our codecs.

        Packets of a codec that it did not accept are not sent to it.
        """
        chosen = {c.payload_type: payloads[c.name] for c in codecs if c.name in payloads}
        identical = all(ours == theirs for ours, theirs in chosen.items())
        self._payloads = None if identical and len(chosen) == len(codecs) else chosen
        self._rtx_payloads = {ours: rtx[theirs] for ours, theirs in chosen.items() if theirs in rtx}

    # Layers.

    @property
    def ceiling(self) -> int:
        return min(self.wish, self.allowed)

    def wait_for(self, layer: Layer | None) -> None:
        """Turn to a layer at its next key frame; None takes that back."""
        if self.pending is not None and self in self.pending.waiting:
            self.pending.waiting.remove(self)
        self.pending = layer
        if layer is not None:
            layer.waiting.append(self)

    def enter_layer(self, layer: Layer) -> None:
        """A key frame of this layer is here: go on with it."""
        self.leave_layer()
        self.layer = layer
        layer.viewers.append(self)
        if self._before is not None and layer.picture is not vp8.NONE:
            self._follow_pictures(layer)
        self.resume(new_stream=self._before is not layer)

    def leave_layer(self) -> None:
        """Forward nothing until a layer is entered."""
        self.wait_for(None)
        if self.layer is not None:
            self._before = self.layer
            number, base = self._pictures or (0, 0)
            picture = self.layer.picture
            self._last_pictures = (picture.number + number, picture.base + base)
            if self in self.layer.viewers:
                self.layer.viewers.remove(self)
            self.layer = None

    def _follow_pictures(self, layer: Layer) -> None:
        """Let the picture numbers go on where they were: decoders throw away what seems older."""
        number, base = self._last_pictures
        self._pictures = (number + 1 - layer.picture.number, base + 1 - layer.picture.base)

    # Packets.

    def resume(self, *, new_stream: bool = False) -> None:
        """Continue the numbers at the next packet, whatever number it has.

        ``new_stream`` says that its timestamps begin anew as well.
        """
        self._offset = None
        self._new_stream = self._new_stream or new_stream

    def forward(
        self, first: int, second: int, number: int, timestamp: int, payload: bytes, word: int
    ) -> None:
        """Send one packet on: version and padding bits, marker and payload type, extended number,
        timestamp, payload, and the extension word that tells when it is sent.
        """
        if self._offset is None:
            self._align(number, timestamp)
        assert self._offset is not None
        out = number - self._offset
        if out < self._floor:
            return  # From before a pause: its place in the stream is gone.
        if self._payloads is not None:
            chosen = self._payloads.get(second & 0x7F)
            if chosen is None:
                return
            second = (second & 0x80) | chosen
        if out > self._highest:
            self._highest = out
            self._last_timestamp = timestamp
            self._last_sent = self.track.now
        elif self.loss > _LOSSY:
            # The publisher's own repair: the viewer has asked for it already, in vain.
            self._remember(out, self.track.now, 0)
            self._repeat_later(out)
        if self._pictures is not None:
            payload = vp8.renumbered(payload, *self._pictures)
        if self.congestion is not None:
            word = self.congestion.stamp(len(payload), self.track.now)
        self.packets += 1
        self.octets += len(payload)
        stamp = (timestamp + self._time_offset) & 0xFFFFFFFF
        self._send_rtp(
            _pack_head(first | 0x10, second, out & 0xFFFF, stamp, self.ssrc, _BLOCK, word) + payload
        )

    def _align(self, number: int, timestamp: int) -> None:
        self._floor = self._highest + 1
        self._offset = number - self._floor
        if self._new_stream and self.packets:
            self._time_offset = self._continued_time(timestamp)
        self._new_stream = False

    def _continued_time(self, timestamp: int) -> int:
        """What to add to another stream's timestamps, so that time goes on.

        Sender reports of both streams say it exactly; else the time that passed here does.
        """
        rate = self.track.clock_rate
        last = self._last_timestamp + self._time_offset
        passed = int((self.track.now - self._last_sent) * rate)
        expected = last + max(passed, 1)
        offset = (expected - timestamp) & 0xFFFFFFFF
        before = self._before.clock if self._before is not None else None
        after = self.layer.clock if self.layer is not None else None
        if self._before is self.layer or before is None or after is None:
            return offset
        elapsed = ((after[0] - before[0]) * rate) >> 32
        exact = self._time_offset + before[1] + elapsed - after[1]
        ahead = (exact + timestamp - last + 2**31) % 2**32 - 2**31
        error = (exact - offset + 2**31) % 2**32 - 2**31
        if ahead <= 0 or abs(error) > _MAX_CLOCK_ERROR * rate:
            return offset
        return exact & 0xFFFFFFFF

    def resend(self, lost: tuple[int, ...], now: float) -> int:
        """Answer a NACK from the layer's cache; returns how many packets were sent."""
        if self._offset is None or not self.live or self.layer is None:
            return 0
        pause = max(0.02, (self.round_trip or 0.0) / 2)
        sent = 0
        for sequence in lost:
            behind = (self._highest - sequence) & 0xFFFF
            number = self._highest - behind
            if behind >= 0x8000 or number < self._floor:
                continue
            last, times = self._resent.get(number, (0.0, 0))
            packet = self.layer.cache.get(number + self._offset)
            if packet is None or times >= _MAX_RESENDS or now - last < pause:
                continue
            self._remember(number, now, times + 1)
            self._repeat_later(number)
            sent += self._resend_one(packet, sequence, now)
        self.retransmitted += sent
        return sent

    def _repeat_later(self, number: int) -> None:
        if _LOSSY < self.loss < _CHOKED and self.congestion is None and self._rtx_payloads:
            self.again.setdefault(number, _REPEATS)

    def repeat(self, now: float) -> int:
        """Ten times a second: send repairs again that may be lost in their turn; how many.

        Browsers ask again when one does not come. Others ask once, and show nothing until the next
        loss makes them ask for all that they miss.
        """
        sent = 0
        for number, left in list(self.again.items()):
            last, times = self._resent.get(number, (now, 0))
            if now - last < _REPEAT_PAUSE:
                continue
            del self.again[number]
            if self.layer is None or self._offset is None or number < self._floor:
                continue
            packet = self.layer.cache.get(number + self._offset)
            if packet is None:
                continue
            if left > 1:
                self.again[number] = left - 1
            self._remember(number, now, times)
            sent += self._resend_one(packet, number & 0xFFFF, now)
        self.retransmitted += sent
        return sent

    def _remember(self, number: int, now: float, times: int) -> None:
        self._resent.pop(number, None)
        self._resent[number] = (now, times)
        while len(self._resent) > _MAX_REMEMBERED:
            del self._resent[next(iter(self._resent))]

    def _resend_one(self, packet: Packet, sequence: int, now: float) -> int:
        _, first, second, timestamp, payload = packet
        payload_type, marker = second & 0x7F, second & 0x80
        chosen = payload_type if self._payloads is None else self._payloads.get(payload_type)
        if chosen is None:
            return 0
        if self._pictures is not None:
            payload = vp8.renumbered(payload, *self._pictures)
        stamp = (timestamp + self._time_offset) & 0xFFFFFFFF
        rtx = self._rtx_payloads.get(payload_type)
        ssrc = self.ssrc
        if rtx is not None:
            # RFC 4588: a stream of its own, the original number before the payload.
            payload = sequence.to_bytes(2, "big") + payload
            self._rtx_sequence = sequence = (self._rtx_sequence + 1) & 0xFFFF
            chosen, ssrc = rtx, self.rtx_ssrc
        if self.congestion is not None:
            word = self.congestion.stamp(len(payload), now)
        else:
            word = extensions.send_time_word(now)
        head = extensions.HEADER_AND_WORD.pack(
            first | 0x10,
            marker | chosen,
            sequence,
            stamp,
            ssrc,
            extensions.BLOCK,
            word,
        )
        self._send_rtp(head + payload)
        return 1

    @property
    def can_pad(self) -> bool:
        return self.live and bool(self._rtx_payloads) and self.packets > 0

    def pad(self, octets: int, now: float) -> None:
        """Send about so many bytes of nothing as retransmissions, which decoders never see."""
        payload_type = next(iter(self._rtx_payloads.values()))
        padding = bytes(_PADDING - 1) + bytes([_PADDING])
        stamp = (self._last_timestamp + self._time_offset) & 0xFFFFFFFF
        for _ in range(max(octets // (_PADDING + extensions.HEADER_AND_WORD.size), 1)):
            self._rtx_sequence = (self._rtx_sequence + 1) & 0xFFFF
            word = self.congestion.stamp(_PADDING, now) if self.congestion is not None else 0
            head = extensions.HEADER_AND_WORD.pack(
                0xB0, payload_type, self._rtx_sequence, stamp, self.rtx_ssrc, extensions.BLOCK, word
            )
            self._send_rtp(head + padding)

    # Reports.

    def send_report(self, ntp: int, rtp_timestamp: int, now: float) -> None:
        """Pass the publisher's SR on in terms of this stream, keeping its clock for lip-sync."""
        if not self.live or not self.packets or self._offset is None:
            return
        stamp = (rtp_timestamp + self._time_offset) & 0xFFFFFFFF
        self._reports[(ntp >> 16) & 0xFFFFFFFF] = now
        while len(self._reports) > _MAX_REPORTS:
            del self._reports[next(iter(self._reports))]
        self._send_rtcp(
            rtcp.write_sender_report(self.ssrc, ntp, stamp, self.packets, self.octets, self.cname)
        )

    def note_report(self, report: rtcp.Report, now: float) -> None:
        """Take a report block about this stream: loss, and the round trip to the viewer.

        The report quotes the publisher's clock, so that the round trip is measured from the
        moment we passed the quoted SR on.
        """
        self.loss = report.fraction_lost
        sent = self._reports.get(report.lsr) if report.lsr else None
        if sent is None:
            return
        elapsed = now - sent - report.dlsr / 65536
        if 0 <= elapsed < MAX_ROUND_TRIP:
            previous = self.round_trip
            self.round_trip = elapsed if previous is None else previous * 0.7 + elapsed * 0.3


MAX_ROUND_TRIP: Final = 30.0
