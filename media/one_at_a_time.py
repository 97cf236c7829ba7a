"""Work that a process does one piece at a time, beside everything else it does.

A piece is a row that waits; whoever claims it holds it by a lease. When the process dies the lease
runs out and another begins anew.
"""

import asyncio
from abc import ABC, abstractmethod
from typing import ClassVar, Generic, Protocol, Self, TypeVar
from uuid import UUID

from sqlalchemy.orm import Mapped

from core.runtime import Runtime
from core.uow import UnitOfWork


class Piece(Protocol):
    """What is claimed and worked on."""

    id: Mapped[UUID]


Claimed = TypeVar("Claimed", bound=Piece)


class OneAtATime(ABC, Generic[Claimed]):
    """The work of one process. Subclasses say how a piece is claimed and done."""

    #: A verb: what the tasks are called.
    verb: ClassVar[str]

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, runtime: Runtime) -> Self:
        """The one of this process, made on first use."""
        found = runtime.ports.get(cls)
        if found is None:
            found = runtime.ports[cls] = cls(runtime)
        mine: Self = found
        return mine

    @abstractmethod
    async def _claim(self, uow: UnitOfWork) -> Claimed | None:
        """Take the piece that waits longest, with a lease."""

    @abstractmethod
    async def _guarded(self, row: Claimed) -> None:
        """Do it, and store how it went; raises nothing that is to be expected."""

    async def poll(self) -> None:
        """Begin with the next piece that waits, unless one is in hand; returns at once."""
        if self._task is not None and not self._task.done():
            return
        async with self._runtime.unit_of_work() as uow:
            row = await self._claim(uow)
        if row is not None:
            self._task = asyncio.create_task(self._guarded(row), name=f"{self.verb}-{row.id}")

    async def wait(self) -> None:
        """Until the piece in hand is done with."""
        if self._task is not None:
            await self._task

    async def aclose(self) -> None:
        """Stop; the lease runs out and another process begins anew."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
