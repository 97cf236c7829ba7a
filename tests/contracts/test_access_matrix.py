"""Every route is walked with every role, with none, with a forged and with a worn-out token."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest

from core.clock import FakeClock
from core.http.routes import Route
from core.identity.gateway import SmsGateway
from core.identity.roles import Role
from core.modules import Modules
from core.runtime import Runtime
from tests.support.cast import Cast
from tests.support.http import Client

# What a role that may use a route can be told about a made-up object; never 401 or "wrong role".
REFUSED = {"unauthenticated", "forbidden", "token_expired"}


class Silence:
    """A telephone network that delivers nothing: some routes send a code for a bare request."""

    async def send(self, phone: str, template: str, parameters: dict[str, str]) -> None:
        return None


@pytest.fixture(autouse=True)
def _network(runtime: Runtime) -> None:
    runtime.provide(SmsGateway, Silence())


def concrete(route: Route) -> str:
    """The route's path with made-up identifiers."""
    return re.sub(r"{\w+(:\w+)?}", lambda match: str(uuid4()), route.path)


async def call(client: Client, route: Route, token: str | None) -> str:
    """The problem code that a bare request gets, or nothing."""
    answer = await client.request(
        route.method, concrete(route), token=token, json={} if route.body else None
    )
    return answer.code


async def test_nobody_without_a_login_gets_past_a_guarded_route(
    client: Client, cast: Cast, modules: Modules
) -> None:
    for route in modules.routes:
        if not route.is_public:
            assert await call(client, route, None) == "unauthenticated", route.path
            assert await call(client, route, "forged.token.here") == "unauthenticated", route.path


async def test_a_worn_out_token_says_so_on_every_guarded_route(
    client: Client, cast: Cast, modules: Modules, clock: FakeClock
) -> None:
    clock.advance(timedelta(hours=1))
    for route in modules.routes:
        if not route.is_public:
            assert await call(client, route, cast.patient.token) == "token_expired", route.path


@pytest.mark.parametrize("role", list(Role))
async def test_every_role_is_let_in_exactly_where_the_route_says(
    client: Client, cast: Cast, modules: Modules, role: Role
) -> None:
    person = cast.of(role)
    for route in modules.routes:
        if route.is_public or route.path in ("/auth/logout", "/auth/sessions/{session_id}"):
            continue
        code = await call(client, route, person.token)
        if role in route.roles:
            assert code not in REFUSED, f"{route.method} {route.path} refuses {role}: {code}"
        else:
            assert code == "forbidden", f"{route.method} {route.path} admits {role}: {code!r}"


def test_public_routes_are_few_and_known(modules: Modules) -> None:
    public = sorted(f"{r.method} {r.path}" for r in modules.routes if r.is_public)
    assert public == PUBLIC_ROUTES


PUBLIC_ROUTES: list[str] = [
    "GET /auth/methods",
    "GET /auth/sso/callback",
    "GET /auth/wechat/callback/{purpose}",
    "GET /consultations/department-offers",
    "GET /departments",
    "GET /doctors",
    "GET /doctors/{doctor_id}",
    "GET /doctors/{doctor_id}/ratings",
    "GET /doctors/{doctor_id}/shifts",
    "GET /files/{file_id}/content",
    "GET /files/{file_id}/thumbnail",
    "GET /home",
    "GET /hospitals",
    "GET /medication-fields",
    "GET /notification-service/messages/{request_id}",
    "GET /nurses",
    "GET /pharmacists",
    "GET /rating-tags",
    "GET /recordings/files/{file_id}/content",
    "GET /report-pictures/{side}/{key}/{report_no}/{picture_no}",
    "GET /rights/copies/{copy_id}/files/{kind}",
    "GET /rooms/{room_id}/messages/{seq}/original/content",
    "GET /signature/certificate",
    "GET /signing/signatures/{signature_id}/image",
    "GET /texts/{kind}",
    "GET /transcripts/{transcript_id}/files/{kind}",
    "POST /auth/login/password",
    "POST /auth/login/sms",
    "POST /auth/login/sso",
    "POST /auth/login/sso/start",
    "POST /auth/login/web-view",
    "POST /auth/login/wechat",
    "POST /auth/login/wechat-mini",
    "POST /auth/login/wechat/phone",
    "POST /auth/login/wechat/start",
    "POST /auth/refresh",
    "POST /auth/sms-codes",
    "POST /auth/sso/{hospital_id}/logout",
    "POST /notification-service/messages",
    "POST /payments/wechat/notify",
    "POST /payments/wechat/refund-notify",
    "POST /policy-reports",
    "POST /signature/certificates/find",
    "POST /signature/certificates/verify",
    "POST /signature/sign",
    "POST /signature/verify",
]


def test_routes_open_before_the_second_factor_are_few_and_known(modules: Modules) -> None:
    pending = sorted(f"{r.method} {r.path}" for r in modules.routes if r.while_pending)
    assert pending == PENDING_ROUTES


#: What somebody may do who still owes a second factor or a new password.
PENDING_ROUTES: list[str] = [
    "GET /auth/second-factor",
    "GET /me",
    "POST /auth/logout",
    "POST /auth/role",
    "POST /auth/second-factor",
    "POST /auth/second-factor/sms-codes",
    "POST /auth/second-factor/totp",
    "POST /auth/second-factor/totp/confirm",
    "PUT /me/password",
]
