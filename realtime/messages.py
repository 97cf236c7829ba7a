"""The send path of one process: group commit.

Messages that arrive while a commit is under way wait and go together in the next one, so the busier
the process, the cheaper a message. One group at a time is with the database, while this process
tells of the one before. Groups keep the order of arrival: sends of one client never overtake each
other, and the order within a room is kept.
A message is acknowledged after the commit that holds it, never before.

A group is one statement, and that statement is its transaction: it runs prepared on a connection
that the writer keeps for itself, without a session around it. Messages with files take the long
way, each in a transaction of its own.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from core.errors import ProblemError, ServiceUnavailable
from core.runtime import Runtime
from realtime.errors import Overloaded
from realtime.groups import STATEMENT, Entry, Group, Outcome, Send, Sent, group_end
from realtime.metrics import BATCH_SIZE
from realtime.prepared import Prepared, is_of_the_server, sqlstate
from realtime.schemas import FileBody
from realtime.sending import send_messages

log = structlog.get_logger(__name__)

MAX_BATCH = 256
#: Of many that wait (the disk stood still) a quarter goes at once, and at least this many: the
#: first are acknowledged while the next are with the database. One group of them all would be
#: cheaper and keep everybody as long as the last; of a thousand the quarter is `MAX_BATCH`.
LEAST_OF_MANY = 32
#: While people talk, a group waits this long for company, unless it is this large already: a commit
#: costs much the same for one message as for eight. Larger groups come by themselves while the
#: database is busy; to wait for them makes everything later. Who talks alone does not wait.
GATHER_SECONDS = 0.0005
LARGE_BATCH = 8
#: Messages that may wait; past it the process says "overloaded" instead of answering too late.
MAX_WAITING = 5_000
MAX_ATTEMPTS = 3
#: SQLSTATE of a deadlock and of a serialization failure: the transaction may simply run again.
_AGAIN = frozenset({"40P01", "40001"})

Delivered = Callable[[Sequence[Entry]], None]
Answer = Callable[[Outcome], None]
_Waiting = tuple[Send, Answer]


class Store:
    """The statement that stores a group, on a connection of its own."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._statement = Prepared(runtime, STATEMENT)

    async def store(self, sends: Sequence[Send]) -> list[Outcome]:
        """Store and commit one group. Raises asyncpg's and SQLAlchemy's errors and OSError."""
        group = Group(sends)
        return group.outcomes(
            await self._statement.fetch(*group.arguments(self._runtime.clock.now()))
        )

    async def close(self) -> None:
        await self._statement.close()


class MessageWriter:
    """Takes messages one by one and commits them in groups.

    `delivered` hears every message once it is committed, in order, before its acknowledgement: who
    is told that his message is stored has it in his log already.
    """

    def __init__(self, runtime: Runtime, delivered: Delivered) -> None:
        self._runtime = runtime
        self._delivered = delivered
        self._store = Store(runtime)
        self._waiting: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._finishing: asyncio.Task[int] | None = None
        self._stopping = False
        self.batches = 0

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="message-writer")

    async def stop(self) -> None:
        """Finish what is under way; who still waits is told that the service is going away."""
        self._stopping = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._finishing is not None:
            await self._finishing
        while self._waiting:
            _, answer = self._waiting.popleft()
            answer(ServiceUnavailable(retry_after=1))
        await self._store.close()

    def put(self, send: Send, answer: Answer) -> None:
        """Store a message soon; `answer` gets its place once that is committed, or its refusal.

        Raises `overloaded` when too many wait already.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise Overloaded(retry_after=2)
        self._waiting.append((send, answer))
        if len(self._waiting) == 1:
            self._wake.set()

    async def send(self, send: Send) -> Sent:
        """Store a message and return its place once that is committed; raises its named refusal."""
        future: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()

        def answer(outcome: Outcome) -> None:
            if future.done():
                # Nobody waits any more; the message is stored all the same.
                return
            if isinstance(outcome, ProblemError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self.put(send, answer)
        return await future

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            size = 1
            while self._waiting:
                if size > 1 and len(self._waiting) < LARGE_BATCH:
                    await asyncio.sleep(GATHER_SECONDS)
                # A stop must not cut a group between its commit and its acknowledgements.
                self._finishing = asyncio.create_task(self._finish())
                size = await asyncio.shield(self._finishing)

    async def _finish(self) -> int:
        """Commit a group and tell of it; its size.

        While many wait, the database begins with the next group before this process tells of the
        one that is stored, so that neither waits for the other. Groups are told of in their order.
        """
        batch = self._take()
        storing = asyncio.create_task(self._outcomes(batch))
        while True:
            outcomes = await storing
            following: list[_Waiting] = []
            if len(self._waiting) >= LARGE_BATCH and not self._stopping:
                following = self._take()
                storing = asyncio.create_task(self._outcomes(following))
                # One turn of the loop, and the statement is on its way.
                await asyncio.sleep(0)
            self._tell(batch, outcomes)
            if not following:
                return len(batch)
            batch = following

    def _take(self) -> list[_Waiting]:
        waiting = len(self._waiting)
        count = min(waiting, MAX_BATCH, max(LEAST_OF_MANY, waiting // 4))
        batch = [self._waiting.popleft() for _ in range(count)]
        end = group_end([send for send, _ in batch])
        self._waiting.extendleft(reversed(batch[end:]))
        return batch[:end]

    async def _outcomes(self, batch: list[_Waiting]) -> list[Outcome]:
        try:
            return await self._commit([send for send, _ in batch])
        # Whatever goes wrong with one batch, the rooms of everybody else must go on.
        except Exception as error:
            log.error("message_batch_failed", error=repr(error), exc_info=True)
            return [ServiceUnavailable(retry_after=1) for _ in batch]

    def _tell(self, batch: list[_Waiting], outcomes: list[Outcome]) -> None:
        fresh = [o.entry for o in outcomes if isinstance(o, Sent) and o.entry is not None]
        if fresh:
            self._delivered(fresh)
        for (_, answer), outcome in zip(batch, outcomes, strict=True):
            answer(outcome)

    async def _commit(self, sends: list[Send]) -> list[Outcome]:
        for attempt in range(MAX_ATTEMPTS):
            try:
                outcomes = await self._commit_once(sends)
            except (asyncpg.PostgresError, DBAPIError) as error:
                again = sqlstate(error) in _AGAIN
                if not again and len(sends) > 1 and not is_of_the_server(error):
                    return await self._one_by_one(sends)
                log.warning("message_commit_failed", error=repr(error), attempt=attempt)
                if not again and sqlstate(error) != _TAKEN:
                    break
            except (asyncpg.InterfaceError, SQLAlchemyError, OSError) as error:
                log.error("message_commit_failed", error=repr(error), messages=len(sends))
                break
            else:
                self.batches += 1
                BATCH_SIZE.observe(len(sends))
                return outcomes
        return [ServiceUnavailable(retry_after=1) for _ in sends]

    async def _commit_once(self, sends: list[Send]) -> list[Outcome]:
        if isinstance(sends[0].body, FileBody):
            async with self._runtime.unit_of_work() as uow:
                return await send_messages(uow, sends)
        return await self._store.store(sends)

    async def _one_by_one(self, sends: list[Send]) -> list[Outcome]:
        """One message spoilt the batch: commit each alone, in order, so that only it fails."""
        outcomes: list[Outcome] = []
        for send in sends:
            outcomes += await self._commit([send])
        return outcomes


#: SQLSTATE of a broken uniqueness: somebody wrote beside the locks; next time his row is found.
_TAKEN = "23505"
