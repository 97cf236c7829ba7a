"""The sound of every side in pieces of one video frame's length, its loudness, and the mix."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Self

import av
from av.audio.fifo import AudioFifo
from av.error import InvalidDataError
from av.filter import Graph

from media.recording.outline import level_of
from media.recording.remux import SideFile
from media.recording.timeline import SILENCE_SAMPLES

FRAMES_PER_SECOND = 25
SAMPLE_RATE = 48_000
SAMPLES_PER_FRAME = SAMPLE_RATE // FRAMES_PER_SECOND
#: Every eighth sample tells how loud a piece is well enough.
SKIP = 8


class Sound:
    """One side's sound in pieces of one video frame's length."""

    def __init__(self, side: SideFile) -> None:
        self._container = av.open(str(side.path), "r")
        self._fifo = AudioFifo()
        self._frames = self._decode()
        self._ended = False
        #: How loud each piece was, from 0 to 100.
        self.levels = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def next(self) -> av.AudioFrame:
        """The next piece; silence when the sound has ended."""
        while not self._ended and self._fifo.samples < SAMPLES_PER_FRAME:
            frame = next(self._frames, None)
            if frame is None:
                self._ended = True
            else:
                frame.pts = None
                self._fifo.write(frame)
        piece = self._fifo.read(SAMPLES_PER_FRAME) if self._fifo.samples else None
        self.levels.append(0 if piece is None else _loudness(piece))
        return piece if piece is not None else silence(SAMPLES_PER_FRAME)

    def _decode(self) -> Iterator[av.AudioFrame]:
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE)
        first = True
        for packet in self._container.demux(audio=0):
            try:
                frames = packet.decode()
            except InvalidDataError:
                # A packet that does not decode keeps its place as silence.
                frames = [silence(SILENCE_SAMPLES)]
            for frame in frames:
                if not isinstance(frame, av.AudioFrame):
                    continue
                if first and frame.pts is not None and frame.pts > 0:
                    # The decoder left out the codec's run-in: the rest must not move forward.
                    yield silence(round((frame.time or 0.0) * SAMPLE_RATE))
                first = False
                frame.pts = None
                yield from resampler.resample(frame)


class Mixer:
    """The sum of all sides, kept from clipping."""

    def __init__(self, sounds: list[Sound]) -> None:
        self._sounds = sounds
        self._graph = self._build() if len(sounds) > 1 else None
        self._pushed = 0

    def mix(self) -> list[av.AudioFrame]:
        """The next stretch; what the limiter still holds comes with a later one."""
        pieces = [sound.next() for sound in self._sounds]
        if self._graph is None:
            return pieces or [silence(SAMPLES_PER_FRAME)]
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


def _loudness(piece: av.AudioFrame) -> int:
    samples = memoryview(piece.planes[0]).cast("f")[: piece.samples : SKIP]
    return level_of(sum(each * each for each in samples) / max(len(samples), 1))


def silence(samples: int) -> av.AudioFrame:
    """A piece without a sound."""
    frame = av.AudioFrame("fltp", "mono", samples)
    frame.sample_rate = SAMPLE_RATE
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    return frame
