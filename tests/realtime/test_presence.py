"""Online while a socket lives, offline after a delay, busy in a call; only for who may know."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, text

from core.clock import FakeClock
from core.config import Config
from core.crypto.keyring import Keyring
from core.errors import RateLimited
from core.ids import new_id
from core.modules import Modules
from core.runtime import Runtime
from realtime import presence, service
from realtime.floods import DoorRules
from realtime.limits import Limit, RateLimits
from realtime.metrics import PRESENCE_BATCHES
from realtime.rules import CloseReason, RoomState
from tests.realtime.conftest import Connect, OpenRoom, StartNode
from tests.support.cast import Cast
from tests.support.nodes import Node, serving
from zhenjian_client import Socket


def watch(*users: UUID) -> dict[str, list[str]]:
    return {"users": [str(user) for user in users]}


@pytest.fixture
async def room(open_room: OpenRoom) -> UUID:
    """A room in which nobody talks yet, so that it keeps nobody busy."""
    return await open_room(state=RoomState.WAITING)


async def states(runtime: Runtime, *users: UUID) -> list[str]:
    async with runtime.unit_of_work() as uow:
        found = await presence.states(uow, users)
    return [found[user] for user in users]


async def test_others_see_somebody_come_and_go_on_another_node(
    connect: Connect, cast: Cast, room: UUID, start_node: StartNode, clock: FakeClock
) -> None:
    doctor = await connect(cast.doctor)
    user = cast.patient.user_id
    first = await doctor.call("presence:watch", watch(user))
    assert first["states"] == {str(user): "offline"}
    patient = await connect(cast.patient, to=await start_node())
    assert await doctor.wait_event("presence") == {
        "user": str(user),
        "state": "online",
        "busy_in": None,
        "last_seen": None,
    }
    await patient.close()
    gone = await doctor.wait_event("presence", lambda data: data["state"] == "offline")
    assert gone["user"] == str(user)
    assert datetime.fromisoformat(gone["last_seen"]) == clock.now()


async def test_a_reload_shows_nothing(
    connect: Connect, cast: Cast, room: UUID, start_node: StartNode, clock: FakeClock
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
        {
            "user": str(user),
            "state": "offline",
            "busy_in": None,
            "last_seen": clock.now().isoformat(),
        }
    ]


async def test_busy_is_shown_until_it_ends_or_runs_out(
    connect: Connect, cast: Cast, room: UUID, node: Node, clock: FakeClock
) -> None:
    patient, doctor = await connect(cast.patient), await connect(cast.doctor)
    user = cast.doctor.user_id
    while (await patient.call("presence:watch", watch(user)))["states"][str(user)] != "online":
        pass
    await node.gateway.hub.set_busy(user, clock.now() + timedelta(minutes=1))
    await patient.wait_event("presence", lambda data: data["state"] == "busy")
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
        await presence.connected(uow, dead, [presence.Socket("s1", user, "phone")])
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


async def test_a_consultation_keeps_its_people_busy_while_it_is_talked_in(
    connect: Connect, cast: Cast, room: UUID, node: Node, clock: FakeClock
) -> None:
    patient, doctor = await connect(cast.patient), await connect(cast.doctor)
    user = cast.doctor.user_id
    while (await patient.call("presence:watch", watch(user)))["states"][str(user)] != "online":
        pass
    async with node.runtime.unit_of_work() as uow:
        await service.activate_room(uow, room, cast.doctor.user_id)
    await node.gateway.watch._beat()
    seen = await patient.wait_event("presence", lambda data: data["state"] == "busy")
    assert seen["busy_in"] == "consultation"
    await node.gateway.hub.set_busy(user, clock.now() + timedelta(minutes=1))
    await patient.wait_event("presence", lambda data: data["busy_in"] == "call")
    await node.gateway.hub.set_busy(user, None)
    clock.advance(11 * 60)
    assert await states(node.runtime, user) == ["online"]
    await (await doctor.join(str(room))).send_text("您好")
    assert await states(node.runtime, user) == ["busy"]
    async with node.runtime.unit_of_work() as uow:
        await service.close_room(uow, room, CloseReason.COMPLETED, user)
    assert await states(node.runtime, user) == ["online"]


async def test_a_thousand_comings_and_goings_cost_a_few_statements(
    node: Node, cast: Cast, runtime: Runtime, connect: Connect, room: UUID
) -> None:
    doctor = await connect(cast.doctor)
    await doctor.call("presence:watch", watch(cast.patient.user_id))
    watcher = node.gateway.watch
    pattern = next(iter(node.gateway.connections.by_id.values()))
    people = [_Stranger(f"s{number}", new_id()) for number in range(1000)]
    node.gateway.connections.watch(pattern, [each.caller.user_id for each in people])
    await asyncio.sleep(0.3)
    statements, writes = [], PRESENCE_BATCHES.labels("write")._value.get()

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        statements.append(statement)

    engine = node.runtime.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    for each in people:
        watcher.connected(each)  # type: ignore[arg-type]
    last = str(people[-1].caller.user_id)
    await doctor.wait_event("presence", lambda data: data["user"] == last)
    async with asyncio.timeout(10):
        while sum(name == "presence" for name, _ in doctor.events) < 1000:
            await asyncio.sleep(0.02)
    event.remove(engine, "before_cursor_execute", note)
    presences = [each for each in statements if "gateway_" in each or "presence_" in each]
    assert PRESENCE_BATCHES.labels("write")._value.get() - writes <= 3
    assert len(presences) < 40, presences
    async with runtime.unit_of_work() as uow:
        assert len(await presence.sockets_of(uow, [each.caller.user_id for each in people])) == 1000


class _Stranger:
    """As much of a connection as presence looks at."""

    class _Caller:
        def __init__(self, user_id: UUID) -> None:
            self.user_id = user_id

    def __init__(self, id: str, user_id: UUID) -> None:
        self.id, self.device, self.caller = id, "phone", self._Caller(user_id)


async def test_the_sockets_of_one_user_are_counted_over_all_nodes(
    config: Config, modules: Modules, keyring: Keyring, clock: FakeClock, cast: Cast
) -> None:
    rules, guarded = DoorRules(sockets_per_user=3), config.model_copy(update={"rate_limits": True})
    async with contextlib.AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(
                serving(guarded, modules, keyring, clock, door_rules=rules)
            )
            for _ in range(2)
        ]
        sockets = []
        for number in range(4):
            auth = {"token": cast.doctor.token, "device": f"d{number}"}
            sockets.append(Socket(nodes[number % 2].url, auth))
            await sockets[-1].connect()
            # Each is noted before the next one comes.
            await asyncio.sleep(0.3)
            clock.advance(1)
        await asyncio.wait_for(sockets[3].closed.wait(), 10)
        assert sockets[3].reason == "overloaded"
        assert not any(each.closed.is_set() for each in sockets[:3])
        assert nodes[0].gateway.watch.nodes_of(cast.doctor.user_id) == 2
        for each in sockets:
            await each.close()


def test_who_is_on_two_nodes_has_half_of_the_limit_on_each() -> None:
    user, now = new_id(), 0.0
    spread = {user: 1}
    limits = [
        RateLimits(lambda: now, {"typing": Limit(rate=2, burst=8)}, lambda who: spread[who])
        for _ in range(2)
    ]

    def admitted(limit: RateLimits) -> int:
        count = 0
        while True:
            try:
                limit.check(user, "typing")
            except RateLimited:
                return count
            count += 1

    assert admitted(limits[0]) == 8
    spread[user] = 2
    now = 100.0
    assert sum(admitted(each) for each in limits) == 8
    now = 102.0
    assert sum(admitted(each) for each in limits) == 4
