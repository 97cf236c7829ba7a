"""What all simulators share: settings, keys, store, faults, time, and work in the background."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import Coroutine
from typing import Any

import aiohttp
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from clinical.sandbox import keys
from clinical.sandbox.config import SandboxConfig
from clinical.sandbox.faults import Faults
from clinical.sandbox.store import Store

SIGNATURE_WINDOW_SECONDS = 300


class World:
    """One instance of the simulated outside world; `start` and `stop` belong to its event loop."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.now = config.now
        self.keys = keys.load(config.folder)
        self.platform_serial = config.public_key_id or self.keys.platform.serial
        self.store = Store(config.folder / "state.sqlite3")
        self.faults = Faults(self.store)
        self.stopping = asyncio.Event()
        # The certification authority, made by its own doors when it is asked first.
        self.authority: object | None = None
        self._released = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._http: aiohttp.ClientSession | None = None

    @property
    def http(self) -> aiohttp.ClientSession:
        """The client for callbacks; real platforms give the merchant five seconds."""
        if self._http is None:
            timeout = aiohttp.ClientTimeout(total=5)
            self._http = aiohttp.ClientSession(timeout=timeout, trust_env=False)
        return self._http

    async def stop(self) -> None:
        self.stopping.set()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()
        self.store.close()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something after the answer has been given."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def idle(self) -> None:
        """Wait until nothing is under way in the background."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def pause(self, seconds: float) -> None:
        """Wait, or less when the world stops."""
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return

    async def hold(self, seconds: float) -> None:
        """Wait, or until `release` lets everything go that is held."""
        try:
            async with asyncio.timeout(seconds):
                await self._released.wait()
        except TimeoutError:
            return

    def release(self) -> None:
        """Let late callbacks and slow refunds go now."""
        self._released.set()
        self._released = asyncio.Event()

    def note(self, simulator: str, title: str, **detail: Any) -> None:
        self.store.note(self.now(), simulator, title, detail)

    async def disturb(self, mode: str) -> Response | None:
        """The answer of a door that is down, or None when it is not."""
        if mode == "error":
            return JSONResponse(
                {"code": "SYSTEM_ERROR", "message": "系统异常，请稍后重试"}, status_code=500
            )
        if mode == "timeout":
            await self.pause(self.config.hang_seconds)
            return JSONResponse({"code": "TIMEOUT", "message": "超时"}, status_code=504)
        return None

    def check_hmac(self, request: Request, prefix: str, secret: str, body: bytes) -> str | None:
        """Why the HMAC headers of a request are refused, or None when they are right."""
        given = {
            part: request.headers.get(f"{prefix}-{part}", "")
            for part in ("Key", "Timestamp", "Nonce", "Signature")
        }
        if given["Key"] != keys.KEY_ID:
            return "KEY_UNKNOWN"
        if not re.fullmatch(r"[0-9]{1,12}", given["Timestamp"]) or not given["Nonce"]:
            return "SIGNATURE_MISSING"
        if abs(self.now().timestamp() - int(given["Timestamp"])) > SIGNATURE_WINDOW_SECONDS:
            return "TIMESTAMP_EXPIRED"
        lines = [request.method, request.url.path, given["Key"], given["Timestamp"]]
        lines += [given["Nonce"], hashlib.sha256(body).hexdigest()]
        expected = hmac.digest(secret.encode(), "\n".join(lines).encode(), "sha256").hex()
        if not hmac.compare_digest(expected, given["Signature"]):
            return "SIGNATURE_INVALID"
        return None


def world_of(request: Request) -> World:
    world = request.app.state.world
    assert isinstance(world, World)
    return world


def refuse(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"code": code, "message": message}, status_code=status)


def mask_name(name: str) -> str:
    return name[:1] + "*" * max(1, len(name) - 1) if name else ""


def mask_number(number: str | None) -> str:
    """An identity, card or phone number with its middle hidden."""
    if not number:
        return ""
    if len(number) <= 7:
        return "*" * len(number)
    return number[:3] + "*" * (len(number) - 7) + number[-4:]
