"""The simulators of the outside world for tests, and gateways that speak to them over loopback."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from clinical.payments import wechat
from clinical.payments.gateway import WechatMerchant, WechatPay
from clinical.sandbox import keys
from clinical.sandbox.ca.authority import load_keys
from clinical.sandbox.config import SandboxConfig
from clinical.sandbox.server import SandboxServer
from core.clock import FakeClock


def sandbox_config(
    folder: Path, made_keys: Path, now: Callable[[], datetime], **changes: Any
) -> SandboxConfig:
    """Simulators without pauses, with keys that were made once for the session."""
    target = folder / "sandbox"
    if not target.exists():
        shutil.copytree(made_keys / "sandbox", target)
    settings: dict[str, Any] = {
        "port": 0,
        "callback_pace": 0.0,
        "refund_seconds": 0.0,
        "late_seconds": 3600.0,
        "hang_seconds": 3600.0,
        "bill_ready_hour": 10,
        **changes,
    }
    return SandboxConfig(data_dir=folder, now=now, **settings)


def wechat_gateway(
    server: SandboxServer,
    now: Callable[[], datetime],
    *,
    base_url: str | None = None,
    with_certificate: bool = True,
    platform_pem: bytes | None = None,
    **options: Any,
) -> WechatPay:
    """The real client, as the merchant whose keys the simulator made."""
    folder = server.config.folder
    made = keys.load(folder)
    merchant = WechatMerchant(
        mchid=made.secrets.mchid,
        appid=made.secrets.appid,
        serial=made.merchant.serial,
        private_key=made.merchant.private_key,
        api_v3_key=made.secrets.api_v3_key.encode(),
    )
    known = {}
    if with_certificate:
        pem = platform_pem or (folder / "platform.cert.pem").read_bytes()
        serial, key = wechat.load_public_key(pem)
        known = {serial: key}
    return WechatPay(base_url or server.url, merchant, now, platform_keys=known, **options)


class Payer:
    """A person with a browser in front of the cashier, and the hands on the fault switches."""

    def __init__(self, server: SandboxServer) -> None:
        self.server = server
        self._http = aiohttp.ClientSession(trust_env=False)

    async def close(self) -> None:
        await self._http.close()

    async def see(self, pay_url: str) -> str:
        """The cashier's page."""
        async with self._http.get(pay_url) as answer:
            return await answer.text()

    async def press(self, pay_url: str, button: str = "pay") -> tuple[int, str]:
        """Press a button of the cashier; returns the status and where the browser is sent."""
        query = parse_qs(urlsplit(pay_url).query)
        back = query.get("redirect_url", [""])[0]
        address = f"{self.server.url}/cashier/{query['prepay_id'][0]}/{button}"
        async with self._http.post(
            address, params={"redirect_url": back} if back else {}, allow_redirects=False
        ) as answer:
            return answer.status, answer.headers.get("Location", "")

    async def fault(self, **switches: Any) -> None:
        """Turn fault switches: `await payer.fault(payment_callback="lost")`."""
        async with self._http.put(f"{self.server.url}/_sandbox/faults", json=switches) as answer:
            assert answer.status == 200, await answer.text()

    async def release(self) -> None:
        """Let late callbacks and slow refunds go, and wait until they are through."""
        async with self._http.post(f"{self.server.url}/_sandbox/release") as answer:
            assert answer.status == 200

    async def get(self, path: str) -> Any:
        async with self._http.get(self.server.url + path) as answer:
            return await answer.json()

    async def put(self, path: str, body: Any) -> Any:
        async with self._http.put(self.server.url + path, json=body) as answer:
            return await answer.json()


@pytest.fixture(scope="session")
def made_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys of the simulated world, made once."""
    folder = tmp_path_factory.mktemp("sandbox-keys")
    keys.load(folder / "sandbox")
    load_keys(folder / "sandbox")
    return folder


@pytest.fixture
async def sandbox(
    tmp_path: Path, made_keys: Path, clock: FakeClock
) -> AsyncIterator[SandboxServer]:
    """The simulators on a free port, by the test's clock."""
    async with SandboxServer(sandbox_config(tmp_path, made_keys, clock.now)) as server:
        yield server


@pytest.fixture
async def payer(sandbox: SandboxServer) -> AsyncIterator[Payer]:
    person = Payer(sandbox)
    yield person
    await person.close()


@pytest.fixture
async def wechat_pay(sandbox: SandboxServer, clock: FakeClock) -> AsyncIterator[WechatPay]:
    """The real client of WeChat Pay, pointed at the simulators."""
    gateway = wechat_gateway(sandbox, clock.now, timeout=5)
    yield gateway
    await gateway.aclose()
