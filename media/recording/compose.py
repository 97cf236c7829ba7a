"""All sides of a call in one file: names and the time burnt in, sound mixed.

H.264 with AAC in MP4, the index in front, a key frame every two seconds: plays and seeks in every
browser. Works frame by frame on the finished side files; memory does not grow with the call.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from fractions import Fraction
from pathlib import Path
from typing import Self

import av

from media.recording.layouts import Layout, Speaker
from media.recording.remux import SideFile
from media.recording.sound import FRAMES_PER_SECOND, SAMPLE_RATE, Mixer, Sound
from media.recording.take import Take
from media.recording.tiles import FRAME_US, TIME_BASE, Picture, Wall
from media.recording.timeline import lay_out

MAX_SIDES = 9

Progress = Callable[[float], None]


@dataclass(frozen=True, kw_only=True)
class Composed:
    """The finished file. ``levels``: how loud each side was, 0 to 100, every 40 ms."""

    path: Path
    content_type: str
    duration_us: int
    width: int
    height: int
    levels: dict[str, bytes] = field(default_factory=dict, repr=False)


def compose(
    takes: list[Take],
    sides: list[SideFile],
    out: Path,
    names: dict[str, str] | None = None,
    progress: Progress | None = None,
    *,
    layout: Layout = Layout.SIDE_BY_SIDE,
    origin_us: int | None = None,
    zone: tzinfo = UTC,
) -> Composed:
    """Compose the side files into ``out`` (suffix ``.mp4``), in the order given.

    ``names`` holds what stands on the label of each side. The length is that of the side files;
    takes are laid out only when there is none (a call in which nobody sent anything playable
    becomes a silent card). ``origin_us`` (Unix time of the first frame) puts the time of day in
    ``zone`` on the picture. Raises ValueError beyond nine sides, OSError or av.error.FFmpegError
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
        pictures = [stack.enter_context(Picture(side, names.get(side.user, ""))) for side in sides]
        sounds = {
            index: stack.enter_context(Sound(side))
            for index, side in enumerate(sides)
            if side.audio_packets
        }
        wall = Wall(pictures, layout, origin_us, zone)
        writer = stack.enter_context(_Writer(path, wall.width, wall.height))
        mixer, speaker = Mixer(list(sounds.values())), Speaker(len(sides))
        for index in range(count):
            for piece in mixer.mix():
                writer.write_sound(piece)
            loud = [sounds[side].levels[-1] if side in sounds else 0 for side in range(len(sides))]
            writer.write_picture(index, wall.at(index, speaker.hear(loud)))
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
        levels={sides[index].user: bytes(sound.levels) for index, sound in sounds.items()},
    )


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
