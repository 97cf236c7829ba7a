"""Whoever was away gets exactly what he missed, on any node, or a clear word to fetch it."""

from __future__ import annotations

import asyncio
import uuid
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.runtime import Runtime
from realtime import service
from realtime.hub import ROOMS_CHANNEL
from realtime.rules import CloseReason, JoinReason, LeaveReason, MessageKind
from realtime.schemas import TextBody
from realtime.sending import Send, send_messages
from tests.realtime.conftest import Connect, StartNode, member
from tests.support.cast import Cast
from tests.support.http import Client
from tests.support.nodes import Node
from zhenjian_client import RoomLog


async def say(runtime: Runtime, cast: Cast, room: UUID, *words: str) -> None:
    """The doctor says something while nobody listens."""
    sends = [
        Send(cast.doctor.caller, room, uuid.uuid4(), MessageKind.TEXT, TextBody(text=word))
        for word in words
    ]
    async with runtime.unit_of_work() as uow:
        await send_messages(uow, sends)


async def test_a_lost_line_heals_by_itself_and_nothing_is_missing_or_twice(
    connect: Connect, cast: Cast, room: UUID, runtime: Runtime
) -> None:
    patient = await connect(cast.patient)
    joined = await patient.join(str(room))
    await joined.send_text("断线之前")
    await patient.drop()
    await say(runtime, cast, room, "一", "二", "三")
    await joined.wait_for(lambda log: log.last == 5)
    assert [m["seq"] for m in joined.log.messages] == [1, 2, 3, 4, 5]
    assert patient.connects == 2


async def test_what_is_said_while_offline_goes_out_once_in_its_order(
    connect: Connect, cast: Cast, room: UUID
) -> None:
    patient, doctor = await connect(cast.patient), await connect(cast.doctor)
    hers, his = await patient.join(str(room)), await doctor.join(str(room))
    sending = asyncio.gather(*(hers.send_text(str(number)) for number in range(10)))
    await patient.drop()
    await sending
    await his.wait_for(lambda log: log.last == 11)
    assert [m["body"]["text"] for m in his.log.messages[1:]] == [str(n) for n in range(10)]


async def test_a_client_resumes_on_another_node(
    connect: Connect, cast: Cast, room: UUID, runtime: Runtime, start_node: StartNode
) -> None:
    first = await connect(cast.patient)
    seen = await first.join(str(room))
    await seen.send_text("在第一个节点")
    await first.close()
    await say(runtime, cast, room, "错过的")
    other = await connect(cast.patient, to=await start_node())
    resumed = await other.join(str(room), after=seen.log.last)
    assert [m["body"]["text"] for m in resumed.log.messages] == ["错过的"]


async def test_a_gap_larger_than_a_page_is_told_and_fetched(
    connect: Connect, cast: Cast, room: UUID, runtime: Runtime
) -> None:
    await say(runtime, cast, room, *(str(n) for n in range(450)))
    patient = await connect(cast.patient)
    answer = await patient.call("room:join", {"room": str(room), "after": 0})
    assert answer["resync"] is True
    assert [m["seq"] for m in answer["messages"]] == list(range(1, 201))
    joined = await patient.join(str(room))
    assert [m["seq"] for m in joined.log.messages] == list(range(1, 452))


async def test_a_first_look_gets_the_newest_page_and_scrolls_back(
    connect: Connect, cast: Cast, room: UUID, runtime: Runtime, client: Client
) -> None:
    await say(runtime, cast, room, *(str(n) for n in range(120)))
    patient = await connect(cast.patient)
    answer = await patient.call("room:join", {"room": str(room), "after": None})
    assert [m["seq"] for m in answer["messages"]] == list(range(72, 122))
    assert answer["resync"] is False
    page = await patient.call("message:fetch", {"room": str(room), "before": 72, "limit": 71})
    assert [m["seq"] for m in page["messages"]] == list(range(1, 72))
    assert page["has_more"] is False
    over_http = (
        await client.get(f"/rooms/{room}/messages?before=72&limit=200", token=cast.patient.token)
    ).expect(200)
    assert over_http == {"messages": page["messages"], "has_more": False}


async def test_a_hint_that_the_bus_lost_is_healed_by_the_next_one(
    connect: Connect, cast: Cast, room: UUID, start_node: StartNode, node: Node
) -> None:
    other = await start_node()
    hers = await (await connect(cast.patient, to=other)).join(str(room))
    his = await (await connect(cast.doctor, to=node)).join(str(room))
    for unsubscribe in other.gateway._unsubscribe[:1]:
        unsubscribe()
    for word in ("丢失的", "也丢失的"):
        last = await his.send_text(word)
    other.runtime.bus.subscribe(ROOMS_CHANNEL, other.gateway.delivery.on_rooms)
    last = await his.send_text("听得见的")
    await hers.wait_for(lambda log: log.last == last.seq)
    assert [m["seq"] for m in hers.log.messages] == [1, 2, 3, 4]


async def test_a_node_that_hears_no_hints_at_all_still_delivers(
    connect: Connect, cast: Cast, room: UUID, start_node: StartNode, node: Node
) -> None:
    other = await start_node()
    hers = await (await connect(cast.patient, to=other)).join(str(room))
    his = await (await connect(cast.doctor, to=node)).join(str(room))
    other.gateway._unsubscribe[0]()
    last = await his.send_text("只能靠巡查")
    await hers.wait_for(lambda log: log.last == last.seq)


async def test_what_a_client_replays_is_what_the_server_shows(
    connect: Connect, cast: Cast, room: UUID, runtime: Runtime, client: Client
) -> None:
    """Applying events equals fetching state, over the wire and with a real database."""
    patient = await connect(cast.patient)
    joined = await patient.join(str(room))
    async with runtime.unit_of_work() as uow:
        await service.add_member(uow, room, member(cast.other_doctor), JoinReason.INVITED)
    sent = await joined.send_text("收回这一句")
    await joined.recall(sent.seq)
    async with runtime.unit_of_work() as uow:
        await service.remove_member(uow, room, cast.other_doctor.user_id, LeaveReason.LEFT)
        await service.close_room(uow, room, CloseReason.ENDED_BY_PATIENT, cast.patient.user_id)
    await joined.wait_for(lambda log: log.state == "closed")

    fresh = (await client.get(f"/rooms/{room}", token=cast.patient.token)).expect(200)
    replayed = RoomLog()
    page = (await client.get(f"/rooms/{room}/messages?after=0", token=cast.patient.token)).expect(
        200
    )
    for message in page["messages"]:
        replayed.add(message)
    for log in (joined.log, replayed):
        assert (log.state, log.close_reason, log.last) == (
            fresh["state"],
            fresh["close_reason"],
            fresh["seq"],
        )
        fields = ("user_id", "name", "role", "avatar", "state")
        assert list(log.members.values()) == [
            {name: each[name] for name in fields} for each in fresh["members"]
        ]
    assert joined.log.messages == page["messages"]


@given(st.permutations(range(1, 13)), st.lists(st.integers(1, 12), max_size=6))
def test_a_log_puts_any_order_right(order: list[int], repeated: list[int]) -> None:
    log, given_out = RoomLog(), []
    for seq in [*order, *repeated]:
        message = {"seq": seq, "kind": "text", "body": {}, "recalled": False}
        given_out += [each["seq"] for each in log.add(message)]
    assert given_out == list(range(1, 13))
    assert not log.has_gap


@pytest.mark.parametrize("start", [0, 5])
def test_a_log_waits_for_what_is_missing(start: int) -> None:
    log = RoomLog()
    log.begin_at(start)
    later = {"seq": start + 2, "kind": "text", "body": {}}
    assert log.add(later) == []
    assert log.has_gap
    assert len(log.add({"seq": start + 1, "kind": "text", "body": {}})) == 2
    assert not log.has_gap
