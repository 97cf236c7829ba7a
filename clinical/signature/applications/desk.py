"""The signing path of one process: native signatures in threads, the log in groups.

Requests that arrive while others are being signed or committed wait and go together, so the busier
the process, the cheaper a signature: one commit holds the log lines of many. A signature is given
out only after the commit that holds its line; one whose line could not be written is thrown away.
The nonce of a request is used up in the same commit, so a repeated request gets nothing.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

import structlog
from sqlalchemy import ARRAY, String, Uuid, bindparam, text
from sqlalchemy.exc import SQLAlchemyError

from clinical.signature.applications.errors import (
    RequestRepeated,
    ServerKeyFailed,
    SigningOverloaded,
)
from clinical.signature.applications.registry import InForce
from core.db import UtcDateTime
from core.errors import ProblemError, ServiceUnavailable
from core.ids import new_id

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from core.runtime import Runtime

log = structlog.get_logger(__name__)

MAX_BATCH = 128
#: Requests that may wait; past it the process says so instead of answering too late.
MAX_WAITING = 4_000
#: Signing threads: the event loop has a core to itself where there is more than one.
THREADS = 2


@dataclass(frozen=True, slots=True)
class Line:
    """What the log keeps of a signature; `digest` is hexadecimal."""

    server_key_id: UUID
    format: str
    algorithm: str
    digest: str
    serial: str
    reference: str
    address: str
    request_id: str


@dataclass(slots=True)
class _Work:
    """One request on its way: `make` signs (given the time of signing), without it there is only
    the nonce to use up."""

    application: InForce
    nonce: str
    make: Callable[[datetime], bytes] | None
    line: Line | None
    future: asyncio.Future[bytes]
    outcome: bytes | ProblemError = b""


class SigningDesk:
    """Takes requests one by one, signs and commits them in groups."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="signing")
        self._waiting: deque[_Work] = deque()
        self._signed: deque[_Work] = deque()
        self._wake, self._commit_wake = asyncio.Event(), asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._sign_all(), name="signing-desk"),
            asyncio.create_task(self._commit_all(), name="signing-log"),
        ]
        self.batches = 0

    @classmethod
    def of(cls, runtime: "Runtime") -> Self:
        """The desk of this process, made on first use inside its event loop."""
        found = runtime.ports.get(cls)
        if found is None:
            found = runtime.ports[cls] = cls(runtime)
        return found

    async def aclose(self) -> None:
        """Stop; whoever still waits is told that the service goes away."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown(wait=True)
        for work in (*self._waiting, *self._signed):
            if not work.future.done():
                work.future.set_exception(ServiceUnavailable(retry_after=1))

    async def sign(
        self, application: InForce, nonce: str, make: Callable[[datetime], bytes], line: Line
    ) -> bytes:
        """The signature that `make` makes in a thread, once its line is committed.

        Raises RequestRepeated, ServerKeyFailed, SigningOverloaded or ServiceUnavailable.
        """
        return await self._enter(application, nonce, make, line)

    async def use_up(self, application: InForce, nonce: str) -> None:
        """Use a nonce up for a request that signs nothing. Raises RequestRepeated."""
        await self._enter(application, nonce, None, None)

    async def _enter(
        self,
        application: InForce,
        nonce: str,
        make: Callable[[datetime], bytes] | None,
        line: Line | None,
    ) -> bytes:
        if len(self._waiting) + len(self._signed) >= MAX_WAITING:
            raise SigningOverloaded(retry_after=2)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        work = _Work(application, nonce, make, line, future)
        if make is None:
            self._signed.append(work)
            self._commit_wake.set()
        else:
            self._waiting.append(work)
            self._wake.set()
        return await future

    async def _sign_all(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = _take(self._waiting)
                now = self._runtime.clock.now()
                share = -(-len(batch) // THREADS)
                parts = [batch[start : start + share] for start in range(0, len(batch), share)]
                await asyncio.gather(
                    *(loop.run_in_executor(self._threads, _sign, part, now) for part in parts)
                )
                self._signed.extend(batch)
                self._commit_wake.set()

    async def _commit_all(self) -> None:
        while True:
            await self._commit_wake.wait()
            self._commit_wake.clear()
            while self._signed:
                await self._commit(_take(self._signed))

    async def _commit(self, batch: list[_Work]) -> None:
        try:
            async with self._runtime.engine.begin() as connection:
                await _write(connection, batch, self._runtime.clock.now())
            self.batches += 1
        except (SQLAlchemyError, OSError) as error:
            log.error("signature_log_failed", error=repr(error), requests=len(batch))
            for work in batch:
                work.outcome = ServiceUnavailable(retry_after=1)
        finally:
            for work in batch:
                _answer(work)


def _take(queue: deque[_Work]) -> list[_Work]:
    return [queue.popleft() for _ in range(min(len(queue), MAX_BATCH))]


def _sign(batch: Sequence[_Work], now: datetime) -> None:
    """In a thread: sign each; what fails is told to its caller alone."""
    for work in batch:
        assert work.make is not None
        try:
            work.outcome = work.make(now)
        # Whatever goes wrong with one signature, those of everybody else must go on.
        except Exception as error:
            code = work.application.code
            log.error("server_key_failed", application=code, error=repr(error), exc_info=True)
            work.outcome = ServerKeyFailed()


def _answer(work: _Work) -> None:
    if work.future.done():
        # The caller has gone; its line says that a signature was made, and nobody has it.
        return
    if isinstance(work.outcome, ProblemError):
        work.future.set_exception(work.outcome)
    else:
        work.future.set_result(work.outcome)


async def _write(connection: "AsyncConnection", batch: list[_Work], now: datetime) -> None:
    """Use the nonces up, write the lines of what was signed, count them."""
    claimed = await connection.execute(
        _CLAIM,
        {"ids": [w.application.id for w in batch], "nonces": [w.nonce for w in batch], "at": now},
    )
    fresh = {(row[0], row[1]) for row in claimed}
    for work in batch:
        place = (work.application.id, work.nonce)
        if place not in fresh:
            work.outcome = RequestRepeated()
        # A second request of this batch with the same nonce finds it used up.
        fresh.discard(place)
    made = [w for w in batch if w.line is not None and not isinstance(w.outcome, ProblemError)]
    if made:
        await connection.execute(_LOG, _columns(made, now))
        counts = Counter(
            (w.application.hospital_id, now.astimezone(w.application.zone).date(), w.application.id)
            for w in made
        )
        # One order for all processes, so that none waits for another in a circle.
        await connection.execute(
            _COUNT,
            [
                {"hospital": place[0], "day": place[1], "application": place[2], "count": number}
                for place, number in sorted(counts.items())
            ],
        )


def _columns(made: list[_Work], now: datetime) -> dict[str, Any]:
    lines = [work.line for work in made if work.line is not None]
    return {
        "ids": [new_id() for _ in lines],
        "hospitals": [work.application.hospital_id for work in made],
        "applications": [work.application.id for work in made],
        "at": now,
        "keys": [line.server_key_id for line in lines],
        **{
            name: [getattr(line, name) for line in lines]
            for name in (
                "format",
                "algorithm",
                "digest",
                "serial",
                "reference",
                "address",
                "request_id",
            )
        },
    }


def _lists(*names: str, kind: Any) -> list[Any]:
    return [bindparam(name, type_=ARRAY(kind)) for name in names]


_TEXTS = ("format", "algorithm", "digest", "serial", "reference", "address", "request_id")
_CLAIM = text(
    "INSERT INTO signature_nonces (application_id, nonce, at) "
    "SELECT each.id, each.nonce, :at FROM unnest(:ids, :nonces) AS each (id, nonce) "
    "ON CONFLICT DO NOTHING RETURNING application_id, nonce"
).bindparams(
    *_lists("ids", kind=Uuid()),
    *_lists("nonces", kind=String()),
    bindparam("at", type_=UtcDateTime()),
)
_LOG = text(
    "INSERT INTO signature_log (id, hospital_id, application_id, server_key_id, at, format, "
    "algorithm, digest, certificate_serial, reference, address, request_id) "
    "SELECT e.id, e.hospital, e.application, e.key, :at, e.format, e.algorithm, e.digest, "
    "e.serial, e.reference, e.address, e.request_id FROM unnest(:ids, :hospitals, :applications, "
    ":keys, :format, :algorithm, :digest, :serial, :reference, :address, :request_id) "
    "AS e (id, hospital, application, key, format, algorithm, digest, serial, reference, address, "
    "request_id)"
).bindparams(
    *_lists("ids", "hospitals", "applications", "keys", kind=Uuid()),
    *_lists(*_TEXTS, kind=String()),
    bindparam("at", type_=UtcDateTime()),
)
_COUNT = text(
    "INSERT INTO signature_counts (hospital_id, day, application_id, count) "
    "VALUES (:hospital, :day, :application, :count) "
    "ON CONFLICT (hospital_id, day, application_id) "
    "DO UPDATE SET count = signature_counts.count + excluded.count"
)
