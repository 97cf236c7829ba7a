"""One stream that a peer publishes: taken in once, forwarded to every subscription."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiortc.rtp import RtcpReceiverInfo

from media.sfu import rtcp, rtp
from media.sfu.counters import Counters
from media.sfu.reception import Reception
from media.sfu.recorder import Tap
from media.sfu.sdp import ABS_SEND_TIME_ID, BY_PAYLOAD, BY_RTX, Codec, Kind
from media.sfu.subscription import Subscription

CLOCK_RATES: Final = {"audio": 48000, "video": 90000}
# A block of one word with the one extension that we offer (RFC 8285). Its value follows.
_SEND_TIME_BLOCK: Final = b"\xbe\xde\x00\x01" + bytes([ABS_SEND_TIME_ID << 4 | 2])
_SEND_TIME_AT: Final = len(_SEND_TIME_BLOCK)
_BLOCK_END: Final = rtp.HEADER_LENGTH + _SEND_TIME_AT


class PacketCache:
    """The last packets of a track, by extended sequence number."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._slots: list[tuple[int, bytes] | None] = [None] * size

    def put(self, number: int, data: bytes) -> None:
        self._slots[number % self._size] = (number, data)

    def get(self, number: int) -> bytes | None:
        slot = self._slots[number % self._size]
        return slot[1] if slot is not None and slot[0] == number else None

    def clear(self) -> None:
        self._slots = [None] * self._size


class KeyFrameRequests:
    """Throttles requests to a publisher: one in half a second, repeated until a key frame comes."""

    PAUSE: Final = 0.5
    MAX_TRIES: Final = 10

    def __init__(self) -> None:
        self.wanted = False
        self._last = float("-inf")
        self._tries = 0

    def want(self, now: float) -> bool:
        """Somebody needs a key frame; True when the request is to be sent now."""
        self.wanted = True
        self._tries = 0
        return self.due(now)

    def due(self, now: float) -> bool:
        """Whether an open request is to be sent (again) now."""
        if not self.wanted or now - self._last < self.PAUSE:
            return False
        if self._tries >= self.MAX_TRIES:
            self.wanted = False
            return False
        self._last = now
        self._tries += 1
        return True

    def came(self) -> None:
        self.wanted = False


class Track:
    """The audio or video of one publisher.

    ``feedback`` takes plain RTCP for the publisher. ``worry`` is called when holes opened, so
    that the engine looks at the track soon. While not ``enabled`` (muted) packets are counted and
    dropped: they reach neither viewers nor the recording.
    """

    CACHE: Final = 512
    SSRC_SILENCE: Final = 1.0

    def __init__(
        self,
        kind: Kind,
        user: str,
        feedback: Callable[[bytes], None],
        worry: Callable[[Track], None],
        counters: Counters,
        local_ssrc: int,
    ) -> None:
        self.kind: Kind = kind
        self.user = user
        self.clock_rate = CLOCK_RATES[kind]
        self.enabled = True
        self.ssrc = 0
        self.rtx_ssrc = 0
        self.now = 0.0
        self.octets = 0
        self.flow = 0
        self.loss = 0.0
        self.codec: Codec | None = None
        self.cache = PacketCache(self.CACHE if kind == "video" else 1)
        self.subscriptions: list[Subscription] = []
        self.tap: Tap | None = None
        self.key_frames = KeyFrameRequests()
        self.reception = Reception(self.clock_rate)
        self._feedback = feedback
        self._worry = worry
        self._counters = counters
        self._local_ssrc = local_ssrc
        self._heard = float("-inf")
        self._measured = 0

    def announce(self, ssrc: int, rtx_ssrc: int) -> None:
        """The publisher's answer names its streams (0: it did not)."""
        if ssrc and ssrc != self.ssrc:
            self._turn_to(ssrc)
        self.rtx_ssrc = rtx_ssrc

    def claims(self, ssrc: int, payload_type: int, now: float) -> bool:
        """Whether a packet of an unannounced SSRC may be taken as this track's.

        The payload type decides. A stream in use is replaced only after a second of silence, so
        that no two streams can fight for one track.
        """
        codec = BY_RTX.get(payload_type)
        if codec is not None:
            if codec.kind == self.kind and now - self._heard < self.SSRC_SILENCE:
                self.rtx_ssrc = ssrc
                return True
            return False
        codec = BY_PAYLOAD.get(payload_type)
        if codec is None or codec.kind != self.kind or now - self._heard < self.SSRC_SILENCE:
            return False
        self._turn_to(ssrc)
        return True

    def _turn_to(self, ssrc: int) -> None:
        self.ssrc = ssrc
        self.reception = Reception(self.clock_rate)
        self.cache.clear()
        for subscription in self.subscriptions:
            subscription.resume(new_stream=True)

    def receive(self, data: bytes, now: float) -> None:
        """Take one plain RTP packet of this track, media or retransmission."""
        self.octets += len(data)
        codec = BY_PAYLOAD.get(data[1] & 0x7F)
        if codec is None:
            self._receive_rtx(data, now)
        elif codec.kind != self.kind:
            self._counters.rtp_malformed += 1
        else:
            self._heard = now
            self._take(codec, data, now, late=False)

    def _receive_rtx(self, data: bytes, now: float) -> None:
        codec = BY_RTX.get(data[1] & 0x7F)
        if codec is None or codec.kind != self.kind or not self.ssrc:
            self._counters.rtp_malformed += 1
            return
        original = rtp.unwrap_rtx(data, codec.payload_type, self.ssrc)
        # Bandwidth probes are retransmissions of nothing, or of something that arrived already.
        if original is not None:
            self._take(codec, original, now, late=True)

    def _take(self, codec: Codec, data: bytes, now: float, *, late: bool) -> None:
        first, second, sequence, timestamp, _ = rtp.HEADER.unpack_from(data)
        reception = self.reception
        holes = len(reception.holes)
        number = reception.accept(sequence, timestamp, now, late=late)
        if number < 0:
            return
        if len(reception.holes) > holes and self.kind == "video":
            self._worry(self)
        if not self.enabled:
            self._counters.rtp_muted += 1
            return
        if first & 0x10 and data[rtp.HEADER_LENGTH : _BLOCK_END] != _SEND_TIME_BLOCK:
            # What we did not offer, or a malformed block: no viewer has to cope with it.
            self._counters.rtp_extensions_removed += 1
            data = rtp.without_extension(data)
            first = data[0]
        self.now = now
        self.codec = codec
        if self.kind == "video":
            self.cache.put(number, data)
            if self.key_frames.wanted and rtp.is_key_frame(
                codec.name, data, max(rtp.payload_offset(data), 0)
            ):
                self.key_frames.came()
        if self.tap is not None:
            self.tap.packet(codec, self.ssrc, data, now)
        if self.subscriptions:
            body = _stamped(data, now)
            for subscription in self.subscriptions:
                if subscription.live:
                    subscription.forward(first, second, number, timestamp, body)

    def note_sender_report(self, report: rtcp.SenderReport, now: float) -> None:
        """Pass the publisher's SR on to viewers and the recording."""
        self.reception.note_sender_report(report.ntp, now)
        if not self.enabled:
            return
        if self.tap is not None:
            self.tap.sender_report(report.ntp, report.rtp_timestamp, now)
        for subscription in self.subscriptions:
            subscription.send_report(report.ntp, report.rtp_timestamp, now)

    def set_enabled(self, enabled: bool, now: float) -> bool:
        """Mute or unmute; True when that changed something."""
        if enabled == self.enabled:
            return False
        self.enabled = enabled
        for subscription in self.subscriptions:
            subscription.resume()
        if enabled:
            self.cache.clear()
            self.want_key_frame(now)
        return True

    def want_key_frame(self, now: float) -> None:
        """Ask the publisher for a key frame, within the throttle."""
        if self.kind == "video" and self.key_frames.want(now):
            self._request()

    def tend(self, now: float, round_trip: float) -> bool:
        """Ask for missing packets and overdue key frames; True when there is more to come."""
        if self.key_frames.due(now):
            self._request()
        if self.kind != "video":
            return False
        ask, gave_up = self.reception.missing(now, round_trip)
        if ask and self.enabled:
            self._counters.nacks_sent += len(ask)
            self._feedback(rtcp.write_nack(self._local_ssrc, self.ssrc, ask))
        if gave_up and self.enabled:
            self.want_key_frame(now)
        return bool(self.reception.holes)

    def _request(self) -> None:
        if self.ssrc:
            self._counters.key_frames_requested += 1
            self._feedback(rtcp.write_pli(self._local_ssrc, self.ssrc))

    def measure(self, passed: float) -> None:
        """Set ``flow``, the bit/s received in the last ``passed`` seconds."""
        self.flow = int((self.octets - self._measured) * 8 / passed)
        self._measured = self.octets

    def report(self, now: float) -> RtcpReceiverInfo | None:
        """The block for the publisher's next receiver report; None before the first packet."""
        if self.reception.highest < 0:
            return None
        block, self.loss = self.reception.report(self.ssrc, now)
        return block


def _stamped(data: bytes, now: float) -> bytes:
    """What follows the fixed header, with abs-send-time set to the time we send it on."""
    body = data[rtp.HEADER_LENGTH :]
    if not data[0] & 0x10:
        return body
    stamp = int(now * 262144) & 0xFFFFFF
    return body[:_SEND_TIME_AT] + stamp.to_bytes(3, "big") + body[_SEND_TIME_AT + 3 :]
