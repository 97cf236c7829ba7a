"""One PeerConnection: its addresses, keys, published tracks and subscriptions."""

from __future__ import annotations

import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from media.errors import BadAnswer
from media.sfu import extensions, ice, quality, rtcp, rtp, sdp
from media.sfu.counters import Counters
from media.sfu.downlink import Downlink
from media.sfu.dtls import SUPPORTED_HASHES, Dtls, SharedCertificate
from media.sfu.ice import Address
from media.sfu.layer import Layer
from media.sfu.negotiation import SCREEN_MID, Negotiation
from media.sfu.subscription import Subscription, random_ssrc
from media.sfu.track import Track
from media.sfu.transport import Arrivals, Feedback
from media.sfu.ways import Way
from media.sfu.wire import ROOM, Wire, workplace

_SSRC = struct.Struct("!I")
_DEFAULT_ROUND_TRIP: Final = 0.1
# A client's first moments lose packets: its keys, its receivers and its decoder come up one after
# the other, and not every client asks for what it lost. So a new viewer gets two key frames.
_ASK_AGAIN: Final = 0.7
_ARRANGE: Final = 0.4
#: The name of a shared screen among a peer's tracks; the recording knows it by the same.
SCREEN: Final = "screen"


@dataclass(frozen=True, slots=True)
class PeerSpec:
    """Who a peer is and what it may do. A hidden peer never publishes and is told to nobody; one
    with a ``screen`` shares it from the beginning.
    """

    peer: str
    session: str
    user: str
    audio: bool = True
    video: bool = True
    publish: bool = True
    hidden: bool = False
    screen: bool = False

    @property
    def publishes(self) -> bool:
        return self.publish and not self.hidden


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every peer of a worker shares. ``send`` puts a datagram on the ``wire``."""

    certificate: SharedCertificate
    addresses: tuple[str, ...]
    port: int
    send: Callable[[bytes, Address], None]
    wire: Wire
    worry: Callable[[Track], None]
    streams_changed: Callable[[], None]
    counters: Counters
    max_bitrate: int
    codecs: tuple[str, ...]


class Peer:
    """One session of one participant. ``on_state`` hears its DTLS state (see ``Dtls``)."""

    def __init__(
        self,
        spec: PeerSpec,
        around: Surroundings,
        on_state: Callable[[Peer, str], None],
        now: float,
    ) -> None:
        self.spec = spec
        self.identity = ice.Identity()
        self.path = ice.Path()
        self.dtls = Dtls(around.certificate, self._send_plain, lambda state: on_state(self, state))
        self.negotiation = Negotiation(publish=spec.publishes)
        self.created = now
        self.heard = now
        self.reported = now
        self.judged = now
        self.ask_again = float("inf")
        self.sent: dict[int, Subscription] = {}
        self.downlink = Downlink(self.sent)
        self.tracks: dict[str, Track] = {}
        self._around = around
        self._wire = around.wire
        self._counters = around.counters
        self._number = secrets.randbelow(1 << 62)
        self._local_ssrc = random_ssrc()
        self._cap = quality.BitrateCap(around.max_bitrate)
        self._screen_cap = quality.BitrateCap(around.max_bitrate)
        self.arrivals: Arrivals | None = None
        self._by_ssrc: dict[int, Layer] = {}
        #: The same as a packet has it.
        self._by_source: dict[bytes, Layer] = {}
        self._arranged = now
        self._fingerprints: tuple[tuple[str, str], ...] = ()
        self._octets_before = 0
        self._sdp = ""
        if spec.publishes:
            self._make_tracks()

    def _make_tracks(self) -> None:
        wanted: tuple[tuple[sdp.Kind, bool], ...] = (
            ("audio", self.spec.audio),
            ("video", self.spec.video),
        )
        for kind, enabled in wanted:
            self.tracks[kind] = self._make_track(kind)
            self.tracks[kind].enabled = enabled
        if self.spec.screen:
            self.share_screen(on=True)

    def _make_track(self, kind: sdp.Kind, *, screen: bool = False) -> Track:
        return Track(
            kind,
            self.spec.user,
            self.send_rtcp,
            self._around.worry,
            self._counters,
            self._local_ssrc,
            screen=screen,
        )

    @property
    def screen(self) -> Track | None:
        """The screen that this peer shares at present."""
        track = self.tracks.get(SCREEN)
        return track if track is not None and track.enabled else None

    def share_screen(self, *, on: bool) -> None:
        """Open or close the line of this peer's screen; once made, its track stays."""
        if on and SCREEN not in self.tracks:
            self.tracks[SCREEN] = self._make_track("video", screen=True)
        self.negotiation.share(on=on)

    # Negotiation.

    def offer(self) -> tuple[int, str]:
        """Make the next offer; returns its version and SDP."""
        version = self.negotiation.begin()
        self._sdp = sdp.write_offer(
            sdp.Offer(
                number=self._number,
                version=version,
                credentials=self.identity.current,
                fingerprint=self._around.certificate.fingerprint,
                addresses=self._around.addresses,
                port=self._around.port,
                lines=self.negotiation.lines(),
                codecs=self._around.codecs,
            )
        )
        return version, self._sdp

    def offer_again(self) -> tuple[int, str]:
        """The outstanding offer, or a new one when none is outstanding."""
        if self.negotiation.outstanding:
            return self.negotiation.version, self._sdp
        return self.offer()

    def answer(self, version: int, text: str, now: float) -> None:
        """Apply an answer; raises StaleAnswer or BadAnswer and changes nothing then."""
        self.negotiation.check(version)
        answer = sdp.read_answer(text, self.negotiation.mids)
        usable = tuple(item for item in answer.fingerprints if item[0] in SUPPORTED_HASHES)
        if not usable:
            raise BadAnswer("the answer has no fingerprint of a supported kind")
        if self._fingerprints and usable != self._fingerprints:
            raise BadAnswer("the certificate changed within a session")
        for subscription, line in self.negotiation.finish(answer.lines):
            self._follow(subscription, line, now)
        for kind, line in zip(("audio", "video"), answer.lines, strict=False):
            self._announced(self.tracks.get(kind), line)
        for line in answer.lines:
            if line.mid == SCREEN_MID:
                self._announced(self.tracks.get(SCREEN), line)
        if not self._fingerprints:
            self._fingerprints = usable
            self.dtls.start(usable)

    def _announced(self, track: Track | None, line: sdp.AnswerLine) -> None:
        if track is None or not line.sends:
            return
        if line.transport_feedback and self.arrivals is None:
            self.arrivals = Arrivals()
        track.announce(line.ssrc, line.rtx_ssrc, line.rids)
        self._remember_streams()

    def _remember_streams(self) -> None:
        self._by_ssrc = {
            ssrc: layer
            for track in self.tracks.values()
            for layer in track.layers
            for ssrc in (layer.rtx_ssrc, layer.ssrc)
            if ssrc
        }
        self._around.streams_changed()
        self._by_source = {_SSRC.pack(ssrc): layer for ssrc, layer in self._by_ssrc.items()}

    def _follow(self, subscription: Subscription, line: sdp.AnswerLine, now: float) -> None:
        if subscription.ssrc not in self.sent:
            return  # Its publisher left while the offer was on its way.
        codecs = [codec for codec in sdp.CODECS if codec.kind == subscription.track.kind]
        subscription.accept(line.payloads, line.rtx, codecs)
        if line.transport_feedback:
            self.downlink.accepts_feedback(subscription)
        fresh = line.receives and not subscription.live
        subscription.live = line.receives
        if fresh:
            subscription.track.choose(subscription, now)
        if fresh and self.dtls.connected:
            self.ask_for_pictures(now)
            self.ask_again = now + _ASK_AGAIN

    def subscribe(self, track: Track) -> Subscription:
        """A new subscription of this peer to a track; it needs a line and an answer to be live."""
        name = f"u_{track.user}"
        subscription = Subscription(track, self.send_rtp, self.send_rtcp, name)
        self.sent[subscription.ssrc] = subscription
        track.subscribed(subscription)
        return subscription

    def _tell_arrivals(self) -> None:
        if self.arrivals is None:
            return
        data = self.arrivals.feedback(self._local_ssrc, self._media_ssrc)
        if data:
            self.send_rtcp(data)

    @property
    def _media_ssrc(self) -> int:
        return next(iter(self._by_ssrc), 0)

    def unsubscribe(self, subscription: Subscription) -> None:
        subscription.live = False
        self.sent.pop(subscription.ssrc, None)
        subscription.track.unsubscribed(subscription)

    def connected(self, now: float) -> None:
        """The keys are there: pictures may come."""
        self.ask_for_pictures(now)
        self.ask_again = now + _ASK_AGAIN

    def ask_for_pictures(self, now: float) -> None:
        """Ask the publishers of everything that this peer watches for a key frame."""
        self.ask_again = float("inf")
        for subscription in self.sent.values():
            layer = subscription.pending or subscription.layer
            if subscription.live and layer is not None:
                subscription.track.want_key_frame(now, layer, soon=True)

    def release(self) -> None:
        """Give back memory at once, when the peer is out of its call: what is kept for others, and
        the circles of references in which the rest would wait for a collection.
        """
        for track in self.tracks.values():
            track.release()
        self.tracks.clear()
        self._by_ssrc.clear()
        self._by_source.clear()
        self.arrivals = None
        self.negotiation.release()

    # Sending.

    def _send_plain(self, data: bytes) -> None:
        if self.path.selected is not None:
            self._around.send(data, self.path.selected)

    def send_rtp(self, plain: bytes) -> None:
        """Protect and send an RTP packet; dropped while there are no keys or no address."""
        address = self.path.selected
        if address is None:
            return
        wire = self._wire
        size = self.dtls.protect(wire.free, plain)
        if size:
            wire.post(size, address)
        elif self.dtls.connected:
            self._counters.send_not_protected += 1

    def send_rtcp(self, plain: bytes) -> None:
        """Protect and send an RTCP packet; dropped while there are no keys or no address."""
        dtls, address = self.dtls, self.path.selected
        if not dtls.connected or address is None:
            return
        wire = self._wire
        size = dtls.protect_rtcp(wire.free, plain)
        if size:
            wire.post(size, address)
        else:
            self._counters.send_not_protected += 1

    # Receiving.

    def receive(self, place: int, size: int, source: Address, now: float) -> None:
        """Take the SRTP or SRTCP packet in a place, from one of this peer's addresses; it has 8
        bytes at least.
        """
        if not self.dtls.connected:
            self._counters.rtp_not_connected += 1
        elif 192 <= workplace[ROOM * place + 1] <= 223:  # RFC 5761, section 4.
            self._receive_rtcp(place, size, source, now)
        else:
            self._receive_rtp(place, size, source, now)

    def _receive_rtp(self, place: int, size: int, source: Address, now: float) -> None:
        plain = self.dtls.unprotect(place, size)
        if plain is None:
            self._counters.rtp_unauthentic += 1
            return
        self.note_source(source, now)
        end = rtp.payload_offset(plain)
        if end < 0:
            self._counters.rtp_malformed += 1
            return
        if self.arrivals is not None:
            self.note_arrival(plain, end, now)
        layer = self._by_source.get(plain[8:12])
        if layer is None:
            layer = self._claim(_SSRC.unpack_from(plain, 8)[0], plain, end, now)
            if layer is None:
                self._counters.rtp_unknown_stream += 1
                return
        layer.track.receive(layer, plain, end, now)

    def note_source(self, source: Address, now: float) -> None:
        """Something authentic came from this address."""
        self.heard = now
        if self.path.heard(source, now):
            self._counters.address_changes += 1

    def note_arrival(self, plain: bytes, end: int, now: float) -> None:
        """Note a packet's transport-wide number for the next feedback."""
        at = extensions.find(plain, end, extensions.TRANSPORT_ID)
        if self.arrivals is not None and at > 0 and at + 1 < end:
            self.arrivals.note(plain[at] << 8 | plain[at + 1], now)

    def way(self, ssrc: int, payload_type: int) -> Way | None:
        """The way of a stream's media, once it is known."""
        layer, codec = self._by_ssrc.get(ssrc), sdp.BY_PAYLOAD.get(payload_type)
        if layer is None or layer.ssrc != ssrc or codec is None or codec.kind != layer.track.kind:
            return None
        return Way(self, layer, codec)

    def _claim(self, ssrc: int, plain: bytes, end: int, now: float) -> Layer | None:
        screen = self.tracks.get(SCREEN)
        if screen is not None and not screen.layers[0].ssrc and not self._is_sound(plain):
            # A screen's first packets overtake the answer that names them: no camera's, then.
            return None
        for track in self.tracks.values():
            layer = None if track.screen else track.claim(ssrc, plain, end, now)
            if layer is not None:
                self._remember_streams()
                return layer
        return None

    @staticmethod
    def _is_sound(plain: bytes) -> bool:
        codec = sdp.BY_PAYLOAD.get(plain[1] & 0x7F)
        return codec is not None and codec.kind == "audio"

    def _receive_rtcp(self, place: int, size: int, source: Address, now: float) -> None:
        plain = self.dtls.unprotect_rtcp(place, size)
        if plain is None:
            self._counters.rtcp_unauthentic += 1
            return
        self.note_source(source, now)
        messages = rtcp.read(plain)
        if messages is None:
            self._counters.rtcp_malformed += 1
            return
        for message in messages:
            self._take(message, now)

    def _take(self, message: rtcp.Message, now: float) -> None:
        if isinstance(message, rtcp.BitrateEstimate):
            self.downlink.estimate = min(message.bitrate, 1 << 40)
            return
        if isinstance(message, Feedback):
            if self.downlink.congestion is not None:
                self.downlink.congestion.take(message, now)
            return
        if isinstance(message, rtcp.SenderReport):
            layer = self._by_ssrc.get(message.ssrc)
            if layer is not None and layer.ssrc == message.ssrc:
                layer.track.note_sender_report(layer, message, now)
            return
        subscription = self.sent.get(message.ssrc)
        if subscription is None:
            return
        if isinstance(message, rtcp.Report):
            subscription.note_report(message, now)
        elif isinstance(message, rtcp.Nack):
            self._counters.nacks_received += len(message.lost)
            self._counters.retransmitted += subscription.resend(message.lost, now)
        elif subscription.layer is not None:
            subscription.track.want_key_frame(now, subscription.layer)

    # Reports and judgement.

    @property
    def round_trip(self) -> float | None:
        """Seconds to this peer and back, when its reports have told."""
        known = [s.round_trip for s in self.sent.values() if s.round_trip is not None]
        return min(known) if known else None

    def tick(self, now: float) -> None:
        """Ten times a second: repairs again, overdue key frames, the layers that viewers get."""
        arrange = now - self._arranged >= _ARRANGE
        if arrange:
            self._arranged = now
            self.downlink.arrange(now)
        self.downlink.probe(now)
        for subscription in self.sent.values():
            if subscription.again:
                self._counters.retransmitted += subscription.repeat(now)
        self._tell_arrivals()
        for track in self.tracks.values():
            if track.wants_key_frame:
                self.tend(track, now)
            if arrange:
                track.arrange(now)
        if now >= self.ask_again:
            self.ask_for_pictures(now)

    def tend(self, track: Track, now: float) -> bool:
        """See ``Track.tend``."""
        return track.tend(now, self.round_trip or _DEFAULT_ROUND_TRIP)

    def report(self, weakest: Callable[[Track], tuple[float, float | None]], now: float) -> None:
        """Send the receiver report; what ``weakest`` tells of a picture's viewers (their worst loss
        and least room) shapes its REMB, in which a shared screen has a part of its own.
        """
        passed = max(now - self.reported, 0.001)
        self.reported = now
        layers = [layer for track in self.tracks.values() for layer in track.layers]
        blocks = [block for layer in layers if (block := layer.report(now))]
        if not blocks:
            return
        video = self.tracks["video"]
        remb = None
        for layer in layers:
            layer.measure(passed)
        streams = [layer.ssrc for layer in video.layers if layer.ssrc]
        bitrate = 0
        if streams:
            # With layers each viewer has one that fits: nobody's network binds the publisher.
            limits = (0.0, None) if video.layered else weakest(video)
            bitrate = self._cap.update(*limits, video.flow)
        if (screen := self.screen) is not None and screen.layers[0].ssrc:
            streams.append(screen.layers[0].ssrc)
            bitrate += self._screen_cap.update(*weakest(screen), screen.flow)
        if streams:
            remb = (bitrate, streams)
        self.send_rtcp(
            rtcp.write_receiver_report(self._local_ssrc, blocks, remb, f"w_{self._local_ssrc:x}")
        )

    def judge(self, now: float) -> dict[str, int | float | None]:
        """Level, round trip in ms, loss (0..1) and received bit/s since the last judgement."""
        octets = sum(track.octets for track in self.tracks.values())
        passed = max(now - self.judged, 0.001)
        bitrate = int((octets - self._octets_before) * 8 / passed)
        self._octets_before, self.judged = octets, now
        loss = max(
            [track.loss for track in self.tracks.values()]
            + [sub.loss for sub in self.sent.values() if sub.live],
            default=0.0,
        )
        round_trip = self.round_trip
        return {
            "level": quality.level(loss, round_trip, now - self.heard),
            "rtt_ms": None if round_trip is None else round(round_trip * 1000),
            "loss": round(loss, 4),
            "bitrate": bitrate,
            "jitter_ms": max((track.jitter_ms for track in self.tracks.values()), default=0),
        }
