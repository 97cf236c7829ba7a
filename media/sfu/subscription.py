"""One track on its way to one viewer: numbers rewritten, holes refilled, reports kept."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from media.sfu import rtcp, rtp
from media.sfu.sdp import Codec

if TYPE_CHECKING:
    from media.sfu.track import Track

_MAX_RESENDS = 8
_MAX_REMEMBERED = 1024
_MAX_REPORTS = 8


def random_ssrc() -> int:
    """An SSRC; 0 is avoided because RTCP uses it for "none"."""
    return secrets.randbelow(0xFFFFFFFE) + 1


class Subscription:
    """Forwards one published track to one peer.

    The viewer sees one continuous stream: its own SSRC, sequence numbers without the gaps that
    muting or a change of the publisher's stream would leave. ``send_rtp`` and ``send_rtcp`` take
    plain packets. It forwards while ``live``: once the viewer's answer has accepted the line.
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
        self.packets = 0
        self.octets = 0
        self.retransmitted = 0
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
        self._rtx_sequence = secrets.randbelow(0x8000)
        self._resent: dict[int, tuple[float, int]] = {}
        self._reports: dict[int, float] = {}

    def accept(self, payloads: dict[str, int], rtx: dict[int, int], codecs: list[Codec]) -> None:
        """Follow the viewer's answer: the payload types it chose for our codecs.

        Packets of a codec that it did not accept are not sent to it.
        """
        chosen = {c.payload_type: payloads[c.name] for c in codecs if c.name in payloads}
        identical = all(ours == theirs for ours, theirs in chosen.items())
        self._payloads = None if identical and len(chosen) == len(codecs) else chosen
        self._rtx_payloads = {ours: rtx[theirs] for ours, theirs in chosen.items() if theirs in rtx}

    def resume(self, *, new_stream: bool = False) -> None:
        """Continue the numbers at the next packet, whatever number it has.

        ``new_stream`` says that its timestamps begin anew as well.
        """
        self._offset = None
        self._new_stream = self._new_stream or new_stream

    def forward(self, first: int, second: int, number: int, timestamp: int, body: bytes) -> None:
        """Send one packet on: the two first header bytes, extended number, timestamp, the rest."""
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
        self.packets += 1
        self.octets += len(body)
        stamp = (timestamp + self._time_offset) & 0xFFFFFFFF
        self._send_rtp(rtp.HEADER.pack(first, second, out & 0xFFFF, stamp, self.ssrc) + body)

    def _align(self, number: int, timestamp: int) -> None:
        self._floor = self._highest + 1
        self._offset = number - self._floor
        if self._new_stream and self.packets:
            # Another stream took over: let its time continue where the old one would be now.
            passed = int((self.track.now - self._last_sent) * self.track.clock_rate)
            expected = self._last_timestamp + self._time_offset + max(passed, 1)
            self._time_offset = (expected - timestamp) & 0xFFFFFFFF
        self._new_stream = False

    def resend(self, lost: tuple[int, ...], now: float) -> int:
        """Answer a NACK from the track's cache; returns how many packets were sent."""
        if self._offset is None or not self.live:
            return 0
        pause = max(0.02, (self.round_trip or 0.0) / 2)
        sent = 0
        for sequence in lost:
            behind = (self._highest - sequence) & 0xFFFF
            number = self._highest - behind
            if behind >= 0x8000 or number < self._floor:
                continue
            last, times = self._resent.get(number, (0.0, 0))
            data = self.track.cache.get(number + self._offset)
            if data is None or times >= _MAX_RESENDS or now - last < pause:
                continue
            self._remember(number, now, times + 1)
            sent += self._resend_one(data, sequence)
        self.retransmitted += sent
        return sent

    def _remember(self, number: int, now: float, times: int) -> None:
        self._resent.pop(number, None)
        self._resent[number] = (now, times)
        while len(self._resent) > _MAX_REMEMBERED:
            del self._resent[next(iter(self._resent))]

    def _resend_one(self, data: bytes, sequence: int) -> int:
        first, second, _, timestamp, _ = rtp.HEADER.unpack_from(data)
        payload = second & 0x7F
        if self._payloads is not None:
            chosen = self._payloads.get(payload)
            if chosen is None:
                return 0
        else:
            chosen = payload
        stamp = (timestamp + self._time_offset) & 0xFFFFFFFF
        head = rtp.HEADER.pack(first, (second & 0x80) | chosen, sequence, stamp, self.ssrc)
        original = head + data[rtp.HEADER_LENGTH :]
        rtx = self._rtx_payloads.get(payload)
        offset = rtp.payload_offset(data)
        if rtx is None or offset < 0:
            self._send_rtp(original)
            return 1
        self._rtx_sequence = (self._rtx_sequence + 1) & 0xFFFF
        self._send_rtp(rtp.wrap_rtx(original, offset, rtx, self._rtx_sequence, self.rtx_ssrc))
        return 1

    def send_report(self, ntp: int, rtp_timestamp: int, now: float) -> None:
        """Pass the publisher's SR on in terms of this stream, keeping its clock for lip-sync."""
        if not self.live or not self.packets:
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
