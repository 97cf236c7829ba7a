"""Two seconds of real sound and picture, for servers that decode what they forward."""

from __future__ import annotations

import fractions
from dataclasses import dataclass
from functools import cache

import av
import numpy as np
from aiortc.codecs.opus import OpusEncoder
from aiortc.codecs.vpx import Vp8Encoder

FRAMES_PER_SECOND = 30
SECONDS = 2
BITRATE = 1_300_000


@dataclass(frozen=True)
class Clip:
    """Payloads of Opus packets of 20 ms, and of VP8 frames in packets; the first is a key frame."""

    sound: list[bytes]
    picture: list[list[bytes]]


@cache
def clip() -> Clip:
    """Encode it, once."""
    dice = np.random.default_rng(3)
    video, audio = Vp8Encoder(), OpusEncoder()
    video.target_bitrate = BITRATE
    still = dice.integers(0, 255, (480, 640, 3), np.uint8)
    picture: list[list[bytes]] = []
    for number in range(FRAMES_PER_SECOND * SECONDS):
        frame = av.VideoFrame.from_ndarray(np.roll(still, number * 4, axis=1), format="rgb24")
        frame.pts, frame.time_base = number * 3000, fractions.Fraction(1, 90000)
        payloads, _ = video.encode(frame, force_keyframe=number == 0)
        picture.append(payloads)
    sound: list[bytes] = []
    for number in range(50 * SECONDS):
        at = (np.arange(960) + number * 960) / 48000
        wave = (np.sin(2 * np.pi * 440 * at) * 9000).astype(np.int16)
        tone = av.AudioFrame.from_ndarray(np.repeat(wave, 2).reshape(1, -1), format="s16")
        tone.sample_rate, tone.pts = 48000, number * 960
        tone.time_base = fractions.Fraction(1, 48000)
        payloads, _ = audio.encode(tone)
        sound += payloads
    return Clip(sound, picture)
