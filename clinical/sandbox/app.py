"""The simulators as one ASGI application."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clinical.sandbox import console, records, tencent, vendors
from clinical.sandbox.alipay import certify as alipay
from clinical.sandbox.ca import desk as ca
from clinical.sandbox.config import SandboxConfig
from clinical.sandbox.oidc import provider as oidc
from clinical.sandbox.wechat import accounts, callbacks, messages, refunds
from clinical.sandbox.wechat import routes as wechat
from clinical.sandbox.world import World, world_of


async def health(request: Request) -> Response:
    world_of(request)
    return JSONResponse({"ok": True})


def build_app(config: SandboxConfig) -> Starlette:
    """All simulators in one application; its lifespan opens and closes their state."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        world = World(config)
        app.state.world = world
        callbacks.resume(world)
        refunds.resume(world)
        try:
            yield
        finally:
            await world.stop()

    own = [*console.routes, Route("/healthz", health)]
    routes = [
        *vendors.routes,
        *records.routes,
        *wechat.routes,
        *accounts.routes,
        *messages.routes,
        *alipay.routes,
        *oidc.routes,
        *ca.routes,
        *tencent.routes,
        *own,
    ]
    return Starlette(routes=routes, lifespan=lifespan)
