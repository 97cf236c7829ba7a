"""A Redis of a test's own, from the installed server; started, killed, paused at will."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.demo import free_port

READY_SECONDS = 20.0


def redis_program() -> str:
    """The server's program; skips the test where there is none."""
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("redis-server is not installed (scripts/tools.sh services)")
    return found


class RedisProcess:
    """One Redis on a loopback port that stays the same over restarts. It keeps nothing."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            redis_program(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
            "--appendonly", "no", "--dir", str(self._folder), stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout is not None
        async with asyncio.timeout(READY_SECONDS):
            while b"Ready to accept" not in await self._process.stdout.readline():
                assert self._process.returncode is None

    async def kill(self) -> None:
        """End it as a power cut would; it may be started again."""
        if self._process is not None and self._process.returncode is None:
            # A paused process dies as well.
            self._process.kill()
            await self._process.wait()

    def pause(self) -> None:
        """Stop its work without closing its connections."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextlib.asynccontextmanager
async def running_redis(folder: Path) -> AsyncIterator[RedisProcess]:
    redis = RedisProcess(folder)
    await redis.start()
    try:
        yield redis
    finally:
        await redis.kill()
