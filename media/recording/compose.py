"""All sides of a call in one file: side by side, names burnt in, sound mixed.

H.264 with AAC in MP4, the index in front, a key frame every two seconds: plays and seeks in every
browser. Works frame by frame on the finished side files; memory does not grow with the call.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
from av.audio.fifo import AudioFifo
from av.error import InvalidDataError
from av.filter import Graph
from av.filter.context import FilterContext

from media.recording.pictures import card, label
from media.recording.remux import SideFile
from media.recording.take import Take
from media.recording.timeline import SILENCE_SAMPLES, lay_out

TILE_WIDTH, TILE_HEIGHT = 640, 480
FRAMES_PER_SECOND = 25
SAMPLE_RATE = 48_000
SAMPLES_PER_FRAME = SAMPLE_RATE // FRAMES_PER_SECOND
TIME_BASE = Fraction(1, FRAMES_PER_SECOND)
BACKGROUND = "0x161e24"
FRAME_US = 1_000_000 // FRAMES_PER_SECOND
HOLD_US = 5_000_000
MAX_SIDES = 9

Progress = Callable[[float], None]


@dataclass(frozen=True, kw_only=True)
class Composed:
    """The finished file."""

    path: Path
    content_type: str
    duration_us: int
    width: int
    height: int


def compose(
    takes: list[Take],
    sides: list[SideFile],
    out: Path,
    names: dict[str, str] | None = None,
    progress: Progress | None = None,
) -> Composed:
    """Compose the side files into ``out`` (suffix ``.mp4``), in the order given.

    ``names`` holds what stands on the label of each user. The length is that of the side files;
    takes are laid out only when there is none (a call in which nobody sent anything playable
    becomes a silent card). Raises ValueError beyond nine sides, OSError or av.error.FFmpegError
    when the disk refuses.
    """
    if len(sides) > MAX_SIDES:
        raise ValueError(f"at most {MAX_SIDES} sides can be composed")
    names = names or {}
    duration_us = max((side.duration_us for side in sides), default=0)
    if not sides:
        duration_us = lay_out(takes).duration_us
    count = max(-(-duration_us // FRAME_US), 1)
    path = out.with_suffix(".mp4")
    with ExitStack() as stack:
        pictures = [stack.enter_context(_Picture(side, names.get(side.user, ""))) for side in sides]
        sounds = [stack.enter_context(_Sound(side)) for side in sides if side.audio_packets]
        wall = _Wall(pictures)
        writer = stack.enter_context(_Writer(path, wall.width, wall.height))
        mixer = _Mixer(sounds)
        for index in range(count):
            writer.write_picture(index, wall.at(index))
            for piece in mixer.mix():
                writer.write_sound(piece)
            if progress is not None and index % FRAMES_PER_SECOND == 0:
                progress(index / count)
        for piece in mixer.rest():
            writer.write_sound(piece)
    if progress is not None:
        progress(1.0)
    return Composed(
        path=path,
        content_type="video/mp4",
        duration_us=count * FRAME_US,
        width=wall.width,
        height=wall.height,
    )


class _Picture:
    """One side's tile at any moment, asked for in rising order."""

    def __init__(self, side: SideFile, name: str) -> None:
        self._side = side
        self._name = name
        self._card = card(name, TILE_WIDTH, TILE_HEIGHT)
        self._fit = _Fit(label(name, TILE_WIDTH)) if name else _Fit(None)
        self._container = av.open(str(side.path), "r")
        self._frames = self._decode()
        self._next: tuple[int, av.VideoFrame] | None = next(self._frames, None)
        self._shown: tuple[int, av.VideoFrame] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def at(self, now_us: int) -> av.VideoFrame:
        raw: tuple[int, av.VideoFrame] | None = None
        while self._next is not None and self._next[0] <= now_us:
            raw = self._next
            self._next = next(self._frames, None)
        if raw is not None:
            self._shown = (raw[0], self._fit.tile(raw[1]))
        if self._shown is None or now_us - self._shown[0] > HOLD_US or self._off(now_us):
            return self._card
        return self._shown[1]

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


class _Fit:
    """Scales pictures into a tile, letterboxed, with the label on top."""

    def __init__(self, tag: av.VideoFrame | None) -> None:
        self._tag = tag
        self._size: tuple[int, int, str] | None = None
        self._graph = Graph()
        self._count = 0

    def tile(self, frame: av.VideoFrame) -> av.VideoFrame:
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
        tile = f"{TILE_WIDTH}:{TILE_HEIGHT}"
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

    @staticmethod
    def _overlay(graph: Graph, tag: av.VideoFrame) -> FilterContext:
        node = graph.add("overlay", f"12:{TILE_HEIGHT - tag.height - 12}:eof_action=repeat")
        graph.add_buffer(
            width=tag.width, height=tag.height, format=tag.format, time_base=TIME_BASE
        ).link_to(node, 0, 1)
        return node


class _Wall:
    """All tiles in one picture: one row for two, a grid for more."""

    def __init__(self, pictures: list[_Picture]) -> None:
        self._pictures = pictures
        columns = math.ceil(math.sqrt(len(pictures))) if pictures else 1
        rows = math.ceil(len(pictures) / columns) if pictures else 1
        self.width, self.height = columns * TILE_WIDTH, rows * TILE_HEIGHT
        self._places = [
            f"{index % columns * TILE_WIDTH}_{index // columns * TILE_HEIGHT}"
            for index in range(len(pictures))
        ]
        self._empty = card("", TILE_WIDTH, TILE_HEIGHT)
        self._graph = self._build() if len(pictures) > 1 else None
        self._tiles: list[av.VideoFrame] = []
        self._stacked = self._empty

    def at(self, index: int) -> av.VideoFrame:
        tiles = [picture.at(index * FRAME_US) for picture in self._pictures]
        if self._graph is None:
            return tiles[0] if tiles else self._empty
        # Nothing moved (cards, a frozen picture): the same frame again costs nothing.
        if len(tiles) != len(self._tiles) or any(
            new is not old for new, old in zip(tiles, self._tiles, strict=True)
        ):
            for place, tile in enumerate(tiles):
                tile.pts, tile.time_base = index, TIME_BASE
                self._graph.vpush(tile, at=place)
            self._stacked, self._tiles = self._graph.vpull(), tiles
        return self._stacked

    def _build(self) -> Graph:
        graph = Graph()
        layout = "|".join(self._places)
        stack = graph.add("xstack", f"inputs={len(self._places)}:layout={layout}:fill={BACKGROUND}")
        for place in range(len(self._places)):
            graph.add_buffer(
                width=TILE_WIDTH,
                height=TILE_HEIGHT,
                format=self._empty.format,
                time_base=TIME_BASE,
            ).link_to(stack, 0, place)
        graph.link_nodes(stack, graph.add("format", "yuv420p"), graph.add("buffersink"))
        graph.configure()
        return graph


class _Sound:
    """One side's sound in pieces of one video frame's length."""

    def __init__(self, side: SideFile) -> None:
        self._container = av.open(str(side.path), "r")
        self._fifo = AudioFifo()
        self._frames = self._decode()
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def next(self) -> av.AudioFrame:
        while not self._ended and self._fifo.samples < SAMPLES_PER_FRAME:
            frame = next(self._frames, None)
            if frame is None:
                self._ended = True
            else:
                frame.pts = None
                self._fifo.write(frame)
        piece = self._fifo.read(SAMPLES_PER_FRAME) if self._fifo.samples else None
        return piece if piece is not None else _silence(SAMPLES_PER_FRAME)

    def _decode(self) -> Iterator[av.AudioFrame]:
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE)
        first = True
        for packet in self._container.demux(audio=0):
            try:
                frames = packet.decode()
            except InvalidDataError:
                # A packet that does not decode keeps its place as silence.
                frames = [_silence(SILENCE_SAMPLES)]
            for frame in frames:
                if not isinstance(frame, av.AudioFrame):
                    continue
                if first and frame.pts is not None and frame.pts > 0:
                    # The decoder left out the codec's run-in: the rest must not move forward.
                    yield _silence(round((frame.time or 0.0) * SAMPLE_RATE))
                first = False
                frame.pts = None
                yield from resampler.resample(frame)


class _Mixer:
    """The sum of all sides, kept from clipping."""

    def __init__(self, sounds: list[_Sound]) -> None:
        self._sounds = sounds
        self._graph = self._build() if len(sounds) > 1 else None
        self._pushed = 0

    def mix(self) -> list[av.AudioFrame]:
        """The next stretch; what the limiter still holds comes with a later one."""
        pieces = [sound.next() for sound in self._sounds]
        if self._graph is None:
            return pieces or [_silence(SAMPLES_PER_FRAME)]
        for place, piece in enumerate(pieces):
            piece.pts, piece.time_base = self._pushed, Fraction(1, SAMPLE_RATE)
            self._graph.push(piece, at=place)
        self._pushed += SAMPLES_PER_FRAME
        return self._pulled(self._graph)

    def rest(self) -> list[av.AudioFrame]:
        """What is left when all was pushed."""
        if self._graph is None:
            return []
        for place in range(len(self._sounds)):
            self._graph.push(None, at=place)
        return self._pulled(self._graph)

    @staticmethod
    def _pulled(graph: Graph) -> list[av.AudioFrame]:
        mixed: list[av.AudioFrame] = []
        while True:
            try:
                frame = graph.pull()
            except (BlockingIOError, EOFError):
                return mixed
            if isinstance(frame, av.AudioFrame):
                mixed.append(frame)

    def _build(self) -> Graph:
        graph = Graph()
        mix = graph.add("amix", f"inputs={len(self._sounds)}:normalize=0:dropout_transition=0")
        for place in range(len(self._sounds)):
            graph.add_abuffer(
                sample_rate=SAMPLE_RATE,
                format="fltp",
                layout="mono",
                time_base=Fraction(1, SAMPLE_RATE),
            ).link_to(mix, 0, place)
        limiter = graph.add("alimiter", "limit=0.95:level=0:latency=1")
        graph.link_nodes(mix, limiter, graph.add("abuffersink"))
        graph.configure()
        return graph


class _Writer:
    """The MP4 file: constant frame rate, a key frame every two seconds, index in front."""

    def __init__(self, path: Path, width: int, height: int) -> None:
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        self._video = self._container.add_stream(
            "libx264",
            rate=FRAMES_PER_SECOND,
            options={"preset": "veryfast", "crf": "26", "g": str(2 * FRAMES_PER_SECOND)},
        )
        self._video.width, self._video.height = width, height
        self._video.pix_fmt = "yuv420p"
        self._video.codec_context.thread_count = 2
        self._audio = self._container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        self._audio.bit_rate = 64_000
        self._samples = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._container.mux(self._video.encode(None))
            self._container.mux(self._audio.encode(None))
        self._container.close()

    def write_picture(self, index: int, picture: av.VideoFrame) -> None:
        picture.pts, picture.time_base = index, TIME_BASE
        # Else the sender's key frames would become ours.
        picture.pict_type = 0
        self._container.mux(self._video.encode(picture))

    def write_sound(self, sound: av.AudioFrame) -> None:
        sound.pts, sound.time_base = self._samples, Fraction(1, SAMPLE_RATE)
        self._samples += sound.samples
        self._container.mux(self._audio.encode(sound))


def _silence(samples: int) -> av.AudioFrame:
    frame = av.AudioFrame("fltp", "mono", samples)
    frame.sample_rate = SAMPLE_RATE
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    return frame
