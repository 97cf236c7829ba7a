"""Reading takes back: tolerant of torn tails, damaged stretches and missing segments."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from media.recording.disk import replace_file, sync_folder
from media.recording.frames import (
    HEADER,
    MAGIC,
    MANIFEST_NAME,
    SUFFIX,
    Damage,
    JournalError,
    Manifest,
    Mark,
    Packet,
    Record,
    Segment,
    Track,
    decode,
    read_records,
)


@dataclass
class Take:
    """A take as it lies in a folder; packets are streamed from the files, never held.

    ``damage`` lists stretches that could not be read, ``missing`` segments that should exist.
    ``first_us`` and ``last_us`` are the earliest and latest time of any record.
    """

    folder: Path
    call: str
    take: str
    started_at: datetime
    tracks: list[Track] = field(default_factory=list)
    segments: list[Path] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    packets: int = 0
    first_us: int | None = None
    last_us: int | None = None
    manifest: Manifest | None = None

    def records(self) -> Iterator[Record]:
        """Every record in the order written, one segment in memory at a time."""
        for path in self.segments:
            for kind, body in read_records(path.read_bytes(), []):
                yield from decode(kind, body)

    def packets_of(self, number: int) -> Iterator[Packet]:
        """The packets of one track, in order of arrival."""
        for record in self.records():
            if isinstance(record, Packet) and record.number == number:
                yield record


def read_take(folder: Path) -> Take:
    """Read a take, sealed or not, changing nothing.

    Damaged stretches are skipped up to the next valid record and listed; a segment whose digest
    differs from the manifest is listed as damaged too. Raises JournalError when the folder holds
    no readable record.
    """
    manifest = _read_manifest(folder / MANIFEST_NAME)
    paths = sorted(folder.glob(f"*{SUFFIX}"))
    take = _identify(folder, paths, manifest)
    for path in paths:
        data = path.read_bytes()
        damage = _scan(take, path, data)
        if manifest is not None and not damage:
            damage = _differs(manifest, path, data)
        take.damage += damage
    take.missing = _missing(paths, manifest)
    return take


def recover_take(folder: Path, reason: str = "recovered") -> Manifest:
    """Seal a take whose writer died: cut the torn tail, digest the segments, write the manifest.

    Returns the existing manifest when the take is sealed already. Raises JournalError when
    nothing readable is left.
    """
    manifest = _read_manifest(folder / MANIFEST_NAME)
    if manifest is not None:
        return manifest
    take = read_take(folder)
    for damage in take.damage:
        if damage.torn_tail:
            _cut(folder / damage.segment, damage.offset)
    segments = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        data = path.read_bytes()
        if len(data) <= len(MAGIC):
            path.unlink()
            continue
        digest = hashlib.sha256(data).hexdigest()
        segments.append(Segment(name=path.name, size=len(data), sha256=digest))
    last = take.last_us or int(take.started_at.timestamp() * 1e6)
    manifest = Manifest(
        call=take.call,
        take=take.take,
        started_at=take.started_at,
        ended_at=datetime.fromtimestamp(last / 1e6, UTC),
        reason=reason,
        packets=take.packets,
        dropped=0,
        tracks=tuple(take.tracks),
        segments=tuple(segments),
        damage=tuple(take.damage),
    )
    replace_file(folder / MANIFEST_NAME, manifest.to_json())
    return manifest


def _read_manifest(path: Path) -> Manifest | None:
    """The manifest, or None when it is absent or no manifest (the segments then speak)."""
    if path.exists():
        with contextlib.suppress(JournalError):
            return Manifest.from_json(path.read_bytes())
    return None


def _identify(folder: Path, paths: list[Path], manifest: Manifest | None) -> Take:
    """An empty take with its names and start: from the manifest, else from any header."""
    if manifest is not None:
        take = Take(folder, manifest.call, manifest.take, manifest.started_at, manifest=manifest)
        take.tracks = list(manifest.tracks)
        return take
    earliest: int | None = None
    for path in paths:
        for kind, body in read_records(path.read_bytes(), []):
            if kind == HEADER:
                header = json.loads(bytes(body))
                started_at = datetime.fromisoformat(header["started_at"])
                return Take(folder, header["call"], header["take"], started_at)
            record = next(decode(kind, body), None)
            if earliest is None and record is not None:
                earliest = record.at_us if isinstance(record, Track) else record.arrival_us
    if earliest is None:
        raise JournalError(f"no readable journal in {folder}")
    # Only headers were lost: the folder is named after the take, its parent after the call.
    started_at = datetime.fromtimestamp(earliest / 1e6, UTC)
    return Take(folder, folder.parent.name, folder.name, started_at)


def _scan(take: Take, path: Path, data: bytes) -> list[Damage]:
    """Add what one segment holds to the take; returns what could not be read."""
    holes: list[tuple[int, int]] = []
    for kind, body in read_records(data, holes):
        if kind == HEADER:
            header = json.loads(bytes(body))
            if header["take"] != take.take:
                raise JournalError(f"{path} belongs to another take")
            for item in header["tracks"]:
                _add_track(take, Track(**item))
            continue
        for record in decode(kind, body):
            _count(take, record)
    take.segments.append(path)
    return [
        Damage(segment=path.name, offset=start, size=end - start, torn_tail=end == len(data))
        for start, end in holes
    ]


def _count(take: Take, record: Record) -> None:
    if isinstance(record, Track):
        _add_track(take, record)
        return
    if isinstance(record, Mark):
        take.marks.append(record)
    elif isinstance(record, Packet):
        take.packets += 1
    take.first_us = min(take.first_us or record.arrival_us, record.arrival_us)
    take.last_us = max(take.last_us or 0, record.arrival_us)


def _add_track(take: Take, track: Track) -> None:
    if all(known.number != track.number for known in take.tracks):
        take.tracks.append(track)


def _differs(manifest: Manifest, path: Path, data: bytes) -> list[Damage]:
    for segment in manifest.segments:
        if segment.name == path.name and hashlib.sha256(data).hexdigest() != segment.sha256:
            return [Damage(segment=path.name, offset=0, size=len(data), torn_tail=False)]
    return []


def _missing(paths: list[Path], manifest: Manifest | None) -> list[str]:
    present = {path.name for path in paths}
    if manifest is not None:
        return [item.name for item in manifest.segments if item.name not in present]
    last = max((int(path.stem) for path in paths), default=0)
    expected = (f"{number:05d}{SUFFIX}" for number in range(1, last + 1))
    return [name for name in expected if name not in present]


def _cut(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)
        os.fsync(file.fileno())
    sync_folder(path.parent)
