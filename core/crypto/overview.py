"""The state of the keys at a glance, for page, commands and warnings. No key material."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from core import settings
from core.crypto.backup import latest_backup
from core.crypto.keys import Purpose
from core.crypto.models import (
    DataKey,
    KekState,
    KeyBackup,
    KeyDrill,
    KeyEncryptionKey,
    KeyRun,
    KeyRunPart,
    KeyState,
    RunKind,
    RunState,
)
from core.crypto.settings import BACKUP_DAYS, DRILL_DAYS, KEK_DAYS
from core.uow import UnitOfWork


class KeyStage(StrEnum):
    """Where a data key is in its life."""

    PUBLISHED = "published"
    CURRENT = "current"
    RETIRED = "retired"
    DESTROYED = "destroyed"


class Warning(StrEnum):
    """What somebody should do something about."""

    KEK_OLD = "kek_old"
    NO_BACKUP = "no_backup"
    BACKUP_OLD = "backup_old"
    KEYS_UNCOVERED = "keys_uncovered"
    NO_DRILL = "no_drill"
    DRILL_OLD = "drill_old"
    DRILL_FAILED = "drill_failed"
    OLD_KEY_FILE = "old_key_file"
    CONVERTING = "converting"
    RUN_WITH_FAILURES = "run_with_failures"


@dataclass(frozen=True)
class KeyLine:
    """A data key without its secret."""

    purpose: Purpose
    id: str
    hospital_id: UUID | None
    period: str | None
    stage: KeyStage
    created_at: datetime
    active_from: datetime | None
    retired_at: datetime | None
    backed_up: bool


@dataclass(frozen=True)
class RunLine:
    """A run with its parts."""

    run: KeyRun
    parts: Sequence[KeyRunPart]

    @property
    def failed(self) -> int:
        return sum(part.failed for part in self.parts) + sum(
            bool(part.error) for part in self.parts
        )

    @property
    def done(self) -> float:
        """From 0 to 1, parts weighed by their rows."""
        if self.run.state != RunState.RUNNING:
            return 1.0
        whole = sum(max(part.total, 1) for part in self.parts)
        through = sum(
            max(part.total, 1) if part.finished_at else min(part.seen, part.total)
            for part in self.parts
        )
        return through / whole if whole else 0.0


@dataclass(frozen=True)
class Overview:
    """Everything but the keys themselves."""

    kek: KeyEncryptionKey | None
    old_keks: Sequence[KeyEncryptionKey]
    backup: KeyBackup | None
    drill: KeyDrill | None
    uncovered: int
    runs: Sequence[RunLine]
    warnings: Sequence[Warning]


async def overview(
    uow: UnitOfWork, *, only: UUID | None = None, old_key_file: bool = False
) -> Overview:
    """The state of the installation's keys; runs of one hospital and of everything when `only`."""
    session = uow.session
    keks = list(
        await session.scalars(
            select(KeyEncryptionKey).order_by(KeyEncryptionKey.activated_at.desc())
        )
    )
    kek = next((each for each in keks if each.state == KekState.CURRENT), None)
    backup = await latest_backup(session)
    drill = await session.scalar(
        select(KeyDrill).order_by(KeyDrill.at.desc(), KeyDrill.id.desc()).limit(1)
    )
    covered = DataKey.backup_id == backup.id if backup is not None else ~true()
    uncovered = await session.scalar(
        select(func.count())
        .select_from(DataKey)
        .where(DataKey.state != KeyState.DESTROYED, covered.is_not(True))
    )
    runs = await recent_runs(session, only)
    warnings = [
        *_about_kek(uow.now, kek, await settings.get(uow, KEK_DAYS)),
        *_about_backup(uow.now, backup, uncovered or 0, await settings.get(uow, BACKUP_DAYS)),
        *_about_drill(uow.now, drill, await settings.get(uow, DRILL_DAYS)),
        *([Warning.OLD_KEY_FILE] if old_key_file else []),
        *_about_runs(runs),
    ]
    return Overview(
        kek=kek,
        old_keks=[each for each in keks if each is not kek],
        backup=backup,
        drill=drill,
        uncovered=uncovered or 0,
        runs=runs,
        warnings=warnings,
    )


def _about_kek(now: datetime, kek: KeyEncryptionKey | None, days: int) -> list[Warning]:
    old = kek is not None and now - kek.activated_at > timedelta(days=days)
    return [Warning.KEK_OLD] if old else []


def _about_backup(
    now: datetime, backup: KeyBackup | None, uncovered: int, days: int
) -> list[Warning]:
    if backup is None:
        return [Warning.NO_BACKUP]
    found = [Warning.KEYS_UNCOVERED] if uncovered else []
    return [*found, Warning.BACKUP_OLD] if now - backup.at > timedelta(days=days) else found


def _about_drill(now: datetime, drill: KeyDrill | None, days: int) -> list[Warning]:
    if drill is None:
        return [Warning.NO_DRILL]
    if not drill.ok:
        return [Warning.DRILL_FAILED]
    return [Warning.DRILL_OLD] if now - drill.at > timedelta(days=days) else []


def _about_runs(runs: Sequence[RunLine]) -> list[Warning]:
    found = []
    if any(
        each.run.kind == RunKind.CONVERT and each.run.state == RunState.RUNNING for each in runs
    ):
        found.append(Warning.CONVERTING)
    if runs and runs[0].failed:
        found.append(Warning.RUN_WITH_FAILURES)
    return found


async def recent_runs(session: AsyncSession, only: UUID | None, limit: int = 5) -> list[RunLine]:
    """The latest runs, newest first, each with its parts."""
    runs = await session.scalars(
        select(KeyRun)
        .where(_mine(KeyRun.hospital_id, only))
        .order_by(KeyRun.started_at.desc(), KeyRun.id.desc())
        .limit(limit)
    )
    found = []
    for run in runs:
        parts = await session.scalars(
            select(KeyRunPart).where(KeyRunPart.run_id == run.id).order_by(KeyRunPart.target)
        )
        found.append(RunLine(run, list(parts)))
    return found


async def key_lines(uow: UnitOfWork, only: UUID | None = None) -> list[KeyLine]:
    """The data keys of the group and of all hospitals (or of `only` one), newest first."""
    rows = list(
        await uow.session.scalars(
            select(DataKey)
            .where(_mine(DataKey.hospital_id, only))
            .order_by(DataKey.hospital_id, DataKey.purpose, DataKey.created_at.desc(), DataKey.id)
        )
    )
    backup = await latest_backup(uow.session)
    writers = _writers(rows, uow.now)
    return [
        KeyLine(
            purpose=Purpose(row.purpose),
            id=row.id,
            hospital_id=row.hospital_id,
            period=row.period,
            stage=_stage(row, uow.now, (row.purpose, row.id) in writers),
            created_at=row.created_at,
            active_from=row.active_from,
            retired_at=row.retired_at,
            backed_up=backup is not None and row.backup_id == backup.id,
        )
        for row in rows
    ]


def _mine(column: InstrumentedAttribute[UUID | None], only: UUID | None) -> ColumnElement[bool]:
    return true() if only is None else or_(column == only, column.is_(None))


def _writers(rows: Sequence[DataKey], now: datetime) -> set[tuple[str, str]]:
    latest: dict[tuple[str, UUID | None], DataKey] = {}
    for row in rows:
        active = row.active_from or row.created_at
        if row.state != KeyState.LIVE or (row.active_from is not None and active > now):
            continue
        place = (row.purpose, row.hospital_id)
        other = latest.get(place)
        if other is None or active > (other.active_from or other.created_at):
            latest[place] = row
    return {(row.purpose, row.id) for row in latest.values()}


def _stage(row: DataKey, now: datetime, writes: bool) -> KeyStage:
    if row.state == KeyState.DESTROYED:
        return KeyStage.DESTROYED
    if writes:
        return KeyStage.CURRENT
    if row.state == KeyState.LIVE and row.active_from is not None and row.active_from > now:
        return KeyStage.PUBLISHED
    return KeyStage.RETIRED
