"""Writing a key backup: a file of sealed keys and one share for every officer."""

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from core import audit
from core.crypto.models import DataKey, KeyBackup, KeyState
from core.crypto.private_file import write_private_json
from core.crypto.shamir import ShareError, split
from core.crypto.shares import (
    BACKUP_NAME,
    BackupError,
    BackupFile,
    Escrow,
    Opener,
    Sealer,
    Share,
)
from core.crypto.vault import Vault, binding, lock
from core.ids import new_id
from core.runtime import Runtime


async def make_backup(
    runtime: Runtime, folder: Path, *, officers: int, needed: int
) -> tuple[KeyBackup, list[Path]]:
    """Seal all keys under a fresh set, write backup and shares into `folder`, and note the set.

    The files are on the disk before the set counts: a crash leaves files of a set that nobody uses.
    Returns the backup and the files, the shares last. Raises `BackupError` and `KeyringError`.
    """
    vault, now = runtime.port(Vault), runtime.clock.now()
    _require_empty(folder)
    opener = Opener.fresh(new_id())
    sealer = opener.sealer
    try:
        points = split(opener.secret, needed, officers)
    except ShareError as error:
        raise BackupError(str(error)) from error
    async with runtime.unit_of_work() as uow:
        rows = await _rows(uow.session)
    keys = tuple(_escrow(row, sealer.seal(vault.open(row), binding(row))) for row in rows)
    files = [_write_backup(folder, BackupFile(sealer.set_id, now, keys))]
    for point in points:
        share = Share(sealer.set_id, now, needed, officers, point)
        path = folder / share.file_name
        write_private_json(path, share.document(), exclusive=True)
        files.append(path)
    backup = KeyBackup(
        id=sealer.set_id,
        at=now,
        officers=officers,
        needed=needed,
        public_key=sealer.public_key,
        check_key=sealer.check_key,
        stamp=sealer.stamp(),
    )
    async with runtime.unit_of_work() as uow:
        await lock(uow.session)
        uow.session.add(backup)
        await uow.session.flush()
        await _seal_rows(uow.session, vault, sealer)
        detail = {"officers": officers, "needed": needed, "keys": len(keys)}
        await audit.record(uow, None, "keys.backup", "key_backup", backup.id, detail=detail)
    return backup, files


async def _seal_rows(session: AsyncSession, vault: Vault, sealer: Sealer) -> None:
    for row in await _rows(session):
        row.backup_id, row.escrow = sealer.set_id, sealer.seal(vault.open(row), binding(row))
    await session.flush()


async def refresh_backup(runtime: Runtime, folder: Path) -> int:
    """Write the sealed keys of the latest set again, with those made since; the shares stay good.

    Returns how many keys it holds. Raises `BackupError`.
    """
    async with runtime.unit_of_work() as uow:
        latest = await latest_backup(uow.session)
        if latest is None:
            raise BackupError("There is no backup yet: 'zhenjian keys backup' makes the first one.")
        rows = [row for row in await _rows(uow.session) if row.backup_id == latest.id]
        keys = tuple(_escrow(row, row.escrow) for row in rows if row.escrow is not None)
        _write_backup(folder, BackupFile(latest.id, uow.now, keys))
        detail = {"keys": len(keys)}
        await audit.record(uow, None, "keys.backup_refresh", "key_backup", latest.id, detail=detail)
    return len(keys)


async def latest_backup(session: AsyncSession) -> KeyBackup | None:
    """The set that new keys are sealed for."""
    found: KeyBackup | None = await session.scalar(
        select(KeyBackup).order_by(KeyBackup.at.desc(), KeyBackup.id.desc()).limit(1)
    )
    return found


def _require_empty(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise BackupError(f"The folder {folder} is not empty.")


async def _rows(session: AsyncSession) -> list[DataKey]:
    found = await session.scalars(
        select(DataKey)
        .where(DataKey.state != KeyState.DESTROYED)
        .order_by(DataKey.purpose, DataKey.created_at, DataKey.id)
    )
    return list(found)


def _write_backup(folder: Path, backup: BackupFile) -> Path:
    path = folder / BACKUP_NAME
    write_private_json(path, backup.document(), exclusive=False)
    return path


def _escrow(row: DataKey, sealed: bytes) -> Escrow:
    return Escrow(
        purpose=row.purpose,
        id=row.id,
        hospital_id=row.hospital_id,
        period=row.period,
        state=row.state,
        created_at=row.created_at,
        active_from=row.active_from,
        sealed=sealed,
    )
