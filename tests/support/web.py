"""A real web process for fault tests: `zhenjian web` on a free port, killed and started at will."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiohttp
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from core.crypto.keyring import Keyring
from tests.support.demo import ROOT, free_port

READY_SECONDS = 120.0


class WebProcess:
    """One `zhenjian web`. It speaks to no outside system: their addresses lead nowhere."""

    def __init__(self, folder: Path, database_url: str, keyring: Keyring, **settings: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "web.log"
        self._environment = _environment(folder, database_url, keyring, self.port)
        self._environment |= {f"ZHENJIAN_{name.upper()}": text for name, text in settings.items()}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start and wait until it answers; its log is in the assertion when it does not."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "app", "web", cwd=ROOT, env=self._environment,
                stdout=log, stderr=log,
            )  # fmt: skip
        async with aiohttp.ClientSession() as http, asyncio.timeout(READY_SECONDS):
            while not await self._answers(http):
                assert self._process.returncode is None, self.log()
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """End it as a power cut would."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """End it in order."""
        await self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Stop its work without closing its connections."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGCONT)

    def log(self) -> str:
        return self._log.read_text(errors="replace")[-4000:]

    def crashes(self) -> list[str]:
        """What was logged of commands that failed without a name, since the first start."""
        lines = self._log.read_text(errors="replace").splitlines()
        return [line for line in lines if '"command_crashed"' in line]

    async def _answers(self, http: aiohttp.ClientSession) -> bool:
        try:
            async with http.get(self.url + "/healthz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(how)
            await self._process.wait()


def _environment(folder: Path, database_url: str, keyring: Keyring, port: int) -> dict[str, str]:
    keys, merchant = folder / "keys.json", folder / "merchant.pem"
    keyring.save(keys)
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    merchant.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    nowhere = f"http://127.0.0.1:{free_port()}"
    settings = {
        "PORT": str(port),
        "DATABASE_URL": database_url,
        "DATA_DIR": str(folder),
        "KEY_FILE": str(keys),
        "RELAY": "false",
        "LOG_LEVEL": "info",
        "MEDIA_SECRET": "a secret of this test",
        "SMS_URL": nowhere,
        "SMS_KEY": "key",
        "SMS_SECRET": "secret",
        "REAL_NAME_URL": nowhere,
        "REAL_NAME_KEY": "key",
        "REAL_NAME_SECRET": "secret",
        "HIS_URL": nowhere,
        "HIS_KEY": "key",
        "HIS_SECRET": "secret",
        "CA_URL": nowhere,
        "CA_SECRET": "secret",
        "TSA_URL": nowhere,
        "WECHAT_URL": nowhere,
        "WECHAT_MCHID": "1900000001",
        "WECHAT_APPID": "wx0000000000000001",
        "WECHAT_SERIAL": "0" * 40,
        "WECHAT_PRIVATE_KEY": str(merchant),
        "WECHAT_API_V3_KEY": "0" * 32,
    }
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("ZHENJIAN_")}
    return inherited | {f"ZHENJIAN_{name}": value for name, value in settings.items()}
