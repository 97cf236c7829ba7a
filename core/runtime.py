"""What a process carries around: configuration, clock, engine, bus, ports. Built by ``app.py``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from core import outbox, uow
from core.bus import Bus
from core.clock import Clock
from core.config import Config
from core.events import Handlers
from core.uow import UnitOfWork

if TYPE_CHECKING:
    from core.crypto.keyring import Keyring
    from core.storage import Storage

P = TypeVar("P")


class PortMissing(RuntimeError):
    """An outside system is needed that this installation has not configured."""


@dataclass
class Runtime:
    """The surroundings of every handler, job and request."""

    config: Config
    clock: Clock
    engine: AsyncEngine
    keyring: Keyring
    storage: Storage
    bus: Bus
    handlers: Handlers
    ports: dict[type[Any], Any] = field(default_factory=dict)
    # The sending side of rooms (``realtime.table.Sender``), set by ``app.py``: core knows no rooms.
    realtime: Any = None

    def unit_of_work(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """A new transaction; commits on a clean exit."""
        return self._unit_of_work()

    @asynccontextmanager
    async def _unit_of_work(self) -> AsyncIterator[UnitOfWork]:
        async with uow.begin(self.engine, self.clock, self.handlers, outbox.store) as unit:
            unit.runtime = self
            yield unit
        if unit.recorded:
            await self.bus.publish(outbox.WAKE_CHANNEL, {})

    def provide(self, port: type[P], adapter: P) -> None:
        """Register the adapter of a port; ``app.py`` and tests do this."""
        self.ports[port] = adapter

    def port(self, port: type[P]) -> P:
        """The adapter of a port. Raises PortMissing when it is not configured."""
        adapter = self.ports.get(port)
        if adapter is None:
            raise PortMissing(f"No adapter is configured for {port.__name__}.")
        return adapter  # type: ignore[no-any-return]
