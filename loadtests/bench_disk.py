"""How long the disk is away while something is measured: a bare write beside it tells.

Whoever waits for the disk at every commit waits through its pauses. A virtual disk that is shared
with others has some of its own; without the probe they would look like the server's.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Seconds between two writes, and how many bytes each brings to the disk.
PAUSE, SIZE = 0.05, 4096
#: A write that takes longer than this, in milliseconds, is a pause of the disk.
LONGEST_MS = 20.0


class DiskWatch:
    """Writes and syncs a small file over and over, in a thread of its own, until it is stopped."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / "disk.probe", os.O_RDWR | os.O_CREAT)
        self._stopping = threading.Event()
        self._took: list[float] = []
        self._began: float | None = None
        self._thread = threading.Thread(target=self._run, name="disk-watch")
        self._thread.start()

    def _run(self) -> None:
        page = bytes(SIZE)
        while not self._stopping.wait(PAUSE):
            self._began = time.perf_counter()
            os.pwrite(self._file, page, 0)
            os.fdatasync(self._file)
            self._took.append((time.perf_counter() - self._began) * 1000)
            self._began = None

    def told(self) -> dict[str, float]:
        """The longest write since the last time this was asked, and how long all those took
        together that were pauses, in milliseconds. One that is still under way counts as long as
        it has taken; it is told of again with the next.

        Raises RuntimeError when nobody watches any more: a disk that nobody saw was not steady.
        """
        if not self._thread.is_alive():
            raise RuntimeError("The watch of the disk has ended; its thread says why.")
        began, now = self._began, time.perf_counter()
        took, self._took = self._took, []
        if began is not None:
            took.append((now - began) * 1000)
        pauses = [each for each in took if each > LONGEST_MS]
        return {
            "disk_longest_ms": round(max(took, default=0.0), 1),
            "disk_away_ms": round(sum(pauses), 1),
        }

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        os.close(self._file)


@contextmanager
def disk_watched(folder: Path) -> Iterator[DiskWatch]:
    """Watch the disk that has this folder."""
    watch = DiskWatch(folder)
    try:
        yield watch
    finally:
        watch.stop()
