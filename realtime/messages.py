"""The send path of one process: group commit.

Messages that arrive while a commit is under way wait and go together in the next one, so the busier
the process, the cheaper a message. One batch is under way at a time and batches keep the order of
arrival: sends of one client never overtake each other, and the order within a room is kept.
A message is acknowledged after the commit that holds it, never before.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from core.errors import ProblemError, ServiceUnavailable
from core.runtime import Runtime
from realtime.errors import Overloaded
from realtime.metrics import BATCH_SIZE
from realtime.schemas import MessageView
from realtime.sending import Outcome, Send, Sent, send_messages

log = structlog.get_logger(__name__)

MAX_BATCH = 256
#: Messages that may wait; past it the process says "overloaded" instead of answering too late.
MAX_WAITING = 5_000
MAX_ATTEMPTS = 3
#: SQLSTATE of a deadlock and of a serialization failure: the transaction may simply run again.
_AGAIN = frozenset({"40P01", "40001"})

Delivered = Callable[[Sequence[MessageView]], None]
_Waiting = tuple[Send, asyncio.Future[Sent]]


class MessageWriter:
    """Takes messages one by one and commits them in groups.

    `delivered` hears every message once it is committed, in order, after its acknowledgement.
    """

    def __init__(self, runtime: Runtime, delivered: Delivered) -> None:
        self._runtime = runtime
        self._delivered = delivered
        self._waiting: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._finishing: asyncio.Task[None] | None = None
        self.batches = 0

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="message-writer")

    async def stop(self) -> None:
        """Finish what is under way; who still waits is told that the service is going away."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._finishing is not None:
            await self._finishing
        while self._waiting:
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_exception(ServiceUnavailable(retry_after=1))

    async def send(self, send: Send) -> Sent:
        """Store a message and return its place once that is committed; raises its named refusal."""
        if len(self._waiting) >= MAX_WAITING:
            raise Overloaded(retry_after=2)
        future: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()
        self._waiting.append((send, future))
        self._wake.set()
        return await future

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                count = min(len(self._waiting), MAX_BATCH)
                batch = [self._waiting.popleft() for _ in range(count)]
                # A stop must not cut a batch between its commit and its acknowledgements.
                self._finishing = asyncio.create_task(self._finish(batch))
                await asyncio.shield(self._finishing)

    async def _finish(self, batch: list[_Waiting]) -> None:
        try:
            outcomes = await self._commit([send for send, _ in batch])
        # Whatever goes wrong with one batch, the rooms of everybody else must go on.
        except Exception as error:
            log.error("message_batch_failed", error=repr(error), exc_info=True)
            outcomes = [ServiceUnavailable(retry_after=1) for _ in batch]
        _acknowledge(batch, outcomes)
        fresh = [o.message for o in outcomes if isinstance(o, Sent) and o.message is not None]
        if fresh:
            self._delivered(fresh)

    async def _commit(self, sends: list[Send]) -> list[Outcome]:
        for attempt in range(MAX_ATTEMPTS):
            try:
                async with self._runtime.unit_of_work() as uow:
                    outcomes = await send_messages(uow, sends)
                self.batches += 1
                BATCH_SIZE.observe(len(sends))
                return outcomes
            except IntegrityError as error:
                if len(sends) > 1:
                    return await self._one_by_one(sends)
                # Another process stored the same message at this moment; next time it is found.
                log.info("message_conflict", error=repr(error.orig), attempt=attempt)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) in _AGAIN:
                    continue
                if len(sends) > 1 and not error.connection_invalidated:
                    return await self._one_by_one(sends)
                log.error("message_commit_failed", error=repr(error), messages=len(sends))
                break
            except (SQLAlchemyError, OSError) as error:
                log.error("message_commit_failed", error=repr(error), messages=len(sends))
                break
        return [ServiceUnavailable(retry_after=1) for _ in sends]

    async def _one_by_one(self, sends: list[Send]) -> list[Outcome]:
        """One message spoilt the batch: commit each alone, in order, so that only it fails."""
        outcomes: list[Outcome] = []
        for send in sends:
            outcomes += await self._commit([send])
        return outcomes


def _acknowledge(batch: list[_Waiting], outcomes: list[Outcome]) -> None:
    for (_, future), outcome in zip(batch, outcomes, strict=True):
        if future.done():
            # The client has gone; its message is stored all the same.
            continue
        if isinstance(outcome, ProblemError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
