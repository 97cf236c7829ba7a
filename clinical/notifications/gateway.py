"""Ports to the outside: WeChat's messages, and text messages that are sent once.

Source: WeChat open documentation: `stable_token`, `subscribeMessage.send` (mini-programs),
`template/send` (service accounts).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class SendRefused(Exception):
    """The provider said no; `code` is its own word (`43101`, `TEMPLATE_UNKNOWN`)."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code} {message}".strip())
        self.code = code


class SendUnanswered(Exception):
    """No answer, or none that can be read: whether it was sent is unknown."""


@dataclass(frozen=True)
class App:
    """An application at WeChat."""

    appid: str
    secret: str


@dataclass(frozen=True, kw_only=True)
class WechatMessage:
    """A message to one person. `page` is a page of the mini-program, `url` one for a browser.

    `message_id` is ours: a service account sends one such id to a person once within ten minutes.
    """

    openid: str
    template: str
    data: Mapping[str, str]
    page: str = ""
    url: str = ""
    message_id: str = ""


class WechatMessages(Protocol):
    """WeChat's messages of a mini-program and of a service account."""

    mini: App | None
    service: App | None

    async def new_token(self, app: App, *, force: bool) -> tuple[str, int]:
        """An access token and the seconds that it is good for; `force` makes the old one bad.

        Raises SendRefused, SendUnanswered.
        """
        ...

    async def subscription(self, token: str, message: WechatMessage) -> str:
        """A subscription message of the mini-program. Returns WeChat's message id, if any.

        Raises SendRefused, SendUnanswered.
        """
        ...

    async def template(self, token: str, message: WechatMessage) -> str:
        """A template message of the service account. Returns WeChat's message id.

        Raises SendRefused, SendUnanswered.
        """
        ...


class NoticeSms(Protocol):
    """Text messages with an id of ours, so that a repeated call sends nothing twice."""

    async def send_once(
        self, phone: str, template: str, parameters: Mapping[str, str], message_id: str
    ) -> str:
        """Hand a message to the provider; returns the provider's id.

        Raises SmsRefused of `core.identity.gateway` when it says no, SmsError without an answer.
        """
        ...
