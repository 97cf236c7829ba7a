"""Running the converter: a process for each upload, few at a time, ended when it takes too long."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import orjson
import structlog

from core.errors import ServiceUnavailable
from core.files.errors import (
    FileContentMismatch,
    FileEmpty,
    FileTooLarge,
    FileTypeNotAllowed,
)
from core.files.recognise import Recognised
from core.files.schemas import FileKind

if TYPE_CHECKING:
    from core.runtime import Runtime

log = structlog.get_logger(__name__)

CONVERTER = Path(__file__).with_name("converter.py")
AT_ONCE = 2
IMAGE_SECONDS = 30.0
MEDIA_SECONDS = 240.0
QUEUE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How long somebody waits, in seconds, and who hears how far it is (0 to 1).

    The default is for a request that stays open meanwhile. What takes `long` has a lane of its own,
    so that no picture in a chat waits for a film.
    """

    queue: float = QUEUE_SECONDS
    media: float = MEDIA_SECONDS
    hear: Callable[[float], None] = lambda progress: None
    long: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Converted:
    """The files to store and what is known of them."""

    kind: FileKind
    content_type: str
    file: Path
    thumbnails: dict[int, Path] = field(default_factory=dict)
    thumbnail_type: str | None = None
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    waveform: list[int] | None = None
    #: What came: `video` and `audio` (codecs), `copied`. Empty for anything but sound and video.
    source: dict[str, Any] = field(default_factory=dict)


class Converter:
    """The converters of one process."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._long = asyncio.Semaphore(1)

    @classmethod
    def of(cls, runtime: "Runtime") -> Self:
        """The one of this process, made on first use."""
        converter = runtime.ports.get(cls)
        if converter is None:
            converter = runtime.ports[cls] = cls()
        return converter

    async def convert(
        self,
        source: Path,
        recognised: Recognised,
        folder: Path,
        *,
        square: bool,
        max_seconds: int,
        pace: Pace,
        ink: bool = False,
        everywhere: bool = False,
    ) -> Converted:
        """Decode and rewrite a picture, sound or video into `folder`; `everywhere`: so that the
        oldest phone plays it.

        Raises FileContentMismatch, FileTooLarge, FileTypeNotAllowed, or ServiceUnavailable when
        too many uploads wait.
        """
        image = recognised.kind is FileKind.IMAGE
        request = {
            "kind": "image" if image else "media",
            "source": str(source),
            "folder": str(folder),
            "demuxer": recognised.demuxer,
            "square": square,
            "ink": ink,
            "everywhere": everywhere,
            "max_seconds": max_seconds,
        }
        slots = self._long if pace.long else self._slots
        try:
            async with asyncio.timeout(pace.queue):
                await slots.acquire()
        except TimeoutError as error:
            raise ServiceUnavailable("正在处理的文件较多，请稍后再试", retry_after=30) from error
        try:
            answer = await _run(request, IMAGE_SECONDS if image else pace.media, pace.hear)
        finally:
            slots.release()
        return _read_answer(answer)


async def _run(
    request: dict[str, Any], seconds: float, hear: Callable[[float], None]
) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(CONVERTER),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        # Nothing of the environment (keys, database address) reaches the decoders.
        env={
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LC_ALL": "C.UTF-8",
            "MALLOC_ARENA_MAX": "2",
        },
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            answer = await _talk(process, orjson.dumps(request), hear)
    except TimeoutError as error:
        log.warning("conversion_timed_out", kind=request["kind"])
        raise FileTooLarge("处理该文件用时过长") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if answer is None:
        # The decoder crashed on the content: that is a property of the file, not of the house.
        log.warning("conversion_crashed", kind=request["kind"], status=process.returncode)
        answer = {"ok": False, "reason": "damaged"}
    return answer


async def _talk(
    process: asyncio.subprocess.Process, request: bytes, hear: Callable[[float], None]
) -> dict[str, Any] | None:
    """Send the request, pass the progress on; the answer, or None when the process died first."""
    assert process.stdin is not None
    assert process.stdout is not None
    answer: dict[str, Any] | None = None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(request)
        await process.stdin.drain()
        process.stdin.close()
    async for line in process.stdout:
        try:
            said: dict[str, Any] = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if "progress" in said:
            hear(said["progress"])
        else:
            answer = said
    await process.wait()
    return answer


def _read_answer(answer: dict[str, Any]) -> Converted:
    if not answer["ok"]:
        match answer["reason"]:
            case "too_large":
                raise FileTooLarge()
            case "unsupported":
                raise FileTypeNotAllowed()
            case "blank":
                raise FileEmpty("没有看到笔迹，请重新书写")
        raise FileContentMismatch()
    thumbnails = answer.get("thumbnails") or {}
    return Converted(
        kind=FileKind(answer["kind"]),
        content_type=answer["content_type"],
        file=Path(answer["file"]),
        thumbnails={int(side): Path(path) for side, path in thumbnails.items()},
        thumbnail_type=answer.get("thumbnail_type"),
        width=answer.get("width"),
        height=answer.get("height"),
        duration_ms=answer.get("duration_ms"),
        waveform=answer.get("waveform"),
        source=answer.get("source") or {},
    )
