"""One picture or sound that a peer publishes: taken in once, forwarded to every subscription."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from media.sfu import extensions, rtcp, rtp, vp8
from media.sfu.counters import Counters
from media.sfu.layer import Layer
from media.sfu.recorder import Tap
from media.sfu.sdp import BY_PAYLOAD, BY_RTX, Codec, Kind
from media.sfu.subscription import Subscription

_read_header: Final = rtp.HEADER.unpack_from
_header: Final = rtp.HEADER.pack
#: ``extensions.send_time_word`` without its time.
_SEND_TIME: Final = extensions.send_time_word(0.0)
CLOCK_RATES: Final = {"audio": 48000, "video": 90000}


class Track:
    """The audio or video of one publisher, in one or several sizes (``layers``, smallest first).

    ``feedback`` takes plain RTCP for the publisher. ``worry`` is called when holes opened, so
    that the engine looks at the track soon. While not ``enabled`` (muted) packets are counted and
    dropped: they reach neither viewers nor the recording.
    """

    #: A voice counts as loud at this many dB below full scale and above.
    LOUD: Final = 45

    def __init__(
        self,
        kind: Kind,
        user: str,
        feedback: Callable[[bytes], None],
        worry: Callable[[Track], None],
        counters: Counters,
        local_ssrc: int,
        *,
        screen: bool = False,
    ) -> None:
        self.kind: Kind = kind
        self.user = user
        #: The name of its stream in offers to viewers.
        self.stream = f"s_{user}" if screen else f"u_{user}"
        self.screen = screen
        self.clock_rate = CLOCK_RATES[kind]
        self.enabled = True
        self.now = 0.0
        self.layers = [Layer(self)]
        #: Whether there are several.
        self.layered = False
        self.subscriptions: list[Subscription] = []
        self.tap: Tap | None = None
        #: Loud packets of 20 ms since the last look, for the active speaker.
        self.loud = 0
        self._recorded: Layer | None = None
        self._feedback = feedback
        self._worry = worry
        self._counters = counters
        self._local_ssrc = local_ssrc

    # The publisher's streams.

    @property
    def flow(self) -> int:
        """The bit/s received, of all layers."""
        return sum(layer.flow for layer in self.layers)

    @property
    def octets(self) -> int:
        return sum(layer.octets for layer in self.layers)

    @property
    def loss(self) -> float:
        return max(layer.loss for layer in self.layers)

    @property
    def jitter_ms(self) -> int:
        """How unevenly it arrives."""
        jitter = max(layer.reception.jitter for layer in self.layers)
        return round(jitter * 1000 / self.clock_rate)

    @property
    def wants_key_frame(self) -> bool:
        return any(layer.key_frames.wanted for layer in self.layers)

    def announce(self, ssrc: int, rtx_ssrc: int, rids: Sequence[str] = ()) -> None:
        """The publisher's answer names its streams (0: it did not), or its layers in order."""
        if rids:
            if [layer.rid for layer in self.layers] != list(rids):
                self._turn_to_layers(rids)
            return
        layer = self.layers[0]
        if ssrc and ssrc != layer.ssrc:
            layer.turn_to(ssrc)
        layer.rtx_ssrc = rtx_ssrc

    def _turn_to_layers(self, rids: Sequence[str]) -> None:
        self.layers = [Layer(self, rank, rid) for rank, rid in enumerate(rids)]
        self.layered = len(self.layers) > 1
        self._recorded = None
        for subscription in self.subscriptions:
            subscription.leave_layer()

    def claim(self, ssrc: int, data: bytes, end: int, now: float) -> Layer | None:
        """The layer that a packet of an unannounced SSRC begins or repairs; None for a stranger.

        Its stream name decides, without one the payload type. A stream in use is replaced only
        after a second of silence, so that no two streams can fight for one place.
        """
        payload_type = data[1] & 0x7F
        repairs = payload_type in BY_RTX
        codec = BY_RTX[payload_type] if repairs else BY_PAYLOAD.get(payload_type)
        if codec is None or codec.kind != self.kind:
            return None
        layer = self._named(data, end, repairs)
        if layer is None:
            return None
        if repairs:
            if not layer.sent_lately(now):
                return None
            layer.rtx_ssrc = ssrc
            return layer
        if layer.sent_lately(now):
            return None
        layer.turn_to(ssrc)
        return layer

    def _named(self, data: bytes, end: int, repairs: bool) -> Layer | None:
        if not self.layers[0].rid:
            return self.layers[0]
        identifier = extensions.REPAIRED_ID if repairs else extensions.STREAM_ID
        rid = extensions.text(data, end, identifier)
        return next((layer for layer in self.layers if layer.rid == rid), None)

    # Packets.

    def receive(self, layer: Layer, data: bytes, end: int, now: float) -> None:
        """Take one plain RTP packet of a layer, media or retransmission; ``end`` of its header."""
        first, second, sequence, timestamp, _ = _read_header(data)
        codec = BY_PAYLOAD.get(second & 0x7F)
        if codec is None:
            self._receive_rtx(layer, data, now)
        elif codec.kind != self.kind:
            self._counters.rtp_malformed += 1
        else:
            layer.heard = now
            layer.octets += len(data)
            number = layer.reception.accept(sequence, timestamp, now)
            if number >= 0:
                self.pass_on(layer, codec, data, end, now, first, second, number, timestamp)

    def _receive_rtx(self, layer: Layer, data: bytes, now: float) -> None:
        codec = BY_RTX.get(data[1] & 0x7F)
        if codec is None or codec.kind != self.kind or not layer.ssrc:
            self._counters.rtp_malformed += 1
            return
        original = rtp.unwrap_rtx(data, codec.payload_type, layer.ssrc)
        # Bandwidth probes are retransmissions of nothing, or of something that arrived already.
        if original is None:
            return
        first, second, sequence, timestamp, _ = _read_header(original)
        number = layer.reception.accept(sequence, timestamp, now, late=True)
        if number >= 0:
            end = rtp.payload_offset(original)
            self.pass_on(layer, codec, original, end, now, first, second, number, timestamp)

    def pass_on(
        self,
        layer: Layer,
        codec: Codec,
        data: bytes,
        end: int,
        now: float,
        first: int,
        second: int,
        number: int,
        timestamp: int,
    ) -> None:
        """Give a packet that is new to the cache, the recording and the viewers."""
        video = self.kind == "video"
        if video and layer.reception.holes:
            self._worry(self)
        if not self.enabled:
            self._counters.rtp_muted += 1
            return
        self.now = now
        layer.codec = codec
        # Viewers and the recording get no extension of the publisher's: ours, or none.
        payload = data[end:]
        first &= 0xE0
        if video:
            layer.cache.put((number, first, second, timestamp, payload))
            if layer.key_frames.wanted or layer.waiting or self.layered:
                self._look_at_picture(layer, codec, data, end, payload)
        elif data[0] & 0x10:
            level = extensions.level(data, end)
            if level is not None and level < self.LOUD:
                self.loud += 1
        if self.tap is not None and (layer is self._recorded or not self.layered):
            header = _header(first, second, number & 0xFFFF, timestamp, layer.ssrc)
            self.tap.packet(codec, layer.ssrc, header, payload, now)
        if layer.viewers:
            word = _SEND_TIME | int(now * 262144) & 0xFFFFFF
            for subscription in layer.viewers:
                if subscription.live:
                    subscription.forward(first, second, number, timestamp, payload, word)

    def _look_at_picture(
        self, layer: Layer, codec: Codec, data: bytes, end: int, payload: bytes
    ) -> None:
        vp8_coded = codec.name == "vp8"
        if vp8_coded and self.layered:
            layer.picture = vp8.picture(payload)
        unrecorded = self.tap is not None and self.layered and layer is not self._recorded
        if not (layer.key_frames.wanted or layer.waiting or unrecorded):
            return
        if not rtp.is_key_frame(codec.name, data, end):
            return
        layer.key_frames.came()
        if vp8_coded:
            layer.height = vp8.height(payload) or layer.height
        for subscription in layer.waiting[:]:
            subscription.enter_layer(layer)
        if unrecorded and layer is self.best(len(self.layers), self.now):
            self._recorded = layer

    def record(self, tap: Tap | None, now: float) -> None:
        """Give a recorder the largest picture that comes, from now on and from a key frame on; None
        ends that.
        """
        self.tap = tap
        self._recorded = None
        if tap is not None:
            self.want_key_frame(now, self.best(len(self.layers), now) or self.layers[-1])

    # Who gets which layer.

    def subscribed(self, subscription: Subscription) -> None:
        """A new subscription: one size goes out at once, of several the choice is made soon."""
        self.subscriptions.append(subscription)
        if not self.layered:
            subscription.layer = self.layers[0]
            subscription.layer.viewers.append(subscription)

    def release(self) -> None:
        """Forget the publisher's packets: nobody receives it any more."""
        for layer in self.layers:
            layer.cache.clear()
        self.layers = []
        self._recorded = None

    def unsubscribed(self, subscription: Subscription) -> None:
        subscription.leave_layer()
        if subscription in self.subscriptions:
            self.subscriptions.remove(subscription)

    def arrange(self, now: float) -> None:
        """Give every viewer the layer that is right for it now; called a few times a second."""
        for subscription in self.subscriptions:
            if subscription.live:
                self.choose(subscription, now)
        if self.tap is not None and self.layered:
            best = self.best(len(self.layers), now)
            if best is not None and best is not self._recorded and not best.key_frames.wanted:
                self.want_key_frame(now, best)

    def choose(self, subscription: Subscription, now: float) -> None:
        """Turn a subscription to the best layer within its ceiling, from the next key frame on."""
        layer = self.best(subscription.ceiling, now) if self.layered else self.layers[0]
        if subscription.ceiling < 0:
            subscription.leave_layer()
        elif layer is subscription.layer:
            subscription.wait_for(None)
        elif layer is not None and layer is not subscription.pending:
            subscription.wait_for(layer)
            self.want_key_frame(now, layer)

    def best(self, ceiling: int, now: float) -> Layer | None:
        """The largest layer up to this rank that is sent, else the smallest; None when none is."""
        sent = [layer for layer in self.layers if layer.sent_lately(now)]
        fitting = [layer for layer in sent if layer.rank <= ceiling]
        return fitting[-1] if fitting else sent[0] if sent else None

    def sizes(self, highest: int, now: float) -> list[tuple[int, int]]:
        """Rank and bit/s of what is sent at present, up to a rank (the smallest at least)."""
        sent = [layer for layer in self.layers if layer.sent_lately(now) and layer.flow]
        return [(each.rank, each.flow) for each in sent if each.rank <= highest or each is sent[0]]

    def rank_for(self, height: int) -> int:
        """The smallest layer that fills this many lines well; -1 for none (0 lines)."""
        if height <= 0:
            return -1
        good = [layer.rank for layer in self.layers if layer.height >= height * 0.75]
        return min(good, default=self.layers[-1].rank)

    # Feedback.

    def note_sender_report(self, layer: Layer, report: rtcp.SenderReport, now: float) -> None:
        """Pass the publisher's SR on to viewers and the recording."""
        layer.reception.note_sender_report(report.ntp, now)
        layer.clock = (report.ntp, report.rtp_timestamp)
        if not self.enabled:
            return
        if self.tap is not None and (layer is self._recorded or not self.layered):
            self.tap.sender_report(report.ntp, report.rtp_timestamp, now)
        for subscription in layer.viewers:
            subscription.send_report(report.ntp, report.rtp_timestamp, now)

    def set_enabled(self, enabled: bool, now: float) -> bool:
        """Mute or unmute; True when that changed something."""
        if enabled == self.enabled:
            return False
        self.enabled = enabled
        for subscription in self.subscriptions:
            subscription.resume()
        if enabled:
            for layer in self.layers:
                layer.cache.clear()
                self.want_key_frame(now, layer)
        return True

    def want_key_frame(self, now: float, layer: Layer | None = None, *, soon: bool = False) -> None:
        """Ask the publisher for a key frame of a layer (the only one), within the throttle.

        ``soon`` for a viewer who has no picture yet.
        """
        layer = layer or self.layers[0]
        if self.kind != "video":
            return
        askable = self._askable(layer, now)
        if layer.key_frames.want(now, soon=soon, askable=askable):
            self._request(layer)
        elif soon and askable:
            self._worry(self)

    def _askable(self, layer: Layer, now: float) -> bool:
        """Whether a key frame can come of a request: its stream is known, and used."""
        used = self.enabled and (not self.layered or layer.sent_lately(now))
        return used and layer.ssrc != 0

    def tend(self, now: float, round_trip: float) -> bool:
        """Ask for missing packets and overdue key frames; True when there is more to come."""
        more = False
        for layer in self.layers:
            askable = self._askable(layer, now)
            if askable and layer.key_frames.due(now):
                self._request(layer)
            if self.kind == "video":
                urgent = askable and layer.key_frames.urgent
                more = self._ask_again(layer, now, round_trip) or urgent or more
        return more

    def _ask_again(self, layer: Layer, now: float, round_trip: float) -> bool:
        ask, gave_up = layer.reception.missing(now, round_trip)
        if ask and self.enabled:
            self._counters.nacks_sent += len(ask)
            self._feedback(rtcp.write_nack(self._local_ssrc, layer.ssrc, ask))
        if gave_up and self.enabled:
            self.want_key_frame(now, layer)
        return bool(layer.reception.holes)

    def _request(self, layer: Layer) -> None:
        self._counters.key_frames_requested += 1
        self._feedback(rtcp.write_pli(self._local_ssrc, layer.ssrc))
