"""Logging in by WeChat and by the hospital's single sign-on, through their simulators."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import aiohttp
import pytest
from pydantic import SecretStr
from sqlalchemy import select, text

from clinical.sandbox import keys
from clinical.sandbox.oidc.provider import EMPLOYEES
from clinical.sandbox.server import SandboxServer
from clinical.sandbox.wechat.accounts import PEOPLE
from core.clock import FakeClock
from core.identity import service, staff
from core.identity.external.models import ExternalIdentity
from core.identity.external.wechat import HttpWechatAccounts, WechatAccounts, WechatApp
from core.identity.models import DeviceSession, User
from core.identity.roles import Role
from core.runtime import Runtime
from core.settings.registry import Scope
from core.settings.service import set_value
from tests.core.identity.test_second_factor import Phones, phones
from tests.support.cast import Cast
from tests.support.http import Client
from tests.support.outside import Payer, made_keys, payer, sandbox

__all__ = ["made_keys", "payer", "phones", "sandbox"]
DEVICE = {"id": "phone-1", "name": "小米", "platform": "h5"}
DESK = {"id": "desk-1", "name": "电脑", "platform": "pc"}
ISSUER = "identity.oidc_issuer"


@pytest.fixture
async def wechat(
    runtime: Runtime, sandbox: SandboxServer, clock: FakeClock
) -> AsyncIterator[HttpWechatAccounts]:
    values = keys.load(sandbox.config.folder).secrets
    accounts = HttpWechatAccounts(
        sandbox.url,
        sandbox.url,
        clock.now,
        mini=WechatApp(values.appid, values.wechat_secret),
        web=WechatApp(values.wechat_web_appid, values.wechat_secret),
    )
    runtime.provide(WechatAccounts, accounts)
    yield accounts
    await accounts.aclose()


class Browser:
    """A browser that taps on the other house's page and comes back with what it was given."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    async def tap(self, url: str, field: str, value: str) -> dict[str, str]:
        address = url.partition("#")[0]
        async with self._http.get(address) as answer:
            assert answer.status == 200, await answer.text()
        form = {field: value}
        async with self._http.post(address, data=form, allow_redirects=False) as answer:
            assert answer.status == 303, await answer.text()
            query = parse_qs(urlsplit(answer.headers["Location"]).query)
        return {name: values[0] for name, values in query.items()}


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession(trust_env=False) as http:
        yield Browser(http)


# ---- WeChat --------------------------------------------------------------------------------------


START = "/auth/login/wechat/start"


async def consent(
    client: Client, browser: Browser, who: int, path: str = START, token: str | None = None
) -> dict[str, str]:
    body = None if token else {"device": DEVICE}
    url = (await client.post(path, json=body, token=token)).expect(200)["url"]
    return await browser.tap(url, "openid", PEOPLE[who][0])


async def mini_code(sandbox: SandboxServer, who: int, use: str = "mini") -> str:
    body = {"openid": PEOPLE[who][0], "use": use}
    async with (
        aiohttp.ClientSession(trust_env=False) as http,
        http.post(f"{sandbox.url}/_sandbox/wechat/codes", json=body) as answer,
    ):
        return str((await answer.json())["code"])


@pytest.mark.requirement("S2-029")
async def test_a_person_binds_wechat_with_a_number_once_and_then_just_enters(
    cast: Cast, client: Client, wechat: HttpWechatAccounts, browser: Browser, phones: Phones
) -> None:
    back = await consent(client, browser, 2)
    answer = (await client.post("/auth/login/wechat", json={**back, "device": DEVICE})).expect(200)
    assert answer["tokens"] is None
    phone = PEOPLE[2][2]
    (await client.post("/auth/sms-codes", json={"phone": phone})).expect(202)
    body = {"ticket": answer["ticket"], "phone": phone, "device": DEVICE}
    wrong = await client.post("/auth/login/wechat/phone", json={**body, "code": "000000"})
    assert wrong.code == "sms_code_wrong"
    body["code"] = phones.code(phone, "login_code")
    first = (await client.post("/auth/login/wechat/phone", json=body)).expect(200)
    assert (first["role"], first["user"]["phone_masked"]) == ("patient", "136****0003")
    back = await consent(client, browser, 2)
    again = (await client.post("/auth/login/wechat", json={**back, "device": DEVICE})).expect(200)
    assert again["tokens"]["user"]["id"] == first["user"]["id"]


@pytest.mark.requirement("S2-029")
async def test_the_mini_program_logs_in_with_the_shared_number_at_once(
    cast: Cast, client: Client, wechat: HttpWechatAccounts, sandbox: SandboxServer,
    browser: Browser, runtime: Runtime,
) -> None:  # fmt: skip
    body = {
        "code": await mini_code(sandbox, 2),
        "phone_code": await mini_code(sandbox, 2, "phone"),
        "device": DEVICE,
    }
    entered = (await client.post("/auth/login/wechat-mini", json=body)).expect(200)["tokens"]
    assert entered["user"]["phone_masked"] == "136****0003"
    # A code works once.
    assert (await client.post("/auth/login/wechat-mini", json=body)).code == "wechat_login_failed"
    # The official account knows the same person by the union of both applications.
    back = await consent(client, browser, 2)
    web = (await client.post("/auth/login/wechat", json={**back, "device": DEVICE})).expect(200)
    assert web["tokens"]["user"]["id"] == entered["user"]["id"]
    async with runtime.unit_of_work() as uow:
        dump = (await uow.session.execute(text("SELECT t::text FROM external_identities t"))).all()
        found = (await uow.session.scalars(select(ExternalIdentity))).all()
    assert len(found) == 2
    assert not [row for row in dump if PEOPLE[2][0] in row[0]]


async def test_a_state_works_once_on_the_device_that_began(
    cast: Cast, client: Client, wechat: HttpWechatAccounts, browser: Browser, clock: FakeClock
) -> None:
    async def login(back: dict[str, str], device: dict[str, str]) -> str:
        answer = await client.post("/auth/login/wechat", json={**back, "device": device})
        return answer.code

    back = await consent(client, browser, 2)
    assert await login(back, DEVICE) == ""
    assert await login(back, DEVICE) == "login_attempt_invalid"
    back = await consent(client, browser, 2)
    assert await login(back, {**DEVICE, "id": "phone-2"}) == "login_attempt_invalid"
    # It was shown elsewhere, so it has leaked and is worth nothing any more.
    assert await login(back, DEVICE) == "login_attempt_invalid"
    back = await consent(client, browser, 2)
    clock.advance(timedelta(minutes=11))
    assert await login(back, DEVICE) == "login_attempt_invalid"
    assert await login({"code": "x", "state": "made-up"}, DEVICE) == "login_attempt_invalid"


async def test_an_account_is_bound_and_unbound_by_its_owner(
    cast: Cast, client: Client, wechat: HttpWechatAccounts, browser: Browser
) -> None:
    token = cast.patient.token
    assert (await client.get("/me/wechat", token=token)).expect(200)["bound_at"] is None
    back = await consent(client, browser, 1, "/me/wechat/start", token)
    stranger = await client.post("/me/wechat", token=cast.other_patient.token, json=back)
    assert stranger.code == "login_attempt_invalid"
    back = await consent(client, browser, 1, "/me/wechat/start", token)
    (await client.post("/me/wechat", token=token, json=back)).expect(204)
    assert (await client.get("/me/wechat", token=token)).expect(200)["bound_at"] is not None
    # The same WeChat cannot belong to two accounts.
    other = cast.other_patient.token
    back = await consent(client, browser, 1, "/me/wechat/start", other)
    taken = await client.post("/me/wechat", token=other, json=back)
    assert (taken.status, taken.code) == (409, "external_identity_taken")
    (await client.delete("/me/wechat", token=token)).expect(204)
    back = await consent(client, browser, 1)
    answer = (await client.post("/auth/login/wechat", json={**back, "device": DEVICE})).expect(200)
    assert answer["tokens"] is None


async def test_wechat_away_or_not_set_up_is_said_in_words(
    cast: Cast, client: Client, runtime: Runtime, wechat: HttpWechatAccounts, payer: Payer,
    browser: Browser,
) -> None:  # fmt: skip
    methods = (await client.get("/auth/methods")).expect(200)
    assert methods == {"wechat_web": True, "wechat_mini": True, "sso": None}
    back = await consent(client, browser, 0)
    await payer.fault(wechat_login="error")
    away = await client.post("/auth/login/wechat", json={**back, "device": DEVICE})
    assert (away.status, away.code) == (503, "service_unavailable")
    del runtime.ports[WechatAccounts]
    answer = await client.post("/auth/login/wechat/start", json={"device": DEVICE})
    assert answer.code == "service_unavailable"


# ---- single sign-on ------------------------------------------------------------------------------


@pytest.fixture
async def sso(cast: Cast, runtime: Runtime, sandbox: SandboxServer) -> UUID:
    """The hospital's single sign-on is set up, and two of its people work here."""
    values = keys.load(sandbox.config.folder).secrets
    runtime.config = runtime.config.model_copy(
        update={"oidc_client_secrets": {"renhe": SecretStr(values.oidc_secret)}}
    )
    async with runtime.unit_of_work() as uow:
        await set_value(
            uow,
            cast.administrator.caller,
            ISSUER,
            f"{sandbox.url}/oidc",
            Scope.HOSPITAL,
            None,
            "",
        )
        user = await service.register(
            uow, cast.hospital_id, Role.DOCTOR, login="doctor", name="陈安和", phone="13900000071"
        )
        # A patient may have the name of an employee; that opens nothing.
        await service.register(uow, cast.hospital_id, Role.PATIENT, login="doctor2", name="x")
        await service.register(
            uow, cast.other_hospital_id, Role.DOCTOR, login="supervisor", name="y"
        )
        return user.id


async def sign_on(client: Client, browser: Browser, who: str = "doctor") -> Any:
    url = (await client.post("/auth/login/sso/start", json={"device": DESK})).expect(200)["url"]
    back = await browser.tap(url, "user", who)
    return await client.post("/auth/login/sso", json={**back, "device": DESK})


@pytest.mark.requirement("S3-040")
async def test_an_employee_enters_with_the_hospitals_own_login(
    client: Client, sso: UUID, browser: Browser, runtime: Runtime
) -> None:
    methods = (await client.get("/auth/methods")).expect(200)
    assert methods["sso"] == {"title": "单点登录"}
    tokens = (await sign_on(client, browser)).expect(200)
    assert (tokens["user"]["id"], tokens["role"]) == (str(sso), "doctor")
    async with runtime.unit_of_work() as uow:
        session = await uow.session.get_one(DeviceSession, UUID(tokens["session_id"]))
        assert (session.login_method, session.second_factor_at) == ("sso", None)
    # From now on the binding counts, whatever the account is called here.
    async with runtime.unit_of_work() as uow:
        (await uow.session.get_one(User, sso)).login = "chen"
    assert (await sign_on(client, browser)).expect(200)["user"]["id"] == str(sso)


async def test_only_staff_of_this_hospital_are_entered_and_all_others_hear_the_same(
    client: Client, sso: UUID, browser: Browser, runtime: Runtime, cast: Cast
) -> None:
    answers = [await sign_on(client, browser, who) for who in ("stranger", "doctor2", "supervisor")]
    async with runtime.unit_of_work() as uow:
        await staff.set_enabled(
            uow,
            cast.administrator.caller,
            cast.hospital_id,
            sso,
            enabled=False,
            reason="离职",
        )
    answers.append(await sign_on(client, browser))
    assert {(each.status, each.code) for each in answers} == {(403, "sso_unknown")}
    assert dict(EMPLOYEES)["stranger"]


@pytest.mark.parametrize(
    "fault",
    ["wrong_nonce", "wrong_issuer", "wrong_audience", "expired", "alg_none", "foreign_key"],
)
async def test_a_token_that_does_not_pass_opens_nothing(
    client: Client, sso: UUID, browser: Browser, payer: Payer, runtime: Runtime, fault: str
) -> None:
    await payer.fault(oidc=fault)
    answer = await sign_on(client, browser)
    assert (answer.status, answer.code) == (422, "sso_failed")
    async with runtime.engine.connect() as connection:
        actions = await connection.scalars(text("SELECT action FROM audit_entries"))
        assert "login.refuse_sso" in set(actions)


async def test_rotated_keys_are_fetched_and_a_trusted_factor_counts(
    client: Client, sso: UUID, browser: Browser, payer: Payer, runtime: Runtime, cast: Cast,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("core.identity.external.oidc.KEYS_AGAIN_SECONDS", 0.0)
    (await sign_on(client, browser)).expect(200)
    await payer.fault(oidc={"mode": "rotated_key", "times": 1})
    (await sign_on(client, browser)).expect(200)
    async with runtime.unit_of_work() as uow:
        await set_value(
            uow,
            cast.administrator.caller,
            "identity.oidc_trust_factor",
            True,
            Scope.HOSPITAL,
            None,
            "",
        )
    await payer.fault(oidc="with_factor")
    tokens = (await sign_on(client, browser)).expect(200)
    state = await client.get("/auth/second-factor", token=tokens["access_token"])
    assert state.expect(200)["proved_at"] is not None


async def test_a_state_of_single_sign_on_works_once(
    client: Client, sso: UUID, browser: Browser, clock: FakeClock
) -> None:
    url = (await client.post("/auth/login/sso/start", json={"device": DESK})).expect(200)["url"]
    back = await browser.tap(url, "user", "doctor")
    (await client.post("/auth/login/sso", json={**back, "device": DESK})).expect(200)
    replayed = await client.post("/auth/login/sso", json={**back, "device": DESK})
    assert replayed.code == "login_attempt_invalid"
    # A fresh state does not make a used code good.
    url = (await client.post("/auth/login/sso/start", json={"device": DESK})).expect(200)["url"]
    fresh = parse_qs(urlsplit(url).query)["state"][0]
    answer = await client.post(
        "/auth/login/sso", json={"code": back["code"], "state": fresh, "device": DESK}
    )
    assert answer.code == "sso_failed"


async def test_the_provider_ends_our_session(
    client: Client, sso: UUID, browser: Browser, payer: Payer, cast: Cast, sandbox: SandboxServer
) -> None:
    token = (await sign_on(client, browser)).expect(200)["access_token"]
    (await client.get("/me", token=token)).expect(200)
    async with (
        aiohttp.ClientSession(trust_env=False) as http,
        http.post(
            f"{sandbox.url}/_sandbox/oidc/logout",
            json={"user": "doctor", "url": f"{sandbox.url}/healthz"},
        ) as answer,
    ):
        logout_token = (await answer.json())["logout_token"]
    path = f"/auth/sso/{cast.hospital_id}/logout"

    async def tell(given: str, where: str = path) -> Any:
        return await client.post(where, body=f"logout_token={given}".encode())

    head, claims, _ = logout_token.split(".")
    assert (await tell(f"{head}.{claims}.AAAA")).code == "sso_failed"
    elsewhere = f"/auth/sso/{cast.other_hospital_id}/logout"
    assert (await tell(logout_token, elsewhere)).code == "not_found"
    (await client.get("/me", token=token)).expect(200)
    (await tell(logout_token)).expect(200)
    assert (await client.get("/me", token=token)).code == "session_revoked"


async def test_the_callbacks_lead_to_our_own_pages_alone(client: Client, cast: Cast) -> None:
    answer = await client.get("/auth/sso/callback", query={"code": "a&b", "state": "https://x"})
    assert answer.status == 303
    assert answer.headers["location"] == (
        "/console/#/login?auth_code=a%26b&auth_state=https%3A%2F%2Fx"
    )
    answer = await client.get("/auth/wechat/callback/login", query={"code": "c", "state": "s"})
    assert answer.headers["location"].startswith("/m/#/pages/login/index?")
    assert (await client.get(f"/auth/wechat/callback/{uuid4()}")).code == "not_found"


async def test_a_hospital_without_single_sign_on_says_so(client: Client, cast: Cast) -> None:
    answer = await client.post("/auth/login/sso/start", json={"device": DESK})
    assert answer.code == "not_found"
