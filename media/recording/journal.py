"""The crash-safe journal of a call: what the media worker received, as it received it.

A *take* is one worker life of one call. Its folder holds append-only segments (``00001.zjr``, ...)
and, once sealed, ``manifest.json``. Every segment begins with a header record that repeats the
tracks known so far, so that one lost segment costs its own packets and nothing else. The bytes
are described in ``frames``; ``read_take`` and ``recover_take`` live in ``take``.

The writer is synchronous and cheap: packets are put down in ``waiting``, ``flush`` makes one record
of those that came since and hands it to the operating system (what a killed process loses is what
was not flushed), and ``fsync`` runs in one thread of the process (what a power cut loses). All
times are microseconds of Unix time, taken from ``wall_us`` so that a step of the system clock in
mid-call tears nothing.
"""

import hashlib
import json
import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from media.recording.disk import Syncer, lock_folder, replace_file
from media.recording.frames import (
    HEADER,
    MAGIC,
    MANIFEST_NAME,
    MARK,
    MARK_TIME,
    PACKETS,
    REPORT,
    REPORT_BODY,
    SUFFIX,
    TRACK,
    JournalError,
    Manifest,
    Segment,
    Track,
    frame,
    frame_head,
    packets_body,
)
from media.recording.take import Take, read_take, recover_take
from media.sfu.recorder import Waiting

__all__ = [
    "JournalError",
    "JournalWriter",
    "Manifest",
    "Segment",
    "Take",
    "Track",
    "read_take",
    "recover_take",
    "wall_us",
]

FLUSH_US = 200_000
SYNC_US = 1_000_000
ROLL_US = 10_000_000
ROLL_BYTES = 4 * 1024 * 1024
FLUSH_BYTES = 256 * 1024
MAX_BUFFER_BYTES = 8 * 1024 * 1024
EARLIEST_US = 1_000_000_000_000_000

_ANCHOR_NS = time.time_ns() - time.monotonic_ns()


def wall_us() -> int:
    """Microseconds of Unix time that never run backwards in this process."""
    return (_ANCHOR_NS + time.monotonic_ns()) // 1000


_syncer = Syncer()


class JournalWriter:
    """Writes one take. Not thread-safe: the packet loop owns it until ``seal``.

    The worker calls ``flush`` and ``roll_if_due`` from a timer at least every 200 ms; whoever puts
    down packets calls ``flush`` when many wait. A disk that refuses (full, gone) never raises into
    the packet path: ``failed`` holds the error, up to 8 MiB wait in memory, and packets beyond
    that are counted in ``dropped``.
    """

    def __init__(self, folder: Path, call: str, take: str, started_at: datetime) -> None:
        self.folder = folder
        self.call = call
        self.take = take
        self.started_at = started_at.astimezone(UTC)
        self.failed: OSError | None = None
        #: Packets that were taken, without those that wait.
        self.packets = 0
        self.dropped = 0
        self.tracks: list[Track] = []
        self._segments: list[Segment] = []
        #: Packets that no record holds yet. They are put down with the number of their track.
        self.waiting = Waiting(FLUSH_BYTES)
        #: Records to be written, and how long they are together.
        self._pieces: list[bytes] = []
        self._unwritten = 0
        self._file = -1
        self._sealed: Manifest | None = None
        self._opened_us = 0
        self._flushed_us = 0
        self._synced_us = 0
        self._last_us = 0
        folder.mkdir(parents=True, exist_ok=True)
        # Several workers share a folder of journals: a locked take is being written.
        self._lock = lock_folder(folder)
        self._begin_segment(_create(self.path))

    @property
    def path(self) -> Path:
        """The segment that is being written."""
        return self._path_of(len(self._segments) + 1)

    def _path_of(self, number: int) -> Path:
        return self.folder / f"{number:05d}{SUFFIX}"

    def add_track(
        self,
        track_id: str,
        user: str,
        kind: Literal["audio", "video"],
        codec: str,
        clock_rate: int,
        payload_type: int,
        ssrc: int,
        now_us: int,
    ) -> int:
        """Announce a stream and get its short number for ``packet`` and ``sender_report``.

        ``codec`` is ``opus``, ``vp8`` or ``h264``. Raises ValueError when ``now_us`` is not
        Unix time or 65,535 tracks exist.
        """
        if now_us < EARLIEST_US:
            raise ValueError("journal times are microseconds of Unix time: use journal.wall_us()")
        if len(self.tracks) >= 0xFFFF:
            raise ValueError("too many tracks in one take")
        track = Track(
            number=len(self.tracks) + 1,
            track_id=track_id,
            user=user,
            kind=kind,
            codec=codec.lower(),
            clock_rate=clock_rate,
            payload_type=payload_type,
            ssrc=ssrc,
            at_us=now_us,
        )
        self.tracks.append(track)
        self._append(TRACK, json.dumps(vars(track)).encode())
        self._passed(now_us)
        return track.number

    def sender_report(self, number: int, arrival_us: int, ntp: int, rtp_timestamp: int) -> None:
        """Append the times of an RTCP sender report: 64-bit NTP and 32-bit RTP timestamp."""
        self._append(REPORT, REPORT_BODY.pack(number, arrival_us, ntp, rtp_timestamp))
        self._passed(arrival_us)

    def mark(self, kind: str, arrival_us: int, data: dict[str, Any]) -> None:
        """Append an event: see ``Mark`` for the kinds and their data."""
        body = json.dumps({"kind": kind, "data": data}, ensure_ascii=False).encode()
        self._append(MARK, MARK_TIME.pack(arrival_us) + body)
        self._passed(arrival_us)

    def flush(self) -> None:
        """Hand everything to the operating system, and to the disk's thread once a second."""
        self._gather()
        if self._file < 0:
            return
        self._flushed_us = max(self._last_us, self._flushed_us)
        if self._pieces and not self._write(b"".join(self._pieces)):
            return
        now = time.monotonic_ns() // 1000
        if now - self._synced_us >= SYNC_US:
            self._synced_us = now
            _syncer.sync(self._file)

    def _gather(self) -> None:
        """Make one record of the packets that wait, or drop them where there is no room."""
        if not self.waiting.rows:
            return
        rows, parts = self.waiting.take()
        if self._file < 0 or self._unwritten > MAX_BUFFER_BYTES:
            self.dropped += len(rows) // 3
            return
        body = packets_body(rows, parts)
        self._add(frame_head(PACKETS, body), body)
        self.packets += len(rows) // 3
        self._last_us = max(self._last_us, rows[-2])

    def _write(self, data: bytes) -> bool:
        """Write what waits; what the disk refuses of it waits on, and then this is False."""
        rest = memoryview(data)
        while rest:
            try:
                written = os.write(self._file, rest)
            except OSError as error:
                self.failed = error
                self._pieces, self._unwritten = [bytes(rest)], len(rest)
                return False
            self._digest.update(rest[:written])
            self._size += written
            rest = rest[written:]
            self.failed = None
        self._pieces.clear()
        self._unwritten = 0
        return True

    def roll_if_due(self, now_us: int) -> Path | None:
        """Close the segment when it is 10 s old or 4 MiB large; returns the closed file.

        A segment without records is not closed. The closed file does not change any more and may
        be uploaded at once.
        """
        self.flush()
        if self._file < 0 or self._pieces or self._size <= self._header_size:
            self._opened_us = now_us
            return None
        if self._size < ROLL_BYTES and now_us - self._opened_us < ROLL_US:
            return None
        try:
            following = _create(self._path_of(len(self._segments) + 2))
        except OSError as error:
            # The segment that there is goes on.
            self.failed = error
            return None
        path = self._close_segment()
        self._begin_segment(following)
        self._opened_us = now_us
        return path

    def seal(self, reason: str) -> Manifest:
        """Close the take for good and write its manifest; returns the same one when repeated.

        Waits for the disk: call it in a thread. Raises OSError when the disk refuses; what was
        flushed until then can still be sealed by ``recover_take``, for the take is let go.
        """
        if self._sealed is None:
            try:
                self._sealed = self._seal(reason)
            finally:
                self.let_go()
        return self._sealed

    def abandon(self) -> None:
        """Give up a take that holds no packet yet, and what lies of it on the disk."""
        os.close(self._file)
        self._file = -1
        self.let_go()
        shutil.rmtree(self.folder, ignore_errors=True)

    def let_go(self) -> None:
        """Give up the lock on the take, as a process that dies does."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _seal(self, reason: str) -> Manifest:
        self.flush()
        if self._pieces:
            raise self.failed or OSError("the journal could not be written")
        if self._size > self._header_size:
            self._close_segment()
        else:
            empty = self.path
            os.close(self._file)
            empty.unlink()
        self._file = -1
        _syncer.wait()
        last_us = max(self._last_us, int(self.started_at.timestamp() * 1e6))
        manifest = Manifest(
            call=self.call,
            take=self.take,
            started_at=self.started_at,
            ended_at=datetime.fromtimestamp(last_us / 1e6, UTC),
            reason=reason,
            packets=self.packets,
            dropped=self.dropped,
            tracks=tuple(self.tracks),
            segments=tuple(self._segments),
        )
        replace_file(self.folder / MANIFEST_NAME, manifest.to_json())
        return manifest

    def _passed(self, now_us: int) -> None:
        self._last_us = max(self._last_us, now_us)
        self._opened_us = self._opened_us or now_us
        if self._last_us - self._flushed_us >= FLUSH_US or self._unwritten >= FLUSH_BYTES:
            self.flush()

    def _append(self, kind: int, body: bytes) -> None:
        # What came before stands before it.
        self._gather()
        if self._file >= 0:
            self._add(frame(kind, body))

    def _add(self, *pieces: bytes) -> None:
        self._pieces += pieces
        self._unwritten += sum(map(len, pieces))

    def _begin_segment(self, file: int) -> None:
        header = {
            "call": self.call,
            "take": self.take,
            "segment": len(self._segments) + 1,
            "started_at": self.started_at.isoformat(),
            "tracks": [vars(track) for track in self.tracks],
        }
        self._file = file
        self._digest = hashlib.sha256()
        self._size = 0
        self._add(MAGIC + frame(HEADER, json.dumps(header).encode()))
        self._header_size = self._unwritten
        self.flush()
        _syncer.sync_folder(self.folder)

    def _close_segment(self) -> Path:
        path = self.path
        _syncer.sync(self._file)
        os.close(self._file)
        digest = self._digest.hexdigest()
        self._segments.append(Segment(name=path.name, size=self._size, sha256=digest))
        return path


def _create(path: Path) -> int:
    """A new file of this name, open for writing. Raises OSError."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
