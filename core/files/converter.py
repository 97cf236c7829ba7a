"""Decodes what strangers upload and writes it anew. Runs as a process of its own, by path.

Decoders for pictures and sound are the most attacked code there is: this file imports nothing of
the house, holds no keys and no connections, and runs with bounded memory and time. One JSON
request on standard input, JSON lines on standard output, of which the last is the answer:

`{"kind": "image"|"media", "source": path, "folder": path, "demuxer": name, "square": bool,
"ink": bool, "everywhere": bool, "max_seconds": n}` → any number of `{"progress": 0..1}`, then
`{"ok": true, "kind", "content_type", "file", "thumbnails"?, "thumbnail_type"?, "width"?,
"height"?, "duration_ms"?, "waveform"?, "source"?}` or
`{"ok": false, "reason": "damaged"|"too_large"|"unsupported"|"blank"}`.
`thumbnails` maps the longest side in pixels to a file; `source` holds the codecs that came.

Pictures come out as JPEG (PNG where they have transparency), upright, in sRGB, without metadata;
handwriting (`ink`) as black strokes on nothing, cut to the strokes.
Voice comes out as MP3, mono: the one format that every browser and mini-program plays, also those
without licensed codecs. Video with H.264 is copied into MP4 and VP8, VP9 or AV1 into WebM, without
metadata; anything else (HEVC, ten bits a colour, ...) is encoded to H.264 and AAC, upright.
With `everywhere` nothing becomes WebM, which not every phone plays.
"""

import json
import math
import os
import resource
import sys
from array import array
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

# An isolated process knows no folder of ours; the decoders beside import nothing of the house.
if not __package__:
    sys.path.append(str(Path(__file__).resolve().parents[2]))

from core.decoding.pictures import Refused, convert_image, save_thumbnails

BARS = 64
MOST_VIDEO_PIXELS = 4096 * 2304
VIDEO_SIDE = 1280
MEMORY_BYTES = 3 * 1024**3
SILENCE = 200
#: Containers whose packets say when each picture is shown; others are decoded to know.
COPIED_FROM = ("mov", "matroska")
MP4_VIDEO, MP4_AUDIO = ("h264",), ("aac", "mp3")
WEBM_VIDEO, WEBM_AUDIO = ("vp8", "vp9", "av1"), ("opus", "vorbis")
#: What the decoders in browsers and phones take; H.264 with ten bits they do not.
PLAIN_PIXELS = ("yuv420p", "yuvj420p")
#: Seconds of video between two lines of progress.
PROGRESS_SECONDS = 0.5
#: The same of sound, in samples at 8 kHz: it is decoded much faster.
VOICE_STEP = 60 * 8000


def convert(request: dict[str, Any]) -> dict[str, Any]:
    """Carry one request out; raises `Refused`."""
    source, folder = Path(request["source"]), Path(request["folder"])
    if request["kind"] == "image":
        return convert_image(
            source, folder, square=bool(request.get("square")), ink=bool(request.get("ink"))
        )
    return convert_media(
        source,
        folder,
        request["demuxer"],
        int(request["max_seconds"]),
        everywhere=bool(request.get("everywhere")),
    )


def convert_media(
    source: Path, folder: Path, demuxer: str, max_seconds: int, *, everywhere: bool = False
) -> dict[str, Any]:
    """Tell voice from video by the streams, and write it anew."""
    import av

    try:
        # The demuxer is named, never probed: probing would follow playlists to files and networks.
        with av.open(str(source), format=demuxer) as container:
            if container.duration and container.duration / av.time_base > max_seconds + 1:
                raise Refused("too_large")
            video = [s for s in container.streams.video if not _is_cover(s)]
            if video:
                film = Film(source, demuxer, max_seconds, everywhere)
                return _convert_video(film, container, video[0], folder)
            if not container.streams.audio:
                raise Refused("unsupported")
            return _convert_voice(container, folder, max_seconds)
    except av.FFmpegError as error:
        raise Refused("damaged") from error


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition.value & 0x400) or stream.codec_context.name in ("mjpeg", "png")


def _convert_voice(container: Any, folder: Path, max_seconds: int) -> dict[str, Any]:
    import av

    file = folder / "original"
    samples = array("h")
    whole, told = (container.duration or 0) / av.time_base, 0
    to_mp3 = av.AudioResampler("s16p", "mono", 32000)
    to_bars = av.AudioResampler("s16", "mono", 8000)
    with av.open(str(file), "w", format="mp3", options={"write_xing": "1"}) as output:
        stream = output.add_stream("libmp3lame", rate=32000)
        stream.codec_context.layout = "mono"
        stream.bit_rate = 64000
        for frame in _decoded(container, container.streams.audio[0]):
            frame.pts = None
            for part in to_mp3.resample(frame):
                output.mux(stream.encode(part))
            for part in to_bars.resample(frame):
                samples.frombytes(bytes(part.planes[0])[: part.samples * 2])
            if whole and len(samples) - told > VOICE_STEP:
                told = len(samples)
                _tell(min(0.99, told / 8000 / whole))
            if len(samples) > (max_seconds + 1) * 8000:
                raise Refused("too_large")
        if not samples:
            raise Refused("damaged")
        for part in to_mp3.resample(None):
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return {
        "ok": True,
        "kind": "voice",
        "content_type": "audio/mpeg",
        "file": str(file),
        "duration_ms": len(samples) * 1000 // 8000,
        "waveform": waveform(samples),
        "source": _codecs(None, container.streams.audio[0]) | {"copied": False},
    }


def _codecs(video: Any, audio: Any) -> dict[str, Any]:
    return {
        "video": video.codec_context.name if video else None,
        "audio": audio.codec_context.name if audio else None,
    }


def _decoded(container: Any, stream: Any) -> Any:
    """Frames of a stream. A torn tail is tolerated after sound, as recordings end abruptly."""
    import av

    decoded = 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            frames = packet.decode()
        except av.FFmpegError:
            if decoded == 0:
                raise
            return
        for frame in frames:
            decoded += 1
            yield frame


def waveform(samples: "array[int]", bars: int = BARS) -> list[int]:
    """Loudness of equal parts from 0 to 100, relative to the loudest part; silence stays flat."""
    edges = [len(samples) * place // bars for place in range(bars + 1)]
    loudness = []
    for start, end in pairwise(edges):
        part = samples[start:end]
        loudness.append(math.sqrt(sum(each * each for each in part) / len(part)) if part else 0.0)
    loudest = max(loudness, default=0.0)
    if loudest < SILENCE:
        return [0] * bars
    return [round(100 * each / loudest) for each in loudness]


class Film(NamedTuple):
    """A video that came, and what is asked of it."""

    path: Path
    demuxer: str
    max_seconds: int
    everywhere: bool

    def form(self, video: Any, audio: Any) -> str:
        """The container into which its streams can be copied; empty when they must be encoded."""
        codec, sound = video.codec_context.name, audio.codec_context.name if audio else None
        plain = video.codec_context.pix_fmt in PLAIN_PIXELS
        if self.demuxer in COPIED_FROM and plain and codec in MP4_VIDEO:
            return "mp4" if sound in (None, *MP4_AUDIO) else ""
        if not self.everywhere and codec in WEBM_VIDEO and sound in (None, *WEBM_AUDIO):
            return "webm"
        return ""


def _convert_video(film: Film, container: Any, video: Any, folder: Path) -> dict[str, Any]:
    if not 0 < video.codec_context.width * video.codec_context.height <= MOST_VIDEO_PIXELS:
        raise Refused("too_large")
    thumbnails, width, height = _poster(container, video, folder)
    container.seek(0)
    audio = next(iter(container.streams.audio), None)
    file = folder / "original"
    form = film.form(video, audio)
    if form:
        duration = _copy_streams(film.path, film.demuxer, file, form, film.max_seconds)
    else:
        duration, (width, height) = _encode_streams(film.path, film.demuxer, file, film.max_seconds)
    return {
        "ok": True,
        "kind": "video",
        "content_type": "video/webm" if form == "webm" else "video/mp4",
        "file": str(file),
        "width": width,
        "height": height,
        "duration_ms": duration,
        "source": _codecs(video, audio) | {"copied": bool(form)},
        "thumbnails": thumbnails,
        "thumbnail_type": "image/jpeg",
    }


def _poster(container: Any, video: Any, folder: Path) -> tuple[dict[int, str], int, int]:
    """The first picture, upright; proves that the video decodes at all."""
    frame = next(_decoded(container, video), None)
    if frame is None:
        raise Refused("damaged")
    picture = frame.to_image()
    if _turn(frame):
        picture = picture.rotate(_turn(frame), expand=True)
    return save_thumbnails(picture, folder), picture.width, picture.height


def _turn(frame: Any) -> int:
    """Degrees, counter-clockwise, by which a player turns the picture."""
    return round(getattr(frame, "rotation", 0) or 0) % 360


def _copy_streams(source: Path, demuxer: str, file: Path, form: str, max_seconds: int) -> int:
    """Copy the first picture and sound streams into a fresh container; returns milliseconds."""
    import av

    options = {"movflags": "+faststart"} if form == "mp4" else {}
    end = Fraction(0)
    with (
        av.open(str(source), format=demuxer) as container,
        av.open(str(file), "w", format=form, options=options) as output,
    ):
        chosen: list[Any] = [s for s in container.streams.video if not _is_cover(s)][:1]
        chosen.extend(container.streams.audio[:1])
        copies = {s.index: output.add_stream_from_template(s) for s in chosen}
        for copy in copies.values():
            copy.metadata.clear()
        for packet in _in_decoding_order(container.demux(chosen)):
            packet_end = ((packet.pts or packet.dts) + (packet.duration or 0)) * packet.time_base
            end = max(end, packet_end)
            if end > max_seconds + 1:
                raise Refused("too_large")
            packet.stream = copies[packet.stream.index]
            output.mux(packet)
    return int(end * 1000)


def _in_decoding_order(packets: Any) -> Any:
    """Packets that all say when they are decoded. Matroska does not say it of the first pictures
    of a film with pictures that refer to later ones: they come a step apart before the next.
    """
    waiting: dict[int, list[Any]] = {}
    for packet in packets:
        if packet.pts is None and packet.dts is None:
            continue
        early = waiting.setdefault(packet.stream.index, [])
        if packet.dts is None:
            early.append(packet)
            continue
        step = packet.duration or 1
        for place, each in enumerate(early):
            each.dts = packet.dts - (len(early) - place) * step
            yield each
        early.clear()
        yield packet
    for early in waiting.values():
        for each in early:
            each.dts = each.pts
            yield each


def _encode_streams(
    source: Path, demuxer: str, file: Path, max_seconds: int
) -> tuple[int, tuple[int, int]]:
    """Encode to H.264 and AAC, at most 1280 pixels on the longer side; returns milliseconds, size.

    What the camera held sideways is turned, because a fresh container does not say so.
    """
    import av

    end, told = Fraction(0), 0.0
    with (
        av.open(str(source), format=demuxer) as container,
        av.open(str(file), "w", format="mp4", options={"movflags": "+faststart"}) as output,
    ):
        video = next(s for s in container.streams.video if not _is_cover(s))
        audio = next(iter(container.streams.audio), None)
        upright = Upright()
        picture: Any = None
        # Streams are added before the first packet is written; the picture's needs a frame.
        sound = output.add_stream("aac", rate=48000) if audio else None
        if sound is not None:
            sound.codec_context.layout = "stereo"
        resampler = av.AudioResampler("fltp", "stereo", 48000)
        early: list[Any] = []
        whole = (container.duration or 0) / av.time_base
        start = Fraction(max(container.start_time or 0, 0), av.time_base)
        for packet in container.demux([s for s in (video, audio) if s is not None]):
            for frame in packet.decode():
                if not isinstance(frame, av.VideoFrame | av.AudioFrame):
                    continue
                if frame.pts is None or frame.time_base is None:
                    continue
                # A transport stream begins anywhere; a film begins at nought.
                frame.pts -= round(start / frame.time_base)
                end = max(end, Fraction((frame.pts + (frame.duration or 0)) * frame.time_base))
                if end > max_seconds + 1:
                    raise Refused("too_large")
                if isinstance(frame, av.VideoFrame):
                    turned = upright(frame)
                    picture = picture or _picture_stream(output, video, turned)
                    small = turned.reformat(picture.width, picture.height, "yuv420p")
                    output.mux(picture.encode(small))
                elif sound is not None:
                    for part in resampler.resample(frame):
                        early.extend(sound.encode(part))
                if picture is not None:
                    output.mux(early)
                    early.clear()
            if whole and float(end) - told >= PROGRESS_SECONDS:
                told = float(end)
                _tell(min(0.99, told / whole))
        if picture is None:
            raise Refused("damaged")
        output.mux(picture.encode(None))
        if sound is not None:
            output.mux(sound.encode(None))
        size = picture.width, picture.height
    return int(end * 1000), size


class Upright:
    """Turns frames as their container says that a player would."""

    def __init__(self) -> None:
        self._graph: Any = None

    def __call__(self, frame: Any) -> Any:
        steps = {90: ["cclock"], 180: ["clock", "clock"], 270: ["clock"]}.get(_turn(frame))
        if steps is None:
            return frame
        if self._graph is None:
            self._graph = self._build(frame, steps)
        self._graph.push(frame)
        return self._graph.pull()

    def _build(self, frame: Any, steps: list[str]) -> Any:
        import av.filter

        graph = av.filter.Graph()
        nodes = [
            graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format,
                time_base=frame.time_base,
            ),
            *(graph.add("transpose", step) for step in steps),
            graph.add("buffersink"),
        ]
        graph.link_nodes(*nodes).configure()
        return graph


def _picture_stream(output: Any, video: Any, frame: Any) -> Any:
    scale = min(1.0, VIDEO_SIDE / max(frame.width, frame.height))
    rate = video.average_rate or Fraction(25)
    stream = output.add_stream("libx264", rate=min(rate, Fraction(30)))
    stream.width, stream.height = (
        max(2, round(frame.width * scale) // 2 * 2),
        max(2, round(frame.height * scale) // 2 * 2),
    )
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = Fraction(1, 90000)
    stream.options = {"preset": "veryfast", "crf": "26"}
    return stream


def _tell(progress: float) -> None:
    sys.stdout.write(json.dumps({"progress": round(progress, 3)}) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Read the request, answer, leave."""
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    request = json.loads(sys.stdin.read())
    try:
        answer = convert(request)
    except Refused as error:
        answer = {"ok": False, "reason": error.reason}
    except MemoryError:
        answer = {"ok": False, "reason": "too_large"}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
