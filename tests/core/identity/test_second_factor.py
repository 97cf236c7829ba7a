"""Second factors: owed at login by some roles, asked for again before what weighs."""

import base64
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import text, update

from core.clock import FakeClock
from core.identity import second_factor
from core.identity.errors import SecondFactorRequired
from core.identity.factors import totp
from core.identity.gateway import SmsGateway
from core.identity.models import DeviceSession, User
from core.identity.passwords import hash_password
from core.identity.second_factor import Action
from core.identity.session_cache import SessionCache
from core.identity.tokens import issue_access_token
from core.runtime import Runtime
from tests.support.cast import Cast, Person
from tests.support.http import Client

SECRET = b"12345678901234567890"


class Phones:
    """A telephone network that keeps what it delivers."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, dict[str, str]]] = []

    async def send(self, phone: str, template: str, parameters: dict[str, str]) -> None:
        self.sent.append((phone, template, parameters))

    def code(self, phone: str, template: str = "second_factor_code") -> str:
        found = [p["code"] for to, kind, p in self.sent if (to, kind) == (phone, template)]
        return found[-1]


@pytest.fixture
def phones(runtime: Runtime) -> Phones:
    network = Phones()
    runtime.provide(SmsGateway, network)
    return network


async def owing(runtime: Runtime, person: Person, login_method: str = "password") -> str:
    """Somebody's token as it is right after the login: nothing proved yet."""
    async with runtime.unit_of_work() as uow:
        await uow.session.execute(
            update(DeviceSession)
            .where(DeviceSession.id == person.caller.session_id)
            .values(second_factor_at=None, login_method=login_method)
        )
    await SessionCache.of(runtime).on_hint({"session_id": str(person.caller.session_id)})
    return person.token


async def state(client: Client, token: str) -> Any:
    return (await client.get("/auth/second-factor", token=token)).expect(200)


async def prove(client: Client, token: str, method: str, code: str) -> Any:
    body = {"method": method, "code": code}
    return await client.post("/auth/second-factor", token=token, json=body)


async def enrol(client: Client, token: str, clock: FakeClock) -> tuple[bytes, list[str]]:
    """Enrol an authenticator; returns its secret and the recovery codes."""
    shown = (await client.post("/auth/second-factor/totp", token=token)).expect(200)
    query = parse_qs(urlsplit(shown["uri"]).query)
    secret = base64.b32decode(query["secret"][0])
    body = {"code": totp.code_at(secret, totp.step_at(clock.now()))}
    answer = await client.post("/auth/second-factor/totp/confirm", token=token, json=body)
    return secret, answer.expect(200)["recovery_codes"]


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
    ],
)
def test_the_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    assert totp.code_at(SECRET, seconds // 30, digits=8) == code


def test_a_clock_may_be_half_a_minute_off_and_no_step_counts_twice(clock: FakeClock) -> None:
    now = clock.now()
    step = totp.step_at(now)
    for drift in (-1, 0, 1):
        assert totp.matching_step(SECRET, totp.code_at(SECRET, step + drift), now, 0) is not None
    for drift in (-2, 2):
        assert totp.matching_step(SECRET, totp.code_at(SECRET, step + drift), now, 0) is None
    assert totp.matching_step(SECRET, totp.code_at(SECRET, step), now, step) is None
    assert totp.matching_step(SECRET, "１２３４５６", now, 0) is None


@pytest.mark.requirement("S3-018")
async def test_an_administrator_gets_nowhere_before_the_second_factor(
    cast: Cast, client: Client, runtime: Runtime, phones: Phones
) -> None:
    token = await owing(runtime, cast.administrator)
    for path in ("/staff", "/auth/sessions", "/settings"):
        answer = await client.get(path, token=token)
        assert (answer.status, answer.code) == (403, "second_factor_required"), path
    assert (await client.get("/me", token=token)).expect(200)["owes"] == ["second_factor"]
    before = await state(client, token)
    assert (before["pending"], before["methods"]) == (True, ["sms"])
    sent = (await client.post("/auth/second-factor/sms-codes", token=token)).expect(202)
    assert sent["retry_after"] == 60
    assert (await prove(client, token, "sms", "000000")).code in ("sms_code_wrong",)
    proved = (await prove(client, token, "sms", phones.code(cast.administrator.phone))).expect(200)
    assert proved["pending"] is False
    (await client.get("/staff", token=token)).expect(200)
    # The doctor's role owes nothing at login.
    assert (await state(client, await owing(runtime, cast.doctor)))["pending"] is False


async def test_a_login_code_is_no_second_factor(
    cast: Cast, client: Client, runtime: Runtime, phones: Phones
) -> None:
    token = await owing(runtime, cast.administrator)
    phone = cast.administrator.phone
    (await client.post("/auth/sms-codes", json={"phone": phone})).expect(202)
    answer = await prove(client, token, "sms", phones.code(phone, "login_code"))
    assert answer.code == "sms_code_expired"


async def test_who_came_by_text_message_must_show_something_else(
    cast: Cast, client: Client, runtime: Runtime, phones: Phones
) -> None:
    token = await owing(runtime, cast.administrator, "sms")
    assert (await state(client, token))["methods"] == ["enrol_totp"]
    answer = await client.post("/auth/second-factor/sms-codes", token=token)
    assert answer.code == "second_factor_unavailable"
    async with runtime.unit_of_work() as uow:
        user = await uow.session.get_one(User, cast.administrator.user_id)
        user.password_hash = await hash_password("River-Stone-77")
    assert (await state(client, token))["methods"] == ["password"]
    assert (await prove(client, token, "password", "River-Stone-78")).code == "second_factor_wrong"
    (await prove(client, token, "password", "River-Stone-77")).expect(200)
    (await client.get("/staff", token=token)).expect(200)


async def test_an_authenticator_is_enrolled_and_its_codes_work_once(
    cast: Cast, client: Client, runtime: Runtime, phones: Phones, clock: FakeClock
) -> None:
    secret, codes = await enrol(client, cast.administrator.token, clock)
    assert len(codes) == len(set(codes)) == 10
    token = await owing(runtime, cast.administrator)
    # With an authenticator the text message is no way any more.
    assert (await state(client, token))["methods"] == ["totp", "recovery"]
    used = totp.code_at(secret, totp.step_at(clock.now()))
    assert (await prove(client, token, "totp", used)).code == "second_factor_wrong"
    clock.advance(30)
    fresh = totp.code_at(secret, totp.step_at(clock.now()))
    (await prove(client, token, "totp", fresh)).expect(200)
    assert (await prove(client, token, "totp", fresh)).code == "second_factor_wrong"


async def test_a_recovery_code_opens_once(
    cast: Cast, client: Client, runtime: Runtime, phones: Phones, clock: FakeClock
) -> None:
    _, codes = await enrol(client, cast.administrator.token, clock)
    token = await owing(runtime, cast.administrator)
    (await prove(client, token, "recovery", codes[3].lower().replace("-", " "))).expect(200)
    assert (await state(client, token))["recovery_codes_left"] == 9
    assert (await prove(client, token, "recovery", codes[3])).code == "second_factor_wrong"
    fresh = (await client.post("/auth/second-factor/recovery-codes", token=token)).expect(200)
    assert not set(fresh["recovery_codes"]) & set(codes)
    assert (await prove(client, token, "recovery", codes[4])).code == "second_factor_wrong"


async def test_neither_secret_nor_recovery_code_stands_readable_in_the_database(
    cast: Cast, client: Client, runtime: Runtime, clock: FakeClock
) -> None:
    secret, codes = await enrol(client, cast.administrator.token, clock)
    async with runtime.engine.connect() as connection:
        for table in ("totp_factors", "recovery_codes", "audit_entries", "idempotency_keys"):
            rows = await connection.execute(text(f"SELECT t::text FROM {table} t"))
            dump = "".join(row[0] for row in rows)
            assert secret.hex() not in dump
            assert base64.b32encode(secret).decode() not in dump
            assert not [code for code in codes if code in dump]


async def test_guesses_at_a_factor_are_slowed_down(
    cast: Cast, client: Client, runtime: Runtime, clock: FakeClock
) -> None:
    secret, _ = await enrol(client, cast.administrator.token, clock)
    clock.advance(30)
    right = totp.code_at(secret, totp.step_at(clock.now()))
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    token = cast.administrator.token
    for _ in range(5):
        assert (await prove(client, token, "totp", wrong)).code == "second_factor_wrong"
    locked = await prove(client, token, "totp", right)
    assert (locked.code, locked.json["retry_after"]) == ("too_many_attempts", 60)


async def test_an_action_asks_for_a_fresh_factor(
    cast: Cast, runtime: Runtime, clock: FakeClock
) -> None:
    caller = cast.doctor.caller
    async with runtime.unit_of_work() as uow:
        await second_factor.require(uow, caller)
        await second_factor.require(uow, caller, action=Action.CRITICAL)
    clock.advance(timedelta(minutes=15, seconds=1))
    async with runtime.unit_of_work() as uow:
        await second_factor.require(uow, caller)
        with pytest.raises(SecondFactorRequired) as refused:
            await second_factor.require(uow, caller, action=Action.CRITICAL)
        assert refused.value.details["methods"] == ["sms"]
        assert refused.value.details["phone_masked"].startswith("139****")
    clock.advance(timedelta(hours=12))
    async with runtime.unit_of_work() as uow:
        with pytest.raises(SecondFactorRequired):
            await second_factor.require(uow, caller)
        await second_factor.require(uow, caller, timedelta(days=1))


async def test_the_authenticator_is_given_up_only_with_a_fresh_factor(
    cast: Cast, client: Client, runtime: Runtime, clock: FakeClock
) -> None:
    secret, _ = await enrol(client, cast.doctor.token, clock)
    clock.advance(timedelta(minutes=20))
    token = issue_access_token(cast.doctor.caller, clock.now(), runtime.keyring)
    refused = await client.delete("/auth/second-factor/totp", token=token)
    assert (refused.status, refused.code) == (403, "second_factor_required")
    assert refused.json["details"]["methods"] == ["totp", "recovery"]
    code = totp.code_at(secret, totp.step_at(clock.now()))
    (await prove(client, token, "totp", code)).expect(200)
    (await client.delete("/auth/second-factor/totp", token=token)).expect(204)
    assert (await state(client, token))["methods"] == ["sms"]
