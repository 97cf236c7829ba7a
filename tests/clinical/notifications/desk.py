"""Verbs of the stories about notices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from clinical.notifications.gateway import App
from clinical.notifications.models import NoticeTemplate, Push, PushAttempt
from clinical.notifications.pushing import deliver_due
from clinical.sandbox.server import SandboxServer
from core.identity.external.identities import bind
from core.identity.tokens import issue_access_token
from core.ids import new_id
from core.outbox import Relay
from core.runtime import Runtime
from realtime import inbox
from realtime.models import ConnectionRow, NodeRow
from realtime.notices import Channel
from tests.support.cast import Cast, Person
from tests.support.http import Client
from tests.support.outside import Payer

OPENID = "oSIM-linxiaoman-0001"
DOCTOR_OPENID = "oSIM-chenanhe-0002"


@dataclass
class Desk:
    """A hospital whose messages go to the simulators of WeChat and of the SMS provider."""

    runtime: Runtime
    relay: Relay
    cast: Cast
    hands: Payer
    sandbox: SandboxServer
    client: Client
    mini: App
    service: App

    async def tell(
        self, who: Person, code: str, *, title: str = "标题", text: str = "内容", **parameters: Any
    ) -> None:
        """A module puts a notice into somebody's inbox."""
        async with self.runtime.unit_of_work() as uow:
            await inbox.notify(
                uow,
                [who.user_id],
                hospital_id=who.caller.hospital_id,
                type=code,
                title=title,
                text=text,
                ref=("consultation", UUID(int=7)),
                parameters=parameters,
            )

    async def push(self) -> None:
        """The relay and the job do what is due."""
        await self.relay.drain()
        while await deliver_due(self.runtime):
            pass

    async def bind(self, who: Person, openid: str, *, service: bool = False) -> None:
        """The account of somebody is bound at WeChat."""
        tenant = self.service.appid if service else self.mini.appid
        async with self.runtime.unit_of_work() as uow:
            await bind(uow, who.user_id, "wechat", tenant, f"w{openid}" if service else openid)

    async def subscribe(self, openid: str, template: str = "SIM-notice", times: int = 1) -> None:
        """A person taps "allow" in the mini-program."""
        body = {"openid": openid, "template": template, "times": times}
        await self.post("/_sandbox/wechat/subscriptions", body)

    async def ask(self, who: Person, method: str, path: str, body: Any = None) -> Any:
        """Ask with a fresh token, because some stories last longer than one; must succeed."""
        token = issue_access_token(who.caller, self.runtime.clock.now(), self.runtime.keyring)
        answer = await self.client.request(method, path, token=token, json=body)
        assert answer.status < 300, answer.body
        return answer.json if answer.body else None

    async def post(self, path: str, body: Any) -> None:
        async with self.hands._http.post(self.sandbox.url + path, json=body) as answer:
            assert answer.status == 200

    async def template(
        self, code: str, channel: Channel, template: str = "SIM-notice", **fields: str
    ) -> None:
        """The hospital has a template of its own."""
        async with self.runtime.unit_of_work() as uow:
            uow.session.add(
                NoticeTemplate(
                    id=new_id(),
                    hospital_id=self.cast.hospital_id,
                    code=code,
                    channel=channel,
                    version=1,
                    title="",
                    body="",
                    provider_template=template,
                    fields=fields or {"thing1": "您有一条新的提醒", "time2": "{time}"},
                    enabled=True,
                    created_at=uow.now,
                )
            )

    async def connect(self, who: Person) -> None:
        """Somebody has a socket on a living node."""
        async with self.runtime.unit_of_work() as uow:
            node = NodeRow(id=new_id(), expires_at=uow.now + timedelta(days=3650))
            uow.session.add(node)
            await uow.session.flush()
            uow.session.add(
                ConnectionRow(
                    id=new_id().hex,
                    node_id=node.id,
                    user_id=who.user_id,
                    device="phone",
                    connected_at=uow.now,
                )
            )

    async def pushes(self, who: Person) -> list[Push]:
        async with self.runtime.unit_of_work() as uow:
            rows = await uow.session.scalars(
                select(Push).where(Push.user_id == who.user_id).order_by(Push.created_at, Push.id)
            )
            return list(rows)

    async def states(self, who: Person) -> list[str]:
        """What became of each push: its state, or why it was not sent."""
        return [(push.skipped or push.state).value for push in await self.pushes(who)]

    async def attempts(self) -> list[tuple[str, str]]:
        """Channel and outcome of every attempt, in their order."""
        async with self.runtime.unit_of_work() as uow:
            rows = await uow.session.scalars(
                select(PushAttempt).order_by(PushAttempt.started_at, PushAttempt.id)
            )
            return [(row.channel.value, row.outcome.value if row.outcome else "") for row in rows]

    async def sms(self, who: Person) -> list[str]:
        """The text messages on somebody's phone, newest first."""
        found = await self.hands.get(f"/_sandbox/sms?phone={who.phone}")
        return [message["text"] for message in found["messages"]]

    async def wechat(self) -> list[dict[str, Any]]:
        """What WeChat has delivered, newest first."""
        found = await self.hands.get("/_sandbox/wechat/messages")
        messages: list[dict[str, Any]] = found["messages"]
        return messages
