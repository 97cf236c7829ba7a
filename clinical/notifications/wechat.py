"""WeChat's messages on api.weixin.qq.com."""

from typing import Any
from urllib.parse import urlencode

import orjson
from pydantic import SecretStr

from clinical.notifications.gateway import App, SendRefused, SendUnanswered, WechatMessage
from core.config import Config
from core.outside import OutsideClient, OutsideError

SYSTEM = "wechat_messages"


class HttpWechatMessages:
    """`WechatMessages` for a mini-program, a service account, or both."""

    def __init__(
        self, base_url: str, *, mini: App | None, service: App | None, timeout: float = 6.0
    ) -> None:
        self._http = OutsideClient(SYSTEM, base_url, timeout=timeout)
        self.mini = mini
        self.service = service

    async def aclose(self) -> None:
        await self._http.aclose()

    async def new_token(self, app: App, *, force: bool) -> tuple[str, int]:
        answer = await self._post(
            "/cgi-bin/stable_token",
            {
                "grant_type": "client_credential",
                "appid": app.appid,
                "secret": app.secret,
                "force_refresh": force,
            },
        )
        token, seconds = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not isinstance(seconds, int):
            raise SendUnanswered("no access token in the answer")
        return token, seconds

    async def subscription(self, token: str, message: WechatMessage) -> str:
        body: dict[str, Any] = {
            "touser": message.openid,
            "template_id": message.template,
            "data": {key: {"value": value} for key, value in message.data.items()},
            "miniprogram_state": "formal",
            "lang": "zh_CN",
        }
        if message.page:
            body["page"] = message.page
        answer = await self._post(_with(token, "/cgi-bin/message/subscribe/send"), body)
        return str(answer.get("msgid", ""))

    async def template(self, token: str, message: WechatMessage) -> str:
        body: dict[str, Any] = {
            "touser": message.openid,
            "template_id": message.template,
            "data": {key: {"value": value} for key, value in message.data.items()},
            "client_msg_id": message.message_id,
        }
        if self.mini is not None and message.page:
            body["miniprogram"] = {"appid": self.mini.appid, "pagepath": message.page}
        if message.url:
            body["url"] = message.url
        answer = await self._post(_with(token, "/cgi-bin/message/template/send"), body)
        return str(answer.get("msgid", ""))

    async def _post(self, target: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        try:
            reply = await self._http.call("POST", target, headers=headers, body=orjson.dumps(body))
            answer = reply.json(SYSTEM)
        except OutsideError as error:
            raise SendUnanswered(str(error)) from error
        code = answer.get("errcode", 0)
        if reply.status != 200 or code:
            raise SendRefused(str(code or reply.status), str(answer.get("errmsg", ""))[:200])
        return answer


def _with(token: str, path: str) -> str:
    return f"{path}?{urlencode({'access_token': token})}"


def wechat_messages(config: Config) -> HttpWechatMessages | None:
    """The adapter for the applications that are configured; None when there are none."""
    mini = _app(config.wechat_mini_appid, config.wechat_mini_secret)
    service = _app(config.wechat_web_appid, config.wechat_web_secret)
    if mini is None and service is None:
        return None
    return HttpWechatMessages(config.wechat_login_url, mini=mini, service=service)


def _app(appid: str | None, secret: SecretStr | None) -> App | None:
    return App(appid, secret.get_secret_value() if secret else "") if appid else None
