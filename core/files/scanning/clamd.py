"""A client of ClamAV's daemon over TCP or a Unix socket, command INSTREAM.

The content goes over the connection in pieces, so the daemon needs no access to our files and may
run on another machine. Source: clamd(8), "Commands"; the null-terminated form of each.
"""

import asyncio
import re
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from anyio import to_thread

from core.files.scanning.port import ScannerUnavailable, ScanTooLarge, Verdict

PIECE = 128 * 1024
LONGEST_REPLY = 4096
#: The daemon has ten threads by default and other clients too.
AT_ONCE = 4
_FOUND = re.compile(r"^stream: (?P<signature>.{1,200}) FOUND$")
_CLEAN = "stream: OK"
_LENGTH = struct.Struct("!I")


class Clamd:
    """One daemon: `tcp://host:3310` or `unix:///run/clamav/clamd.ctl`. Raises ValueError.

    `connect_seconds` and `scan_seconds` are patience; nothing is retried here.
    """

    def __init__(
        self, url: str, *, connect_seconds: float = 3.0, scan_seconds: float = 120.0
    ) -> None:
        parts = urlsplit(url)
        self._path: str | None = None
        self._host, self._port = "", 0
        if parts.scheme == "unix" and parts.path and not parts.netloc:
            self._path = parts.path
        elif parts.scheme == "tcp" and parts.hostname:
            self._host, self._port = parts.hostname, parts.port or 3310
        else:
            raise ValueError(f"'{url}' is neither tcp://host:port nor unix:///path.")
        self._connect_seconds = connect_seconds
        self._scan_seconds = scan_seconds
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def scan(self, path: Path) -> Verdict:
        """The verdict on a file. Raises ScannerUnavailable or ScanTooLarge."""
        async with self._slots:
            reply = await self._ask(b"zINSTREAM\0", path, self._scan_seconds)
        if reply == _CLEAN:
            return Verdict(None)
        found = _FOUND.match(reply)
        if found is not None:
            return Verdict(found["signature"])
        if "size limit exceeded" in reply:
            raise ScanTooLarge(reply)
        raise ScannerUnavailable(f"unexpected reply {reply[:100]!r}")

    async def version(self) -> str:
        """What the daemon calls itself and its signatures. Raises ScannerUnavailable."""
        return (await self._ask(b"zVERSION\0", None, self._connect_seconds))[:200]

    async def _ask(self, command: bytes, path: Path | None, seconds: float) -> str:
        try:
            async with self._connected() as (reader, writer), asyncio.timeout(seconds):
                # Listened for from the start: a daemon that hangs up while we send has said why.
                reading = asyncio.ensure_future(reader.readuntil(b"\0"))
                try:
                    writer.write(command)
                    if path is not None:
                        await _send(path, writer)
                    reply = await reading
                finally:
                    reading.cancel()
        except asyncio.IncompleteReadError as error:
            raise ScannerUnavailable("the connection ended without a reply") from error
        except (OSError, TimeoutError, asyncio.LimitOverrunError) as error:
            raise ScannerUnavailable(f"{type(error).__name__} {error}") from error
        return reply[:-1].decode("utf-8", "replace").strip()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        async with asyncio.timeout(self._connect_seconds):
            if self._path is not None:
                opening = asyncio.open_unix_connection(self._path, limit=LONGEST_REPLY)
            else:
                opening = asyncio.open_connection(self._host, self._port, limit=LONGEST_REPLY)
            reader, writer = await opening
        try:
            yield reader, writer
        finally:
            writer.close()


async def _send(path: Path, writer: asyncio.StreamWriter) -> None:
    """The file in length-prefixed pieces, ended by an empty one."""
    with path.open("rb") as file:
        try:
            while piece := await to_thread.run_sync(file.read, PIECE):
                writer.write(_LENGTH.pack(len(piece)) + piece)
                await writer.drain()
            writer.write(_LENGTH.pack(0))
            await writer.drain()
        except ConnectionError:
            # Too large for the daemon: it says so and hangs up while we still send.
            return
