"""What a process remembers of small tables as a whole, and reads again before it is too old.

A change is told through the bus and drops everything at once; a lost hint is healed after
`RELOAD_SECONDS`. Whoever asks without a transaction of his own shares one reading with all who ask
meanwhile: otherwise everybody at work would read the tables for himself when what is remembered
runs out. `renew`, called every few seconds, keeps it from running out at all while it is in use.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.uow import UnitOfWork

log = structlog.get_logger(__name__)

T = TypeVar("T")

#: What was read longer ago is not gone by any more.
RELOAD_SECONDS = 30.0
#: From this age on it is read again ahead.
RENEW_SECONDS = 15.0


class Remembered(Generic[T]):
    """One value of a process, read whole and dropped whole; subclasses say how it is read."""

    #: Bus channels that tell of a change.
    channels: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self._value: T | None = None
        self._read_at = 0.0
        self._generation = 0
        self._reading: asyncio.Task[T] | None = None

    @classmethod
    def of(cls, runtime: "Runtime") -> Self:
        """The one of this process, made and subscribed on first use."""
        found: Self | None = runtime.ports.get(cls)
        if found is None:
            found = runtime.ports[cls] = cls()
            for channel in cls.channels:
                runtime.bus.subscribe(channel, found.on_change)
        return found

    async def on_change(self, payload: dict[str, Any]) -> None:
        """Bus listener: forget everything, whatever changed."""
        self.drop()

    def drop(self) -> None:
        """Forget everything; a reading under way is neither kept nor joined any more."""
        self._generation += 1
        self._value = None
        self._reading = None

    def held(self) -> T | None:
        """The value when it is read and fresh."""
        return self._value if self._age() <= RELOAD_SECONDS else None

    async def read(self, uow: "UnitOfWork") -> T:
        """The value; kept for later unless the transaction has uncommitted changes of it."""
        changed = self.is_changed(uow)
        held = self.held()
        if held is not None and not changed:
            return held
        return await self._read_anew(uow, keep=not changed)

    async def ask(self, runtime: "Runtime") -> T:
        """The value where no unit of work is at hand; opens one only when nothing is held."""
        held = self.held()
        return held if held is not None else await self._share_reading(runtime)

    async def renew(self, runtime: "Runtime") -> None:
        """Read again what is in use and no longer young; when that fails, it lasts as long as it
        would have.
        """
        if self.held() is None or self._age() <= RENEW_SECONDS:
            return
        try:
            await self._share_reading(runtime)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("remembered_not_renewed", of=type(self).__name__, error=repr(error))

    @classmethod
    def changed(cls, uow: "UnitOfWork") -> None:
        """Say that this transaction changes the tables, so that nobody keeps what it reads."""
        uow.session.info[cls] = True

    @classmethod
    def is_changed(cls, uow: "UnitOfWork") -> bool:
        """Whether it was said so."""
        return cls in uow.session.info

    async def _load(self, uow: "UnitOfWork") -> T:
        """The value as the transaction sees it."""
        raise NotImplementedError

    def _age(self) -> float:
        return time.monotonic() - self._read_at

    async def _share_reading(self, runtime: "Runtime") -> T:
        reading = self._reading
        if reading is None:
            reading = self._reading = asyncio.create_task(self._read_alone(runtime))
            reading.add_done_callback(self._forget)
        # Who gives up waiting does not end it for the others.
        return await asyncio.shield(reading)

    async def _read_alone(self, runtime: "Runtime") -> T:
        async with runtime.unit_of_work() as uow:
            return await self._read_anew(uow, keep=True)

    async def _read_anew(self, uow: "UnitOfWork", *, keep: bool) -> T:
        generation, started = self._generation, time.monotonic()
        value = await self._load(uow)
        if keep and generation == self._generation:
            self._value, self._read_at = value, started
        return value

    def _forget(self, reading: asyncio.Task[T]) -> None:
        if self._reading is reading:
            self._reading = None
        if not reading.cancelled():
            # Nobody may have waited to the end.
            reading.exception()
