"""From the takes of a call to its finished files, in a process of its own.

``python -m media.recording.production order.json`` works at low priority, tells its progress and
its result as JSON lines on standard output, and stops when nobody reads them any more.
"""

import hashlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

from av.error import FFmpegError

from media.recording.compose import Composed, compose
from media.recording.frames import JournalError
from media.recording.layouts import Layout
from media.recording.orders import NothingToProduce, Order, Product, Result
from media.recording.outline import outline_of
from media.recording.remux import NothingRecorded, SideFile, remux_side
from media.recording.take import Take, read_take
from media.recording.timeline import Timeline, is_screen, lay_out, person_of

NICENESS = 15
MEMORY_BYTES = 3 * 1024**3
REMUX_SHARE = 0.1
TELL_SECONDS = 0.5

Progress = Callable[[float], None]


@dataclass(frozen=True, kw_only=True)
class SideFacts:
    """What is known of a finished side file, kept so that it can be composed again.

    Like :class:`SideFile`, with the path as text.
    """

    user: str
    path: str
    content_type: str
    duration_us: int
    video_codecs: list[str]
    video_frames: int
    audio_packets: int
    camera_off: list[tuple[int, int]]

    @classmethod
    def of(cls, side: SideFile) -> Self:
        return cls(
            user=side.user,
            path=str(side.path),
            content_type=side.content_type,
            duration_us=side.duration_us,
            video_codecs=list(side.video_codecs),
            video_frames=side.video_frames,
            audio_packets=side.audio_packets,
            camera_off=list(side.camera_off),
        )

    def side(self) -> SideFile:
        return SideFile(
            user=self.user,
            path=Path(self.path),
            content_type=self.content_type,
            duration_us=self.duration_us,
            video_codecs=tuple(self.video_codecs),
            video_frames=self.video_frames,
            audio_packets=self.audio_packets,
            camera_off=tuple((start, end) for start, end in self.camera_off),
        )


def produce(order: Order, progress: Progress | None = None) -> Result:
    """Remux every side, compose them, digest the files.

    Raises NothingToProduce; OSError and FFmpegError when the disk refuses.
    """
    tell = progress or (lambda _: None)
    out = Path(order.out)
    out.mkdir(parents=True, exist_ok=True)
    if order.sides:
        return _compose_again(order, out, tell)
    takes, unreadable = _read_takes(Path(order.takes))
    try:
        timeline = lay_out(takes)
    except ValueError as error:
        raise NothingToProduce(str(error)) from error
    sides = _sides(order, takes, timeline, out, tell)
    if not sides:
        raise NothingToProduce("nobody sent sound or a picture")
    whole = _compose(order, sides, timeline.origin_us, out, tell)
    products = [_product("composed", None, whole.path, whole.content_type, whole.duration_us)]
    for side in sides:
        kind = "screen" if is_screen(side.user) else "side"
        products.append(
            _product(kind, person_of(side.user), side.path, side.content_type, side.duration_us)
        )
    return Result(
        started_us=timeline.origin_us,
        duration_ms=timeline.duration_us // 1000,
        products=products,
        damaged=unreadable + sum(len(take.damage) + len(take.missing) for take in takes),
        dropped=sum(take.manifest.dropped for take in takes if take.manifest is not None),
        outline=asdict(outline_of(timeline, whole.levels)),
        sides=[asdict(SideFacts.of(side)) for side in sides],
    )


def _compose_again(order: Order, out: Path, tell: Progress) -> Result:
    sides = [SideFacts(**facts).side() for facts in order.sides]
    whole = _compose(order, sides, order.origin_us, out, tell)
    return Result(
        started_us=order.origin_us,
        duration_ms=max(side.duration_us for side in sides) // 1000,
        products=[_product("composed", None, whole.path, whole.content_type, whole.duration_us)],
        damaged=0,
    )


def _compose(
    order: Order, sides: list[SideFile], origin_us: int, out: Path, tell: Progress
) -> Composed:
    names = {side.user: order.names.get(person_of(side.user), "") for side in sides}
    for side in sides:
        if is_screen(side.user):
            names[side.user] = f"{names[side.user]}的屏幕"
    return compose(
        [],
        sides,
        out / "call",
        names,
        lambda done: tell(REMUX_SHARE + (1 - REMUX_SHARE) * done),
        layout=Layout(order.layout),
        origin_us=origin_us,
        zone=ZoneInfo(order.zone),
    )


def _read_takes(folder: Path) -> tuple[list[Take], int]:
    """The takes that can be read, and how many cannot."""
    takes, unreadable = [], 0
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        try:
            takes.append(read_take(path))
        except JournalError:
            unreadable += 1
    return takes, unreadable


def _sides(
    order: Order, takes: list[Take], timeline: Timeline, out: Path, tell: Progress
) -> list[SideFile]:
    known = list(order.names)
    users = sorted(
        timeline.sides,
        key=lambda side: (
            is_screen(side),
            known.index(person_of(side)) if person_of(side) in known else len(known),
        ),
    )
    sides = []
    for index, user in enumerate(users):
        try:
            sides.append(remux_side(takes, user, out / f"side-{index + 1}", timeline))
        except NothingRecorded:
            continue
        tell(REMUX_SHARE * (index + 1) / len(users))
    return sides


def _product(
    kind: str, user: str | None, path: Path, content_type: str, duration_us: int
) -> Product:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Product(
        kind=kind,
        user=user,
        path=str(path),
        content_type=content_type,
        size=path.stat().st_size,
        sha256=digest,
        duration_ms=duration_us // 1000,
    )


def main(arguments: list[str]) -> int:
    """The process: 0 when done, 3 when there is nothing to produce, 1 on a named failure."""
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    order = Order(**json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
    told = 0.0

    def tell(done: float) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= TELL_SECONDS:
            told = now
            _say({"progress": round(done, 4)})

    try:
        _say({"result": asdict(produce(order, tell))})
    except BrokenPipeError:
        return 1
    except NothingToProduce as error:
        _say({"nothing": str(error)})
        return 3
    except (OSError, FFmpegError, MemoryError, ValueError) as error:
        _say({"failed": f"{type(error).__name__}: {error}"})
        return 1
    return 0


def _say(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
