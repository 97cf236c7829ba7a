"""Reaching the disk: fsync in a thread of its own, and files that appear whole or not at all."""

import fcntl
import logging
import os
import queue
import threading
from pathlib import Path

LOCK_NAME = ".lock"

log = logging.getLogger(__name__)


class Syncer:
    """One thread that runs fsync for the whole process, so that no caller waits for a disk."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[int | Path | threading.Event] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def sync(self, file: int) -> None:
        """Have an open file synced soon; the caller may close its descriptor at once."""
        self._put(os.dup(file))

    def sync_folder(self, folder: Path) -> None:
        """Have a folder's entries synced soon."""
        self._put(folder)

    def wait(self) -> None:
        """Return when everything that was asked for before is on the disk."""
        done = threading.Event()
        self._put(done)
        done.wait()

    def _put(self, item: int | Path | threading.Event) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
                self._thread.start()
        self._queue.put(item)

    def _run(self) -> None:
        while True:
            item = self._queue.get()
            if isinstance(item, threading.Event):
                item.set()
                continue
            try:
                if isinstance(item, Path):
                    sync_folder(item)
                else:
                    # What is needed to read the file again, its size among it; no times.
                    os.fdatasync(item)
            except OSError as error:
                log.error("a journal could not be synced to the disk: %s", error)
            finally:
                if isinstance(item, int):
                    os.close(item)


def sync_folder(folder: Path) -> None:
    """Make created, renamed and removed entries of a folder durable; raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that readers see the old or the whole new one, also after a power cut."""
    temporary = path.with_suffix(path.suffix + ".part")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def lock_folder(folder: Path) -> int | None:
    """Lock a folder for as long as the returned descriptor is open; None when another has it.

    The system frees the lock of a process that dies.
    """
    handle = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle
