"""Pictures, sounds and videos made on the spot, and a client that uploads them."""

import io
import math
import struct
import wave
from collections.abc import Callable, Coroutine
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from tests.support.http import Client, Response

Upload = Callable[..., Coroutine[Any, Any, Response]]


def form(data: bytes, name: str, purpose: str | None = "message", kind: str = "") -> bytes:
    """A multipart body with the boundary `zhenjian-test`."""
    parts = b""
    if purpose is not None:
        parts += (
            b"--zhenjian-test\r\nContent-Disposition: form-data; "
            b'name="purpose"\r\n\r\n' + purpose.encode() + b"\r\n"
        )
    head = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
    head += f"Content-Type: {kind or 'application/octet-stream'}\r\n\r\n"
    return parts + b"--zhenjian-test\r\n" + head.encode() + data + b"\r\n--zhenjian-test--\r\n"


@pytest.fixture
def upload(client: Client) -> Upload:
    """`await upload(token, data, "a.jpg", purpose="message")`."""

    async def send(
        token: str | None, data: bytes, name: str, purpose: str | None = "message"
    ) -> Response:
        headers = {"content-type": "multipart/form-data; boundary=zhenjian-test"}
        body = form(data, name, purpose)
        return await client.post("/files", token=token, body=body, headers=headers)

    return send


def picture(
    form: str = "JPEG", size: tuple[int, int] = (320, 200), mode: str = "RGB", **options: Any
) -> bytes:
    image = Image.linear_gradient("L").resize(size).convert(mode)
    output = io.BytesIO()
    image.save(output, form, **options)
    return output.getvalue()


def sound_wav(seconds: float = 2.0, rate: int = 16000) -> bytes:
    """A tone that is quiet in its first half and loud in its second."""
    output = io.BytesIO()
    with wave.open(output, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        count = int(seconds * rate)
        file.writeframes(
            b"".join(
                struct.pack(
                    "<h",
                    int(
                        (3000 if place < count // 2 else 24000)
                        * math.sin(2 * math.pi * 440 * place / rate)
                    ),
                )
                for place in range(count)
            )
        )
    return output.getvalue()


def sound(container: str = "webm", codec: str = "libopus", seconds: float = 2.0) -> bytes:
    """The same tone as MediaRecorder (webm and Opus) or a phone (mp4 and AAC) would give it."""
    output = io.BytesIO()
    rate = 8000 if container == "amr" else 48000
    resampler = av.AudioResampler("fltp" if codec == "aac" else "s16", "mono", rate)
    with (
        av.open(io.BytesIO(sound_wav(seconds)), "r", format="wav") as source,
        av.open(output, "w", format=container) as target,
    ):
        stream: Any = target.add_stream(codec, rate=rate)
        stream.codec_context.layout = "mono"
        for frame in source.decode(audio=0):
            for part in resampler.resample(frame):
                target.mux(stream.encode(part))
        for part in resampler.resample(None):
            target.mux(stream.encode(part))
        target.mux(stream.encode(None))
    return output.getvalue()


def video(
    container: str = "mp4", codec: str = "libx264", frames: int = 30, pixels: str = "yuv420p"
) -> bytes:
    """A moving bar, 25 pictures a second, with a title in its metadata."""
    output = io.BytesIO()
    with av.open(output, "w", format=container) as target:
        target.metadata["title"] = "secret-place"
        stream: Any = target.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, pixels
        frames_of: Any = av.VideoFrame
        for number in range(frames):
            image = Image.new("RGB", (160, 120), (0, 40, 120))
            image.paste((255, 255, 0), (number, 0, number + 20, 120))
            frame = frames_of.from_image(image).reformat(format=pixels)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return output.getvalue()


def sideways(film: bytes, width: int = 160, height: int = 120) -> bytes:
    """The same film as a telephone held upright writes it: turned a quarter when it is played."""
    place = film.index(b"tkhd") + 44
    matrix = (0, 0x10000, 0, -0x10000, 0, 0, height << 16, 0, 0x40000000)
    return film[:place] + struct.pack(">9i", *matrix) + film[place + 36 :]


def probe(data: bytes, tmp_path: Path) -> Any:
    """What a stored sound or video decodes to: (format, codecs, decoded frames, metadata)."""
    path = tmp_path / "probe"
    path.write_bytes(data)
    with av.open(str(path)) as container:
        codecs = [stream.codec_context.name for stream in container.streams]
        metadata = dict(container.metadata)
        frames = sum(len(packet.decode()) for packet in container.demux())
        return container.format.name, codecs, frames, metadata
