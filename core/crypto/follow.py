"""Keeping the keys of a process up to date: by a hint, by a poll, and at the last moment.

Sealing and opening are synchronous and cannot wait for the database. So a new key is published
well before it writes, every process polls, and should a cell name an unknown key nevertheless, the
keys are read at once on a thread of its own while the process waits.
"""

import asyncio
import threading
import time
from typing import Any, Final

import structlog
from sqlalchemy import exists, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

from core.bus import LOST
from core.crypto.keyring import Keyring
from core.crypto.keys import KeyringError
from core.crypto.models import KeyRun, RunKind, RunState
from core.crypto.sm import DecryptionError
from core.crypto.vault import Vault
from core.runtime import Runtime

log = structlog.get_logger(__name__)

CHANNEL: Final = "keys"
POLL_SECONDS: Final = 30.0
#: A process waits this long for keys that a cell names, and asks at most once in this time.
LOOK_SECONDS: Final = 3.0

FAILURES = (SQLAlchemyError, KeyringError, DecryptionError, *LOST)


async def announce(runtime: Runtime) -> None:
    """Tell every process to read the keys anew; after the commit that changed them."""
    await runtime.bus.publish(CHANNEL, {})


async def look_at_storage(runtime: Runtime) -> None:
    """Read objects that lie in the clear only while their conversion is pending."""
    async with AsyncSession(runtime.engine) as session:
        pending = await session.scalar(
            select(exists().where(KeyRun.kind == RunKind.CONVERT, KeyRun.state == RunState.RUNNING))
        )
    runtime.storage.reads_plain = bool(pending)


class KeyFollower:
    """Reads the keys of one process anew when told, and now and then by itself."""

    def __init__(self, runtime: Runtime, vault: Vault) -> None:
        self._runtime = runtime
        self._keyring = runtime.keyring
        self._vault = vault
        self._wake = asyncio.Event()
        self._looked = -LOOK_SECONDS
        runtime.bus.subscribe(CHANNEL, self._on_hint)
        self._keyring.when_missing(self.look)

    async def _on_hint(self, payload: dict[str, Any]) -> None:
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until `stop` is set."""
        stopped = asyncio.create_task(stop.wait())
        while not stop.is_set():
            woken = asyncio.create_task(self._wake.wait())
            await asyncio.wait(
                [stopped, woken], timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            woken.cancel()
            if stop.is_set():
                break
            self._wake.clear()
            try:
                await self._vault.refresh(self._keyring)
                await look_at_storage(self._runtime)
            except FAILURES as error:
                log.error("keys_not_refreshed", error=repr(error))
        stopped.cancel()

    def look(self, key_id: str) -> bool:
        """Read the keys now, without the event loop; False when that was tried a moment ago."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return False
        self._looked = time.monotonic()
        log.warning("key_unknown_until_now", key=key_id)
        outcome: list[bool] = []
        reader = threading.Thread(target=self._read, args=(outcome,), daemon=True)
        reader.start()
        reader.join(LOOK_SECONDS)
        return bool(outcome)

    def _read(self, outcome: list[bool]) -> None:
        try:
            asyncio.run(read_apart(self._vault, self._keyring))
            outcome.append(True)
        except (*FAILURES, TimeoutError) as error:
            log.error("keys_not_read", error=repr(error))


async def read_apart(vault: Vault, keyring: Keyring) -> None:
    """Refresh on a connection of its own, for another event loop than the process's."""
    engine = create_async_engine(vault.engine.url, poolclass=NullPool)
    try:
        await Vault(engine, vault.keks, vault.clock).refresh(keyring)
    finally:
        await engine.dispose()
