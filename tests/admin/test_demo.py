"""The demo hospital: whole, plausible and made once."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import func, select

import app as zhenjian
from admin.demo.accounts import DEMO_ACCOUNTS, DOCTOR, PASSWORD
from admin.demo.seed import seed
from clinical.consent.models import RightsRequest, TextProposal
from clinical.consultation import notes
from clinical.consultation.models import Consultation
from clinical.consultation.states import State
from clinical.payments.gateway import PaymentGateway, WechatPay
from clinical.payments.models import Order, Refund
from clinical.payments.rules import OrderState
from clinical.people.models import Clinician, Patient
from clinical.sandbox.server import SandboxServer
from core.bus import LocalBus
from core.clock import FakeClock
from core.config import Config
from core.crypto.keyring import Keyring
from core.db import Base
from core.identity.id_numbers import parse_id_number
from core.modules import Modules
from core.outbox import Relay
from core.postgres import EmbeddedPostgres
from core.runtime import Runtime
from realtime import entries
from realtime.models import MessageRow, RoomRow
from tests.support.databases import Databases
from tests.support.http import Client

TODAY = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
DEVICE = {"id": "demo-device-1", "name": "测试", "platform": "pc"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seeded(
    postgres: EmbeddedPostgres,
    databases: Databases,
    modules: Modules,
    keyring: Keyring,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Config]:
    """One demo hospital for all who only look at it: where its database and its files are."""
    name = await databases.take()
    config = Config(
        _env_file=None,
        demo=True,
        database_url=postgres.url(name),
        data_dir=tmp_path_factory.mktemp("hospital"),
        rate_limits=False,
    )
    made = runtime_on(config, modules, keyring)
    await seed(made, None)
    await made.engine.dispose()
    yield config
    await databases.give_back(name)


def runtime_on(config: Config, modules: Modules, keyring: Keyring) -> Runtime:
    return zhenjian.build_runtime(
        config, modules, clock=FakeClock(TODAY), bus=LocalBus(), keyring=keyring
    )


@pytest.fixture
async def hospital(seeded: Config, modules: Modules, keyring: Keyring) -> AsyncIterator[Runtime]:
    found = runtime_on(seeded, modules, keyring)
    yield found
    await found.engine.dispose()


async def login(client: Client, phone: str) -> dict[str, Any]:
    body = {"login": phone, "password": PASSWORD, "device": DEVICE}
    tokens: dict[str, Any] = (await client.post("/auth/login/password", json=body)).expect(200)
    return tokens


async def count(runtime: Runtime, model: type[Base]) -> int:
    async with runtime.unit_of_work() as uow:
        return await uow.session.scalar(select(func.count()).select_from(model)) or 0


@pytest.mark.slow
async def test_every_demo_account_can_log_in_and_has_something_to_do(
    hospital: Runtime, modules: Modules
) -> None:
    client = Client(zhenjian.build_asgi(hospital, modules))
    for account in DEMO_ACCOUNTS:
        tokens = await login(client, account.login)
        assert tokens["hospital"]["name"] == "仁和示范互联网医院"
        token = tokens["access_token"]
        if tokens["role"] == "doctor":
            counts = (await client.get("/consultations/counts", token=token)).expect(200)
            assert counts["waiting"] >= 1
            assert counts["ended"] >= 3
        if tokens["role"] == "patient":
            counts = (await client.get("/consultations/counts", token=token)).expect(200)
            assert counts["draft"] == 1
            assert counts["active"] == 1
            rows = (await client.get("/consultations?state=ended&limit=100", token=token)).expect(
                200
            )["items"]
            assert any(row["rating"] is None for row in rows)
            assert any(row["closing_note"]["intact"] for row in rows if row["closing_note"])


async def test_the_hospital_has_the_promised_size_and_a_lively_present(hospital: Runtime) -> None:
    assert await count(hospital, Clinician) >= 60
    assert await count(hospital, Patient) >= 40
    # A text waits for the second administrator, and two people wait for an officer.
    assert (await count(hospital, TextProposal), await count(hospital, RightsRequest)) == (1, 2)
    async with hospital.unit_of_work() as uow:
        rows = (await uow.session.scalars(select(Consultation))).all()
        states = Counter(row.state for row in rows)
        assert len(rows) >= 400
        assert (states[State.WAITING], states[State.ACTIVE], states[State.DRAFT]) == (6, 1, 1)
        newest = max(row.created_at for row in rows if row.state in (State.ENDED, State.CANCELLED))
        assert newest.date() < uow.now.date()
        assert all(notes.intact(row) for row in rows if row.note_final_at)
        assert len({(row.hospital_id, row.number) for row in rows}) == len(rows)
        assert any(row.red_flag for row in rows)


async def test_every_room_of_the_past_replays_to_its_row(hospital: Runtime) -> None:
    async with hospital.unit_of_work() as uow:
        rooms = (await uow.session.scalars(select(RoomRow))).all()
        log: dict[Any, list[Any]] = {room.id: [] for room in rooms}
        for entry in await uow.session.scalars(
            select(MessageRow).order_by(MessageRow.room_id, MessageRow.seq)
        ):
            body = entry.body if entry.kind == "system" else None
            log[entry.room_id].append((entry.seq, body))
        for room in rooms:
            replayed = entries.replay(room.id, room.hospital_id, log[room.id])
            assert (replayed.state, replayed.seq) == (room.state, room.seq)


async def test_nobody_in_the_demo_can_exist(hospital: Runtime) -> None:
    async with hospital.unit_of_work() as uow:
        patients = (await uow.session.scalars(select(Patient))).all()
        numbers = [patient.id_number for patient in patients if patient.id_number]
        for number in numbers:
            parsed = parse_id_number(number, uow.now.date())
            assert parsed.region_code == "119999"
        assert len(set(numbers)) == len(numbers)


async def test_with_the_simulators_todays_money_can_really_be_given_back(
    runtime: Runtime,
    client: Client,
    relay: Relay,
    sandbox: SandboxServer,
    wechat_pay: WechatPay,
) -> None:
    runtime.provide(PaymentGateway, wechat_pay)
    await seed(runtime, sandbox.url)
    token = (await login(client, DOCTOR.phone))["access_token"]
    queue = (await client.get("/consultations?state=waiting", token=token)).expect(200)["items"]
    reason = {"reason": "建议到院就诊"}
    path = f"/consultations/{queue[0]['id']}/decline"
    declined = (await client.post(path, token=token, json=reason)).expect(200)
    await relay.drain()
    async with runtime.unit_of_work() as uow:
        order = await uow.session.get_one(Order, UUID(declined["order_id"]))
        assert order.state in (OrderState.REFUNDING, OrderState.REFUNDED)
        refund = await uow.session.scalar(select(Refund).where(Refund.order_id == order.id))
        assert refund is not None
        assert refund.channel_refund_id


async def test_a_second_start_changes_nothing(hospital: Runtime) -> None:
    before = await count(hospital, Consultation)
    await seed(hospital, None)
    assert await count(hospital, Consultation) == before


async def test_the_demo_can_be_made_at_any_time_of_the_day(
    runtime: Runtime, clock: FakeClock
) -> None:
    clock.advance(15 * 3600 + 59 * 60)
    await seed(runtime, None)
    assert await count(runtime, Consultation) >= 400
