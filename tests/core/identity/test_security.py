"""The own security: devices and places, idleness, passwords; lock-outs and who lifts them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from core.alarms.models import Alarm
from core.clock import FakeClock
from core.identity import login, service
from core.identity.login import Device, Issued
from core.identity.models import DeviceSession
from core.identity.places import network_of, place_of
from core.identity.roles import Role
from core.identity.rules import password_problem
from core.identity.session_cache import SessionCache
from core.identity.tokens import issue_access_token
from core.jobs import JobRunner
from core.outbox import Relay
from core.runtime import Runtime
from core.settings.registry import Scope
from core.settings.service import set_value
from realtime.models import InboxItemRow
from tests.core.identity.test_second_factor import Phones, phones
from tests.support.cast import Cast
from tests.support.http import Client

__all__ = ["phones"]
PASSWORD = "River-Stone-77"
# Not the documentation networks: those count as private.
HOME, CAFE = "11.22.33.7", "44.55.66.9"


@pytest.fixture
async def doctor(cast: Cast, runtime: Runtime) -> UUID:
    async with runtime.unit_of_work() as uow:
        user = await service.register(
            uow,
            cast.hospital_id,
            Role.DOCTOR,
            phone="13900000099",
            login="qin",
            name="秦舒",
            password=PASSWORD,
        )
        return user.id


async def log_in(
    runtime: Runtime, device: str = "desk", address: str = HOME, platform: str = "pc"
) -> Issued:
    return await login.login_by_password(
        runtime, "qin", PASSWORD, Device(device, f"电脑{device}", platform), None, None, address
    )


def renewed(runtime: Runtime, issued: Issued) -> str:
    """A token of the same session that is good now."""
    return issue_access_token(issued.caller, runtime.clock.now(), runtime.keyring)


@pytest.mark.parametrize(
    ("address", "network", "place"),
    [
        ("127.0.0.1", "loopback", "本机"),
        ("10.1.2.3", "private", "内网 10.1.*.*"),
        ("203.0.114.7", "203.0.114", "外网 203.0.*.*"),
        ("::ffff:8.8.8.8", "8.8.8", "外网 8.8.*.*"),
        ("2a00:1450:4001:81b::200e", "2a00:1450:4001", "外网 2a00:1450…"),
        ("", "", "未知地点"),
        ("nonsense", "", "未知地点"),
    ],
)
def test_a_place_is_told_coarsely(address: str, network: str, place: str) -> None:
    assert (network_of(address), place_of(address)) == (network, place)


async def test_devices_are_listed_with_place_named_and_ended(
    cast: Cast, client: Client, runtime: Runtime, doctor: UUID
) -> None:
    first, second = await log_in(runtime, "a"), await log_in(runtime, "b", "10.0.0.5")
    token, other = first.access_token, second.access_token
    listed = (await client.get("/auth/sessions", token=token)).expect(200)
    assert {(each["device_name"], each["place"], each["current"]) for each in listed} == {
        ("电脑a", place_of(HOME), True),
        ("电脑b", "内网 10.0.*.*", False),
    }
    path = f"/auth/sessions/{second.caller.session_id}"
    renamed = await client.patch(path, token=token, json={"label": "诊室电脑"})
    assert renamed.expect(200)["label"] == "诊室电脑"
    stranger = await client.patch(path, token=cast.patient.token, json={"label": "x"})
    assert stranger.code == "not_found"
    (await client.get("/me", token=other)).expect(200)
    (await client.post("/auth/sessions/revoke-others", token=token)).expect(204)
    assert (await client.get("/me", token=other)).code == "session_revoked"
    assert len((await client.get("/auth/sessions", token=token)).expect(200)) == 1


async def test_a_login_from_a_new_device_or_place_is_told_once_without_a_word_about_health(
    cast: Cast, runtime: Runtime, doctor: UUID, phones: Phones, relay: Relay
) -> None:
    async def told() -> list[str]:
        await relay.drain()
        async with runtime.unit_of_work() as uow:
            rows = await uow.session.scalars(
                select(InboxItemRow.title)
                .where(InboxItemRow.user_id == doctor, InboxItemRow.type == "login")
                .order_by(InboxItemRow.cursor)
            )
            return list(rows)

    await log_in(runtime, "a")
    assert await told() == []
    await log_in(runtime, "a", "11.22.33.99")
    assert await told() == []
    await log_in(runtime, "a", CAFE)
    assert await told() == ["账号在新地点登录"]
    await log_in(runtime, "b", CAFE)
    assert await told() == ["账号在新地点登录", "账号在新设备登录"]
    await log_in(runtime, "b", CAFE)
    assert len(await told()) == 2
    sent = [(template, parameters) for _, template, parameters in phones.sent]
    assert sent == [("new_login", {"time": "11-20 09:00"})] * 2


async def test_an_idle_console_is_logged_out_and_a_busy_one_is_not(
    cast: Cast, client: Client, runtime: Runtime, doctor: UUID, clock: FakeClock, jobs: JobRunner
) -> None:
    desk, phone = await log_in(runtime), await log_in(runtime, "phone", platform="h5")
    assert (await client.get("/me", token=desk.access_token)).expect(200)["idle_seconds"] == 1800
    for _ in range(4):
        clock.advance(timedelta(minutes=20))
        (await client.get("/me", token=renewed(runtime, desk))).expect(200)
    # What a client does by itself says so and keeps nobody logged in.
    clock.advance(timedelta(minutes=20))
    by_itself = {"X-Idle": "1"}
    (await client.get("/me", token=renewed(runtime, desk), headers=by_itself)).expect(200)
    clock.advance(timedelta(minutes=11))
    refused = await client.get("/me", token=renewed(runtime, desk))
    assert (refused.status, refused.code) == (401, "session_idle")
    (await client.get("/me", token=renewed(runtime, phone))).expect(200)
    await jobs.run_due()
    async with runtime.unit_of_work() as uow:
        ended = await uow.session.get_one(DeviceSession, desk.caller.session_id)
        spared = await uow.session.get_one(DeviceSession, phone.caller.session_id)
        assert (ended.revoke_reason, spared.revoked_at) == ("idle", None)
    assert (await client.get("/me", token=renewed(runtime, desk))).code == "session_revoked"


async def test_staying_logged_in_starts_the_limit_anew(
    client: Client, runtime: Runtime, doctor: UUID, clock: FakeClock
) -> None:
    desk = await log_in(runtime)
    clock.advance(timedelta(minutes=29))
    (await client.post("/auth/activity", token=renewed(runtime, desk))).expect(204)
    clock.advance(timedelta(minutes=29))
    (await client.get("/me", token=renewed(runtime, desk))).expect(200)


async def test_a_login_ends_after_its_longest_time_however_busy(
    client: Client, runtime: Runtime, doctor: UUID, clock: FakeClock
) -> None:
    desk = await log_in(runtime)
    for _ in range(3 * 72 - 1):
        clock.advance(timedelta(minutes=20))
        async with runtime.unit_of_work() as uow:
            session = await uow.session.get_one(DeviceSession, desk.caller.session_id)
            session.active_at = uow.now
    (await client.get("/me", token=renewed(runtime, desk))).expect(200)
    clock.advance(timedelta(minutes=20))
    assert (await client.get("/me", token=renewed(runtime, desk))).code == "session_over"


@pytest.mark.requirement("S0-C-002")
async def test_a_password_does_not_come_back_for_five_changes(
    client: Client, runtime: Runtime, doctor: UUID
) -> None:
    desk, other = await log_in(runtime), await log_in(runtime, "other")

    async def change(old: str, new: str, **more: bool) -> Any:
        body = {"old": old, "new": new, **more}
        return await client.put("/me/password", token=desk.access_token, json=body)

    kept = await change(PASSWORD, "Lake-Forest-81", end_others=False)
    kept.expect(204)
    (await client.get("/me", token=other.access_token)).expect(200)
    used = [PASSWORD, "Lake-Forest-81"]
    assert (await change(used[-1], used[-1])).code == "password_too_weak"
    for number in range(2, 6):
        refused = await change(used[-1], PASSWORD)
        assert refused.json["fields"][0]["message"] == "不能与最近 5 次用过的密码相同"
        (await change(used[-1], f"Lake-Forest-8{number}")).expect(204)
        used.append(f"Lake-Forest-8{number}")
    assert (await client.get("/me", token=other.access_token)).code == "session_revoked"
    (await change(used[-1], PASSWORD)).expect(204)


async def test_after_a_reset_nothing_is_open_but_choosing_a_new_password(
    client: Client, runtime: Runtime, doctor: UUID
) -> None:
    from core.identity.models import User

    async with runtime.unit_of_work() as uow:
        (await uow.session.get_one(User, doctor)).password_reset_required = True
    token = (await log_in(runtime)).access_token
    assert (await client.get("/me", token=token)).expect(200)["owes"] == ["password"]
    refused = await client.get("/auth/sessions", token=token)
    assert (refused.status, refused.code) == (403, "password_change_required")
    body = {"old": PASSWORD, "new": "Lake-Forest-88"}
    (await client.put("/me/password", token=token, json=body)).expect(204)
    (await client.get("/auth/sessions", token=token)).expect(200)


async def test_a_password_ages_where_the_hospital_says_so(
    cast: Cast, client: Client, runtime: Runtime, doctor: UUID, clock: FakeClock
) -> None:
    async with runtime.unit_of_work() as uow:
        await set_value(
            uow,
            cast.administrator.caller,
            "identity.staff_password_days",
            90,
            Scope.HOSPITAL,
            None,
            "",
        )
    clock.advance(timedelta(days=89))
    (await client.get("/auth/sessions", token=(await log_in(runtime)).access_token)).expect(200)
    clock.advance(timedelta(days=2))
    token = (await log_in(runtime)).access_token
    assert (await client.get("/auth/sessions", token=token)).code == "password_change_required"


def test_a_long_phrase_needs_no_mixture() -> None:
    assert password_problem("correct horse battery", staff=True) is None
    assert password_problem("四季平安岁岁有鱼花开见喜风调雨顺", staff=True) is None
    assert password_problem("aaaaaaaaaaaaaaaaaaaaaaab", staff=True) is not None


async def fail(client: Client, times: int, login: str = "qin") -> Any:
    body = {"login": login, "password": "wrong", "device": {"id": "x"}}
    answer = None
    for _ in range(times):
        answer = await client.post("/auth/login/password", json=body)
    return answer


@pytest.mark.requirement("S3-018")
async def test_officers_see_a_lock_lift_it_and_hear_of_repeated_ones(
    cast: Cast, client: Client, runtime: Runtime, doctor: UUID, clock: FakeClock
) -> None:
    await fail(client, 5)
    # Name and number are one account.
    assert (await fail(client, 1, "13900000099")).code == "too_many_attempts"
    admin = cast.administrator.token
    shown = (await client.get("/login-locks", token=admin)).expect(200)
    assert [(each["user_id"], each["failures"]) for each in shown] == [(str(doctor), 5)]
    assert (await client.get("/login-locks", token=cast.foreign_administrator.token)).json == []
    path = f"/login-locks/{doctor}"
    refused = await client.delete(path, token=cast.foreign_administrator.token)
    assert refused.code == "not_found"
    (await client.delete(path, token=admin)).expect(204)
    assert (await client.delete(path, token=admin)).code == "not_found"
    await log_in(runtime)
    await fail(client, 5)
    for minutes in (1, 2):
        clock.advance(timedelta(minutes=minutes))
        await fail(client, 1)
    async with runtime.unit_of_work() as uow:
        alarms = (await uow.session.scalars(select(Alarm))).all()
    assert [(each.kind, each.ref_id, each.hospital_id) for each in alarms] == [
        ("login_lockout", str(doctor), cast.hospital_id)
    ]


async def test_an_unknown_account_is_locked_in_the_same_way(
    client: Client, runtime: Runtime, doctor: UUID
) -> None:
    known, unknown = await fail(client, 5), await fail(client, 5, "nobody")
    assert known.json["code"] == unknown.json["code"] == "password_wrong"
    known, unknown = await fail(client, 1), await fail(client, 1, "nobody")
    assert known.json["retry_after"] == unknown.json["retry_after"] == 60


async def test_activity_seen_by_another_process_counts(
    runtime: Runtime, second_runtime: Runtime, client: Client, doctor: UUID, clock: FakeClock
) -> None:
    from core.identity import sessions

    desk = await log_in(runtime)
    (await client.get("/me", token=desk.access_token)).expect(200)
    clock.advance(timedelta(minutes=29))
    await sessions.authenticate(second_runtime, renewed(runtime, desk), active=True)
    clock.advance(timedelta(minutes=5))
    # This process remembers an older moment; it asks again before it refuses.
    assert SessionCache.of(runtime) is not SessionCache.of(second_runtime)
    (await client.get("/me", token=renewed(runtime, desk))).expect(200)
