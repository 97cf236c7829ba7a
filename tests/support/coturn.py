"""The real coturn on loopback, with the configuration that is deployed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from core.config import Config
from core.tls import local_certificate
from media.turn import ice_servers
from tests.support.demo import ROOT, free_port

SECRET = "between us and the relay"
READY_SECONDS = 20.0


@dataclass(frozen=True)
class Turn:
    """A running TURN server on 127.0.0.1. ``authority`` has signed its certificate."""

    port: int
    secure: int
    relayed: range
    authority: Path

    def credentials(self, user: UUID, now: datetime | None = None) -> tuple[str, str]:
        """User name and password as the people of a call get them."""
        config = Config(
            _env_file=None,
            demo=True,
            media_turn_urls=f"turn:127.0.0.1:{self.port}",
            media_turn_secret=SECRET,
        )
        [server] = ice_servers(config, user, now or datetime.now(UTC))
        return server["username"], server["credential"]


def turn_program() -> str:
    """The server's program; skips the test where there is none."""
    found = shutil.which("turnserver")
    if found is None:
        pytest.skip("turnserver is not installed (scripts/tools.sh services)")
    return found


@contextlib.asynccontextmanager
async def running_turn(folder: Path) -> AsyncIterator[Turn]:
    """The deployed file with other addresses, and loopback peers: the worker is one here."""
    program = turn_program()
    made = local_certificate(folder / "tls", ("127.0.0.1",), datetime.now(UTC))
    lowest = free_port()
    turn = Turn(
        free_port(),
        free_port(),
        range(lowest, min(lowest + 200, 65535)),
        folder / "tls/authority.pem",
    )
    changed = {
        "static-auth-secret": SECRET,
        "listening-port": str(turn.port),
        "tls-listening-port": str(turn.secure),
        "listening-ip": "127.0.0.1",
        "relay-ip": "127.0.0.1",
        "cert": str(made.certificate),
        "pkey": str(made.key),
        "min-port": str(turn.relayed.start),
        "max-port": str(turn.relayed.stop - 1),
        "allowed-peer-ip": "127.0.0.1",
        "syslog": "",
    }
    rows = ["allow-loopback-peers", "log-file=stdout", f"pidfile={folder / 'turn.pid'}"]
    for row in (ROOT / "deploy/coturn/turnserver.conf").read_text().splitlines():
        name = row.partition("=")[0]
        if name not in changed:
            rows.append(row)
        elif changed[name]:
            rows.append(f"{name}={changed[name]}")
    configuration = folder / "turnserver.conf"
    configuration.write_text("\n".join(rows) + "\n")
    log = (folder / "turn.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        program, "-c", str(configuration), stdout=log, stderr=log, cwd=folder,
        env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    try:
        async with asyncio.timeout(READY_SECONDS):
            while not await _open(turn.secure):
                assert process.returncode is None, (folder / "turn.log").read_text()
                await asyncio.sleep(0.1)
        yield turn
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        log.close()


async def _open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
