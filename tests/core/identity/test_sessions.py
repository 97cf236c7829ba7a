"""Tokens and sessions: rotation, reuse, revocation, expiry."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from core.clock import FakeClock
from core.crypto.keyring import Keyring, Purpose
from core.identity import login, service, sessions
from core.identity.access import user_by_login
from core.identity.login import Device
from core.identity.roles import Role
from core.identity.session_cache import REVOKED_CHANNEL
from core.runtime import Runtime
from tests.support.http import Client, Response


@pytest.fixture
async def hospital(runtime: Runtime) -> UUID:
    async with runtime.unit_of_work() as uow:
        return (await service.create_hospital(uow, code="renhe", name="仁和")).id


async def log_in(runtime: Runtime, hospital: UUID, device: str, name: str = "chen") -> Any:
    async with runtime.unit_of_work() as uow:
        user = await user_by_login(uow, name) or await service.register(
            uow, hospital, Role.DOCTOR, login=name, name=name
        )
        what = Device(device, f"电脑{device}", "pc")
        return await login.open_session(uow, user, what, None, None, "10.0.0.1", "password")


async def refresh(client: Client, token: str, agent: str = "Chrome") -> Response:
    return await client.post(
        "/auth/refresh", json={"refresh_token": token}, headers={"user-agent": agent}
    )


async def test_each_refresh_gives_a_new_pair_that_works(
    client: Client, runtime: Runtime, hospital: UUID, clock: FakeClock
) -> None:
    token = (await log_in(runtime, hospital, "a")).refresh_token
    seen = {token}
    for _ in range(4):
        clock.advance(timedelta(minutes=14))
        pair = (await refresh(client, token)).expect(200)
        (await client.get("/me", token=pair["access_token"])).expect(200)
        token = pair["refresh_token"]
        assert token not in seen
        seen.add(token)


async def test_a_used_token_shown_later_revokes_the_session(
    client: Client, runtime: Runtime, hospital: UUID, clock: FakeClock
) -> None:
    heard: list[dict[str, Any]] = []

    async def hear(payload: dict[str, Any]) -> None:
        heard.append(payload)

    runtime.bus.subscribe(REVOKED_CHANNEL, hear)
    start = await log_in(runtime, hospital, "a")
    pair = (await refresh(client, start.refresh_token)).expect(200)
    (await client.get("/me", token=pair["access_token"])).expect(200)
    clock.advance(31)
    stolen = await refresh(client, start.refresh_token)
    assert (stolen.status, stolen.code) == (401, "session_revoked")
    assert (await refresh(client, pair["refresh_token"])).code == "session_revoked"
    assert (await client.get("/me", token=pair["access_token"])).code == "session_revoked"
    assert [(each["session_id"], each["reason"]) for each in heard] == [
        (str(start.caller.session_id), "token_reuse")
    ]


async def test_a_lost_answer_is_repeated_within_half_a_minute(
    client: Client, runtime: Runtime, hospital: UUID, clock: FakeClock
) -> None:
    start = await log_in(runtime, hospital, "a")
    first = (await refresh(client, start.refresh_token)).expect(200)
    clock.advance(29)
    second = (await refresh(client, start.refresh_token)).expect(200)
    assert second["refresh_token"] == first["refresh_token"]
    (await refresh(client, second["refresh_token"])).expect(200)


async def test_two_refreshes_at_once_get_the_same_successor(
    client: Client, runtime: Runtime, hospital: UUID
) -> None:
    start = await log_in(runtime, hospital, "a")
    answers = await asyncio.gather(*(refresh(client, start.refresh_token) for _ in range(4)))
    assert len({answer.expect(200)["refresh_token"] for answer in answers}) == 1


async def test_the_grace_is_not_for_another_browser_nor_after_the_successor_was_used(
    client: Client, runtime: Runtime, hospital: UUID
) -> None:
    start = await log_in(runtime, hospital, "a")
    (await refresh(client, start.refresh_token)).expect(200)
    other = await refresh(client, start.refresh_token, agent="curl")
    assert other.code == "session_revoked"

    start = await log_in(runtime, hospital, "b")
    pair = (await refresh(client, start.refresh_token)).expect(200)
    (await refresh(client, pair["refresh_token"])).expect(200)
    assert (await refresh(client, start.refresh_token)).code == "session_revoked"


async def test_an_idle_session_ends(
    client: Client, runtime: Runtime, hospital: UUID, clock: FakeClock
) -> None:
    start = await log_in(runtime, hospital, "a")
    clock.advance(timedelta(hours=12))
    assert (await refresh(client, start.refresh_token)).code == "session_revoked"


@pytest.mark.parametrize(
    "token", ["x", "zr1.a.b.c", "zr1....", "zr1.t1.AAAAAAAAAAAAAAAAAAAAAA.AAAA", "é" * 50]
)
async def test_garbage_for_a_refresh_token_is_refused(
    client: Client, hospital: UUID, token: str
) -> None:
    answer = await refresh(client, token)
    assert (answer.status, answer.code) == (401, "unauthenticated")


async def test_sessions_are_listed_and_one_is_ended_by_its_owner_alone(
    client: Client, runtime: Runtime, hospital: UUID
) -> None:
    first, second = await log_in(runtime, hospital, "a"), await log_in(runtime, hospital, "b")
    stranger = await log_in(runtime, hospital, "c", "shen")
    listed = (await client.get("/auth/sessions", token=first.access_token)).expect(200)
    assert {(each["device_name"], each["current"]) for each in listed} == {
        ("电脑a", True),
        ("电脑b", False),
    }
    path = f"/auth/sessions/{second.caller.session_id}"
    assert (await client.delete(path, token=stranger.access_token)).code == "not_found"
    (await client.get("/me", token=second.access_token)).expect(200)
    (await client.delete(path, token=first.access_token)).expect(204)
    assert (await client.get("/me", token=second.access_token)).code == "session_revoked"
    assert (await client.delete(path, token=first.access_token)).code == "not_found"
    (await client.post("/auth/logout", token=first.access_token)).expect(204)
    assert (await client.get("/me", token=first.access_token)).code == "session_revoked"


async def test_a_new_login_on_the_same_device_replaces_the_old_session(
    client: Client, runtime: Runtime, hospital: UUID
) -> None:
    first, second = await log_in(runtime, hospital, "a"), await log_in(runtime, hospital, "a")
    assert (await client.get("/me", token=first.access_token)).code == "session_revoked"
    (await client.get("/me", token=second.access_token)).expect(200)


async def test_a_role_that_was_taken_away_is_refused_at_once(
    client: Client, runtime: Runtime, hospital: UUID
) -> None:
    start = await log_in(runtime, hospital, "a")
    (await client.get("/me", token=start.access_token)).expect(200)
    async with runtime.unit_of_work() as uow:
        await service.remove_role(uow, start.caller, start.caller.user_id, Role.DOCTOR)
    assert (await client.get("/me", token=start.access_token)).code == "unauthenticated"
    assert (await refresh(client, start.refresh_token)).code == "unauthenticated"


async def test_an_access_token_ends_after_fifteen_minutes(
    client: Client, runtime: Runtime, hospital: UUID, clock: FakeClock
) -> None:
    start = await log_in(runtime, hospital, "a")
    clock.advance(timedelta(minutes=15) - timedelta(seconds=1))
    (await client.get("/me", token=start.access_token)).expect(200)
    clock.advance(1)
    assert (await client.get("/me", token=start.access_token)).code == "token_expired"


async def test_forged_and_broken_access_tokens_are_refused(
    client: Client, runtime: Runtime, hospital: UUID, keyring: Keyring
) -> None:
    start = await log_in(runtime, hospital, "a")
    header, claims, _ = start.access_token.split(".")
    foreign = Keyring.generate()
    key_id = keyring.current(Purpose.TOKEN).id
    known = {
        "iss": "zhenjian",
        "sub": str(start.caller.user_id),
        "hid": str(hospital),
        "role": "administrator",
        "sid": str(start.caller.session_id),
        "did": "a",
        "dep": [],
        "exp": 9_999_999_999,
    }
    key = OctKey.import_key(foreign.derive(Purpose.TOKEN, "access-token"))
    forged = [
        f"{header}.{claims}.",
        f"{header}.{claims}.AAAA",
        f"eyJhbGciOiJub25lIn0.{claims}.",
        jwt.encode({"alg": "HS256", "kid": key_id}, known, key),
        jwt.encode({"alg": "HS256", "kid": "t1ffff"}, known, key),
        jwt.encode({"alg": "HS256"}, known, key),
        "garbage",
        "a.b.c",
        "x" * 20_000,
        "eyJhbGciOiJIUzI1NiJ9.W10.AAAA",
    ]
    for token in forged:
        answer = await client.get("/me", token=token)
        assert (answer.status, answer.code) == (401, "unauthenticated"), token[:60]


async def test_a_token_does_not_gain_a_role_that_the_user_does_not_hold(
    client: Client, runtime: Runtime, hospital: UUID
) -> None:
    """Even with a genuine signature the role must be assigned at this moment."""
    from dataclasses import replace

    from core.identity.tokens import issue_access_token

    start = await log_in(runtime, hospital, "a")
    bold = replace(start.caller, role=Role.ADMINISTRATOR)
    elsewhere = replace(start.caller, hospital_id=uuid4())
    for claimed in (bold, elsewhere, replace(start.caller, device_id="another")):
        token = issue_access_token(claimed, runtime.clock.now(), runtime.keyring)
        assert (await client.get("/me", token=token)).code == "unauthenticated"


async def test_a_revocation_reaches_another_process_through_the_bus(
    runtime: Runtime, hospital: UUID, second_runtime: Runtime
) -> None:
    start = await log_in(runtime, hospital, "a")
    await sessions.authenticate(second_runtime, start.access_token)
    told = asyncio.Event()

    async def hear(payload: dict[str, Any]) -> None:
        told.set()

    second_runtime.bus.subscribe(REVOKED_CHANNEL, hear)
    async with runtime.unit_of_work() as uow:
        await sessions.logout(uow, start.caller)
    await asyncio.wait_for(told.wait(), 10)
    with pytest.raises(sessions.SessionIsRevoked):
        await sessions.authenticate(second_runtime, start.access_token)
