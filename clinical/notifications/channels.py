"""One message on one channel: whom, with which words, and what the answer means."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clinical.notifications.gateway import (
    App,
    NoticeSms,
    SendRefused,
    SendUnanswered,
    WechatMessage,
    WechatMessages,
)
from clinical.notifications.states import Outcome
from clinical.notifications.tokens import Tokens
from core.identity.gateway import SmsError, SmsRefused
from realtime.notices import Channel

if TYPE_CHECKING:
    from core.runtime import Runtime

#: WeChat calls the access token bad: 40001 invalid, 40014 malformed, 42001 run out.
BAD_TOKEN = frozenset({"40001", "40014", "42001"})
_OUTCOMES: dict[str, Outcome] = {
    # The person: has not subscribed, has turned it off, does not follow the account.
    "43101": Outcome.NOT_SUBSCRIBED,
    "43107": Outcome.NOT_SUBSCRIBED,
    "43108": Outcome.NOT_SUBSCRIBED,
    "43004": Outcome.NOT_SUBSCRIBED,
    "43116": Outcome.NOT_SUBSCRIBED,
    # The openid is not one of this application's.
    "40003": Outcome.NO_ADDRESS,
    # Ours: template, its keywords, the page, secret or address.
    "40037": Outcome.MISCONFIGURED,
    "47003": Outcome.MISCONFIGURED,
    "41030": Outcome.MISCONFIGURED,
    "40013": Outcome.MISCONFIGURED,
    "40125": Outcome.MISCONFIGURED,
    "40164": Outcome.MISCONFIGURED,
    "TEMPLATE_UNKNOWN": Outcome.MISCONFIGURED,
    "PARAMS_INVALID": Outcome.MISCONFIGURED,
    "PHONE_INVALID": Outcome.NO_ADDRESS,
    # Theirs, for a while.
    "-1": Outcome.BUSY,
    "45009": Outcome.BUSY,
    "45011": Outcome.BUSY,
    "LIMIT_EXCEEDED": Outcome.BUSY,
}


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A rendered message. `address` is an openid or a phone number."""

    channel: Channel
    address: str
    template: str
    data: Mapping[str, str]
    page: str
    url: str
    message_id: str


@dataclass(frozen=True)
class Result:
    """How a call ended: `detail` is the provider's word, `reference` its id of the message."""

    outcome: Outcome
    detail: str = ""
    reference: str = ""


async def send(runtime: "Runtime", letter: Letter) -> Result:
    """Send one message; every way to fail is a result."""
    try:
        if letter.channel is Channel.SMS:
            reference = await runtime.port(NoticeSms).send_once(
                letter.address, letter.template, letter.data, letter.message_id
            )
        else:
            reference = await _wechat(runtime, letter)
    except (SendRefused, SmsRefused) as error:
        return Result(_OUTCOMES.get(error.code, Outcome.REFUSED), str(error)[:500])
    except (SendUnanswered, SmsError) as error:
        return Result(Outcome.UNANSWERED, str(error)[:500])
    return Result(Outcome.SENT, reference=reference[:100])


def app_of(runtime: "Runtime", channel: Channel) -> App | None:
    """The application at WeChat behind a channel, if it is configured."""
    gateway: WechatMessages | None = runtime.ports.get(WechatMessages)
    if gateway is None:
        return None
    return gateway.mini if channel is Channel.WECHAT_MINI else gateway.service


async def _wechat(runtime: "Runtime", letter: Letter) -> str:
    app = app_of(runtime, letter.channel)
    if app is None:
        raise SendRefused("40013", "not configured")
    gateway, tokens = runtime.port(WechatMessages), Tokens.of(runtime)
    call = gateway.subscription if letter.channel is Channel.WECHAT_MINI else gateway.template
    message = WechatMessage(
        openid=letter.address,
        template=letter.template,
        data=letter.data,
        page=letter.page,
        url=letter.url,
        message_id=letter.message_id,
    )
    token = await tokens.get(app)
    try:
        return await call(token, message)
    except SendRefused as error:
        if error.code not in BAD_TOKEN:
            raise
    # A bad token sends nothing, so the same message may go again at once.
    try:
        return await call(await tokens.get(app, bad=token), message)
    except SendRefused as error:
        if error.code in BAD_TOKEN:
            raise SendUnanswered(str(error)) from error
        raise
