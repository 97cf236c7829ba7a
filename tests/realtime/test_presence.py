"""Online while a socket lives, offline after a delay, busy in a call; only for who may know."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text

from core.clock import FakeClock
from core.ids import new_id
from core.runtime import Runtime
from realtime import presence
from realtime.presence import Socket
from tests.realtime.conftest import Connect, StartNode
from tests.support.cast import Cast
from tests.support.nodes import Node


def watch(*users: UUID) -> dict[str, list[str]]:
    return {"users": [str(user) for user in users]}


async def states(runtime: Runtime, *users: UUID) -> list[str]:
    async with runtime.unit_of_work() as uow:
        found = await presence.states(uow, users)
    return [found[user] for user in users]


async def test_others_see_somebody_come_and_go_on_another_node(
    connect: Connect, cast: Cast, room: UUID, start_node: StartNode
) -> None:
    doctor = await connect(cast.doctor)
    user = cast.patient.user_id
    first = await doctor.call("presence:watch", watch(user))
    assert first["states"] == {str(user): "offline"}
    patient = await connect(cast.patient, to=await start_node())
    assert await doctor.wait_event("presence") == {"user": str(user), "state": "online"}
    await patient.close()
    gone = await doctor.wait_event("presence", lambda data: data["state"] == "offline")
    assert gone["user"] == str(user)


async def test_a_reload_shows_nothing(
    connect: Connect, cast: Cast, room: UUID, start_node: StartNode
) -> None:
    place = await start_node(offline_delay=0.5)
    doctor = await connect(cast.doctor, to=place)
    user = cast.patient.user_id
    patient = await connect(cast.patient, to=place)
    while (await doctor.call("presence:watch", watch(user)))["states"][str(user)] != "online":
        pass
    doctor.events.clear()
    await patient.close()
    again = await connect(cast.patient, device="again", to=place)
    await again.close()
    await doctor.wait_event("presence", lambda data: data["state"] == "offline")
    assert [data for event, data in doctor.events if event == "presence"] == [
        {"user": str(user), "state": "offline"}
    ]


async def test_busy_is_shown_until_it_ends_or_runs_out(
    connect: Connect, cast: Cast, room: UUID, node: Node, clock: FakeClock
) -> None:
    patient, doctor = await connect(cast.patient), await connect(cast.doctor)
    user = cast.doctor.user_id
    while (await patient.call("presence:watch", watch(user)))["states"][str(user)] != "online":
        pass
    await node.gateway.hub.set_busy(user, clock.now() + timedelta(minutes=1))
    assert (await patient.wait_event("presence"))["state"] == "busy"
    await node.gateway.hub.set_busy(user, None)
    await patient.wait_event("presence", lambda data: data["state"] == "online")
    await node.gateway.hub.set_busy(user, clock.now() + timedelta(minutes=1))
    clock.advance(61)
    assert await states(node.runtime, user) == ["online"]
    await doctor.close()


async def test_only_people_who_share_a_room_or_department_may_watch(
    connect: Connect, cast: Cast, room: UUID
) -> None:
    everybody = [
        cast.patient.user_id,
        cast.doctor.user_id,
        cast.nurse.user_id,
        cast.other_patient.user_id,
        cast.other_doctor.user_id,
        cast.foreign_doctor.user_id,
        new_id(),
    ]
    patient, doctor = await connect(cast.patient), await connect(cast.doctor)
    seen = (await patient.call("presence:watch", watch(*everybody)))["states"]
    assert set(seen) == {str(cast.patient.user_id), str(cast.doctor.user_id)}
    seen = (await doctor.call("presence:watch", watch(*everybody)))["states"]
    # The nurse works in the doctor's department.
    assert set(seen) == {
        str(cast.patient.user_id),
        str(cast.doctor.user_id),
        str(cast.nurse.user_id),
    }


async def test_a_dead_node_takes_its_people_offline(cast: Cast, runtime: Runtime) -> None:
    dead, user = new_id(), cast.doctor.user_id
    async with runtime.unit_of_work() as uow:
        assert await presence.renew_lease(uow, dead)
        await presence.connected(uow, dead, [Socket("s1", user, "phone")])
    assert await states(runtime, user) == ["online"]
    async with runtime.unit_of_work() as uow:
        await uow.session.execute(
            text("UPDATE gateway_nodes SET expires_at = expires_at - interval '5 minutes'")
        )
    assert await states(runtime, user) == ["offline"]
    async with runtime.unit_of_work() as uow:
        assert await presence.clear_dead_nodes(uow) == [user]
    async with runtime.unit_of_work() as uow:
        assert await presence.clear_dead_nodes(uow) == []


async def test_a_node_that_was_thought_dead_notes_its_sockets_anew(
    connect: Connect, cast: Cast, node: Node
) -> None:
    await connect(cast.doctor)
    user = cast.doctor.user_id
    while await states(node.runtime, user) != ["online"]:
        pass
    async with node.runtime.unit_of_work() as uow:
        await presence.end_lease(uow, node.gateway.node_id)
    assert await states(node.runtime, user) == ["offline"]
    await node.gateway.watch._beat()
    assert await states(node.runtime, user) == ["online"]
