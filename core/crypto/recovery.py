"""From shares back to keys: the restore, and the drill that proves beforehand that it works."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from core import audit
from core.clock import Clock
from core.config import Config
from core.crypto.cells import EncryptedTable, encrypted_tables
from core.crypto.columns import context_of
from core.crypto.container import KeyringFileKeys
from core.crypto.kek import FILE, FileKek, Keks, open_keks
from core.crypto.keyring import Keyring
from core.crypto.keys import Key, KeyringError, Purpose
from core.crypto.models import DataKey, KekState, KeyDrill, KeyEncryptionKey, KeyState
from core.crypto.sealing import unseal
from core.crypto.shares import BackupError, BackupFile, Opener, Share, opener_of
from core.crypto.sm import DecryptionError, equal
from core.crypto.vault import Vault, binding, lock
from core.ids import new_id
from core.runtime import Runtime
from core.storage.errors import StorageError
from core.storage.reseal import all_paths
from core.storage.storage import SUFFIX, Storage

#: Rows looked at in each table, from its beginning and from its end; files likewise.
SAMPLES: Final = 5

Name = tuple[str, str]


class DrillStep(StrEnum):
    """What a drill does, in order; a failed one says in `detail["step"]` how far it came."""

    SHARES = "shares"
    BACKUP = "backup"
    COMPARE = "compare"
    CELLS = "cells"
    FILES = "files"
    COMPLETE = "complete"


#: What officers read of a drill that failed at a step.
DRILL_PROBLEMS: dict[str, str] = {
    DrillStep.SHARES: "份额或备份文件无法读取，或份额数量不足",
    DrillStep.BACKUP: "备份中有密钥无法打开，备份可能损坏",
    DrillStep.COMPARE: "备份中的密钥与正在使用的不一致",
    DrillStep.CELLS: "用备份的密钥打不开抽查的数据",
    DrillStep.FILES: "用备份的密钥打不开抽查的文件",
    DrillStep.COMPLETE: "有密钥不在备份中，请重新备份",
}


@dataclass
class Recovered:
    """What shares and a backup give: the rows as they should be, with their secrets."""

    secrets: dict[Name, bytes] = field(default_factory=dict)
    rows: dict[Name, DataKey] = field(default_factory=dict)
    #: Keys of the database that cannot be recovered.
    lost: list[DataKey] = field(default_factory=list)


def read_shares(paths: Sequence[Path], folder: Path) -> tuple[Opener, BackupFile]:
    """Shares and the backup that belongs to them. Raises `BackupError`."""
    opener = opener_of([Share.read(path) for path in paths])
    backup = BackupFile.read(folder)
    if backup.set_id != opener.sealer.set_id:
        raise BackupError("The shares are not of this backup.")
    return opener, backup


def recover(opener: Opener, backup: BackupFile, stored: Sequence[DataKey]) -> Recovered:
    """Open every key: those of the file, and those made since, which only the database has.

    Raises `BackupError` for an escrow that was changed.
    """
    found = Recovered()
    for escrow in backup.keys:
        name = (escrow.purpose, escrow.id)
        found.secrets[name] = _open(opener, escrow.sealed, escrow.binding, escrow.name)
        found.rows[name] = DataKey(
            purpose=escrow.purpose,
            id=escrow.id,
            hospital_id=escrow.hospital_id,
            period=escrow.period,
            state=escrow.state,
            created_at=escrow.created_at,
            active_from=escrow.active_from,
        )
    for row in stored:
        name = (row.purpose, row.id)
        if row.escrow is not None and row.backup_id == opener.sealer.set_id:
            found.secrets[name] = _open(opener, row.escrow, binding(row), f"{row.purpose}:{row.id}")
        if name not in found.secrets:
            found.lost.append(row)
        found.rows[name] = row
    return found


def _open(opener: Opener, sealed: bytes, bound: bytes, name: str) -> bytes:
    try:
        return opener.open(sealed, bound)
    except DecryptionError as error:
        raise BackupError(f"The sealed key '{name}' does not open: {error}") from error


async def _stored(session: AsyncSession) -> list[DataKey]:
    found = await session.scalars(select(DataKey).where(DataKey.state != KeyState.DESTROYED))
    return list(found)


# --- Restore ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did: keys wrapped anew, keys given up, and the new key-encryption key."""

    keys: int
    lost: int
    kek_id: str


async def restore(
    config: Config,
    engine: AsyncEngine,
    clock: Clock,
    *,
    folder: Path,
    shares: Sequence[Path],
    accept_loss: bool = False,
) -> Restored:
    """Wrap all keys with a new key-encryption key, from shares and backup.

    The new key-encryption key is with its provider before the one transaction that uses it, so a
    crash changes nothing. Raises `BackupError`, also when keys would stay lost, unless
    `accept_loss`: their cells and files can then never be read again.
    """
    opener, backup = read_shares(shares, folder)
    keks = _keks(config, clock)
    vault = Vault(engine, keks, clock)
    now = clock.now()
    async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
        await lock(session)
        found = recover(opener, backup, await _stored(session))
        if found.lost and not accept_loss:
            names = ", ".join(f"{row.purpose}:{row.id}" for row in found.lost[:5])
            raise BackupError(
                f"{len(found.lost)} keys are not in this backup ({names} …). Look for a newer one; "
                "--accept-loss gives up what they protect."
            )
        version = keks.preferred.create(now)
        await session.execute(
            text("UPDATE key_encryption_keys SET state = 'retired', retired_at = :now").bindparams(
                now=now
            )
        )
        session.add(
            KeyEncryptionKey(
                id=version.id,
                provider=keks.preferred.kind,
                state=KekState.CURRENT,
                created_at=version.created_at,
                activated_at=now,
            )
        )
        await session.flush()
        hospitals = set(await session.scalars(text("SELECT id FROM hospitals")))
        count = 0
        for name, secret in found.secrets.items():
            row = found.rows[name]
            if row.hospital_id is not None and row.hospital_id not in hospitals:
                # The database is older than the backup and does not know this hospital.
                continue
            row.kek_id = version.id
            row.wrapped = vault.keks.wrap(version.id, secret, binding(row))
            session.add(row)
            count += 1
        for row in found.lost:
            row.state, row.wrapped, row.destroyed_at = KeyState.DESTROYED, None, now
    return Restored(count, len(found.lost), version.id)


def _keks(config: Config, clock: Clock) -> Keks:
    """The providers, with a fresh key file where it is missing."""
    if config.kek == FILE and not config.keys.exists():
        FileKek.create_file(config.keys, clock.now())
    return open_keks(config)


# --- Drill --------------------------------------------------------------------------------------


async def drill(runtime: Runtime, *, folder: Path, shares: Sequence[Path]) -> KeyDrill:
    """Recover all keys from shares and backup in memory and open samples of the data with them.

    Changes nothing but the record of the drill, which says what failed.
    """
    detail: dict[str, Any] = {}
    backup_id: UUID | None = None
    samples = 0
    step = DrillStep.SHARES
    try:
        opener, backup = read_shares(shares, folder)
        backup_id = opener.sealer.set_id
        step = DrillStep.BACKUP
        async with AsyncSession(runtime.engine) as session:
            found = recover(opener, backup, await _stored(session))
        detail |= {"keys": len(found.secrets), "lost": len(found.lost)}
        step = DrillStep.COMPARE
        _compare(found, runtime.keyring)
        ring = _ring(found)
        step = DrillStep.CELLS
        cells = await _open_cells(runtime.engine, ring)
        step = DrillStep.FILES
        files = await _open_files(runtime.storage, ring)
        step = DrillStep.COMPLETE
        detail |= {"cells": cells, "files": files}
        samples = cells + files
        ok = not found.lost
        if found.lost:
            detail["problem"] = f"{len(found.lost)} keys are not in the backup."
    except (KeyringError, DecryptionError, StorageError) as error:
        ok, detail["problem"] = False, str(error)
    if not ok:
        detail["step"] = step.value
    async with runtime.unit_of_work() as uow:
        row = KeyDrill(
            id=new_id(), backup_id=backup_id, at=uow.now, ok=ok, samples=samples, detail=detail
        )
        uow.session.add(row)
        await audit.record(
            uow, None, "keys.drill", "key_drill", row.id, detail={"ok": ok, **detail}
        )
    return row


def _compare(found: Recovered, live: Keyring) -> None:
    """What was recovered is what this process works with."""
    for (purpose, key_id), secret in found.secrets.items():
        if key_id in live.key_ids(Purpose(purpose)):
            held = live.find(Purpose(purpose), key_id).secret
            if not equal(held, secret):
                raise BackupError(f"The backup holds another key by the name '{purpose}:{key_id}'.")


def _ring(found: Recovered) -> Keyring:
    keys: dict[Purpose, dict[str, Key]] = defaultdict(dict)
    for (purpose, key_id), secret in found.secrets.items():
        row = found.rows[purpose, key_id]
        keys[Purpose(purpose)][key_id] = Key(key_id, secret, row.created_at)
    return Keyring(keys)


async def _open_cells(engine: AsyncEngine, ring: Keyring) -> int:
    opened = 0
    async with engine.connect() as connection:
        for place in encrypted_tables():
            for newest in (False, True):
                query = place.page(None, SAMPLES)
                if newest:
                    query = query.order_by(None).order_by(*(each.desc() for each in place.key))
                for row in await connection.execute(query):
                    opened += _open_row(place, row, ring)
    return opened


def _open_row(place: EncryptedTable, row: Any, ring: Keyring) -> int:
    opened = 0
    for column in place.columns:
        cell = getattr(row, f"cell_{column.name}")
        if cell is not None:
            unseal(ring, context_of(column), bytes(cell))
            opened += 1
    return opened


async def _open_files(storage: Storage, ring: Keyring) -> int:
    apart = storage.with_keys(KeyringFileKeys(ring))
    paths = [path for path in await all_paths(storage) if path.endswith(SUFFIX)]
    chosen = dict.fromkeys([*paths[:SAMPLES], *paths[-SAMPLES:]])
    for path in chosen:
        async for _ in apart.stream(path.removesuffix(SUFFIX)):
            # One piece is enough: its tag holds.
            break
    return len(chosen)
