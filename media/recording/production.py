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

from av.error import FFmpegError

from media.recording.compose import compose
from media.recording.frames import JournalError
from media.recording.remux import NothingRecorded, SideFile, remux_side
from media.recording.take import Take, read_take
from media.recording.timeline import Timeline, lay_out

NICENESS = 15
MEMORY_BYTES = 3 * 1024**3
REMUX_SHARE = 0.1
TELL_SECONDS = 0.5

Progress = Callable[[float], None]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to make: all takes below ``takes`` (one folder each) into files in ``out``.

    ``names`` maps users to what is written on their tile; its order is the order of the tiles.
    """

    takes: str
    out: str
    names: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Product:
    """One finished file. ``kind`` is ``composed`` or ``side``; ``user`` is set for a side."""

    kind: str
    user: str | None
    path: str
    content_type: str
    size: int
    sha256: str
    duration_ms: int


@dataclass(frozen=True, kw_only=True)
class Result:
    """What was made. ``damaged`` counts stretches of the journals that could not be read."""

    started_us: int
    duration_ms: int
    products: list[Product]
    damaged: int


class NothingToProduce(Exception):
    """No take holds anything that can be played."""


def produce(order: Order, progress: Progress | None = None) -> Result:
    """Remux every side, compose them, digest the files.

    Raises NothingToProduce; OSError and FFmpegError when the disk refuses.
    """
    tell = progress or (lambda _: None)
    takes, unreadable = _read_takes(Path(order.takes))
    try:
        timeline = lay_out(takes)
    except ValueError as error:
        raise NothingToProduce(str(error)) from error
    out = Path(order.out)
    out.mkdir(parents=True, exist_ok=True)
    sides = _sides(order, takes, timeline, out, tell)
    if not sides:
        raise NothingToProduce("nobody sent sound or a picture")
    whole = compose(
        takes,
        sides,
        out / "call",
        order.names,
        lambda done: tell(REMUX_SHARE + (1 - REMUX_SHARE) * done),
    )
    products = [_product("composed", None, whole.path, whole.content_type, whole.duration_us)]
    for side in sides:
        products.append(_product("side", side.user, side.path, side.content_type, side.duration_us))
    return Result(
        started_us=timeline.origin_us,
        duration_ms=timeline.duration_us // 1000,
        products=products,
        damaged=unreadable + sum(len(take.damage) + len(take.missing) for take in takes),
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
    users = [user for user in order.names if user in timeline.sides]
    users += [user for user in timeline.sides if user not in order.names]
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
