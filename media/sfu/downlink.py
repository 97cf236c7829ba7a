"""The way to one viewer: what it shows, what its network bears, and what it gets therefore."""

from __future__ import annotations

from typing import Final

from media.sfu import quality
from media.sfu.allocation import Want, share
from media.sfu.congestion import Congestion
from media.sfu.subscription import UNLIMITED, Subscription

_FULL_HEIGHT: Final = 720


class Downlink:
    """Decides the size of every picture of a viewer. ``sent`` are its subscriptions, by SSRC.

    ``heights`` are the lines that it shows of a stream, by name (0 for a hidden one, nothing for
    full); ``paused`` the streams that its network does not bear. ``estimate`` is what the viewer
    itself last told by REMB; a viewer that tells what arrives (``congestion``) is judged by that.
    """

    def __init__(self, sent: dict[int, Subscription]) -> None:
        self.sent = sent
        self.heights: dict[str, int] = {}
        self.paused: tuple[str, ...] = ()
        self.estimate: int | None = None
        self.congestion: Congestion | None = None

    def accepts_feedback(self, subscription: Subscription) -> None:
        """The viewer tells about this line what arrives."""
        self.congestion = subscription.congestion = self.congestion or Congestion()

    @property
    def room(self) -> float | None:
        """The estimate of the viewer's bandwidth as a share of what it is sent."""
        flow = sum(
            s.layer.flow for s in self.sent.values() if s.live and s.layer and s.track.enabled
        )
        estimate = self.congestion.estimate if self.congestion is not None else self.estimate
        return estimate / flow if estimate is not None and flow else None

    def view(self, heights: dict[str, int], now: float) -> None:
        """The viewer says how large it shows each stream; those that it does not name: full."""
        self.heights = heights
        self._wish()
        for subscription in self.sent.values():
            if subscription.live and subscription.track.kind == "video":
                subscription.track.choose(subscription, now)

    def arrange(self, now: float) -> None:
        """A few times a second: follow what the viewer shows and what its network bears."""
        self._wish()
        if self.congestion is not None:
            self._allocate(self.congestion, now)

    def _wish(self) -> None:
        for subscription in self.sent.values():
            track = subscription.track
            if track.kind == "video":
                height = self.heights.get(track.stream)
                subscription.wish = UNLIMITED if height is None else track.rank_for(height)

    def _allocate(self, control: Congestion, now: float) -> None:
        """Share the bandwidth among the pictures; sound comes first."""
        wants: dict[Subscription, Want] = {}
        sound = 0
        for sub in self.sent.values():
            if not sub.live or not sub.track.enabled:
                continue
            if sub.track.kind == "audio":
                sound += sub.track.flow
            elif sub.wish >= 0 and (sizes := _sizes(sub, now)):
                rank = sub.layer.rank if sub.layer is not None else -1
                height = self.heights.get(sub.track.stream, _FULL_HEIGHT)
                wants[sub] = Want(sizes, rank, height, first=sub.track.screen)
        found = share(control.estimate - sound, list(wants.values()))
        for sub, rank in zip(wants, found.ranks, strict=True):
            # With everything given there is no ceiling: a larger size may begin any time.
            allowed = rank if found.missing else UNLIMITED
            if allowed != sub.allowed:
                sub.allowed = allowed
                sub.track.choose(sub, now)
        self.paused = tuple(sorted(sub.track.stream for sub in wants if sub.allowed < 0))
        if found.missing and control.may_probe(now):
            control.begin_probe(int((control.estimate + found.missing) * 1.2), now)

    def probe(self, now: float) -> None:
        """Ten times a second: send the padding of a probe that is under way."""
        control = self.congestion
        if control is None or control.probe is None:
            return
        padder = next((sub for sub in self.sent.values() if sub.can_pad), None)
        if padder is None:
            return
        octets = control.portion(control.arriving, now)
        if octets:
            padder.pad(octets, now)
            control.portion_sent(now)


def _sizes(sub: Subscription, now: float) -> list[tuple[int, int]]:
    sizes = sub.track.sizes(sub.wish, now)
    if sub.track.layered:
        return sizes
    # The publisher is told to send less: it pauses only when not even that fits.
    return [(rank, min(flow, quality.BitrateCap.LOWEST)) for rank, flow in sizes]
