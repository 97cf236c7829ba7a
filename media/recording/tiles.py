"""The picture of every side as a tile, and all tiles in one picture with the time on it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from fractions import Fraction
from typing import Self

import av
from av.error import InvalidDataError
from av.filter import Graph
from av.filter.context import FilterContext

from media.recording.layouts import Layout, Place, canvas_of, places
from media.recording.pictures import card, label, stamp
from media.recording.remux import SideFile
from media.recording.sound import FRAMES_PER_SECOND
from media.recording.timeline import is_screen

TIME_BASE = Fraction(1, FRAMES_PER_SECOND)
FRAME_US = 1_000_000 // FRAMES_PER_SECOND
BACKGROUND = "0x161e24"
#: A camera that sends nothing for so long is shown as off; a screen that stands still is not.
HOLD_US = 5_000_000

Size = tuple[int, int]


class Picture:
    """One side at any moment, asked for in rising order."""

    def __init__(self, side: SideFile, name: str) -> None:
        self._side = side
        self._name = name
        self.screen = is_screen(side.user)
        self._cards: dict[Size, av.VideoFrame] = {}
        self._fits: dict[Size, Fit] = {}
        self._tiles: dict[Size, av.VideoFrame] = {}
        self._container = av.open(str(side.path), "r")
        self._frames = self._decode()
        self._next: tuple[int, av.VideoFrame] | None = next(self._frames, None)
        self._raw: tuple[int, av.VideoFrame] | None = None
        self.showing = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def advance(self, now_us: int) -> None:
        """Come to this moment: `showing` tells whether there is a picture."""
        raw: tuple[int, av.VideoFrame] | None = None
        while self._next is not None and self._next[0] <= now_us:
            raw = self._next
            self._next = next(self._frames, None)
        if raw is not None:
            self._raw = raw
            self._tiles.clear()
        stale = self._raw is None or (not self.screen and now_us - self._raw[0] > HOLD_US)
        self.showing = not stale and not self._off(now_us)

    def tile(self, size: Size) -> av.VideoFrame:
        """The picture of this moment, or a card with the name."""
        if not self.showing or self._raw is None:
            if size not in self._cards:
                self._cards[size] = card(self._name, *size)
            return self._cards[size]
        if size not in self._tiles:
            if size not in self._fits:
                tag = label(self._name, size[0]) if self._name else None
                self._fits[size] = Fit(size, tag)
            self._tiles[size] = self._fits[size].tile(self._raw[1])
        return self._tiles[size]

    def _off(self, now_us: int) -> bool:
        return any(start <= now_us < end for start, end in self._side.camera_off)

    def _decode(self) -> Iterator[tuple[int, av.VideoFrame]]:
        """(position, frame) of every video stream; what the decoder refuses is left out."""
        streams = self._container.streams.video
        if not streams:
            return
        for packet in self._container.demux(list(streams)):
            try:
                frames = packet.decode()
            except InvalidDataError:
                continue
            for frame in frames:
                if isinstance(frame, av.VideoFrame) and frame.pts is not None:
                    yield round((frame.time or 0.0) * 1_000_000), frame


class Fit:
    """Scales pictures into a tile, letterboxed, with the label on top."""

    def __init__(self, size: tuple[int, int], tag: av.VideoFrame | None) -> None:
        self._width, self._height = size
        self._tag = tag
        self._size: tuple[int, int, str] | None = None
        self._graph = Graph()
        self._count = 0

    def tile(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The picture as a tile."""
        size = frame.width, frame.height, frame.format.name
        if size != self._size:
            self._size, self._graph, self._count = size, self._build(frame), 0
        frame.pts, frame.time_base = self._count, TIME_BASE
        self._count += 1
        self._graph.vpush(frame, at=0)
        return self._graph.vpull()

    def _build(self, frame: av.VideoFrame) -> Graph:
        graph = Graph()
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=TIME_BASE
        )
        tile = f"{self._width}:{self._height}"
        nodes = [
            source,
            graph.add("scale", f"{tile}:force_original_aspect_ratio=decrease:reset_sar=1"),
            graph.add("pad", f"{tile}:(ow-iw)/2:(oh-ih)/2:color={BACKGROUND}"),
        ]
        if self._tag is not None:
            nodes.append(self._overlay(graph, self._tag))
        nodes += [graph.add("format", "yuv420p"), graph.add("buffersink")]
        graph.link_nodes(*nodes)
        graph.configure()
        if self._tag is not None:
            self._tag.pts, self._tag.time_base = 0, TIME_BASE
            graph.vpush(self._tag, at=1)
            graph.vpush(None, at=1)
        return graph

    def _overlay(self, graph: Graph, tag: av.VideoFrame) -> FilterContext:
        node = graph.add("overlay", f"12:{self._height - tag.height - 12}:eof_action=repeat")
        graph.add_buffer(
            width=tag.width, height=tag.height, format=tag.format, time_base=TIME_BASE
        ).link_to(node, 0, 1)
        return node


class Wall:
    """All tiles in one picture, arranged by the layout, with the time of day in a corner.

    ``origin_us`` is Unix time; None leaves the time out.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        layout: Layout,
        origin_us: int | None,
        zone: tzinfo = UTC,
    ) -> None:
        self._pictures = pictures
        self._layout = layout
        self._origin_us = origin_us
        self._zone = zone
        self.width, self.height = canvas_of(layout, len(pictures))
        self._empty = card("", self.width, self.height)
        self._graph = Graph()
        self._places: list[Place] | None = None
        self._shown: list[av.VideoFrame] = []
        self._stacked = self._empty
        self._second: int | None = None
        self._stamp: av.VideoFrame | None = None

    def at(self, index: int, speaker: int) -> av.VideoFrame:
        """The picture of frame ``index``; ``speaker`` is the side that speaks."""
        if not self._pictures:
            return self._empty
        for picture in self._pictures:
            picture.advance(index * FRAME_US)
        found = places(
            self._layout,
            [each.screen for each in self._pictures],
            [each.showing for each in self._pictures],
            speaker,
        )
        tiles = [self._pictures[place.side].tile(place.size) for place in found]
        clock = self._clock(index)
        parts = tiles if clock is None else [*tiles, clock]
        # Nothing moved (cards, a frozen picture): the same frame again costs nothing.
        if found == self._places and _same(parts, self._shown):
            return self._stacked
        if found != self._places:
            self._graph, self._places = self._build(found, tiles, clock), found
        for place, part in enumerate(parts):
            part.pts, part.time_base = index, TIME_BASE
            self._graph.vpush(part, at=place)
        self._stacked, self._shown = self._graph.vpull(), parts
        return self._stacked

    def _clock(self, index: int) -> av.VideoFrame | None:
        if self._origin_us is None:
            return None
        second = (self._origin_us + index * FRAME_US) // 1_000_000
        if second != self._second or self._stamp is None:
            moment = datetime.fromtimestamp(0, UTC) + timedelta(seconds=second)
            self._second = second
            self._stamp = stamp(moment.astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S"))
        return self._stamp

    def _build(
        self, found: Sequence[Place], tiles: Sequence[av.VideoFrame], clock: av.VideoFrame | None
    ) -> Graph:
        graph = Graph()
        inputs = [_buffer(graph, tile) for tile in tiles]
        nodes = [inputs[0]]
        if len(inputs) > 1:
            spots = "|".join(f"{place.x}_{place.y}" for place in found)
            stack = graph.add("xstack", f"inputs={len(inputs)}:layout={spots}:fill={BACKGROUND}")
            for place, source in enumerate(inputs):
                source.link_to(stack, 0, place)
            nodes = [stack]
        nodes.append(graph.add("pad", f"{self.width}:{self.height}:0:0:color={BACKGROUND}"))
        if clock is not None:
            overlay = graph.add("overlay", f"{self.width - clock.width - 12}:12:eof_action=repeat")
            _buffer(graph, clock).link_to(overlay, 0, 1)
            nodes.append(overlay)
        graph.link_nodes(*nodes, graph.add("format", "yuv420p"), graph.add("buffersink"))
        graph.configure()
        return graph


def _buffer(graph: Graph, frame: av.VideoFrame) -> FilterContext:
    return graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=TIME_BASE
    )


def _same(new: Sequence[av.VideoFrame], old: Sequence[av.VideoFrame]) -> bool:
    return len(new) == len(old) and all(a is b for a, b in zip(new, old, strict=True))
