"""From a Starlette request to a route's function and back."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import orjson
import structlog
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.routing import Route as StarletteRoute
from starlette.types import Receive, Scope, Send

from core.defence.kinds import Kind
from core.defence.limits import RequestLimits
from core.defence.load import LoadGate, Overburdened
from core.defence.metrics import TIMED_OUT
from core.errors import (
    Forbidden,
    InvalidRequest,
    MalformedRequest,
    MethodNotAllowed,
    NotConfigured,
    NotFound,
    ProblemError,
    RequestTimedOut,
    Unauthenticated,
    UnsupportedMediaType,
)
from core.http import idempotency
from core.http.body import read_body
from core.http.context import Context
from core.http.messages import field_problems
from core.http.routes import LARGE_BODY, PREFIX, Route
from core.identity.caller import Caller
from core.identity.sessions import authenticate
from core.runtime import PortMissing, Runtime

log = structlog.get_logger(__name__)

IDLE_HEADER = "x-idle"


def build_routes(runtime: Runtime, routes: Sequence[Route]) -> list[BaseRoute]:
    """Starlette routes for typed ones; fixed paths come before those with parameters."""
    ordered = sorted(routes, key=lambda route: [part.startswith("{") for part in _parts(route)])
    by_path: dict[str, dict[str, Route]] = {}
    for route in ordered:
        methods = by_path.setdefault(route.full_path, {})
        if route.method in methods:
            raise RuntimeError(f"{route.method} {route.full_path} is registered twice.")
        methods[route.method] = route
    return [Grouped([_starlette_route(runtime, path, own) for path, own in by_path.items()])]


class Grouped(BaseRoute):
    """The routes below the API, found by the first word of their path.

    Asking hundreds one after another would be work in every request.
    """

    def __init__(self, routes: Sequence[StarletteRoute]) -> None:
        self.routes = list(routes)
        self._by_word: dict[str, list[StarletteRoute]] = {}
        for route in routes:
            self._by_word.setdefault(_first_word(route.path), []).append(route)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        best: tuple[Match, Scope] = (Match.NONE, {})
        if scope["type"] != "http":
            return best
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        for route in self._by_word.get(_first_word(path), ()):
            match, child = route.matches(scope)
            if match is Match.FULL:
                return match, {**child, "route": route}
            if match is Match.PARTIAL and best[0] is Match.NONE:
                best = match, {**child, "route": route}
        return best

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await scope["route"].handle(scope, receive, send)


def _first_word(path: str) -> str:
    """`patients` of `/api/v1/patients/{patient_id}`; empty outside the API."""
    return path[len(PREFIX) + 1 :].partition("/")[0] if path.startswith(f"{PREFIX}/") else ""


def _parts(route: Route) -> list[str]:
    return route.path.strip("/").split("/")


def _starlette_route(runtime: Runtime, path: str, methods: Mapping[str, Route]) -> StarletteRoute:
    async def endpoint(request: Request) -> Response:
        route = methods.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            return problem_response(MethodNotAllowed(), request)
        try:
            return await _handle(runtime, route, request)
        except ProblemError as error:
            return problem_response(error, request)
        except PortMissing as error:
            log.error("port_missing", path=path, error=str(error))
            return problem_response(NotConfigured(), request)
        except PoolTimeout:
            log.error("database_pool_exhausted", path=path)
            return problem_response(Overburdened(retry_after=5), request)
        except DBAPIError as error:
            if not _is_bad_data(error):
                raise
            log.warning("data_refused_by_database", path=path, error=str(error.orig))
            return problem_response(InvalidRequest(), request)

    all_methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return StarletteRoute(path, endpoint, methods=all_methods)


def _is_bad_data(error: DBAPIError) -> bool:
    """Whether the database refused a value (SQLSTATE class 22): a null character, a range."""
    return str(getattr(error.orig, "sqlstate", None) or "").startswith("22")


def problem_response(error: ProblemError, request: Request) -> Response:
    """A problem details response (RFC 9457)."""
    request_id = request.scope.get("state", {}).get("request_id")
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(
        orjson.dumps(error.problem(request_id)),
        error.status,
        headers=headers,
        media_type="application/problem+json",
    )


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's own 404s and 405s, in our form."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        return problem_response(MethodNotAllowed(), request)
    return problem_response(NotFound() if error.status_code == 404 else MalformedRequest(), request)


async def on_unexpected(request: Request, error: Exception) -> Response:
    """A failure that nobody named: logged with its trace, told without any detail."""
    log.error("unexpected_error", path=request.url.path, error=repr(error), exc_info=error)
    return problem_response(ProblemError(), request)


async def _handle(runtime: Runtime, route: Route, request: Request) -> Response:
    limits, address = RequestLimits.of(runtime), request.client.host if request.client else ""
    await limits.check_address(address, route.limits.kind)
    caller = await _authenticate(runtime, route, request)
    user_id = caller.user_id if caller is not None else None
    await limits.check(runtime, route.limits, route.name, user_id, address)
    arguments = _path_arguments(route, request) | _query_arguments(route, request)
    if "room_id" in arguments:
        structlog.contextvars.bind_contextvars(room=str(arguments["room_id"]))
    gate, uploads = LoadGate.of(runtime), route.limits.kind is Kind.UPLOAD
    with ExitStack() as places:
        if uploads or _is_large(route, request):
            # What is large is counted while it comes; what is small, while it is worked on.
            places.enter_context(gate.enter_upload(user_id or address))
        raw = await read_body(request, route.max_body) if route.max_body else b""
        if route.body is not None:
            arguments["body"] = _parse_body(route, request, raw)
        if route.wants_raw_body:
            arguments["raw_body"] = raw
        context = Context(request, runtime, request.state.request_id, caller)
        if not uploads:
            places.enter_context(gate.enter(route.gives_way))
        return await _in_time(route, _carry_out(runtime, route, context, arguments, raw))


def _is_large(route: Route, request: Request) -> bool:
    """Whether a body may be coming that few can be held of at once."""
    if route.max_body <= LARGE_BODY:
        return False
    declared = request.headers.get("content-length", "")
    return not declared.isdigit() or int(declared) > LARGE_BODY


async def _in_time(route: Route, work: Coroutine[Any, Any, Response]) -> Response:
    """What the work returns; when its time runs out it is cancelled, which rolls back."""
    limit = asyncio.timeout(route.seconds)
    try:
        async with limit:
            return await work
    except TimeoutError as error:
        if not limit.expired():
            raise
        TIMED_OUT.inc()
        log.error("request_timed_out", route=route.name, seconds=route.seconds)
        raise RequestTimedOut(retry_after=5) from error


async def _carry_out(
    runtime: Runtime, route: Route, context: Context, arguments: dict[str, Any], raw: bytes
) -> Response:
    if route.idempotent:
        return await _run_idempotent(runtime, route, context, arguments, raw)
    return await _run(runtime, route, context, arguments)


async def _authenticate(runtime: Runtime, route: Route, request: Request) -> Caller | None:
    header = request.headers.get("authorization", "")
    scheme, _, token = header.partition(" ")
    if not header and route.is_public:
        return None
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated()
    caller = await authenticate(
        runtime,
        token.strip(),
        # Clients say so when nobody has touched them for a while: such calls keep nobody logged in.
        active=IDLE_HEADER not in request.headers,
        pending=route.while_pending,
    )
    structlog.contextvars.bind_contextvars(user=str(caller.user_id), role=str(caller.role))
    if not route.is_public and caller.role not in route.roles:
        raise Forbidden()
    return caller


def _path_arguments(route: Route, request: Request) -> dict[str, Any]:
    arguments = {}
    for name, adapter in route.path_params.items():
        try:
            arguments[name] = adapter.validate_strings(str(request.path_params[name]))
        except ValidationError as error:
            # Something that cannot be an identifier names nothing.
            raise NotFound() from error
    return arguments


def _query_arguments(route: Route, request: Request) -> dict[str, Any]:
    if route.query_model is None:
        return {}
    given = {key: value for key, value in request.query_params.items() if value != ""}
    try:
        model = route.query_model.model_validate_strings(given)
    except ValidationError as error:
        raise InvalidRequest(fields=field_problems(error)) from error
    return {name: getattr(model, name) for name in route.query_model.model_fields}


def _parse_body(route: Route, request: Request, raw: bytes) -> Any:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise UnsupportedMediaType("请使用 application/json。")
    assert route.body is not None
    try:
        return route.body.validate_json(raw)
    except ValidationError as error:
        if any(problem["type"] == "json_invalid" for problem in error.errors(include_input=False)):
            raise MalformedRequest("请求正文不是有效的 JSON。") from error
        raise InvalidRequest(fields=field_problems(error)) from error


async def _run(
    runtime: Runtime, route: Route, context: Context, arguments: dict[str, Any]
) -> Response:
    if not route.transaction:
        return _respond(route, await route.endpoint(context, **arguments))
    async with runtime.unit_of_work() as uow:
        context._uow = uow
        # The answer is made before the commit, so that a failure to make it changes nothing.
        return _respond(route, await route.endpoint(context, **arguments))


async def _run_idempotent(
    runtime: Runtime, route: Route, context: Context, arguments: dict[str, Any], raw: bytes
) -> Response:
    key = idempotency.read_key(context.request.headers.get(idempotency.HEADER))
    caller = context.optional_caller
    owner = str(caller.user_id) if caller else f"address:{context.address}"
    name = f"{route.method} {context.request.url.path}"
    if route.transaction:
        async with runtime.unit_of_work() as uow:
            taken = await idempotency.claim(uow.session, owner, name, key, raw, uow.now)
            if isinstance(taken, idempotency.Answer):
                return _replay(taken)
            context._uow = uow
            response = _respond(route, await route.endpoint(context, **arguments))
            await idempotency.keep(uow.session, taken, response.status_code, bytes(response.body))
            return response
    async with runtime.unit_of_work() as uow:
        taken = await idempotency.claim(uow.session, owner, name, key, raw, uow.now)
    if isinstance(taken, idempotency.Answer):
        return _replay(taken)
    try:
        response = _respond(route, await route.endpoint(context, **arguments))
    except ProblemError:
        async with runtime.unit_of_work() as uow:
            await idempotency.release(uow.session, taken)
        raise
    async with runtime.unit_of_work() as uow:
        await idempotency.keep(uow.session, taken, response.status_code, bytes(response.body))
    return response


def _replay(answer: idempotency.Answer) -> Response:
    headers = {"Idempotent-Replayed": "true"}
    return Response(answer.body, answer.status, headers=headers, media_type="application/json")


def _respond(route: Route, value: Any) -> Response:
    if isinstance(value, Response):
        return value
    if route.result is None:
        return Response(status_code=204 if route.status == 200 else route.status)
    body = route.result.dump_json(route.result.validate_python(value), by_alias=True)
    return Response(
        body, route.status, media_type="application/json", headers={"Cache-Control": "no-store"}
    )
