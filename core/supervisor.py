"""Several processes of one machine under one parent: start, watch, restart, stop in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger(__name__)

GRACE_SECONDS = 15.0
# A process that dies this often within the window will not get better by another start.
MAX_DEATHS = 5
DEATH_WINDOW_SECONDS = 60.0
STANDARD_ERROR = 2


class ProcessFailed(RuntimeError):
    """A child keeps dying; the message names it and its exit code."""


@dataclass
class Child:
    """One process to keep alive."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    process: asyncio.subprocess.Process | None = None
    deaths: list[float] = field(default_factory=list)


class Supervisor:
    """Keeps children alive until :meth:`stop`; stops them last-started first."""

    def __init__(self) -> None:
        self._children: list[Child] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._stopping = False

    async def start(self, child: Child) -> None:
        self._children.append(child)
        await self._spawn(child)
        self._watchers.append(asyncio.create_task(self._watch(child), name=f"watch-{child.name}"))

    async def _spawn(self, child: Child) -> None:
        child.process = await asyncio.create_subprocess_exec(
            *child.command,
            env=dict(child.environment),
            stdin=asyncio.subprocess.DEVNULL,
            # A Ctrl-C must reach the supervisor only, which stops the children in order.
            start_new_session=True,
        )

    async def _watch(self, child: Child) -> None:
        loop = asyncio.get_running_loop()
        while True:
            assert child.process is not None
            code = await child.process.wait()
            if self._stopping:
                return
            now = loop.time()
            child.deaths = [t for t in child.deaths if now - t < DEATH_WINDOW_SECONDS] + [now]
            if len(child.deaths) >= MAX_DEATHS:
                raise ProcessFailed(f"The {child.name} process keeps ending (exit code {code}).")
            log.warning("process_ended", name=child.name, code=code)
            await asyncio.sleep(0.2 * 2 ** (len(child.deaths) - 1))
            if self._stopping:
                return
            await self._spawn(child)

    def check(self) -> None:
        """Raise ProcessFailed when a child keeps dying."""
        for watcher in self._watchers:
            if watcher.done() and not watcher.cancelled():
                watcher.result()

    async def wait(self, stop: asyncio.Event) -> None:
        """Return when ``stop`` is set. Raises ProcessFailed when a child keeps dying."""
        stopped = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait(
            [stopped, *self._watchers], return_when=asyncio.FIRST_COMPLETED
        )
        stopped.cancel()
        for task in done - {stopped}:
            task.result()

    async def stop(self) -> None:
        """End every child with SIGTERM and, after the grace, with SIGKILL."""
        self._stopping = True
        for child in reversed(self._children):
            await self._stop_child(child)
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)

    async def _stop_child(self, child: Child) -> None:
        process = child.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                await process.wait()
        except TimeoutError:
            log.warning("process_killed", name=child.name)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def stop_event() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, event.set)
    return event


def keep_files_from_children() -> None:
    """Whatever files this process was given beside the three standard ones stay with it.

    Children of an event loop of uvloop get every file that is marked as inheritable, `close_fds` or
    not: the lock of a script that started us would be held by each of them, and the decoders of
    uploads would stand before open files that are not theirs.
    """
    for number in os.listdir("/dev/fd"):
        # The listing's own file is closed by now.
        with contextlib.suppress(OSError):
            if int(number) > STANDARD_ERROR:
                os.set_inheritable(int(number), False)


def python_command(*arguments: str) -> list[str]:
    """This program again, as a child."""
    return [sys.executable, "-m", "app", *arguments]


def port_is_free(host: str, port: int, *, udp: bool = False) -> bool:
    """Whether a port can be bound right now."""
    kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as probe:
        if not udp:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
