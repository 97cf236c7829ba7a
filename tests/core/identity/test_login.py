"""Logging in by code and by password, and how guesses are slowed down."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from core.clock import FakeClock
from core.identity import service
from core.identity.caller import Caller
from core.identity.gateway import SmsError, SmsGateway
from core.identity.roles import Role
from core.runtime import Runtime
from core.settings.registry import Scope
from core.settings.service import set_value
from tests.support.http import Client

DEVICE = {"id": "phone-1", "name": "小米", "platform": "h5"}
PASSWORD = "River-Stone-77"


class Inbox:
    """A telephone network that keeps what it delivers."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.down = False

    async def send(self, phone: str, template: str, parameters: dict[str, str]) -> None:
        if self.down:
            raise SmsError("down")
        self.sent.append((phone, parameters["code"]))

    def code(self, phone: str) -> str:
        return next(code for to, code in reversed(self.sent) if to == phone)


@pytest.fixture
def inbox(runtime: Runtime) -> Inbox:
    inbox = Inbox()
    runtime.provide(SmsGateway, inbox)
    return inbox


@pytest.fixture
async def hospital(runtime: Runtime) -> UUID:
    async with runtime.unit_of_work() as uow:
        first = await service.create_hospital(uow, code="renhe", name="仁和", position=0)
        await service.create_hospital(uow, code="ankang", name="安康", position=1)
        return first.id


@pytest.fixture
async def doctor(runtime: Runtime, hospital: UUID) -> UUID:
    async with runtime.unit_of_work() as uow:
        user = await service.register(
            uow,
            hospital,
            Role.DOCTOR,
            phone="13900000009",
            login="chen",
            name="陈安和",
            password=PASSWORD,
        )
        await service.assign_role(uow, user.id, hospital, Role.SUPERVISOR)
        return user.id


async def sms_login(client: Client, inbox: Inbox, phone: str, **more: Any) -> Any:
    (await client.post("/auth/sms-codes", json={"phone": phone})).expect(202)
    body = {"phone": phone, "code": inbox.code(phone), "device": DEVICE, **more}
    return (await client.post("/auth/login/sms", json=body)).expect(200)


async def prove_by_sms(client: Client, inbox: Inbox, phone: str, token: str) -> None:
    (await client.post("/auth/second-factor/sms-codes", token=token)).expect(202)
    body = {"method": "sms", "code": inbox.code(phone)}
    (await client.post("/auth/second-factor", token=token, json=body)).expect(200)


async def try_password(client: Client, password: str, **more: Any) -> Any:
    body = {"login": "chen", "password": password, "device": {**DEVICE, "platform": "pc"}}
    return await client.post("/auth/login/password", json=body | more)


async def test_an_unknown_phone_becomes_a_patient_of_the_first_hospital(
    client: Client, inbox: Inbox, hospital: UUID, clock: FakeClock
) -> None:
    tokens = await sms_login(client, inbox, "13800000001")
    assert tokens["role"] == "patient"
    assert tokens["hospital"] == {"id": str(hospital), "name": "仁和"}
    assert tokens["user"]["phone_masked"] == "138****0001"
    assert tokens["user"]["real_name_verified"] is False
    me = (await client.get("/me", token=tokens["access_token"])).expect(200)
    assert me["user"]["id"] == tokens["user"]["id"]
    # The first code is used up; the waiting time of the number has to pass for the next one.
    refused = await client.post("/auth/sms-codes", json={"phone": "138 0000 0001"})
    assert refused.code == "too_many_attempts"
    assert refused.json["retry_after"] == 60
    clock.advance(60)
    again = await sms_login(client, inbox, "13800000001")
    assert again["user"]["id"] == tokens["user"]["id"]


async def test_staff_do_not_register_themselves(
    client: Client, inbox: Inbox, hospital: UUID
) -> None:
    (await client.post("/auth/sms-codes", json={"phone": "13800000001"})).expect(202)
    body = {"phone": "13800000001", "code": inbox.code("13800000001"), "device": DEVICE}
    answer = await client.post("/auth/login/sms", json=body | {"role": "doctor"})
    assert (answer.status, answer.code) == (403, "role_not_assigned")


async def test_a_wrong_code_is_counted_and_the_sixth_try_is_not_heard(
    client: Client, inbox: Inbox, hospital: UUID
) -> None:
    phone = "13800000001"
    (await client.post("/auth/sms-codes", json={"phone": phone})).expect(202)
    right = inbox.code(phone)
    wrong = "000000" if right != "000000" else "111111"
    body = {"phone": phone, "device": DEVICE}
    for _ in range(5):
        answer = await client.post("/auth/login/sms", json=body | {"code": wrong})
        assert answer.code == "sms_code_wrong"
    answer = await client.post("/auth/login/sms", json=body | {"code": right})
    assert answer.code == "too_many_attempts"


async def test_a_code_works_once_and_for_five_minutes(
    client: Client, inbox: Inbox, hospital: UUID, clock: FakeClock
) -> None:
    phone = "13800000001"
    await sms_login(client, inbox, phone)
    body = {"phone": phone, "code": inbox.code(phone), "device": DEVICE}
    assert (await client.post("/auth/login/sms", json=body)).code == "sms_code_expired"
    clock.advance(60)
    (await client.post("/auth/sms-codes", json={"phone": phone})).expect(202)
    clock.advance(timedelta(minutes=5))
    body["code"] = inbox.code(phone)
    assert (await client.post("/auth/login/sms", json=body)).code == "sms_code_expired"


async def test_codes_are_limited_per_phone_and_per_address(
    client: Client, inbox: Inbox, hospital: UUID, clock: FakeClock, runtime: Runtime
) -> None:
    for _ in range(5):
        (await client.post("/auth/sms-codes", json={"phone": "13800000001"})).expect(202)
        clock.advance(61)
    refused = await client.post("/auth/sms-codes", json={"phone": "13800000001"})
    assert refused.code == "too_many_attempts"
    assert refused.json["retry_after"] == 3600 - 5 * 61
    assert refused.headers["retry-after"] == str(3600 - 5 * 61)
    for number in range(55):
        answer = await client.post("/auth/sms-codes", json={"phone": f"1370000{number:04d}"})
        answer.expect(202)
    refused = await client.post("/auth/sms-codes", json={"phone": "13700009999"})
    assert refused.code == "too_many_attempts"


async def test_a_code_that_was_not_sent_does_not_count(
    client: Client, inbox: Inbox, hospital: UUID
) -> None:
    inbox.down = True
    answer = await client.post("/auth/sms-codes", json={"phone": "13800000001"})
    assert (answer.status, answer.code) == (503, "sms_unavailable")
    inbox.down = False
    (await client.post("/auth/sms-codes", json={"phone": "13800000001"})).expect(202)


async def test_neither_code_nor_phone_stands_readable_in_the_database(
    client: Client, inbox: Inbox, hospital: UUID, runtime: Runtime
) -> None:
    await sms_login(client, inbox, "13800000001")
    async with runtime.engine.connect() as connection:
        for table in ("users", "sms_codes", "audit_entries", "login_throttles"):
            rows = await connection.execute(text(f"SELECT t::text FROM {table} t"))
            dump = "".join(row[0] for row in rows)
            assert b"13800000001".hex() not in dump
            assert "13800000001" not in dump
            assert inbox.code("13800000001") not in dump or table != "sms_codes"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"phone": "12345"},
        {"phone": None},
        {"phone": ["13800000001"]},
        {"phone": "1" * 5000},
    ],
)
async def test_a_bad_phone_is_a_named_error(
    client: Client, inbox: Inbox, hospital: UUID, body: Any
) -> None:
    answer = await client.post("/auth/sms-codes", json=body)
    assert answer.status == 422
    assert answer.json["fields"][0]["field"] == "phone"


@pytest.mark.requirement("S4-016")
async def test_a_doctor_logs_in_by_password_and_changes_role(
    client: Client, doctor: UUID, hospital: UUID, inbox: Inbox
) -> None:
    tokens = (await try_password(client, PASSWORD)).expect(200)
    assert tokens["role"] == "doctor"
    assert {role["role"] for role in tokens["roles"]} == {"doctor", "supervisor"}
    by_phone = (await try_password(client, PASSWORD, login="13900000009")).expect(200)
    token = by_phone["access_token"]
    switched = (await client.post("/auth/role", token=token, json={"role": "supervisor"})).expect(
        200
    )
    assert switched["role"] == "supervisor"
    assert switched["session_id"] == by_phone["session_id"]
    # The supervisor's role asks for a second factor, the doctor's does not.
    assert (by_phone["owes"], switched["owes"]) == ([], ["second_factor"])
    refused = await client.get("/audit", token=switched["access_token"])
    assert (refused.status, refused.code) == (403, "second_factor_required")
    await prove_by_sms(client, inbox, "13900000009", token)
    (await client.get("/audit", token=switched["access_token"])).expect(200)
    assert (await client.get("/audit", token=token)).code == "forbidden"
    refused = await client.post("/auth/role", token=token, json={"role": "administrator"})
    assert refused.code == "role_not_assigned"
    patient = await client.post("/auth/role", token=token, json={"role": "patient"})
    assert patient.expect(200)["role"] == "patient"


async def test_the_fifth_wrong_password_locks_for_a_minute_then_two(
    client: Client, doctor: UUID, clock: FakeClock
) -> None:
    for _ in range(5):
        assert (await try_password(client, "wrong")).code == "password_wrong"
    locked = await try_password(client, PASSWORD)
    assert (locked.status, locked.code, locked.json["retry_after"]) == (
        429,
        "too_many_attempts",
        60,
    )
    clock.advance(60)
    assert (await try_password(client, "wrong")).code == "password_wrong"
    assert (await try_password(client, PASSWORD)).json["retry_after"] == 120
    clock.advance(120)
    (await try_password(client, PASSWORD)).expect(200)
    assert (await try_password(client, "wrong")).code == "password_wrong"
    (await try_password(client, PASSWORD)).expect(200)


async def test_an_address_that_guesses_at_many_accounts_pauses(
    client: Client, doctor: UUID, hospital: UUID, runtime: Runtime, clock: FakeClock
) -> None:
    async with runtime.unit_of_work() as uow:
        operator = Caller(
            user_id=doctor,
            hospital_id=hospital,
            role=Role.OPERATOR,
            session_id=uuid4(),
            device_id="x",
        )
        await set_value(uow, operator, "identity.address_free_failures", 5, Scope.GROUP, None)
    for number in range(4):
        assert (await try_password(client, "x", login=f"n{number}")).code == "password_wrong"
    for _ in range(6):
        (await try_password(client, PASSWORD)).expect(200)
    clock.advance(60)
    assert (await try_password(client, "x", login="n9")).code == "password_wrong"
    paused = await try_password(client, PASSWORD)
    assert (paused.code, paused.json["retry_after"]) == ("too_many_attempts", 14 * 60)
    clock.advance(timedelta(minutes=14))
    (await try_password(client, PASSWORD)).expect(200)


async def test_many_guesses_at_once_are_not_more_guesses(client: Client, doctor: UUID) -> None:
    answers = await asyncio.gather(*(try_password(client, f"wrong-{n}") for n in range(12)))
    codes = [answer.code for answer in answers]
    assert codes.count("password_wrong") == 5
    assert codes.count("too_many_attempts") == 7


async def test_an_unknown_account_answers_like_a_wrong_password(
    client: Client, doctor: UUID
) -> None:
    for _ in range(5):
        answer = await try_password(client, "wrong", login="nobody")
        assert (answer.status, answer.code) == (422, "password_wrong")
    assert (await try_password(client, "wrong", login="nobody")).code == "too_many_attempts"


async def test_a_locked_account_is_told_only_to_who_knows_the_password(
    client: Client, doctor: UUID, hospital: UUID, runtime: Runtime, inbox: Inbox
) -> None:
    admin = await _administrator(runtime, client, hospital, inbox)
    token = (await try_password(client, PASSWORD)).expect(200)["access_token"]
    path = f"/accounts/staff/{doctor}/enabled"
    (await client.put(path, token=admin, json={"enabled": False, "reason": "休假"})).expect(200)
    assert (await try_password(client, PASSWORD)).code == "account_disabled"
    assert (await try_password(client, "wrong")).code == "password_wrong"
    assert (await client.get("/me", token=token)).status == 401
    (await client.put(path, token=admin, json={"enabled": True, "reason": "回来"})).expect(200)
    (await try_password(client, PASSWORD)).expect(200)


async def _administrator(runtime: Runtime, client: Client, hospital: UUID, inbox: Inbox) -> str:
    phone = "13900000006"
    async with runtime.unit_of_work() as uow:
        await service.register(
            uow,
            hospital,
            Role.ADMINISTRATOR,
            login="guan",
            phone=phone,
            password=PASSWORD,
            name="管一成",
        )
    answer = await try_password(
        client, PASSWORD, login="guan", device={"id": str(uuid4()), "platform": "pc"}
    )
    token: str = answer.expect(200)["access_token"]
    await prove_by_sms(client, inbox, phone, token)
    return token


async def test_a_password_is_changed_with_the_old_one_and_ends_other_sessions(
    client: Client, doctor: UUID
) -> None:
    first = (await try_password(client, PASSWORD, device={"id": "a"})).expect(200)
    second = (await try_password(client, PASSWORD, device={"id": "b"})).expect(200)
    token = first["access_token"]
    new = "Lake-Forest-88"

    async def change(**body: str) -> Any:
        return await client.put("/me/password", token=token, json=body)

    assert (await change(old="wrong", new=new)).code == "password_wrong"
    assert (await change(new=new)).code == "password_wrong"
    assert (await change(old=PASSWORD, new="weak")).code == "password_too_weak"
    (await change(old=PASSWORD, new=new)).expect(204)
    (await client.get("/me", token=token)).expect(200)
    assert (await client.get("/me", token=second["access_token"])).code == "session_revoked"
    assert (await try_password(client, PASSWORD)).code == "password_wrong"
    (await try_password(client, new)).expect(200)


async def test_the_code_is_sent_alike_to_known_and_unknown_numbers(
    client: Client, inbox: Inbox, doctor: UUID
) -> None:
    known = await client.post("/auth/sms-codes", json={"phone": "13900000009"})
    unknown = await client.post("/auth/sms-codes", json={"phone": "13800000077"})
    assert (known.status, known.json) == (unknown.status, unknown.json)
    body = {"code": "000000", "device": DEVICE}
    answers = [
        await client.post("/auth/login/sms", json={**body, "phone": phone})
        for phone in ("13900000009", "13800000077")
    ]
    assert len({(each.status, each.code) for each in answers}) == 1
