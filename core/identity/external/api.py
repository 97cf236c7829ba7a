"""HTTP routes of logins by other houses.

What another house sends back lands on a fixed page of our own client, which then logs in with
the code, the state and its device: a code alone, or on another device, opens nothing.
"""

from urllib.parse import parse_qs, urlencode
from uuid import UUID

from starlette.responses import RedirectResponse, Response

from core.defence.kinds import Kind
from core.errors import MalformedRequest, NotFound
from core.http import ANY_ROLE, PUBLIC, Context, Routes
from core.identity import access, second_factor, views
from core.identity.external import identities, sso, web_view, wechat_login
from core.identity.external.identities import WECHAT
from core.identity.external.schemas import (
    CodeLogin,
    LoginMethods,
    MiniLogin,
    PhoneLogin,
    Redirect,
    SsoMethod,
    SsoStartInput,
    StartInput,
    WebViewCode,
    WebViewLogin,
    WechatBind,
    WechatLogin,
    WechatState,
)
from core.identity.external.wechat import WechatAccounts
from core.identity.login import Device, Issued
from core.identity.schemas import DeviceInput, Tokens
from core.identity.second_factor import Action

routes = Routes(tag="identity", title="账号与登录")
LOGIN = {"roles": PUBLIC, "transaction": False, "limit": Kind.LOGIN}
_LANDINGS = {"login": "/m/#/pages/login/index", "bind": "/m/#/pages/security/index"}
_LONGEST = 2048


def _device(device: DeviceInput) -> Device:
    return Device(device.id, device.name, device.platform)


async def _tokens(ctx: Context, issued: Issued) -> Tokens:
    async with ctx.unit_of_work() as uow:
        return await views.tokens(uow, issued)


@routes.get("/auth/methods", roles=PUBLIC)
async def list_methods(ctx: Context, hospital: UUID | None = None) -> LoginMethods:
    """What a login page may offer besides code and password."""
    chosen = await access.public_hospital(ctx.uow, ctx.optional_caller, hospital)
    wechat = ctx.runtime.ports.get(WechatAccounts)
    title = await sso.title(ctx.uow, chosen.id)
    return LoginMethods(
        wechat_web=wechat is not None and wechat.web,
        wechat_mini=wechat is not None and wechat.mini,
        sso=SsoMethod(title=title) if title else None,
    )


@routes.post("/auth/login/wechat/start", **LOGIN)
async def start_wechat(ctx: Context, body: StartInput) -> Redirect:
    """Where a browser asks WeChat for consent to a login."""
    return Redirect(url=await wechat_login.start(ctx.runtime, body.device.id, ctx.address))


@routes.get("/auth/wechat/callback/{purpose}", roles=PUBLIC)
async def wechat_callback(
    ctx: Context, purpose: str, code: str = "", state: str = ""
) -> RedirectResponse:
    """WeChat sends the browser here; it goes on to our own page with code and state."""
    if purpose not in _LANDINGS:
        raise NotFound()
    return _landing(_LANDINGS[purpose], code, state)


@routes.post("/auth/login/wechat", **LOGIN)
async def login_with_wechat(ctx: Context, body: CodeLogin) -> WechatLogin:
    """Log in with a consent given in the browser."""
    device = _device(body.device)
    found = await wechat_login.by_consent(ctx.runtime, body.code, body.state, device, ctx.address)
    return await _wechat_answer(ctx, found)


@routes.post("/auth/login/wechat-mini", **LOGIN)
async def login_in_mini_program(ctx: Context, body: MiniLogin) -> WechatLogin:
    """Log in inside the mini-program, at once when the person shares the number with it."""
    device = _device(body.device)
    found = await wechat_login.by_mini_program(
        ctx.runtime, body.code, body.phone_code, device, ctx.address
    )
    return await _wechat_answer(ctx, found)


@routes.post("/auth/login/wechat/phone", **LOGIN)
async def login_with_phone(ctx: Context, body: PhoneLogin) -> Tokens:
    """Bind somebody whom WeChat has recognised to a proved number and log in."""
    device = _device(body.device)
    issued = await wechat_login.with_phone(
        ctx.runtime, body.ticket, body.phone, body.code, device, ctx.address
    )
    return await _tokens(ctx, issued)


@routes.post("/auth/web-view", roles=ANY_ROLE, limit=Kind.LOGIN)
async def open_web_view(ctx: Context) -> WebViewCode:
    """A code with which the mini-program's web view logs the same person in."""
    code = await web_view.begin(ctx.uow, ctx.caller, ctx.address)
    return WebViewCode(code=code, expires_in=int(web_view.LIFE.total_seconds()))


@routes.post("/auth/login/web-view", **LOGIN)
async def login_in_web_view(ctx: Context, body: WebViewLogin) -> Tokens:
    """Log in inside the mini-program's web view."""
    device = _device(body.device)
    issued = await web_view.finish(ctx.runtime, body.code, device, ctx.address)
    return await _tokens(ctx, issued)


async def _wechat_answer(ctx: Context, found: Issued | str) -> WechatLogin:
    if isinstance(found, str):
        return WechatLogin(ticket=found)
    return WechatLogin(tokens=await _tokens(ctx, found))


@routes.get("/me/wechat", roles=ANY_ROLE)
async def show_wechat(ctx: Context) -> WechatState:
    """Whether the own account can log in by WeChat."""
    found = await identities.bound(ctx.uow, ctx.caller.user_id, WECHAT)
    available = ctx.runtime.ports.get(WechatAccounts) is not None
    return WechatState(available=available, bound_at=found.created_at if found else None)


@routes.post("/me/wechat/start", roles=ANY_ROLE)
async def start_binding_wechat(ctx: Context) -> Redirect:
    """Where a browser asks WeChat for consent to bind the own account."""
    return Redirect(url=await wechat_login.start_binding(ctx.uow, ctx.caller, ctx.address))


@routes.post("/me/wechat", roles=ANY_ROLE, status=204, transaction=False, limit=Kind.LOGIN)
async def bind_wechat(ctx: Context, body: WechatBind) -> None:
    """Bind the own account to WeChat."""
    if body.mini_code is not None:
        await wechat_login.bind_mini_program(ctx.runtime, ctx.caller, body.mini_code)
    elif body.code is not None and body.state is not None:
        await wechat_login.bind(ctx.runtime, ctx.caller, body.code, body.state)


@routes.delete("/me/wechat", roles=ANY_ROLE, status=204)
async def unbind_wechat(ctx: Context) -> None:
    """End the binding; staff prove a second factor first."""
    if ctx.caller.is_staff:
        await second_factor.require(ctx.uow, ctx.caller, action=Action.CRITICAL)
    await identities.unbind(ctx.uow, ctx.caller.user_id, WECHAT)


@routes.post("/auth/login/sso/start", **LOGIN)
async def start_sso(ctx: Context, body: SsoStartInput) -> Redirect:
    """Where the browser logs in at the hospital's own provider."""
    url = await sso.start(ctx.runtime, body.hospital_id, body.device.id, ctx.address)
    return Redirect(url=url)


@routes.get("/auth/sso/callback", roles=PUBLIC)
async def sso_callback(
    ctx: Context, code: str = "", state: str = "", error: str = ""
) -> RedirectResponse:
    """The provider sends the browser here; it goes on to the console with code and state."""
    return _landing("/console/#/login", "" if error else code, state)


@routes.post("/auth/login/sso", **LOGIN)
async def login_with_sso(ctx: Context, body: CodeLogin) -> Tokens:
    """Log in with what the hospital's provider has said."""
    device = _device(body.device)
    issued = await sso.finish(ctx.runtime, body.code, body.state, device, ctx.address)
    return await _tokens(ctx, issued)


@routes.post("/auth/sso/{hospital_id}/logout", max_body=32 * 1024, **LOGIN)
async def sso_logout(ctx: Context, hospital_id: UUID, raw_body: bytes) -> Response:
    """Back-channel logout: a form with a `logout_token` that the provider has signed."""
    try:
        tokens = parse_qs(raw_body.decode("ascii"), strict_parsing=True).get("logout_token", [])
    except ValueError as error:
        raise MalformedRequest() from error
    if len(tokens) != 1:
        raise MalformedRequest()
    await sso.logout(ctx.runtime, hospital_id, tokens[0])
    return Response(status_code=200, headers={"Cache-Control": "no-store"})


def _landing(page: str, code: str, state: str) -> RedirectResponse:
    # Names of their own: uni-app hands a page's query to its outermost component.
    query = urlencode({"auth_code": code[:_LONGEST], "auth_state": state[:_LONGEST]})
    return RedirectResponse(f"{page}?{query}", status_code=303)
