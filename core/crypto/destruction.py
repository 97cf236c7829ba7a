"""Destroying a data key: only when nothing uses it, and never soon.

A key may be named by cells, by stored files and by row MACs. Cells and files are counted; MACs lie
in text columns of many tables, so row keys are not destroyed at all. Nor are keys of indexes,
tickets and tokens. Backups of the database that are older than the last re-encryption need the key
too: nobody can count those, which is why there is a wait and why only a person destroys a key.
"""

from datetime import datetime, timedelta
from typing import Final

from core import audit
from core.crypto.cells import encrypted_tables
from core.crypto.errors import KeyInUse
from core.crypto.keys import KeyringError, Purpose
from core.crypto.models import DataKey, KeyState
from core.crypto.reseal import keys_in_use
from core.crypto.vault import lock
from core.runtime import Runtime
from core.storage.errors import StorageError
from core.storage.reseal import all_paths, header_of
from core.storage.storage import SUFFIX

#: A recording may lie on a media worker, to be stored with the key of its call, for some days.
WAIT: Final = timedelta(days=7)


async def uses_of(runtime: Runtime, purpose: Purpose, key_id: str) -> int:
    """How many cells or files a key seals; reads every one of them."""
    if purpose is Purpose.DATA:
        count = 0
        for place in encrypted_tables():
            count += (await keys_in_use(runtime.engine, place)).get(key_id, 0)
        return count
    storage = runtime.storage
    count = 0
    for path in await all_paths(storage):
        if path.endswith(SUFFIX):
            header = await header_of(storage, path)
            count += header is not None and header.key_id == key_id
    return count


async def destroy(runtime: Runtime, purpose: Purpose, key_id: str) -> None:
    """Destroy a retired key; its row stays. Raises `KeyInUse` and `KeyringError`."""
    now = runtime.clock.now()
    async with runtime.unit_of_work() as uow:
        row = await uow.session.get(DataKey, (purpose.value, key_id))
        if row is None or row.state == KeyState.DESTROYED:
            raise KeyringError(f"There is no key '{purpose}:{key_id}'.")
        _require_old(row, purpose, now)
    try:
        uses = await uses_of(runtime, purpose, key_id)
    except StorageError as error:
        raise KeyringError(f"The stored files cannot be counted: {error}") from error
    if uses:
        raise KeyInUse(f"{uses} cells or files are sealed with it.")
    async with runtime.unit_of_work() as uow:
        await lock(uow.session)
        row = await uow.session.get(DataKey, (purpose.value, key_id), with_for_update=True)
        assert row is not None
        row.state, row.destroyed_at = KeyState.DESTROYED, now
        row.wrapped = row.escrow = row.backup_id = None
        await audit.record(uow, None, "keys.destroy", "data_key", f"{purpose}:{key_id}")


def _require_old(row: DataKey, purpose: Purpose, now: datetime) -> None:
    if purpose not in (Purpose.DATA, Purpose.FILE):
        raise KeyringError(
            f"Keys for '{purpose}' are not destroyed: what they made cannot be found."
        )
    if row.state != KeyState.RETIRED or row.retired_at is None:
        raise KeyringError(f"The key '{row.id}' still writes: change the keys first.")
    if now - row.retired_at < WAIT:
        raise KeyringError(
            f"The key '{row.id}' was retired less than {WAIT.days} days ago: recordings that wait "
            "on a media worker may need it."
        )
