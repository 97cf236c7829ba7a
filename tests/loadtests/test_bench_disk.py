"""The benchmark sees when the disk is away, also when it has not come back yet."""

import os
import threading
import time
from pathlib import Path

import pytest

from loadtests.bench_disk import LONGEST_MS, DiskWatch, disk_watched


def test_a_write_that_is_still_under_way_counts_as_long_as_it_has_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, back = threading.Event(), threading.Event()

    def hangs(_: int) -> None:
        away.set()
        assert back.wait(30)

    monkeypatch.setattr(os, "fdatasync", hangs)
    with disk_watched(tmp_path) as disk:
        try:
            assert away.wait(30)
            seen = _told_of(disk, LONGEST_MS + 1)
        finally:
            back.set()
        # It is told of again, whole, with the next.
        _told_of(disk, seen)


def _told_of(disk: DiskWatch, milliseconds: float) -> float:
    """The first pause that is at least so long."""
    for _ in range(3000):
        if (longest := disk.told()["disk_longest_ms"]) >= milliseconds:
            return longest
        time.sleep(0.01)
    raise AssertionError("nothing was told of")


def test_a_watch_that_has_ended_does_not_call_the_disk_steady(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    with disk_watched(tmp_path) as disk:
        disk._thread.join(30)
        with pytest.raises(RuntimeError, match="has ended"):
            disk.told()
