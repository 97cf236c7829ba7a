"""What the web process serves besides the API: health, metrics, its description, the clients."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import orjson
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from core import metrics, outbox
from core.http import openapi
from core.http import routes as typed
from core.lan import AUTHORITY_PATH
from core.runtime import Runtime

CLIENTS = Path(__file__).resolve().parents[2] / "clients"
LONG_CACHE = "public, max-age=31536000, immutable"
Refresh = Callable[[], Awaitable[None]]

VIEWER = """<!doctype html>
<html lang="zh-CN">
<head><meta charset="utf-8"><title>Zhenjian API</title>
<link rel="stylesheet" href="/console/api-docs/swagger-ui.css"></head>
<body><div id="swagger"></div>
<script src="/console/api-docs/swagger-ui-bundle.js"></script>
<script src="/console/api-docs/start.js"></script></body>
</html>"""


class ClientFiles(StaticFiles):
    """A built client: hashed files are kept for good, the page itself is always asked for again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        hashed = path.startswith(("assets/", "static/"))
        response.headers["Cache-Control"] = LONG_CACHE if hashed else "no-cache"
        return response


def build(runtime: Runtime, routes: Sequence[typed.Route], version: str) -> list[BaseRoute]:
    """The routes of the site around the API."""

    @functools.cache
    def described() -> bytes:
        """Made when it is first asked for: it takes half a second, which no start should wait."""
        return orjson.dumps(openapi.document(routes, version))

    async def healthz(request: Request) -> Response:
        return _json({"ok": True})

    async def readyz(request: Request) -> Response:
        try:
            async with runtime.engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, OSError):
            return _json({"ok": False, "database": False}, 503)
        return _json({"ok": True, "database": True})

    async def metrics_page(request: Request) -> Response:
        async with runtime.unit_of_work() as uow:
            counts = await outbox.counts(uow.session)
        metrics.OUTBOX_PENDING.set(counts["pending"])
        metrics.OUTBOX_PARKED.set(counts["parked"])
        body, content_type = metrics.exposition()
        return Response(body, media_type=content_type)

    async def description(request: Request) -> Response:
        body = await asyncio.to_thread(described)
        return Response(body, media_type="application/json")

    async def viewer(request: Request) -> Response:
        return HTMLResponse(VIEWER)

    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics_page),
        Route("/api/openapi.json", description),
        Route("/api/docs", viewer),
        Route("/", _home),
        Route("/home.css", _home_style),
        *_authority(runtime.config.tls_authority),
        *_client("/console", CLIENTS / "console" / "dist"),
        *_client("/m", CLIENTS / "mobile" / "dist" / "build" / "h5"),
    ]


def _json(value: object, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


async def _home(request: Request) -> Response:
    page = CLIENTS / "home" / "index.html"
    return FileResponse(page, headers={"Cache-Control": "no-cache"})


async def _home_style(request: Request) -> Response:
    style = CLIENTS / "home" / "home.css"
    return FileResponse(style, headers={"Cache-Control": "no-cache"})


def _authority(certificate: Path | None) -> list[BaseRoute]:
    """The local authority's certificate, in the form that phones offer to install."""
    if certificate is None:
        return []

    async def authority(request: Request) -> Response:
        return FileResponse(certificate, media_type="application/x-x509-ca-cert")

    return [Route(AUTHORITY_PATH, authority)]


def _client(prefix: str, folder: Path) -> list[BaseRoute]:
    async def with_slash(request: Request) -> Response:
        return RedirectResponse(prefix + "/")

    async def not_built(request: Request) -> Response:
        raise HTTPException(404)

    if not folder.is_dir():
        return [Route(prefix, not_built)]
    files = ClientFiles(directory=folder, html=True)
    return [Route(prefix, with_slash), Mount(prefix, files)]
