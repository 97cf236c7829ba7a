"""Simulators and a payer for these tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clinical.payments.gateway import WechatPay
from clinical.sandbox import keys
from clinical.sandbox.server import SandboxServer
from core.clock import FakeClock
from tests.support.outside import Payer, sandbox_config, wechat_gateway


@pytest.fixture(scope="session")
def made_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sandbox-keys")
    keys.load(folder / "sandbox")
    return folder


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 11, 20, 1, 0, tzinfo=UTC))


@pytest.fixture
async def sandbox(
    tmp_path: Path, made_keys: Path, clock: FakeClock
) -> AsyncIterator[SandboxServer]:
    async with SandboxServer(sandbox_config(tmp_path, made_keys, clock.now)) as server:
        yield server


@pytest.fixture
async def payer(sandbox: SandboxServer) -> AsyncIterator[Payer]:
    person = Payer(sandbox)
    yield person
    await person.close()


@pytest.fixture
async def wechat_pay(sandbox: SandboxServer, clock: FakeClock) -> AsyncIterator[WechatPay]:
    gateway = wechat_gateway(sandbox, clock.now, timeout=5)
    yield gateway
    await gateway.aclose()
