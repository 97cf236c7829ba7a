"""What a route's function gets besides its parameters."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from core.identity.caller import Caller
from core.runtime import Runtime
from core.uow import UnitOfWork


@dataclass
class Context:
    """One request: who asks, the transaction, the surroundings."""

    request: Request
    runtime: Runtime
    request_id: str
    _caller: Caller | None = None
    _uow: UnitOfWork | None = None

    @property
    def caller(self) -> Caller:
        """The person who asks. Only on routes that are not public."""
        if self._caller is None:
            raise RuntimeError("A public route has no caller; use optional_caller.")
        return self._caller

    @property
    def optional_caller(self) -> Caller | None:
        """The person who asks, or None on a public route without a token."""
        return self._caller

    @property
    def uow(self) -> UnitOfWork:
        """The request's transaction, committed before the response is sent."""
        if self._uow is None:
            raise RuntimeError("This route manages its own transactions: use unit_of_work().")
        return self._uow

    @property
    def now(self) -> datetime:
        return self._uow.now if self._uow is not None else self.runtime.clock.now()

    @property
    def address(self) -> str:
        """The network address of the client, as the server saw it."""
        return self.request.client.host if self.request.client else ""

    def unit_of_work(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """A transaction of its own, for routes that call an outside system between two of them."""
        return self.runtime.unit_of_work()
