"""The data keys in the database: read, made, published, wrapped anew.

A data key is wrapped by the key-encryption key and bound to its purpose, id, hospital and period,
so that a row of `data_keys` cannot be passed off as another. A new key is *published* at once and
writes only from `active_from` on: until then every process has read it, by the hint on the bus, by
its poll, or at the latest by asking synchronously when it meets a cell that it cannot open.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from core.clock import Clock
from core.crypto.kek import Keks
from core.crypto.keyring import Keyring
from core.crypto.keys import Key, KeyringError, Purpose, fresh_key_id, fresh_secret
from core.crypto.models import DataKey, KekState, KeyBackup, KeyEncryptionKey, KeyState
from core.crypto.shares import Sealer
from core.crypto.sm import DecryptionError, equal

#: How long a new key is published before it writes: several polls of every process.
ACTIVATION: Final = timedelta(minutes=5)
#: The lock under which keys are made and wrapped anew (`pg_advisory_xact_lock`).
LOCK: Final = 0x7A6A_6B65_7973


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to make. `active_from` None: it writes at once, since nobody else can be reading."""

    purpose: Purpose
    hospital_id: UUID | None = None
    period: str | None = None
    active_from: datetime | None = None


def binding(row: DataKey) -> bytes:
    """What a wrapped key is bound to."""
    parts = (row.purpose, row.id, str(row.hospital_id or ""), row.period or "")
    return "|".join(parts).encode()


class Vault:
    """The data keys of the installation and the key-encryption keys of this process."""

    def __init__(self, engine: AsyncEngine, keks: Keks, clock: Clock) -> None:
        self.engine = engine
        self.keks = keks
        self.clock = clock

    async def load(self) -> Keyring:
        """All keys as a keyring. Raises `KeyringError` when one cannot be opened."""
        async with AsyncSession(self.engine) as session:
            keys = await self._read(session, {})
        return Keyring(keys, clock=self.clock.now)

    async def refresh(self, keyring: Keyring, session: AsyncSession | None = None) -> None:
        """Bring a keyring up to date; only keys that it does not hold are unwrapped."""
        known = {(purpose, key.id): key for purpose, key in keyring.all_keys()}
        if session is not None:
            keyring.hold(await self._read(session, known))
            return
        async with AsyncSession(self.engine) as own:
            keyring.hold(await self._read(own, known))

    async def _read(
        self, session: AsyncSession, known: Mapping[tuple[Purpose, str], Key]
    ) -> dict[Purpose, dict[str, Key]]:
        rows = await session.execute(
            select(
                DataKey.purpose,
                DataKey.id,
                DataKey.hospital_id,
                DataKey.state,
                DataKey.created_at,
                DataKey.active_from,
            ).where(DataKey.state != KeyState.DESTROYED)
        )
        found = rows.all()
        missing = [row for row in found if (Purpose(row.purpose), row.id) not in known]
        secrets = await self._unwrap(session, [row.id for row in missing]) if missing else {}
        keys: dict[Purpose, dict[str, Key]] = defaultdict(dict)
        for row in found:
            purpose = Purpose(row.purpose)
            held = known.get((purpose, row.id))
            keys[purpose][row.id] = Key(
                id=row.id,
                secret=held.secret if held is not None else secrets[purpose, row.id],
                created_at=row.created_at,
                hospital_id=row.hospital_id,
                active_from=row.active_from,
                writes=row.state == KeyState.LIVE,
            )
        return keys

    async def _unwrap(
        self, session: AsyncSession, ids: list[str]
    ) -> dict[tuple[Purpose, str], bytes]:
        rows = await session.scalars(
            select(DataKey).where(DataKey.id.in_(ids), DataKey.state != KeyState.DESTROYED)
        )
        return {(Purpose(row.purpose), row.id): self.open(row) for row in rows}

    def open(self, row: DataKey) -> bytes:
        """The secret of a row. Raises `KeyringError` when it cannot be opened."""
        assert row.wrapped is not None
        try:
            return self.keks.unwrap(row.kek_id, row.wrapped, binding(row))
        except DecryptionError as error:
            raise KeyringError(
                f"The data key '{row.id}' does not open with the key-encryption key "
                f"'{row.kek_id}': one of them was changed. Restore it ('zhenjian keys restore')."
            ) from error

    async def current_kek(self, session: AsyncSession) -> KeyEncryptionKey:
        """The version that wraps new keys; on a new installation the one of the provider."""
        found = await session.scalar(
            select(KeyEncryptionKey).where(KeyEncryptionKey.state == KekState.CURRENT)
        )
        if found is not None:
            return found
        versions = self.keks.preferred.versions()
        now = self.clock.now()
        newest = versions[-1] if versions else self.keks.preferred.create(now)
        row = KeyEncryptionKey(
            id=newest.id,
            provider=self.keks.preferred.kind,
            state=KekState.CURRENT,
            created_at=newest.created_at,
            activated_at=now,
        )
        session.add(row)
        await session.flush()
        return row

    async def make(self, session: AsyncSession, wanted: Iterable[NewKey]) -> list[DataKey]:
        """Make and wrap new keys in the caller's transaction, under the lock."""
        await lock(session)
        kek = await self.current_kek(session)
        sealer = await sealer_of(session)
        made = []
        for each in wanted:
            row = DataKey(
                purpose=each.purpose.value,
                id=fresh_key_id(each.purpose, (each.period or "").replace("-", "").lower()),
                hospital_id=each.hospital_id,
                period=each.period,
                state=KeyState.LIVE,
                created_at=self.clock.now(),
                active_from=each.active_from,
                kek_id=kek.id,
            )
            secret = fresh_secret(each.purpose)
            row.wrapped = self.keks.wrap(kek.id, secret, binding(row))
            if sealer is not None:
                row.backup_id, row.escrow = sealer.set_id, sealer.seal(secret, binding(row))
            session.add(row)
            made.append(row)
        await session.flush()
        return made

    async def put(self, session: AsyncSession, purpose: Purpose, key: Key) -> DataKey:
        """Wrap and store a key that is there already, as a key of the group without a period."""
        kek = await self.current_kek(session)
        row = DataKey(
            purpose=purpose.value,
            id=key.id,
            hospital_id=key.hospital_id,
            state=KeyState.LIVE if key.writes else KeyState.RETIRED,
            created_at=key.created_at,
            active_from=key.active_from,
            kek_id=kek.id,
        )
        row.wrapped = self.keks.wrap(kek.id, key.secret, binding(row))
        session.add(row)
        return row


async def sealer_of(session: AsyncSession) -> Sealer | None:
    """What seals new keys for the officers of the latest backup; None before the first one.

    Raises `KeyringError` when somebody has put another public key in its place.
    """
    found = await session.scalar(
        select(KeyBackup).order_by(KeyBackup.at.desc(), KeyBackup.id.desc()).limit(1)
    )
    if found is None:
        return None
    sealer = Sealer(found.id, found.public_key, found.check_key)
    if not equal(sealer.stamp(), found.stamp):
        raise KeyringError(
            f"The key backup '{found.id}' was changed in the database: find out by whom, and make "
            "a new backup ('zhenjian keys backup')."
        )
    return sealer


async def lock(session: AsyncSession) -> None:
    """Wait until nobody else makes or wraps keys; held until the transaction ends."""
    await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
