"""A hospital that can be called back by the simulated channel, and short words for paying."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import uvicorn
from sqlalchemy import select
from starlette.types import ASGIApp

from clinical.payments import channel, jobs, refunding, service
from clinical.payments.gateway import PaymentGateway, WechatPay
from clinical.payments.models import ChannelCall, Order, Payment, Refund
from clinical.sandbox.server import SandboxServer
from core.clock import FakeClock
from core.config import Config
from core.identity.tokens import issue_access_token
from core.ids import new_id
from core.outbox import OutboxEvent, Relay
from core.runtime import Runtime
from tests.support.cast import Cast, Person
from tests.support.http import Client
from tests.support.outside import Payer, made_keys, payer, sandbox, wechat_pay

__all__ = ["made_keys", "payer", "sandbox", "wechat_pay"]

BACK = "http://hospital.test/m/#/pages/pay/done"


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        yield found


@pytest.fixture
def config(database_url: str, tmp_path: Path, listening: socket.socket) -> Config:
    return Config(
        _env_file=None,
        demo=True,
        database_url=database_url,
        data_dir=tmp_path,
        public_url=f"http://127.0.0.1:{listening.getsockname()[1]}",
        media_secret="test-media-secret",
        relay=False,
        rate_limits=False,
    )


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Till:
    """The hospital's side of paying: orders, and what time and reactions do to them."""

    def __init__(
        self, runtime: Runtime, client: Client, cast: Cast, payer: Payer, relay: Relay
    ) -> None:
        self.runtime, self.client, self.cast, self.payer = runtime, client, cast, payer
        self._relay = relay

    @property
    def clock(self) -> FakeClock:
        assert isinstance(self.runtime.clock, FakeClock)
        return self.runtime.clock

    def token(self, who: Person) -> str:
        """A token that is good now, however long the story takes."""
        return issue_access_token(who.caller, self.clock.now(), self.runtime.keyring)

    async def order(
        self, amount_fen: int = 3000, minutes: float = 30, who: Person | None = None
    ) -> UUID:
        """Open an order of a patient."""
        person, order_id = who or self.cast.patient, new_id()
        async with self.runtime.unit_of_work() as uow:
            await service.open_order(
                uow,
                order_id=order_id,
                hospital_id=person.caller.hospital_id,
                user_id=person.user_id,
                subject_type="consultation",
                subject_id=new_id(),
                number=f"WZ{order_id.hex[-12:]}",
                subject="图文复诊 陈安和医生",
                amount_fen=amount_fen,
                expires_at=uow.now + timedelta(minutes=minutes),
            )
        return order_id

    async def cashier(self, order_id: UUID, who: Person | None = None) -> str:
        """Ask for the cashier through the API."""
        answer = await self.client.post(
            f"/orders/{order_id}/pay",
            token=self.token(who or self.cast.patient),
            json={"channel": "wechat_h5", "return_url": BACK},
        )
        return str(answer.expect(200)["pay_url"])

    async def press_pay(self, pay_url: str) -> None:
        """Pay at the cashier and wait until every callback has been delivered."""
        status, _ = await self.payer.press(pay_url)
        assert status == 303
        await self.payer.server.world.idle()

    async def paid(self, amount_fen: int = 3000) -> UUID:
        order_id = await self.order(amount_fen)
        await self.press_pay(await self.cashier(order_id))
        assert (await self.show(order_id))["state"] == "paid"
        return order_id

    async def show(self, order_id: UUID, who: Person | None = None) -> dict[str, Any]:
        token = self.token(who or self.cast.patient)
        found: dict[str, Any] = (await self.client.get(f"/orders/{order_id}", token=token)).expect(
            200
        )
        return found

    async def react(self) -> None:
        """Let the reactions run, and the channel finish what they started."""
        await self._relay.drain()
        await self.payer.server.world.idle()
        await self._relay.drain()

    async def later(self, step: timedelta | float) -> None:
        """Time passes and the jobs of payments come round."""
        self.clock.advance(step)
        for job in jobs.JOBS:
            await job.run(self.runtime)
        await self.react()

    async def ask_back(self, order_id: UUID, reason: str = "declined") -> None:
        """What consultation's request does, as the relay delivers it."""
        async with self.runtime.unit_of_work() as uow:
            await refunding.request_refund(uow, order_id, reason, "医生未接诊，全额退款")

    async def close(self, order_id: UUID, reason: str = "cancelled") -> bool:
        async with self.runtime.unit_of_work() as uow:
            return await service.close_order(uow, order_id, reason)

    async def sync(self, order_id: UUID) -> None:
        await channel.sync(self.runtime, order_id)

    async def rows(self, table: type[Any], order_id: UUID) -> list[Any]:
        async with self.runtime.unit_of_work() as uow:
            key = table.id if table is Order else table.order_id
            return list(await uow.session.scalars(select(table).where(key == order_id)))

    async def payments(self, order_id: UUID) -> list[Payment]:
        return await self.rows(Payment, order_id)

    async def refunds(self, order_id: UUID) -> list[Refund]:
        return await self.rows(Refund, order_id)

    async def calls(self, order_id: UUID) -> list[tuple[str, str]]:
        rows: list[ChannelCall] = await self.rows(ChannelCall, order_id)
        return [(row.action.value, row.state.value) for row in rows]

    async def announced(self, order_id: UUID) -> list[str]:
        """The names of the order's events, in order."""
        async with self.runtime.unit_of_work() as uow:
            names = await uow.session.scalars(
                select(OutboxEvent.name)
                .where(OutboxEvent.aggregate_id == order_id)
                .order_by(OutboxEvent.position)
            )
            return list(names)

    async def at_channel(self, kind: str) -> list[dict[str, Any]]:
        """What the simulator has of a kind: `orders`, `refunds`, `callbacks`."""
        found: list[dict[str, Any]] = (await self.payer.get("/_sandbox/state"))[kind]
        return found


@pytest.fixture
async def till(
    runtime: Runtime,
    asgi: ASGIApp,
    client: Client,
    cast: Cast,
    payer: Payer,
    relay: Relay,
    wechat_pay: WechatPay,
    sandbox: SandboxServer,
    listening: socket.socket,
) -> AsyncIterator[Till]:
    """The whole hospital behind a real port, with the real client of the simulated channel."""
    runtime.provide(PaymentGateway, wechat_pay)
    server = _Server(uvicorn.Config(asgi, lifespan="off", log_config=None, ws="none"))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    yield Till(runtime, client, cast, payer, relay)
    await sandbox.world.idle()
    server.should_exit = True
    await task
