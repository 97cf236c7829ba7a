"""Typed routes: a function's signature says what a request must look like and what it returns."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, get_type_hints

from pydantic import BaseModel, TypeAdapter, create_model
from starlette.responses import Response

from core.defence.kinds import PRIORITIES, TIME_LIMITS, Kind, Limit, Priority
from core.identity.roles import Role

Endpoint = Callable[..., Awaitable[Any]]
PREFIX = "/api/v1"
#: What is larger is an upload: few at a time, because it lies in memory or on the disk meanwhile.
LARGE_BODY = 1024 * 1024


class _Public:
    """Marks a route that needs no login."""

    def __repr__(self) -> str:
        return "PUBLIC"


PUBLIC: Final = _Public()
ANY_ROLE: Final[tuple[Role, ...]] = tuple(Role)
Access = Sequence[Role] | _Public


@dataclass(frozen=True)
class Route:
    """One operation of the API."""

    method: str
    path: str
    endpoint: Endpoint
    access: Access
    tag: str
    title: str
    summary: str
    status: int = 200
    idempotent: bool = False
    transaction: bool = True
    while_pending: bool = False
    max_body: int = 256 * 1024
    limit: Kind | Limit | None = None
    priority: Priority | None = None
    time_limit: float | None = None
    path_params: dict[str, TypeAdapter[Any]] = field(default_factory=dict)
    query_model: type[BaseModel] | None = None
    body_type: Any = None
    body: TypeAdapter[Any] | None = None
    result_type: Any = None
    result: TypeAdapter[Any] | None = None
    wants_raw_body: bool = False

    @property
    def is_public(self) -> bool:
        return isinstance(self.access, _Public)

    @property
    def roles(self) -> frozenset[Role]:
        return frozenset() if isinstance(self.access, _Public) else frozenset(self.access)

    @property
    def full_path(self) -> str:
        return PREFIX + self.path

    @property
    def name(self) -> str:
        return f"{self.method} {self.full_path}"

    @property
    def limits(self) -> Limit:
        """The declared limit, or what the method suggests."""
        if isinstance(self.limit, Limit):
            return self.limit
        return Limit(self.limit or self._kind)

    @property
    def _kind(self) -> Kind:
        if self.method == "GET":
            return Kind.READ
        return Kind.WRITE if 0 < self.max_body <= LARGE_BODY else Kind.UPLOAD

    @property
    def gives_way(self) -> Priority:
        """Who goes first under load."""
        return PRIORITIES[self.limits.kind] if self.priority is None else self.priority

    @property
    def seconds(self) -> float:
        """The time that the handler has."""
        return TIME_LIMITS[self.limits.kind] if self.time_limit is None else self.time_limit


class Routes:
    """The routes of one module.

    ``roles`` is never optional: a list of roles, ``ANY_ROLE`` or ``PUBLIC``. Parameters of the
    function: ``ctx`` is the :class:`Context`, names in the path come from it, ``body`` is
    validated from JSON, all others are query parameters. ``transaction=False`` gives a route that
    opens its own units of work, because it calls an outside system between them. A route with
    ``while_pending`` is open to somebody who still owes a second factor or a new password.
    ``max_body`` is in bytes; 0 leaves the body to the function (uploads). ``limit`` is a
    :class:`Kind` or a :class:`Limit` (by default ``READ`` for GET, ``UPLOAD`` with a large body or
    one left to the function, else ``WRITE``), ``priority`` says who gives way under load,
    ``time_limit`` is the handler's seconds, after which its transaction is rolled back.
    """

    def __init__(self, tag: str, title: str) -> None:
        self.tag, self.title = tag, title
        self.routes: list[Route] = []

    def get(self, path: str, **options: Any) -> Callable[[Endpoint], Endpoint]:
        return self._add("GET", path, **options)

    def post(self, path: str, **options: Any) -> Callable[[Endpoint], Endpoint]:
        return self._add("POST", path, **options)

    def put(self, path: str, **options: Any) -> Callable[[Endpoint], Endpoint]:
        return self._add("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Callable[[Endpoint], Endpoint]:
        return self._add("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Callable[[Endpoint], Endpoint]:
        return self._add("DELETE", path, **options)

    def _add(
        self, method: str, path: str, *, roles: Access, summary: str = "", **options: Any
    ) -> Callable[[Endpoint], Endpoint]:
        def register(endpoint: Endpoint) -> Endpoint:
            shape = _shape(endpoint, path)
            title = summary or (inspect.getdoc(endpoint) or endpoint.__name__).split("\n")[0]
            self.routes.append(
                Route(
                    method=method,
                    path=path,
                    endpoint=endpoint,
                    access=roles,
                    tag=self.tag,
                    title=self.title,
                    summary=title,
                    **shape,
                    **options,
                )
            )
            return endpoint

        return register


def _shape(endpoint: Endpoint, path: str) -> dict[str, Any]:
    hints = get_type_hints(endpoint, include_extras=True)
    names = set(re.findall(r"{(\w+)(?::\w+)?}", path))
    parameters = inspect.signature(endpoint).parameters
    query: dict[str, Any] = {}
    shape: dict[str, Any] = {"path_params": {}}
    for name, parameter in parameters.items():
        if name == "ctx":
            continue
        if name in names:
            shape["path_params"][name] = TypeAdapter(hints[name])
        elif name == "body":
            shape["body_type"] = hints[name]
            shape["body"] = TypeAdapter(hints[name])
        elif name == "raw_body":
            shape["wants_raw_body"] = True
        else:
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            query[name] = (hints[name], default)
    missing = names - set(shape["path_params"])
    if missing:
        raise TypeError(f"{endpoint.__qualname__} lacks the path parameters {sorted(missing)}.")
    if query:
        shape["query_model"] = create_model(f"{endpoint.__name__}_query", **query)
    result = hints.get("return")
    if result not in (None, type(None)) and not (
        inspect.isclass(result) and issubclass(result, Response)
    ):
        shape["result_type"] = result
        shape["result"] = TypeAdapter(result)
    return shape
