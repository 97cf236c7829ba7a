"""The calls of one worker: demultiplexing, negotiation, timers, events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from media.errors import CallUnknown, PeerUnknown, WorkerFull
from media.sfu import ice
from media.sfu.call import Call
from media.sfu.counters import Counters
from media.sfu.dtls import SharedCertificate
from media.sfu.ice import Address, Verdict
from media.sfu.peer import Peer, PeerSpec, Surroundings
from media.sfu.port import Port, plain_address
from media.sfu.recorder import Recorder
from media.sfu.sdp import USUAL
from media.sfu.track import Track
from media.sfu.ways import Way, Ways
from media.sfu.wire import ROOM, SENT, Taken, octets, taken, workplace

log = structlog.get_logger(__name__)

_TICK: Final = 0.1
#: Calls are looked after by turns, a tenth of them at a time: packets wait behind that.
_PARTS: Final = 10
_TEND: Final = 0.01
_REPORT: Final = 1.0
_JUDGE: Final = 2.0

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Where the engine listens, what it tells clients, and its limits.

    ``consent`` seconds without an authenticated packet end a session (RFC 7675, section 5.1);
    ``setup`` seconds may pass until the keys are agreed (people take their time to allow the
    camera). ``max_bitrate`` is the most video that a publisher is asked for, in bit/s;
    ``codecs`` are offered in this order.
    """

    host: str = "127.0.0.1"
    port: int = 0
    announced: tuple[str, ...] = ("127.0.0.1",)
    consent: float = 30.0
    setup: float = 60.0
    max_bitrate: int = 2_500_000
    max_peers: int = 400
    max_peers_per_call: int = 250
    codecs: tuple[str, ...] = USUAL


class Engine:
    """Forwards the media of many calls through one UDP port.

    ``emit`` hears ``offer``, ``peer.connected``, ``peer.gone`` and ``peer.quality`` events as the
    control protocol has them. Create it on a running loop; raises OSError when the port is taken.
    """

    def __init__(self, settings: EngineSettings, emit: Callable[[Event], None]) -> None:
        self.settings = settings
        self.counters = Counters()
        self.calls: dict[str, Call] = {}
        self._emit = emit
        self._by_address: dict[Address, Peer] = {}
        self._by_ufrag: dict[str, Peer] = {}
        self._call_of: dict[Peer, Call] = {}
        self._worries: dict[Track, None] = {}
        self._owner: dict[Track, Peer] = {}
        self._goodbyes: set[asyncio.Task[None]] = set()
        self._offset_us = (time.time_ns() - time.monotonic_ns()) // 1000
        self._loop = asyncio.get_running_loop()
        self.port = Port(settings.host, settings.port, self._carry, self.counters)
        self._ways = Ways(self.port.wire, self.counters, self._arrived, self._find_way)
        self._around = Surroundings(
            certificate=SharedCertificate.generateCertificate(),
            addresses=settings.announced,
            port=self.port.number,
            send=self.port.send,
            wire=self.port.wire,
            worry=self._worry,
            streams_changed=self._ways.forget,
            counters=self.counters,
            max_bitrate=settings.max_bitrate,
            codecs=settings.codecs,
        )
        self._opened = 0
        self._part = 0
        self._ticker = self._loop.call_later(_TICK, self._tick)
        self._tender: asyncio.TimerHandle | None = None

    # What the controller asks for.

    def open_call(self, call: str, room: str) -> Call:
        """Open a call; an open one is returned as it is."""
        found = self.calls.get(call)
        if found is None:
            self._opened += 1
            part = self._opened % _PARTS
            found = self.calls[call] = Call(call, room, self._offset_us, part)
            log.info("call opened", call=call, room=room)
        return found

    def record(self, call: str, recorder: Recorder) -> None:
        """Record a call from now on. Raises CallUnknown."""
        self._call(call).record(recorder, time.monotonic())

    def record_no_longer(self, call: str) -> None:
        """Stop recording a call that goes on; not recorded is fine. Raises CallUnknown."""
        self._call(call).record_no_longer()

    def add_peer(self, call: str, spec: PeerSpec) -> tuple[int, str]:
        """Add a peer and make its offer; returns version and SDP.

        The same session again returns the outstanding offer, or a new one: a controller that
        lost the reply may repeat itself. Another session of the same peer, and any other peer of
        the same user, is replaced. Raises CallUnknown, WorkerFull.
        """
        found = self._call(call)
        existing = found.peers.get(spec.peer)
        if existing is not None and existing.spec.session == spec.session:
            return existing.offer_again()
        now = time.monotonic()
        old = {peer.spec.peer: peer for peer in found.of_user(spec.user)}
        if existing is not None:
            old[spec.peer] = existing
        full = self.peers - len(old) >= self.settings.max_peers
        if full or len(found.peers) - len(old) >= self.settings.max_peers_per_call:
            raise WorkerFull("no room for another peer")
        for replaced in old.values():
            self._remove(found, replaced, "closed", now)
        peer = Peer(spec, self._around, self._peer_state, now)
        self._by_ufrag[peer.identity.current.ufrag] = peer
        self._call_of[peer] = found
        for track in peer.tracks.values():
            self._owner[track] = peer
        found.add(peer, now)
        offer = peer.offer()
        self._renegotiate(found)
        log.info("peer added", call=call, session=spec.session, hidden=spec.hidden)
        return offer

    def answer(self, call: str, peer: str, session: str, version: int, text: str) -> None:
        """Apply an answer. Raises CallUnknown, PeerUnknown, StaleAnswer, BadAnswer."""
        found = self._call(call)
        target = self._peer(found, peer, session)
        target.answer(version, text, time.monotonic())
        self._renegotiate(found)

    def restart(self, call: str, peer: str, session: str) -> tuple[int, str]:
        """Give a peer fresh ICE credentials; returns version and SDP of the offer that says so.

        Media goes on meanwhile: the old ones hold until the first check with the new ones. An
        offer that was outstanding is replaced. Raises CallUnknown, PeerUnknown.
        """
        target = self._peer(self._call(call), peer, session)
        for forgotten in target.identity.restart():
            del self._by_ufrag[forgotten]
        self._by_ufrag[target.identity.current.ufrag] = target
        log.info("ice restarted", call=call, session=session)
        return target.offer()

    def set_media(self, call: str, peer: str, audio: bool, video: bool) -> None:
        """Mute and unmute. Raises CallUnknown, PeerUnknown."""
        found = self._call(call)
        found.set_media(self._peer(found, peer), audio, video, time.monotonic())

    def set_screen(self, call: str, peer: str, *, on: bool) -> None:
        """Let a publishing peer share its screen, or end that. Raises CallUnknown, PeerUnknown."""
        found = self._call(call)
        target = self._peer(found, peer)
        found.set_screen(target, on, time.monotonic())
        for track in target.tracks.values():
            self._owner[track] = target
        self._renegotiate(found)

    def set_view(self, call: str, peer: str, heights: dict[str, int]) -> None:
        """How many lines a peer shows of its streams, by name. Raises CallUnknown, PeerUnknown."""
        self._peer(self._call(call), peer).downlink.view(heights, time.monotonic())

    def remove_peer(self, call: str, peer: str, session: str | None = None) -> None:
        """Remove a peer (of this session, when given). Raises CallUnknown, PeerUnknown."""
        found = self._call(call)
        self._remove(found, self._peer(found, peer, session), "closed", time.monotonic())
        self._renegotiate(found)

    def close_call(self, call: str) -> Call:
        """Close a call and its peers. Raises CallUnknown."""
        found = self._call(call)
        now = time.monotonic()
        for peer in list(found.peers.values()):
            self._remove(found, peer, "closed", now)
        del self.calls[call]
        log.info("call closed", call=call)
        return found

    async def close(self) -> None:
        """Close every call, say goodbye to every peer, release the port."""
        for call in list(self.calls):
            self.close_call(call)
        self._ticker.cancel()
        if self._tender is not None:
            self._tender.cancel()
        if self._goodbyes:
            await asyncio.wait(self._goodbyes, timeout=2)
        self.port.close()

    @property
    def peers(self) -> int:
        return len(self._call_of)

    def _call(self, call: str) -> Call:
        found = self.calls.get(call)
        if found is None:
            raise CallUnknown(f"call {call} is not open here")
        return found

    def _peer(self, call: Call, peer: str, session: str | None = None) -> Peer:
        found = call.peers.get(peer)
        if found is None or (session is not None and found.spec.session != session):
            raise PeerUnknown("the call has no such peer with this session")
        return found

    def _renegotiate(self, call: Call) -> None:
        for peer in call.peers.values():
            if peer.negotiation.due:
                version, text = peer.offer()
                self._tell(call, peer, "offer", version=version, sdp=text)

    def _tell(self, call: Call, peer: Peer, event: str, **details: Any) -> None:
        spec = peer.spec
        self._emit(
            {"event": event, "call": call.call, "peer": spec.peer, "session": spec.session}
            | details
        )

    def _remove(self, call: Call, peer: Peer, reason: str, now: float) -> None:
        call.remove(peer, now)
        del self._call_of[peer]
        for ufrag in peer.identity.ufrags:
            del self._by_ufrag[ufrag]
        for address in peer.path.addresses:
            if self._by_address.get(address) is peer:
                del self._by_address[address]
        self._ways.forget()
        for track in peer.tracks.values():
            self._worries.pop(track, None)
            del self._owner[track]
        peer.release()
        goodbye = peer.dtls.stop()
        self._goodbyes.add(goodbye)
        goodbye.add_done_callback(self._goodbyes.discard)
        self._tell(call, peer, "peer.gone", reason=reason)
        log.info("peer gone", call=call.call, session=peer.spec.session, reason=reason)

    def _peer_state(self, peer: Peer, state: str) -> None:
        call = self._call_of.get(peer)
        if call is None:
            return
        now = time.monotonic()
        if state == "connected":
            peer.connected(now)
            self._tell(call, peer, "peer.connected")
            log.info("peer connected", call=call.call, session=peer.spec.session)
            return
        self._remove(call, peer, "dtls_failed" if state == "failed" else "closed", now)
        self._renegotiate(call)

    # What arrives.

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """Take one datagram. Nothing that arrives raises: it is used or counted."""
        size, start = min(len(data), ROOM), ROOM * SENT
        workplace[start : start + size] = data[:size]
        self._ways.carry([taken(SENT, size, source)], now)

    def _carry(self, batch: Iterable[Taken], now: float) -> None:
        self._ways.carry(batch, now)

    def _find_way(self, source: Address, ssrc: int, payload_type: int) -> Way | None:
        peer = self._by_address.get(source)
        return None if peer is None else peer.way(ssrc, payload_type)

    def _arrived(self, place: int, size: int, source: Address, now: float) -> None:
        """Take a datagram that lies in a place of the ``wire``."""
        start = ROOM * place
        first = workplace[start] if size else 255
        if 127 < first < 192:
            peer = self._by_address.get(source)
            if peer is None:
                self.counters.rtp_unknown_address += 1
            elif size >= 12 or (size >= 8 and 192 <= workplace[start + 1] <= 223):
                peer.receive(place, size, source, now)
            else:
                self.counters.rtp_malformed += 1
            return
        data = octets[start : start + size]
        if first < 4 and ice.is_stun(data):
            self._receive_stun(data, source, now)
        elif 19 < first < 64:
            peer = self._by_address.get(source)
            if peer is None:
                self.counters.dtls_unknown_address += 1
            elif not peer.dtls.link.feed(data):
                self.counters.dtls_overflow += 1
        else:
            self.counters.garbage += 1

    def _receive_stun(self, data: bytes, source: Address, now: float) -> None:
        check = ice.answer_check(data, plain_address(source), self._password_of)
        counters = self.counters
        if check.verdict is Verdict.CHECKED:
            counters.stun_checks += 1
            peer = self._by_ufrag[check.ufrag]
            for forgotten in peer.identity.used(check.ufrag):
                del self._by_ufrag[forgotten]
            self._checked(peer, source, check.nominated, now)
        elif check.verdict is Verdict.ROLE_CONFLICT:
            counters.stun_role_conflicts += 1
        elif check.verdict is Verdict.MALFORMED:
            counters.stun_malformed += 1
        elif check.verdict is Verdict.UNKNOWN_USER:
            counters.stun_unknown_user += 1
        elif check.verdict is Verdict.WRONG_INTEGRITY:
            counters.stun_wrong_integrity += 1
        else:
            counters.stun_ignored += 1
        if check.response is not None:
            self.port.send(check.response, source)

    def _password_of(self, ufrag: str) -> str | None:
        peer = self._by_ufrag.get(ufrag)
        return None if peer is None else peer.identity.password_of(ufrag)

    def _checked(self, peer: Peer, source: Address, nominated: bool, now: float) -> None:
        before = peer.path.selected
        for forgotten in peer.path.checked(source, nominated, now):
            if self._by_address.get(forgotten) is peer:
                del self._by_address[forgotten]
                self._ways.forget()
        if self._by_address.get(source) is not peer:
            self._by_address[source] = peer
            self._ways.forget()
        peer.heard = now
        if before is not None and peer.path.selected != before:
            self.counters.address_changes += 1

    # Timers.

    def _worry(self, track: Track) -> None:
        self._worries[track] = None
        if self._tender is None:
            self._tender = self._loop.call_later(_TEND, self._tend)

    def _tend(self) -> None:
        self._tender = None
        now = time.monotonic()
        for track in list(self._worries):
            peer = self._owner.get(track)
            if peer is None or not peer.tend(track, now):
                del self._worries[track]
        if self._worries:
            self._tender = self._loop.call_later(_TEND, self._tend)

    def _tick(self) -> None:
        pause = _TICK / _PARTS if self.calls else _TICK
        self._ticker = self._loop.call_later(pause, self._tick)
        self._part = (self._part + 1) % _PARTS
        self.look_after(time.monotonic(), self._part)

    def look_after(self, now: float, part: int | None = None) -> None:
        """Ten times a second for each call (of a ``part``, else of all): who speaks, who is gone,
        and what every peer needs.
        """
        for call in [each for each in self.calls.values() if part in (None, each.part)]:
            if len(call.peers) > 1 and call.listen(now):
                self._emit({"event": "call.speaker", "call": call.call, "user": call.speaker})
            for peer in list(call.peers.values()):
                self._look_at(call, peer, now)

    def _look_at(self, call: Call, peer: Peer, now: float) -> None:
        connected = peer.dtls.connected
        patience = self.settings.consent if connected else self.settings.setup
        if now - (peer.heard if connected else peer.created) > patience:
            self._remove(call, peer, "consent_lost", now)
            self._renegotiate(call)
            return
        if not connected:
            return
        paused = peer.downlink.paused
        peer.tick(now)
        if peer.downlink.paused != paused:
            self._tell(call, peer, "peer.paused", streams=list(peer.downlink.paused))
        if now - peer.reported >= _REPORT:
            peer.report(lambda track: call.weakest_viewer(peer, track), now)
        if now - peer.judged >= _JUDGE:
            judgement = peer.judge(now)
            if not peer.spec.hidden:
                self._tell(call, peer, "peer.quality", **judgement)
