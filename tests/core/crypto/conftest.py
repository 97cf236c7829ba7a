"""Keys in a database: a vault over a key file, and the runtime of a process that uses it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest

import app as zhenjian
from core.bus import PostgresBus
from core.clock import FakeClock
from core.config import Config
from core.crypto.kek import FileKek, Keks
from core.crypto.keyring import Keyring, install_keyring
from core.crypto.keys import Purpose
from core.crypto.opening import open_vault
from core.crypto.vault import NewKey, Vault
from core.db import create_engine
from core.modules import Modules
from core.runtime import Runtime


@pytest.fixture(autouse=True)
def _restore_the_keyring(keyring: Keyring) -> Iterator[None]:
    """Tests here put other keys in the place of the session's."""
    yield
    install_keyring(keyring)


@pytest.fixture
def key_file(config: Config, clock: FakeClock) -> Path:
    """A fresh key-encryption key where the configuration looks for it."""
    FileKek.create_file(config.keys, clock.now())
    return config.keys


@asynccontextmanager
async def opened(config: Config, modules: Modules, clock: FakeClock) -> AsyncIterator[Runtime]:
    """A process of the installation with the keys of its database."""
    engine = create_engine(config.require_database())
    vault, keyring = await open_vault(config, engine, clock)
    bus = PostgresBus(config.require_database())
    runtime = zhenjian.build_runtime(
        config, modules, clock=clock, bus=bus, keyring=keyring, engine=engine
    )
    runtime.provide(Vault, vault)
    await bus.start()
    try:
        yield runtime
    finally:
        await bus.stop()
        await engine.dispose()


@pytest.fixture
async def keyed(
    config: Config, modules: Modules, clock: FakeClock, key_file: Path
) -> AsyncIterator[Runtime]:
    """A process whose keys are in the database."""
    async with opened(config, modules, clock) as runtime:
        yield runtime


async def give_keys(runtime: Runtime, *hospitals: UUID, period: str = "2026Q4") -> None:
    """Keys of their own for hospitals, which write at once."""
    vault = runtime.port(Vault)
    wanted = [
        NewKey(purpose, hospital_id, period)
        for hospital_id in hospitals
        for purpose in Purpose
        if purpose.of_hospitals
    ]
    async with runtime.unit_of_work() as uow:
        await vault.make(uow.session, wanted)
    await vault.refresh(runtime.keyring)


def file_keks(path: Path) -> Keks:
    return Keks(FileKek.load(path))
