"""Where the work at hand comes from: the request and the network address, for the audit."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """The request (or job) id and the client's address; both empty inside the house."""

    request_id: str = ""
    address: str = ""


_NOWHERE = Origin()
_origin: ContextVar[Origin] = ContextVar("origin", default=_NOWHERE)


def set_origin(request_id: str, address: str) -> None:
    """Called by every door (HTTP, sockets) for the task that serves it."""
    _origin.set(Origin(request_id[:64], address[:64]))


def current_origin() -> Origin:
    """The origin of the work at hand."""
    return _origin.get()
