"""Changing keys: the key-encryption key at once, data keys with the work that follows from it."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from core import settings
from core.crypto.cells import encrypted_tables
from core.crypto.errors import RunUnderWay
from core.crypto.keys import KeyringError, Purpose
from core.crypto.models import (
    DataKey,
    KekState,
    KeyEncryptionKey,
    KeyRun,
    KeyRunPart,
    KeyState,
    RunKind,
    RunState,
)
from core.crypto.periods import Owner, Period, keys_to_make
from core.crypto.settings import PERIOD
from core.crypto.vault import ACTIVATION, NewKey, Vault, binding, lock
from core.ids import new_id
from core.uow import UnitOfWork

#: The part of a run that is about stored files; the other parts are named after their tables.
FILES: Final = "stored files"
#: Work begins a little after the new keys write, for clocks that differ.
MARGIN: Final = timedelta(seconds=30)


async def rotate_kek(session: AsyncSession, vault: Vault) -> KeyEncryptionKey:
    """Wrap every data key anew with a fresh version; all or none, in the caller's transaction.

    The version is made with its provider first and becomes current with the commit: a crash
    between leaves a version that wraps nothing, which the next attempt takes. The old version stays
    with its provider (`forget_kek`), because backups of the database need it. Raises
    `KeyringError`.
    """
    await lock(session)
    old = await vault.current_kek(session)
    fresh = await _unused_version(session, vault)
    now = vault.clock.now()
    old.state, old.retired_at = KekState.RETIRED, now
    await session.flush()
    new = KeyEncryptionKey(
        id=fresh,
        provider=vault.keks.preferred.kind,
        state=KekState.CURRENT,
        created_at=now,
        activated_at=now,
    )
    session.add(new)
    await session.flush()
    rows = await session.scalars(
        select(DataKey).where(DataKey.state != KeyState.DESTROYED).with_for_update()
    )
    for row in rows:
        secret = vault.open(row)
        row.kek_id, row.wrapped = fresh, vault.keks.wrap(fresh, secret, binding(row))
    await session.flush()
    return new


async def _unused_version(session: AsyncSession, vault: Vault) -> str:
    """A version that an earlier attempt has left, or a new one."""
    known = set(await session.scalars(select(KeyEncryptionKey.id)))
    left = [each.id for each in vault.keks.preferred.versions() if each.id not in known]
    return left[-1] if left else vault.keks.preferred.create(vault.clock.now()).id


async def forget_kek(session: AsyncSession, vault: Vault, kek_id: str) -> None:
    """Destroy a version of the key-encryption key. Raises `KeyringError` while it wraps a key."""
    await lock(session)
    row = await session.get(KeyEncryptionKey, kek_id)
    used = await session.scalar(
        select(func.count())
        .select_from(DataKey)
        .where(DataKey.kek_id == kek_id, DataKey.state != KeyState.DESTROYED)
    )
    if used or (row is not None and row.state == KekState.CURRENT):
        raise KeyringError(f"The key-encryption key '{kek_id}' is in use.")
    vault.keks.forget(kek_id)


async def owners(session: AsyncSession) -> list[Owner]:
    """The group (None) and every hospital."""
    found = await session.scalars(text("SELECT id FROM hospitals ORDER BY id"))
    return [None, *found]


async def start_rotation(
    uow: UnitOfWork, vault: Vault, scope: Sequence[Owner], started_by: UUID | None = None
) -> KeyRun:
    """Publish new data, file and row keys for these owners and plan the re-encryption.

    One owner, or all of them. Raises RunUnderWay.
    """
    session = uow.session
    await lock(session)
    if await under_way(session):
        raise RunUnderWay()
    period = Period(await settings.get(uow, PERIOD))
    now = vault.clock.now()
    await vault.make(
        session,
        [
            NewKey(purpose, owner, period.label(now), now + ACTIVATION)
            for owner in scope
            for purpose in Purpose
            if purpose.of_hospitals
        ],
    )
    only = scope[0] if len(scope) == 1 else None
    return await plan(session, RunKind.ROTATE, now, now + ACTIVATION + MARGIN, only, started_by)


async def plan(
    session: AsyncSession,
    kind: RunKind,
    now: datetime,
    begin_at: datetime,
    hospital_id: UUID | None = None,
    started_by: UUID | None = None,
) -> KeyRun:
    """A run with one part for every table with encrypted columns and one for the stored files."""
    run = KeyRun(
        id=new_id(),
        kind=kind,
        hospital_id=hospital_id,
        state=RunState.RUNNING,
        begin_at=begin_at,
        started_at=now,
        started_by=started_by,
    )
    session.add(run)
    await session.flush()
    targets = [FILES]
    if kind == RunKind.ROTATE:
        targets = [*(each.name for each in encrypted_tables()), FILES]
    session.add_all(
        KeyRunPart(run_id=run.id, target=target, total=0, seen=0, changed=0, failed=0)
        for target in targets
    )
    await session.flush()
    return run


async def under_way(session: AsyncSession, kind: RunKind = RunKind.ROTATE) -> KeyRun | None:
    """The run of this kind that is not over."""
    found: KeyRun | None = await session.scalar(
        select(KeyRun).where(KeyRun.state == RunState.RUNNING, KeyRun.kind == kind).limit(1)
    )
    return found


async def retire_superseded(session: AsyncSession, now: datetime) -> int:
    """Keys whose successor writes everywhere write no longer; they read until nothing needs them.

    Returns how many there were.
    """
    await lock(session)
    live = await session.scalars(
        select(DataKey).where(
            DataKey.state == KeyState.LIVE,
            func.coalesce(DataKey.active_from, text("'-infinity'")) <= now - ACTIVATION,
        )
    )
    by_owner: dict[tuple[str, Owner], list[DataKey]] = defaultdict(list)
    for row in live:
        by_owner[row.purpose, row.hospital_id].append(row)
    count = 0
    for rows in by_owner.values():
        rows.sort(key=lambda row: (row.active_from or row.created_at, row.created_at))
        for row in rows[:-1]:
            row.state, row.retired_at = KeyState.RETIRED, now
            count += 1
    await session.flush()
    return count


async def make_due_keys(uow: UnitOfWork, vault: Vault, *, at_once: bool = False) -> int:
    """Make what this period and the next lack, for the group and every hospital.

    `at_once` lets them write immediately, where no other process runs. Returns how many were made.
    """
    await lock(uow.session)
    present = frozenset(
        (Purpose(purpose), hospital_id, period)
        for purpose, hospital_id, period in await uow.session.execute(
            select(DataKey.purpose, DataKey.hospital_id, DataKey.period)
        )
    )
    now = vault.clock.now()
    wanted = keys_to_make(
        await owners(uow.session),
        present,
        Period(await settings.get(uow, PERIOD)),
        now,
        timedelta(0) if at_once else ACTIVATION,
    )
    if wanted:
        await vault.make(uow.session, wanted)
    return len(wanted)
