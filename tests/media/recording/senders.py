"""Invented callers: real VP8, H.264 and Opus, cut into RTP as browsers do, into real journals.

A caller flashes white and beeps at known moments; its clocks may be off and run fast or slow, its
network loses, delays and reorders. All times are microseconds; "true" time is the worker's.
"""

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from media.recording.journal import JournalWriter

FPS = 20
WIDTH, HEIGHT = 320, 240
EVENT_US = 200_000
MTU = 1100
NTP_EPOCH_US = 2_208_988_800_000_000


@dataclass
class Caller:
    """``skew`` is the device's clock, ``audio_skew`` its sound card's on top (1e-6 = 1 ppm)."""

    user: str
    tone: float
    events: list[int]
    clock_offset_us: int = 0
    skew: float = 0.0
    audio_skew: float = 0.0
    loss: float = 0.0
    lost_for_good: float = 0.1
    jitter_us: int = 0
    delay_us: int = 25_000
    codec: str = "vp8"
    reports: bool = True
    size: tuple[int, int] = (WIDTH, HEIGHT)
    seed: int = 1

    def clock(self, true_us: float) -> float:
        """What the device's clock says at a true moment."""
        return true_us * (1 + self.skew) + self.clock_offset_us

    def event_at(self, true_us: float) -> bool:
        return any(start <= true_us < start + EVENT_US for start in self.events)


@dataclass(order=True)
class Arrival:
    """Something reaches the worker: an RTP packet or a sender report."""

    at_us: int
    kind: str = field(compare=False)
    rtp: bytes = field(compare=False, default=b"")
    report: tuple[int, int] = field(compare=False, default=(0, 0))


def ntp(clock_us: float) -> int:
    seconds, rest = divmod(round(clock_us) + NTP_EPOCH_US, 1_000_000)
    return seconds << 32 | (rest << 32) // 1_000_000


def session(caller: Caller, start_us: int, end_us: int, kinds: str = "av") -> list[Arrival]:
    """What one connection of the caller delivers, by arrival."""
    rng = random.Random(caller.seed)
    arrivals: list[Arrival] = []
    if "a" in kinds:
        arrivals += _network(caller, rng, _audio(caller, rng, start_us, end_us))
    if "v" in kinds:
        arrivals += _network(caller, rng, _video(caller, rng, start_us, end_us))
    return sorted(arrivals)


def record(
    folder: Path, call: str, sessions: list[tuple[Caller, list[Arrival]]], started_us: int
) -> JournalWriter:
    """Journal the sessions as a worker would, in order of arrival; not sealed."""
    writer = JournalWriter(folder, call, folder.name, datetime.fromtimestamp(started_us / 1e6, UTC))
    numbers: dict[tuple[int, str], int] = {}
    merged = sorted(
        ((arrival, index) for index, (_, items) in enumerate(sessions) for arrival in items),
        key=lambda pair: pair[0].at_us,
    )
    for arrival, index in merged:
        caller = sessions[index][0]
        kind = "audio" if arrival.kind.startswith("a") else "video"
        if (index, kind) not in numbers:
            numbers[index, kind] = writer.add_track(
                f"{caller.user}-{kind}-{index}",
                caller.user,
                "audio" if kind == "audio" else "video",
                "opus" if kind == "audio" else caller.codec,
                48000 if kind == "audio" else 90000,
                111 if kind == "audio" else 96,
                index * 2 + (kind == "video"),
                arrival.at_us,
            )
        number = numbers[index, kind]
        if arrival.rtp:
            writer.waiting.put(number, arrival.at_us, arrival.rtp)
        else:
            writer.sender_report(number, arrival.at_us, *arrival.report)
        writer.roll_if_due(arrival.at_us)
    writer.flush()
    return writer


def _network(
    caller: Caller, rng: random.Random, sent: Iterator[tuple[float, Arrival]]
) -> list[Arrival]:
    """Delay, jitter (which reorders), loss; most lost packets come again 180 ms later."""
    arrived = []
    for at, item in sent:
        delay = caller.delay_us + rng.expovariate(1.0) * caller.jitter_us
        if item.rtp and rng.random() < caller.loss:
            if rng.random() < caller.lost_for_good:
                continue
            delay += 180_000
        item.at_us = round(at + delay)
        arrived.append(item)
        if item.rtp and rng.random() < caller.loss:
            arrived.append(Arrival(item.at_us + 3000, item.kind, item.rtp))
    return arrived


def _audio(
    caller: Caller, rng: random.Random, start_us: int, end_us: int
) -> Iterator[tuple[float, Arrival]]:
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48000, "stereo", "s16"
    encoder.options = {"application": "voip", "frame_duration": "20"}
    sequence, base = rng.randrange(65536), rng.randrange(1 << 32)
    rate = 48000 * (1 + caller.skew) * (1 + caller.audio_skew)
    next_report = start_us + 1_000_000
    # The encoder looks 312 samples ahead: what it gives first belongs that much earlier.
    for index in range(int((end_us - start_us) / 1e6 * rate) // 960):
        first = start_us + index * 960 / rate * 1e6
        times = first + np.arange(960) / rate * 1e6
        on = np.zeros(960)
        for event in caller.events:
            on[(times >= event) & (times < event + EVENT_US)] = 1
        wave = 9000 * on * np.sin(2 * np.pi * caller.tone * times / 1e6)
        samples = np.repeat(wave.astype(np.int16), 2).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
        frame.sample_rate, frame.pts = 48000, index * 960
        for packet in encoder.encode(frame):
            sent = first + 960 / rate * 1e6
            stamp = (base + index * 960) & 0xFFFFFFFF
            yield sent, Arrival(0, "a", _rtp(111, sequence, stamp, 11, True, bytes(packet)))
            sequence += 1
            if caller.reports and sent >= next_report:
                next_report += 5_000_000
                now = base + (sent - start_us) / 1e6 * rate
                yield (
                    sent,
                    Arrival(0, "a", report=(ntp(caller.clock(sent)), round(now) & 0xFFFFFFFF)),
                )


def _video(
    caller: Caller, rng: random.Random, start_us: int, end_us: int
) -> Iterator[tuple[float, Arrival]]:
    encoder = _video_encoder(caller)
    width, height = caller.size
    sequence, base = rng.randrange(65536), rng.randrange(1 << 32)
    rate = 90000 * (1 + caller.skew)
    next_report = start_us + 300_000
    background = np.zeros((height * 3 // 2, width), np.uint8)
    background[:height] = 60
    background[height:] = 128
    for index in range(int((end_us - start_us) / 1e6 * FPS)):
        captured = start_us + index / FPS * 1e6
        picture = background.copy()
        if caller.event_at(captured):
            picture[:height] = 235
        column = index * 3 % (width - 8)
        picture[height // 2 : height // 2 + 8, column : column + 8] = 160
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = index, Fraction(1, FPS)
        if index % (FPS * 2) == 0:
            frame.pict_type = 1
        stamp = round(base + (captured - start_us) / 1e6 * rate) & 0xFFFFFFFF
        for packet in encoder.encode(frame):
            # Some encoders give a picture out a little later than they took it.
            taken = index if packet.pts is None else packet.pts
            stamp = round(base + taken / FPS * rate) & 0xFFFFFFFF
            payloads = list(packetise(caller.codec, bytes(packet), index))
            for place, payload in enumerate(payloads):
                # Encoding takes 12 ms, pacing half a millisecond a packet.
                sent = captured + 12_000 + place * 500
                marker = place == len(payloads) - 1
                yield sent, Arrival(0, "v", _rtp(96, sequence, stamp, 12, marker, payload))
                sequence += 1
        if caller.reports and captured >= next_report:
            next_report += 1_000_000
            yield captured, Arrival(0, "v", report=(ntp(caller.clock(captured)), stamp))


ENCODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9", "h264": "libx264", "av1": "libsvtav1"}


def _video_encoder(caller: Caller) -> av.VideoCodecContext:
    name = ENCODERS[caller.codec]
    encoder = av.CodecContext.create(name, "w")
    encoder.width, encoder.height = caller.size
    encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, FPS)
    encoder.framerate = Fraction(FPS, 1)
    encoder.bit_rate, encoder.gop_size = 400_000, 300
    if name.startswith("libvpx"):
        encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    elif name == "libsvtav1":
        encoder.options = {"preset": "12", "svtav1-params": "pred-struct=1:rc=2:rtc=1:lp=1"}
    else:
        encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "forced-idr": "1"}
        encoder.profile = "Baseline"
    return encoder


def packetise(codec: str, data: bytes, picture: int) -> Iterator[bytes]:
    """RTP payloads of one frame: RFC 7741 with a picture id, RFC 6184 with STAP-A and FU-A, RFC
    9628 in flexible mode, AV1 with one OBU element a packet.
    """
    identifier = (0x8000 | picture & 0x7FFF).to_bytes(2, "big")
    if codec == "vp9":
        # Profile 0: frame_marker, profile, show_existing_frame, frame_type (0: key).
        inter = 0x40 if data[0] & 0x04 else 0
        for position in range(0, len(data), MTU):
            flags = (0x08 if position == 0 else 0) | (0x04 if position + MTU >= len(data) else 0)
            reference = b"\x02" if inter else b""
            head = bytes([0x80 | 0x10 | inter | flags]) + identifier + reference
            yield head + data[position : position + MTU]
        return
    if codec == "av1":
        yield from _av1_payloads(data)
        return
    if codec == "vp8":
        for position in range(0, len(data), MTU):
            start = 0x10 if position == 0 else 0
            yield bytes([0x80 | start, 0x80]) + identifier + data[position : position + MTU]
        return
    units = _units(data)
    small = [unit for unit in units if unit[0] & 0x1F in (7, 8)]
    if small:
        yield b"\x78" + b"".join(len(unit).to_bytes(2, "big") + unit for unit in small)
    for unit in units:
        if unit in small:
            continue
        if len(unit) <= MTU:
            yield unit
            continue
        for position in range(1, len(unit), MTU):
            flags = (0x80 if position == 1 else 0) | (0x40 if position + MTU >= len(unit) else 0)
            head = bytes([unit[0] & 0xE0 | 28, flags | unit[0] & 0x1F])
            yield head + unit[position : position + MTU]


def _av1_payloads(data: bytes) -> Iterator[bytes]:
    """Every OBU of a temporal unit without its size, as one element or cut over several packets."""
    units = [unit for unit in av1_units(data) if unit[0] >> 3 & 0x0F != 2]
    fresh = any(unit[0] >> 3 & 0x0F == 1 for unit in units)
    for unit in units:
        for position in range(0, len(unit), MTU):
            head = 0x10 | (0x80 if position else 0) | (0x40 if position + MTU < len(unit) else 0)
            yield bytes([head | (0x08 if fresh else 0)]) + unit[position : position + MTU]
            fresh = False


def av1_units(data: bytes) -> list[bytes]:
    """The OBUs of a file, each without its size."""
    units, position = [], 0
    while position < len(data):
        head = 2 if data[position] & 0x04 else 1
        size, shift, place = 0, 0, position + head
        while True:
            size |= (data[place] & 0x7F) << shift
            shift, place = shift + 7, place + 1
            if not data[place - 1] & 0x80:
                break
        first = bytes([data[position] & ~0x02]) + data[position + 1 : position + head]
        units.append(first + data[place : place + size])
        position = place + size
    return units


def _units(data: bytes) -> list[bytes]:
    pieces = data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
    return [piece for piece in pieces if piece and piece[0] & 0x1F in (1, 5, 6, 7, 8)]


def _rtp(kind: int, sequence: int, stamp: int, ssrc: int, marker: bool, payload: bytes) -> bytes:
    head = bytes([0x80, (0x80 if marker else 0) | kind])
    head += (sequence & 0xFFFF).to_bytes(2, "big") + stamp.to_bytes(4, "big")
    return head + ssrc.to_bytes(4, "big") + payload


@dataclass
class Seen:
    """What a decoded file shows: onsets in microseconds of flashes by tile, of beeps by tone."""

    duration_us: int
    flashes: list[list[int]]
    beeps: dict[float, list[int]]
    frames: int


def watch(path: Path | io.BytesIO, tiles: int, tones: list[float]) -> Seen:
    """Decode a whole file and find the flashes in each of its side-by-side tiles and the beeps."""
    flashes: list[list[int]] = [[] for _ in range(tiles)]
    bright = [False] * tiles
    frames = 0
    last = 0.0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            frames += 1
            last = max(last, frame.time)
            luma = frame.to_ndarray(format="gray")
            for tile in range(tiles):
                left = frame.width // tiles
                part = luma[frame.height // 3 : frame.height // 2, tile * left : (tile + 1) * left]
                white = part[:, left // 4 : left * 3 // 4].mean() > 150
                if white and not bright[tile]:
                    flashes[tile].append(round(frame.time * 1e6))
                bright[tile] = bool(white)
    sound = samples_of(path)
    return Seen(round(last * 1e6), flashes, {tone: onsets(sound, tone) for tone in tones}, frames)


def samples_of(path: Path | io.BytesIO) -> np.ndarray:
    """The sound as mono floats of 48 kHz, placed by the container's times."""
    pieces = []
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return np.zeros(0)
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=48000)
        end = 0
        for frame in container.decode(audio=0):
            start = round(frame.time * 48000)
            frame.pts = None
            data = np.concatenate([each.to_ndarray()[0] for each in resampler.resample(frame)])
            if start > end + 480:
                pieces.append(np.zeros(start - end))
                end = start
            pieces.append(data)
            end += len(data)
    return np.concatenate(pieces) if pieces else np.zeros(0)


def onsets(sound: np.ndarray, tone: float) -> list[int]:
    """When a tone sets in, in microseconds: windows of 5 ms correlated with it."""
    window = 240
    count = len(sound) // window
    if not count:
        return []
    blocks = sound[: count * window].reshape(count, window)
    wave = np.exp(-2j * np.pi * tone * np.arange(window) / 48000)
    level = np.abs(blocks @ wave) / window
    on = level > 0.3 * max(level.max(), 0.02)
    found: list[int] = []
    quiet_since = 0
    for index, value in enumerate(on):
        if value:
            # Shorter pauses are lost packets inside one beep.
            if index - quiet_since > 20 or not found:
                found.append(index * 5_000)
            quiet_since = index
    return found
