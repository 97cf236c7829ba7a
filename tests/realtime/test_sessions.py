"""A socket lives as long as its token and its session, and not a moment longer."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from core.clock import FakeClock
from core.identity import tokens
from core.identity.jobs import end_idle_sessions
from core.identity.models import DeviceSession, RefreshToken
from core.identity.roles import Role
from core.identity.tokens import ACCESS_TOKEN_LIFE
from core.ids import new_id
from core.runtime import Runtime
from tests.realtime.conftest import Connect, StartNode
from tests.support.cast import Cast, Person
from tests.support.http import Client
from tests.support.nodes import Node
from zhenjian_client import Refused, RequestFailed, RoomClient, Socket


def fresh_token(runtime: Runtime, person: Person) -> str:
    return tokens.issue_access_token(person.caller, runtime.clock.now(), runtime.keyring)


async def test_an_expired_token_is_refused_by_name(
    node: Node, cast: Cast, clock: FakeClock
) -> None:
    clock.advance(ACCESS_TOKEN_LIFE)
    with pytest.raises(Refused) as refused:
        await Socket(node.url, {"token": cast.patient.token}).connect()
    assert refused.value.code == "token_expired"


async def test_a_living_socket_ends_with_its_token(
    node: Node, connect: Connect, cast: Cast, clock: FakeClock
) -> None:
    patient = await connect(cast.patient)
    clock.advance(ACCESS_TOKEN_LIFE)
    with pytest.raises(RequestFailed) as refused:
        await patient.call("presence:watch", {"users": []})
    assert refused.value.code == "token_expired"
    node.gateway.upkeep.drop_expired()
    assert (await patient.wait_event("session:revoked")) == {"code": "token_expired"}


async def test_a_client_refreshes_an_expired_token_and_comes_back(
    node: Node,
    connect: Connect,
    cast: Cast,
    room: UUID,
    clock: FakeClock,
    runtime: Runtime,
) -> None:
    async def refresh() -> str:
        return fresh_token(runtime, cast.patient)

    patient = await connect(cast.patient, refresh=refresh)
    joined = await patient.join(str(room))
    clock.advance(ACCESS_TOKEN_LIFE)
    node.gateway.upkeep.drop_expired()
    assert (await joined.send_text("换了令牌")).seq == 2
    assert patient.connects == 2


async def test_a_renewed_token_keeps_the_socket_alive(
    node: Node, connect: Connect, cast: Cast, room: UUID, clock: FakeClock, runtime: Runtime
) -> None:
    patient = await connect(cast.patient)
    joined = await patient.join(str(room))
    clock.advance(ACCESS_TOKEN_LIFE - timedelta(seconds=10))
    await patient.renew(fresh_token(runtime, cast.patient))
    clock.advance(60)
    node.gateway.upkeep.drop_expired()
    assert (await joined.send_text("还在")).seq == 2
    assert patient.connects == 1


async def test_a_socket_is_not_renewed_for_somebody_else(
    connect: Connect, cast: Cast, runtime: Runtime
) -> None:
    patient = await connect(cast.patient)
    for token, code in (
        (cast.doctor.token, "session_revoked"),
        ("nonsense", "unauthenticated"),
    ):
        with pytest.raises(RequestFailed) as refused:
            await patient.call("session:renew", {"token": token})
        assert refused.value.code == code


async def test_a_revoked_session_drops_its_sockets_on_every_node(
    connect: Connect, cast: Cast, client: Client, start_node: StartNode, room: UUID
) -> None:
    other = await start_node()
    here = await connect(cast.patient, device="phone")
    there = await connect(cast.patient, device="desk", to=other)
    doctor = await connect(cast.doctor)
    his = await doctor.join(str(room))
    (await client.post("/auth/logout", token=cast.patient.token)).expect(204)
    for each in (here, there):
        assert (await each.wait_event("session:revoked")) == {"code": "session_revoked"}
        await wait_for_failure(each)
    with pytest.raises(Refused) as refused:
        await Socket(other.url, {"token": cast.patient.token}).connect()
    assert refused.value.code == "session_revoked"
    assert (await his.send_text("医生不受影响")).seq == 2


async def wait_for_failure(client: RoomClient) -> None:
    async with asyncio.timeout(5):
        while client.failure is None:
            await asyncio.sleep(0.01)
    with pytest.raises(Refused, match="session_revoked"):
        await client.call("presence:watch", {"users": []})


async def test_who_owes_a_second_factor_gets_no_socket(
    node: Node, cast: Cast, runtime: Runtime
) -> None:
    async with runtime.unit_of_work() as uow:
        session = await uow.session.get_one(DeviceSession, cast.administrator.caller.session_id)
        session.second_factor_at = None
    with pytest.raises(Refused) as refused:
        await Socket(node.url, {"token": cast.administrator.token}).connect()
    assert refused.value.code == "second_factor_required"


async def test_an_idle_login_loses_its_sockets(
    node: Node, connect: Connect, cast: Cast, runtime: Runtime, clock: FakeClock
) -> None:
    async with runtime.unit_of_work() as uow:
        session = await uow.session.get_one(DeviceSession, cast.doctor.caller.session_id)
        session.platform = "pc"
        uow.session.add(
            RefreshToken(
                id=new_id(),
                session_id=session.id,
                family_id=new_id(),
                hospital_id=cast.hospital_id,
                role=Role.DOCTOR,
                issued_at=uow.now,
                expires_at=uow.now + timedelta(hours=12),
            )
        )
    doctor = await connect(cast.doctor)
    clock.advance(timedelta(minutes=32))
    # A token that renews itself is no sign of a person.
    with pytest.raises(RequestFailed) as refused:
        await doctor.renew(fresh_token(runtime, cast.doctor))
    assert refused.value.code == "session_idle"
    await end_idle_sessions(runtime)
    assert (await doctor.wait_event("session:revoked")) == {"code": "session_idle"}
