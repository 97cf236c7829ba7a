"""The peers of one call, and who receives whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from media.sfu.peer import SCREEN, Peer
from media.sfu.recorder import Recorder, Tap
from media.sfu.track import Track

_LISTEN: Final = 0.5
#: So many loud packets of 20 ms in half a second are speech.
_SPEECH: Final = 10


class Call:
    """A call on this worker. ``offset_us`` turns monotonic seconds into Unix microseconds. Calls of
    one ``part`` are looked after together.
    """

    def __init__(self, call: str, room: str, offset_us: int, part: int = 0) -> None:
        self.call = call
        self.room = room
        self.part = part
        self.peers: dict[str, Peer] = {}
        self.recorder: Recorder | None = None
        #: The user who speaks at present, or spoke last; None before anybody did.
        self.speaker: str | None = None
        self._listened = 0.0
        self._offset_us = offset_us

    def record(self, recorder: Recorder, now: float) -> None:
        """Record from now on: everybody who is here is marked, every picture begins afresh."""
        self.recorder = recorder
        for peer in self.peers.values():
            self._tap(peer, now)

    def record_no_longer(self) -> None:
        """From now on nothing of this call reaches a recorder."""
        for peer in self.peers.values():
            for track in peer.tracks.values():
                track.record(None, 0.0)
        self.recorder = None

    def _tap(self, peer: Peer, now: float) -> None:
        if self.recorder is None or not peer.spec.publishes:
            return
        self._mark("joined", peer, now)
        for kind, track in peer.tracks.items():
            self._tap_track(peer, kind, now)
            if not track.enabled:
                self._mark("mute", peer, now)
        if peer.screen is not None:
            self._mark("unmute", peer, now)

    def _tap_track(self, peer: Peer, kind: str, now: float) -> None:
        if self.recorder is not None:
            track_id = f"{peer.spec.peer}/{peer.spec.session}/{kind}"
            tap = Tap(self.recorder, peer.spec.user, track_id, self._offset_us)
            peer.tracks[kind].record(tap, now)

    def _mark(self, kind: str, peer: Peer, now: float) -> None:
        if self.recorder is None or peer.spec.hidden:
            return
        data: dict[str, object] = {"user": peer.spec.user, "peer": peer.spec.peer}
        if kind in ("mute", "unmute"):
            data |= {name: track.enabled for name, track in peer.tracks.items()}
        self.recorder.mark(kind, int(now * 1e6) + self._offset_us, data)

    def of_user(self, user: str) -> list[Peer]:
        return [peer for peer in self.peers.values() if peer.spec.user == user]

    def others(self, peer: Peer) -> Iterator[Peer]:
        return (other for other in self.peers.values() if other is not peer)

    def add(self, peer: Peer, now: float) -> None:
        """Wire a new peer: it receives every publisher, and everybody receives it."""
        for other in self.peers.values():
            if other.spec.publishes:
                _connect(peer, other)
            if peer.spec.publishes:
                _connect(other, peer)
        self.peers[peer.spec.peer] = peer
        self._tap(peer, now)

    def remove(self, peer: Peer, now: float) -> None:
        """Take a peer out; others keep its lines, inactive."""
        del self.peers[peer.spec.peer]
        for subscription in list(peer.sent.values()):
            peer.unsubscribe(subscription)
        if peer.spec.publishes:
            for other in self.peers.values():
                for subscription in other.negotiation.vacate(peer.spec.user):
                    other.unsubscribe(subscription)
            self._mark("left", peer, now)
        for track in peer.tracks.values():
            track.record(None, now)

    def set_media(self, peer: Peer, audio: bool, video: bool, now: float) -> None:
        """Mute and unmute a peer's tracks."""
        opened = closed = False
        for kind, enabled in (("audio", audio), ("video", video)):
            track = peer.tracks.get(kind)
            if track is not None and track.set_enabled(enabled, now):
                opened, closed = opened or enabled, closed or not enabled
        if opened or closed:
            self._mark("unmute" if opened else "mute", peer, now)

    def set_screen(self, peer: Peer, on: bool, now: float) -> None:
        """Begin or end a peer's sharing of its screen; nothing happens to one that only watches."""
        if not peer.spec.publishes or on is (peer.screen is not None):
            return
        known = SCREEN in peer.tracks
        peer.share_screen(on=on)
        peer.tracks[SCREEN].set_enabled(on, now)
        if not known:
            self._tap_track(peer, SCREEN, now)
        for viewer in self.others(peer):
            if on:
                _connect_screen(viewer, peer)
                continue
            for subscription in viewer.negotiation.vacate_screen(peer.spec.user):
                viewer.unsubscribe(subscription)
        self._mark("unmute" if on else "mute", peer, now)

    def listen(self, now: float) -> bool:
        """Twice a second: who is heard most; True when the speaker changed.

        Somebody has to be clearly louder for longer than who speaks already: a cough takes nothing.
        """
        if now - self._listened < _LISTEN:
            return False
        self._listened = now
        heard: dict[str, int] = {}
        for peer in self.peers.values():
            track = peer.tracks.get("audio")
            if track is not None:
                heard[peer.spec.user] = track.loud if track.enabled else 0
                track.loud = 0
        loudest = max(heard, key=lambda user: heard[user], default=None)
        if loudest is None or loudest == self.speaker or heard[loudest] < _SPEECH:
            return False
        if heard.get(self.speaker or "", 0) > heard[loudest] // 2:
            return False
        self.speaker = loudest
        return True

    def weakest_viewer(self, peer: Peer, track: Track) -> tuple[float, float | None]:
        """The worst loss (0..1), and the least ``Downlink.room``, of the viewers of a picture.

        Hidden viewers do not count: nobody may notice them, not even by a lower bitrate.
        """
        loss, rooms = 0.0, []
        for viewer in self.others(peer):
            watched = [
                subscription.loss
                for subscription in viewer.sent.values()
                if subscription.live and subscription.track is track
            ]
            if viewer.spec.hidden or not watched:
                continue
            loss = max(loss, *watched)
            if (room := viewer.downlink.room) is not None:
                rooms.append(room)
        return loss, min(rooms, default=None)


def _connect(viewer: Peer, publisher: Peer) -> None:
    viewer.negotiation.place(
        publisher.spec.user,
        viewer.subscribe(publisher.tracks["audio"]),
        viewer.subscribe(publisher.tracks["video"]),
    )
    if publisher.screen is not None:
        _connect_screen(viewer, publisher)


def _connect_screen(viewer: Peer, publisher: Peer) -> None:
    screen = viewer.subscribe(publisher.tracks[SCREEN])
    viewer.negotiation.place_screen(publisher.spec.user, screen)
