"""Fixtures of the foundation's own tests."""

from collections.abc import AsyncIterator

import pytest

import app as zhenjian
from core.bus import PostgresBus
from core.clock import FakeClock
from core.config import Config
from core.crypto.keyring import Keyring
from core.modules import Modules
from core.runtime import Runtime


@pytest.fixture
async def second_runtime(
    config: Config, clock: FakeClock, modules: Modules, keyring: Keyring
) -> AsyncIterator[Runtime]:
    """Another process of the same installation: own caches, same database, joined by the bus."""
    bus = PostgresBus(config.require_database())
    built = zhenjian.build_runtime(config, modules, clock=clock, bus=bus, keyring=keyring)
    await built.bus.start()
    yield built
    await built.bus.stop()
    await built.engine.dispose()
