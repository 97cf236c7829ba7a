"""A hospital whose messages go to the simulators."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from clinical.notifications.gateway import App, NoticeSms, WechatMessages
from clinical.notifications.wechat import HttpWechatMessages
from clinical.sandbox import keys
from clinical.sandbox.server import SandboxServer
from core.identity.sms_http import HttpSmsGateway
from core.outbox import Relay
from core.runtime import Runtime
from tests.clinical.notifications.desk import Desk
from tests.support.cast import Cast
from tests.support.http import Client
from tests.support.outside import Payer, made_keys, payer, sandbox

__all__ = ["made_keys", "payer", "sandbox"]


@pytest.fixture
async def desk(
    runtime: Runtime,
    relay: Relay,
    cast: Cast,
    client: Client,
    sandbox: SandboxServer,
    payer: Payer,
) -> AsyncIterator[Desk]:
    """The real adapters, pointed at the simulators."""
    made = keys.load(sandbox.config.folder).secrets
    mini = App(made.appid, made.wechat_secret)
    service = App(made.wechat_web_appid, made.wechat_secret)
    wechat = HttpWechatMessages(sandbox.url, mini=mini, service=service, timeout=2)
    sms = HttpSmsGateway(sandbox.url, keys.KEY_ID, made.sms_secret, runtime.clock.now, timeout=2)
    runtime.provide(WechatMessages, wechat)
    runtime.provide(NoticeSms, sms)
    yield Desk(runtime, relay, cast, payer, sandbox, client, mini, service)
    await wechat.aclose()
    await sms.aclose()
