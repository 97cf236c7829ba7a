"""The port to WeChat's accounts, and its client on WeChat's own HTTP interface.

Source: WeChat open documentation: `jscode2session`, `getuserphonenumber`, `stable_token`
(mini-programs) and web authorisation (official accounts).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlencode

import orjson
from pydantic import SecretStr

from core.config import Config
from core.outside import OutsideClient, OutsideError, OutsideRefused

SYSTEM = "wechat_accounts"
#: Codes of WeChat that blame the code which the person brought.
_BAD_CODE = {40029, 40163, 41008, 40226}
#: A token is renewed so long before it runs out.
_EARLY = timedelta(minutes=5)


class WechatUnavailable(Exception):
    """WeChat did not answer, or not as agreed."""


class WechatRefused(Exception):
    """The code is worn out or not WeChat's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WechatPerson:
    """Somebody as WeChat knows him: `tenant` is the application id that the openid belongs to."""

    tenant: str
    openid: str
    unionid: str | None = None
    session_key: str | None = None


class WechatAccounts(Protocol):
    """Turns the codes that WeChat gives to a person's phone into who that is."""

    mini: bool
    web: bool

    async def mini_person(self, code: str) -> WechatPerson:
        """Who gave this login code in the mini-program. Raises WechatRefused, WechatUnavailable."""
        ...

    async def mini_phone(self, code: str) -> str:
        """The number that a person has shared by the phone button of the mini-program."""
        ...

    def authorize_url(self, redirect_uri: str, state: str) -> str:
        """Where a browser inside WeChat asks the person for consent."""
        ...

    async def web_person(self, code: str) -> WechatPerson:
        """Who gave this consent in the browser."""
        ...


@dataclass(frozen=True, slots=True)
class WechatApp:
    """An application at WeChat: its id and secret."""

    appid: str
    secret: str


class HttpWechatAccounts:
    """`WechatAccounts` on api.weixin.qq.com, for a mini-program, an official account, or both."""

    def __init__(
        self,
        base_url: str,
        authorize_base: str,
        now: Callable[[], datetime],
        *,
        mini: WechatApp | None = None,
        web: WechatApp | None = None,
        timeout: float = 6.0,
    ) -> None:
        self._http = OutsideClient(SYSTEM, base_url, timeout=timeout)
        self._authorize = authorize_base.rstrip("/")
        self._now = now
        self._mini, self._web = mini, web
        self._token: tuple[str, datetime] | None = None

    async def aclose(self) -> None:
        await self._http.aclose()

    @property
    def mini(self) -> bool:
        return self._mini is not None

    @property
    def web(self) -> bool:
        return self._web is not None

    async def mini_person(self, code: str) -> WechatPerson:
        app = _configured(self._mini)
        answer = await self._get(
            "/sns/jscode2session",
            {
                "appid": app.appid,
                "secret": app.secret,
                "js_code": code,
                "grant_type": "authorization_code",
            },
        )
        return _person(app, answer)

    async def web_person(self, code: str) -> WechatPerson:
        app = _configured(self._web)
        answer = await self._get(
            "/sns/oauth2/access_token",
            {
                "appid": app.appid,
                "secret": app.secret,
                "code": code,
                "grant_type": "authorization_code",
            },
        )
        return _person(app, answer)

    def authorize_url(self, redirect_uri: str, state: str) -> str:
        app = _configured(self._web)
        query = {
            "appid": app.appid,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": "snsapi_base",
            "state": state,
        }
        return f"{self._authorize}/connect/oauth2/authorize?{urlencode(query)}#wechat_redirect"

    async def mini_phone(self, code: str) -> str:
        token = await self._access_token(_configured(self._mini))
        path = f"/wxa/business/getuserphonenumber?{urlencode({'access_token': token})}"
        answer = await self._post(path, {"code": code})
        number = (answer.get("phone_info") or {}).get("purePhoneNumber")
        if not isinstance(number, str):
            raise WechatUnavailable("no number in the answer")
        return number

    async def _access_token(self, app: WechatApp) -> str:
        if self._token is not None and self._now() < self._token[1]:
            return self._token[0]
        body = {"grant_type": "client_credential", "appid": app.appid, "secret": app.secret}
        answer = await self._post("/cgi-bin/stable_token", body)
        token, seconds = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not isinstance(seconds, int):
            raise WechatUnavailable("no access token in the answer")
        self._token = token, self._now() + timedelta(seconds=seconds) - _EARLY
        return token

    async def _get(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        return await self._call("GET", f"{path}?{urlencode(query)}", b"")

    async def _post(self, path: str, body: dict[str, str]) -> dict[str, Any]:
        return await self._call("POST", path, orjson.dumps(body))

    async def _call(self, method: str, target: str, body: bytes) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"} if body else {}
        try:
            reply = await self._http.call(method, target, headers=headers, body=body)
            answer = reply.json(SYSTEM)
            code = answer.get("errcode", 0)
            if reply.status != 200 or code:
                text = str(answer.get("errmsg", ""))
                raise OutsideRefused(SYSTEM, reply.status, str(code), text)
        except OutsideRefused as error:
            if error.code.isdigit() and int(error.code) in _BAD_CODE:
                raise WechatRefused(str(error)) from error
            raise WechatUnavailable(str(error)) from error
        except OutsideError as error:
            raise WechatUnavailable(str(error)) from error
        return answer


def _configured(app: WechatApp | None) -> WechatApp:
    if app is None:
        raise WechatUnavailable("this way of WeChat login is not configured")
    return app


def _person(app: WechatApp, answer: dict[str, Any]) -> WechatPerson:
    openid = answer.get("openid")
    if not isinstance(openid, str) or not openid:
        raise WechatUnavailable("no openid in the answer")
    union, key = answer.get("unionid"), answer.get("session_key")
    return WechatPerson(
        tenant=app.appid,
        openid=openid,
        unionid=union if isinstance(union, str) and union else None,
        session_key=key if isinstance(key, str) and key else None,
    )


def wechat_accounts(config: Config, now: Callable[[], datetime]) -> HttpWechatAccounts | None:
    """The adapter for the applications that are configured; None when there are none."""
    if config.wechat_mini_appid is None and config.wechat_web_appid is None:
        return None
    return HttpWechatAccounts(
        config.wechat_login_url,
        config.wechat_authorize_url,
        now,
        mini=_application(config.wechat_mini_appid, config.wechat_mini_secret),
        web=_application(config.wechat_web_appid, config.wechat_web_secret),
    )


def _application(appid: str | None, secret: SecretStr | None) -> WechatApp | None:
    return WechatApp(appid, secret.get_secret_value() if secret else "") if appid else None
