"""`zhenjian keys …` as somebody at a terminal uses it."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

import app as zhenjian
from core.audit.models import AuditEntry
from core.bus import LocalBus
from core.clock import FakeClock
from core.config import Config
from core.crypto import commands
from core.crypto.kek import kept_path
from core.crypto.keyring import Keyring
from core.crypto.keys import KeyringError, Purpose
from core.crypto.opening import open_vault
from core.crypto.rotation import MARGIN
from core.crypto.runs import Resealer
from core.crypto.vault import ACTIVATION, Vault
from core.db import create_engine
from core.modules import Modules
from core.runtime import Runtime
from tests.core.crypto.conftest import opened
from tests.support.cast import hire_cast

Zhenjian = Callable[..., Awaitable[list[str]]]


@pytest.fixture
def keys(config: Config, modules: Modules, clock: FakeClock) -> Zhenjian:
    """Run a command; returns what it says."""

    async def run(*arguments: str) -> list[str]:
        parser = argparse.ArgumentParser()
        commands.add_arguments(parser)
        said: list[str] = []

        async def runtime() -> Runtime:
            engine = create_engine(config.require_database(), pool_size=2)
            try:
                vault, keyring = await open_vault(config, engine, clock)
            except KeyringError:
                await engine.dispose()
                raise
            built = zhenjian.build_runtime(
                config, modules, clock=clock, bus=LocalBus(), keyring=keyring, engine=engine
            )
            built.provide(Vault, vault)
            return built

        async def engine() -> AsyncEngine:
            return create_engine(config.require_database(), pool_size=2)

        around = commands.Surroundings(config, clock, runtime, engine, said.append)
        await commands.run(parser.parse_args(arguments), around)
        return said

    return run


async def test_from_the_first_key_to_a_restore(
    keys: Zhenjian, config: Config, tmp_path: Path, modules: Modules, clock: FakeClock
) -> None:
    assert "Wrote" in (await keys())[0]
    with pytest.raises(KeyringError, match="exists already"):
        await keys()
    assert any(line.startswith("data") and "group" in line for line in await keys("list"))
    status = await keys("status")
    assert status[0].startswith("Key-encryption key: f2026")
    assert any("no key backup" in line for line in status)
    folder = tmp_path / "backup"
    said = await keys("backup", "--officers", "3", "--needed", "2", "--folder", str(folder))
    assert "any 2 of 3 shares" in said[0]
    shares = [str(folder / f"share-{n}-of-3.json") for n in (1, 3)]
    restored = ["--folder", str(folder), "--shares", *shares]
    assert "The drill passed" in (await keys("drill", *restored))[0]
    assert not any(line.startswith("Warning") for line in await keys("status"))
    with pytest.raises(KeyringError, match="The drill failed: 2 different shares are needed"):
        await keys("drill", "--folder", str(folder), "--shares", shares[0])
    config.keys.unlink()
    with pytest.raises(KeyringError, match="is missing"):
        await keys("status")
    assert "6 keys are wrapped" in (await keys("restore", *restored))[0]
    assert "holds 6 keys" in (await keys("backup", "--refresh", "--folder", str(folder)))[0]
    async with opened(config, modules, clock) as runtime, runtime.unit_of_work() as uow:
        actions = set(await uow.session.scalars(select(AuditEntry.action)))
    assert actions >= {"keys.backup", "keys.drill", "keys.restore", "keys.backup_refresh"}


async def test_keys_are_changed_followed_and_destroyed(
    keys: Zhenjian, config: Config, modules: Modules, clock: FakeClock
) -> None:
    await keys()
    async with opened(config, modules, clock) as runtime:
        await hire_cast(runtime)
        old = runtime.keyring.current(Purpose.DATA).id
    clock.advance(timedelta(minutes=1))
    before = (await keys("status"))[0]
    assert "All keys are wrapped with f2026" in (await keys("rotate", "--kek"))[0]
    after = (await keys("status"))[0]
    assert before != after
    kek = before.split()[2]
    assert "is gone" in (await keys("forget", kek))[0]
    with pytest.raises(KeyringError, match="There is no hospital"):
        await keys("rotate", "--data", "--hospital", "00000000-0000-0000-0000-000000000001")
    assert "New keys write from" in (await keys("rotate", "--data", "--group"))[0]
    with pytest.raises(KeyringError, match="已有密钥更换"):
        await keys("rotate", "--data")
    assert any("running, 0%" in line for line in await keys("status"))
    clock.advance(ACTIVATION + MARGIN)
    async with opened(config, modules, clock) as runtime:
        await Resealer(runtime).turn(60)
    assert any("done, 100%" in line for line in await keys("status"))
    with pytest.raises(KeyringError, match="still writes"):
        await keys("destroy", f"data:{old}")
    with pytest.raises(KeyringError, match="purpose:id"):
        await keys("destroy", old)


async def test_an_old_key_file_goes_when_somebody_confirms(
    keys: Zhenjian, config: Config, keyring: Keyring
) -> None:
    keyring.save(config.keys)
    assert any("old key file" in line for line in await keys("status"))
    assert "is in the database" in (await keys("confirm"))[0]
    assert not kept_path(config.keys).exists()
    with pytest.raises(KeyringError, match="no old key file"):
        await keys("confirm")
