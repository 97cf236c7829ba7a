"""Sound into stretches of speech, and those into text or into pieces to send away.

``python -m media.speech.recognition order.json`` works at low priority with bounded memory, tells
progress and result as JSON lines, and stops when nobody reads them any more. The order names
``source`` and either ``engine`` (with ``model``) or ``pieces``, a folder.
"""

import json
import os
import resource
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError, InvalidDataError

from media.recording.outline import level_of
from media.speech.engines import RATE, EngineProblem, engine

NICENESS = 15
MEMORY_BYTES = 3 * 1024**3
#: Loudness (0 to 100) from which a window of 30 ms counts as speech.
SPEECH = 22
WINDOW = RATE * 30 // 1000
#: Windows of silence that end a stretch, that are kept before it, and the least that speaks.
PAUSE, LEAD, LEAST = 17, 7, 7
LONGEST = RATE * 20
#: A piece to send away: five minutes in 32 kbit/s stay well below a request's 5 MB.
PIECE_SECONDS = 300

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Stretch:
    """Speech between two pauses: where it begins, in samples, and its sound (16 bits, mono)."""

    start: int
    sound: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.sound) // 2


def samples_of(source: Path, progress: Progress) -> Iterator[bytes]:
    """The sound of a file as 16 kHz, mono, 16 bits, in windows of 30 ms; the last is filled up.

    Raises FFmpegError for a file that cannot be read, ValueError for one without sound.
    """
    with av.open(str(source), "r") as container:
        if not container.streams.audio:
            raise ValueError("the file has no sound")
        length = (container.duration or 0) / 1_000_000
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        rest = b""
        for packet in container.demux(audio=0):
            try:
                frames = packet.decode()
            except InvalidDataError:
                continue
            for frame in frames:
                if not isinstance(frame, av.AudioFrame):
                    continue
                if length:
                    progress(min((frame.time or 0.0) / length, 1.0))
                frame.pts = None
                for piece in resampler.resample(frame):
                    rest += bytes(piece.planes[0])[: piece.samples * 2]
                while len(rest) >= WINDOW * 2:
                    yield rest[: WINDOW * 2]
                    rest = rest[WINDOW * 2 :]
        if rest:
            yield rest.ljust(WINDOW * 2, b"\0")


def stretches_of(windows: Iterator[bytes]) -> Iterator[Stretch]:
    """Speech cut at its pauses, and after twenty seconds at the latest."""
    before: deque[bytes] = deque(maxlen=LEAD)
    speech: list[bytes] = []
    start = position = quiet = loud = 0
    for window in windows:
        samples = memoryview(window).cast("h")[::4]
        heard = level_of(sum(each * each for each in samples) / len(samples) / 32768**2) >= SPEECH
        if heard and not speech:
            start = position - len(before) * WINDOW
            speech = list(before)
            loud = 0
        if speech:
            speech.append(window)
            loud += heard
            quiet = 0 if heard else quiet + 1
            if quiet >= PAUSE or len(speech) * WINDOW >= LONGEST:
                if loud >= LEAST:
                    yield Stretch(start, b"".join(speech))
                speech = []
                before.clear()
        else:
            before.append(window)
        position += WINDOW
    if speech and loud >= LEAST:
        yield Stretch(start, b"".join(speech))


def recognise(order: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """The text of a file, stretch by stretch. Raises EngineProblem, FFmpegError, ValueError."""
    hear = engine(order["engine"], order["model"])
    segments = []
    for stretch in stretches_of(samples_of(Path(order["source"]), progress)):
        text = hear(stretch.sound)
        if text:
            segments.append(
                {
                    "from_ms": stretch.start * 1000 // RATE,
                    "to_ms": stretch.end * 1000 // RATE,
                    "text": text,
                }
            )
    return {"segments": segments}


def cut(order: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """The sound in MP3 files of five minutes. Raises FFmpegError, ValueError, OSError."""
    pieces: list[dict[str, Any]] = []
    writer: _Piece | None = None
    for number, window in enumerate(samples_of(Path(order["source"]), progress)):
        at = number * WINDOW
        if writer is None:
            path = Path(order["pieces"]) / f"{len(pieces):04}.mp3"
            writer = _Piece(path)
            pieces.append({"path": str(path), "from_ms": at * 1000 // RATE})
        writer.write(window)
        if writer.samples >= PIECE_SECONDS * RATE:
            writer.close()
            writer = None
    if writer is not None:
        writer.close()
    return {"pieces": pieces}


class _Piece:
    def __init__(self, path: Path) -> None:
        self._container = av.open(str(path), "w", format="mp3")
        self._stream = self._container.add_stream("libmp3lame", rate=RATE, layout="mono")
        self._stream.bit_rate = 32_000
        self.samples = 0

    def write(self, window: bytes) -> None:
        frame = av.AudioFrame("s16", "mono", WINDOW)
        frame.sample_rate, frame.pts = RATE, self.samples
        plane = frame.planes[0]
        plane.update(window.ljust(plane.buffer_size, b"\0"))
        self.samples += WINDOW
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()


def main(arguments: list[str]) -> int:
    """The process: 0 when done, 1 on a named failure."""
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    order = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    told = 0.0

    def tell(done: float) -> None:
        nonlocal told
        if done - told >= 0.02:
            told = done
            _say({"progress": round(done, 4)})

    try:
        _say({"result": (cut if "pieces" in order else recognise)(order, tell)})
    except BrokenPipeError:
        return 1
    except (EngineProblem, OSError, FFmpegError, MemoryError, ValueError) as error:
        _say({"failed": f"{type(error).__name__}: {error}"})
        return 1
    return 0


def _say(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
