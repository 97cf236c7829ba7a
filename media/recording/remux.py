"""One user's side of a call as a file: the packets as they were sent, nothing encoded anew.

VP8, VP9 or AV1 with Opus goes to WebM, H.264 with Opus to MP4; all begin at the origin of the
call's time line, so that the files of all sides lie over one another.
"""

import heapq
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.stream import Stream as AvStream

from media.recording.depacketise import vp8_size
from media.recording.open_codecs import av1_template, decoded_size
from media.recording.take import Take
from media.recording.timeline import (
    RATE,
    SILENCE_SAMPLES,
    AudioPacket,
    Timeline,
    VideoFrame,
    codec_name,
    lay_out,
)

MICROSECONDS = Fraction(1, 1_000_000)
SAMPLES = Fraction(1, RATE)
CONTENT_TYPES = {".webm": "video/webm", ".mp4": "video/mp4", ".mkv": "video/x-matroska"}

Progress = Callable[[float], None]


class NothingRecorded(Exception):
    """The user sent nothing that can be played."""


@dataclass(frozen=True, kw_only=True)
class SideFile:
    """A finished side. ``camera_off``: stretches in microseconds in which the camera was off."""

    user: str
    path: Path
    content_type: str
    duration_us: int
    video_codecs: tuple[str, ...]
    video_frames: int
    audio_packets: int
    camera_off: tuple[tuple[int, int], ...]


def remux_side(
    takes: list[Take],
    user: str,
    out: Path,
    timeline: Timeline | None = None,
    progress: Progress | None = None,
) -> SideFile:
    """Write ``user``'s side to ``out`` with the suffix that its codecs need.

    ``timeline`` spares laying out the takes again; ``progress`` hears fractions from 0 to 1. A
    user who changed the video codec in mid-call (another device) gets one video stream a codec.
    Raises NothingRecorded when the user sent no sound and no decodable frame.
    """
    timeline = timeline or lay_out(takes)
    side = timeline.sides.get(user)
    if side is None:
        raise NothingRecorded(user)
    firsts = _first_frames(timeline, user)
    if not firsts and not side.audio:
        raise NothingRecorded(user)
    path = out.with_suffix(_suffix(tuple(firsts)))
    audio: Iterator[AudioPacket | VideoFrame] = timeline.audio(user) if side.audio else iter(())
    video: Iterator[AudioPacket | VideoFrame] = timeline.video(user) if firsts else iter(())
    with _Writer(path, firsts, has_audio=bool(side.audio)) as writer:
        for item in heapq.merge(audio, video, key=_position_us):
            writer.write(item)
            if progress is not None:
                progress(min(_position_us(item) / max(timeline.duration_us, 1), 1.0))
    return SideFile(
        user=user,
        path=path,
        content_type=CONTENT_TYPES[path.suffix],
        duration_us=timeline.duration_us,
        video_codecs=tuple(firsts),
        video_frames=writer.video_frames,
        audio_packets=writer.audio_packets,
        camera_off=tuple(side.camera_off),
    )


def _position_us(item: AudioPacket | VideoFrame) -> int:
    return item.at * 1_000_000 // RATE if isinstance(item, AudioPacket) else item.at_us


def _suffix(codecs: tuple[str, ...]) -> str:
    if len(codecs) > 1:
        return ".mkv"
    return ".mp4" if codecs == ("h264",) else ".webm"


def _first_frames(timeline: Timeline, user: str) -> dict[str, VideoFrame]:
    """The first key frame of every video codec that the user sent, by codec."""
    side = timeline.sides[user]
    codecs = {codec_name(stream.track) for stream in side.video}
    firsts: dict[str, VideoFrame] = {}
    for frame in timeline.video(user):
        if frame.key and frame.codec not in firsts and _size(frame) is not None:
            firsts[frame.codec] = frame
        if len(firsts) == len(codecs):
            break
    return firsts


class _Writer:
    """A container with one sound track and one video track a codec."""

    def __init__(self, path: Path, firsts: dict[str, VideoFrame], has_audio: bool) -> None:
        self.video_frames = 0
        self.audio_packets = 0
        # Both put the index in front, so that a player can seek before all has arrived.
        options = {"movflags": "+faststart"} if path.suffix == ".mp4" else {"cues_to_front": "1"}
        # Matroska takes "webm" as a stricter dialect of itself.
        name = {".mp4": "mp4", ".webm": "webm", ".mkv": "matroska"}[path.suffix]
        self._container: OutputContainer = av.open(str(path), "w", format=name, options=options)
        self._templates: list[InputContainer] = []
        self._video = {codec: self._add_video(frame) for codec, frame in firsts.items()}
        self._audio = self._add(_opus_template()) if has_audio else None

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()
        for template in self._templates:
            template.close()

    def write(self, item: AudioPacket | VideoFrame) -> None:
        packet = av.Packet(item.data)
        if isinstance(item, AudioPacket):
            assert self._audio is not None
            packet.stream = self._audio
            packet.time_base = SAMPLES
            packet.pts = packet.dts = item.at
            packet.duration = item.samples
            self.audio_packets += 1
        else:
            stream = self._video.get(item.codec)
            if stream is None:
                return
            packet.stream = stream
            packet.time_base = MICROSECONDS
            packet.pts = packet.dts = item.at_us
            packet.is_keyframe = item.key
            self.video_frames += 1
        self._container.mux(packet)

    def _add_video(self, first: VideoFrame) -> AvStream:
        width, height = _size(first) or (0, 0)
        if first.codec == "h264":
            return self._add(_h264_template(first.data, width, height))
        if first.codec == "av1":
            # Its decoder and encoder have different names: the library must not look for one.
            return self._add(av1_template(first.data), opaque=True)
        return self._container.add_mux_stream(first.codec, width=width, height=height)

    def _add(self, template: InputContainer, *, opaque: bool | None = None) -> AvStream:
        self._templates.append(template)
        return self._container.add_stream_from_template(template.streams[0], opaque)


def _opus_template() -> InputContainer:
    """A stereo Opus stream to copy the codec's parameters from: the library has no other way."""
    file = io.BytesIO()
    with av.open(file, "w", format="webm") as container:
        stream = container.add_stream("libopus", rate=RATE, layout="stereo")
        frame = av.AudioFrame("s16", "stereo", SILENCE_SAMPLES)
        frame.rate, frame.pts = RATE, 0
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    file.seek(0)
    return av.open(file, "r")


def _h264_template(key_frame: bytes, width: int, height: int) -> InputContainer:
    """An H.264 stream with the parameter sets of a key frame (units with 4-byte lengths)."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_mux_stream("h264", width=width, height=height)
        packet = av.Packet(_annex_b(key_frame))
        packet.stream = stream
        packet.time_base = MICROSECONDS
        packet.pts = packet.dts = 0
        packet.is_keyframe = True
        container.mux(packet)
    file.seek(0)
    return av.open(file, "r")


def _size(key_frame: VideoFrame) -> tuple[int, int] | None:
    """Width and height of a key frame; None when it is none that a decoder would take."""
    if key_frame.codec == "vp8":
        width, height = vp8_size(key_frame.data)
    elif key_frame.codec in ("vp9", "av1"):
        return decoded_size(key_frame.codec, key_frame.data)
    else:
        try:
            with av.open(io.BytesIO(_annex_b(key_frame.data)), "r", format="h264") as container:
                context = container.streams.video[0].codec_context
                width, height = context.width, context.height
        except FFmpegError:
            return None
    return (width, height) if width and height else None


def _annex_b(data: bytes) -> bytes:
    pieces = []
    position = 0
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        pieces += [b"\0\0\0\1", data[position + 4 : position + 4 + size]]
        position += 4 + size
    return b"".join(pieces)
