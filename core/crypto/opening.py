"""Opening the keys at the start of a process, and making or taking in the first ones.

An installation begins with one key of the group per purpose. The key file of earlier versions
(format `zhenjian-keyring-1`) is taken in: its keys become keys of the group, nothing is encrypted
anew, and the file holds the key-encryption key from then on. The steps, each whole by itself:

1. the new key-encryption key is written beside the old file (`keys.json.kek`);
2. one transaction stores all keys, wrapped;
3. the old file gets a second name (`keys.json.old`), kept until `zhenjian keys confirm`;
4. the key-encryption key takes the place of the old file.

After a crash the next start begins again at 1 and finds what is done.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from core.clock import Clock
from core.config import Config
from core.crypto.kek import (
    PKCS11,
    FileKek,
    is_kek_file,
    open_keks,
    pending_path,
    replace_key_file,
)
from core.crypto.keyring import Keyring
from core.crypto.keys import Key, KeyringError, Purpose
from core.crypto.models import DataKey, RunKind
from core.crypto.rotation import plan
from core.crypto.vault import NewKey, Vault, lock

log = structlog.get_logger(__name__)


async def open_vault(config: Config, engine: AsyncEngine, clock: Clock) -> tuple[Vault, Keyring]:
    """The vault and its keys, after the first keys were made or an old key file was taken in.

    Raises `KeyringError` when keys are missing or do not open.
    """
    await ready(config, engine, clock)
    vault = Vault(engine, open_keks(config), clock)
    return vault, await vault.load()


async def ready(config: Config, engine: AsyncEngine, clock: Clock) -> None:
    """Make the first keys or take in the old key file, where that is still to be done."""
    if not is_old_file(config.keys) and await _complete(engine):
        return
    vault_of = _VaultMaker(config, engine, clock)
    async with AsyncSession(engine) as session, session.begin():
        # Every process of a first start may come here; one does the work.
        await lock(session)
        if is_old_file(config.keys):
            await _take_in(vault_of, session)
        else:
            await _found(vault_of(), session)
    async with AsyncSession(engine) as session, session.begin():
        await lock(session)
        if is_old_file(config.keys):
            # Only now is what the new file opens really in the database.
            replace_key_file(config.keys, in_module=config.kek == PKCS11)
            log.info("key_file_taken_in", file=str(config.keys))


@dataclass(frozen=True, slots=True)
class _VaultMaker:
    config: Config
    engine: AsyncEngine
    clock: Clock

    def __call__(self) -> Vault:
        return Vault(self.engine, open_keks(self.config), self.clock)


def is_old_file(path: Path) -> bool:
    """Whether this is a key file of earlier versions. A missing file is none."""
    try:
        return not is_kek_file(path)
    except FileNotFoundError:
        return False


def check_kek(config: Config) -> None:
    """Raise `KeyringError` when the key-encryption key (or an old key file) cannot be read."""
    if is_old_file(config.keys):
        Keyring.load(config.keys)
    else:
        open_keks(config)


async def _complete(engine: AsyncEngine) -> bool:
    async with AsyncSession(engine) as session:
        return not await _missing(session)


async def _missing(session: AsyncSession) -> list[Purpose]:
    """The purposes for which the group has no key."""
    present = await session.scalars(
        select(DataKey.purpose).where(DataKey.hospital_id.is_(None)).distinct()
    )
    there = set(present)
    return [purpose for purpose in Purpose if purpose not in there]


async def _found(vault: Vault, session: AsyncSession) -> None:
    missing = await _missing(session)
    if len(missing) == len(Purpose) and await _has_data(session):
        raise KeyringError(
            "The database holds data but no keys. Put the key file that belongs to it in place, "
            "or restore the keys ('zhenjian keys restore')."
        )
    await vault.make(session, [NewKey(purpose) for purpose in missing])


async def _has_data(session: AsyncSession) -> bool:
    return bool(await session.scalar(text("SELECT EXISTS (SELECT 1 FROM users)")))


async def _take_in(vault_of: _VaultMaker, session: AsyncSession) -> None:
    path = vault_of.config.keys
    ring = Keyring.load(path)
    if vault_of.config.kek != PKCS11:
        _waiting_kek(pending_path(path), vault_of.clock.now())
    vault = vault_of()
    stored = await session.scalar(select(func.count()).select_from(DataKey))
    for purpose, key in ring.all_keys():
        row = await session.get(DataKey, (purpose.value, key.id))
        if row is not None:
            _agree(vault, row, key)
        elif stored:
            raise KeyringError(
                f"The key file {path} is not the one of this database: its key "
                f"'{key.id}' is unknown there."
            )
        else:
            await vault.put(session, purpose, key)
    await session.flush()
    await _found(vault, session)
    if not stored:
        # Files were not encrypted then: until this run is done they are read as they are.
        now = vault.clock.now()
        await plan(session, RunKind.CONVERT, now, now)


def _waiting_kek(path: Path, now: datetime) -> None:
    if not path.exists():
        FileKek.create_file(path, now)


def _agree(vault: Vault, row: DataKey, key: Key) -> None:
    """An earlier start has stored this key; check that it can be read back."""
    if vault.open(row) != key.secret:
        raise KeyringError(f"The database holds another key by the name '{key.id}'.")
