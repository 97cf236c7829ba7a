"""Whatever happens in a room, on whichever node: what a device was first shown plus what it heard
since equals a fresh look.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import ProblemError
from core.runtime import Runtime
from realtime import service
from realtime.hub import ROOMS_CHANNEL
from realtime.rules import CloseReason, JoinReason, LeaveReason, RoomState
from tests.realtime.conftest import Connect, OpenRoom, StartNode, member
from tests.support.cast import Cast
from tests.support.http import Client
from tests.support.nodes import Node
from zhenjian_client import JoinedRoom, RequestFailed, RoomClient, Sent

devices = st.integers(0, 2)
ACTIONS = st.one_of(
    st.tuples(st.just("say"), devices),
    st.tuples(st.just("say together"), devices),
    st.tuples(st.just("recall"), devices),
    st.tuples(st.just("read"), devices),
    st.tuples(st.just("delivered"), devices),
    st.tuples(st.just("drop"), devices),
    st.tuples(st.sampled_from(["invite", "leave", "accept", "close"]), st.just(0)),
    st.tuples(st.just("lose hints"), st.integers(0, 1)),
    st.tuples(st.just("come late"), devices),
)
MARKS = ("read_seq", "delivered_seq")


@dataclass
class Stage:
    """Two nodes with three devices on them: patient and doctor here, the doctor again there."""

    cast: Cast
    runtime: Runtime
    nodes: list[Node]
    clients: list[RoomClient]
    loop: asyncio.AbstractEventLoop
    open_room: OpenRoom
    room_id: str = ""
    rooms: list[JoinedRoom] = field(default_factory=list)
    said: list[Sent] = field(default_factory=list)


@pytest.fixture
async def stage(
    connect: Connect,
    cast: Cast,
    runtime: Runtime,
    node: Node,
    start_node: StartNode,
    open_room: OpenRoom,
) -> Stage:
    other = await start_node()
    clients = [
        await connect(cast.patient, device="phone", to=node),
        await connect(cast.doctor, device="desk", to=other),
        await connect(cast.doctor, device="phone", to=node),
    ]
    loop = asyncio.get_running_loop()
    return Stage(cast, runtime, [node, other], clients, loop, open_room)


@pytest.mark.slow
@given(st.lists(ACTIONS, min_size=4, max_size=14))
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_what_was_shown_and_what_was_heard_make_what_is(
    stage: Stage, client: Client, actions: list[tuple[str, int]]
) -> None:
    # The servers live on the loop of the fixtures; it runs while an example does.
    stage.loop.run_until_complete(_play(stage, client, actions))


async def _play(stage: Stage, client: Client, actions: list[tuple[str, int]]) -> None:
    stage.room_id = str(await stage.open_room(state=RoomState.WAITING))
    stage.said = []
    late = {number for action, number in actions if action == "come late"}
    stage.rooms = [
        await each.join(stage.room_id) for n, each in enumerate(stage.clients) if n not in late
    ]
    for action, number in (("accept", 0), *actions):
        with contextlib.suppress(RequestFailed, ProblemError):
            await _act(stage, action, number)
    for number in late:
        if stage.room_id not in stage.clients[number].rooms:
            stage.rooms.append(await stage.clients[number].join(stage.room_id))
    await _compare(stage, client)
    for each in stage.clients:
        await each.leave(stage.room_id)
        each.events.clear()


async def _act(stage: Stage, action: str, number: int) -> None:
    device = stage.clients[number]
    room = device.rooms.get(stage.room_id)
    if action == "come late" and room is None:
        stage.rooms.append(await device.join(stage.room_id))
    elif action in ("invite", "leave", "accept", "close"):
        await _change(stage, action)
    elif action == "lose hints":
        await _lose_a_hint(stage, stage.nodes[number])
    elif room is not None:
        await _do(stage, room, action)


async def _do(stage: Stage, room: JoinedRoom, action: str) -> None:
    match action:
        case "say":
            stage.said.append(await room.send_text(f"第 {len(stage.said)} 句"))
        case "say together":
            sends = (each.send_text("同时") for each in stage.rooms)
            stage.said += await asyncio.gather(*sends)
        case "recall" if stage.said:
            await room.recall(stage.said[-1].seq)
        case "read":
            await room.read(room.log.last)
        case "delivered":
            await room.delivered(room.log.last)
        case "drop":
            await room.client.drop()


async def _change(stage: Stage, action: str) -> None:
    room, guest = UUID(stage.room_id), stage.cast.other_doctor
    async with stage.runtime.unit_of_work() as uow:
        match action:
            case "invite":
                await service.add_member(uow, room, member(guest), JoinReason.INVITED)
            case "leave":
                await service.remove_member(uow, room, guest.user_id, LeaveReason.LEFT)
            case "accept":
                await service.activate_room(uow, room, stage.cast.doctor.user_id)
            case "close":
                await service.close_room(uow, room, CloseReason.COMPLETED)


async def _lose_a_hint(stage: Stage, node: Node) -> None:
    """Something is said while a node hears nothing about rooms."""
    listeners = node.runtime.bus._listeners[ROOMS_CHANNEL]  # type: ignore[attr-defined]
    kept, listeners[:] = list(listeners), []
    try:
        await _do(stage, stage.rooms[-1], "say")
    finally:
        listeners[:] = kept


async def _compare(stage: Stage, client: Client) -> None:
    token = stage.cast.doctor.token
    path = f"/rooms/{stage.room_id}"
    head = (await client.get(path, token=token)).expect(200)["seq"]
    for room in stage.rooms:
        await room.wait_for(lambda log: log.last >= head, timeout=20)
    fresh = (await client.get(path, token=token)).expect(200)
    page = (await client.get(f"{path}/messages?after=0&limit=200", token=token)).expect(200)
    for room in stage.rooms:
        assert room.log.messages == page["messages"]
        assert room.log.last == fresh["seq"]
        assert (room.log.state, room.log.close_reason) == (fresh["state"], fresh["close_reason"])
        fields = ("user_id", "name", "role", "avatar", "state")
        assert list(room.log.members.values()) == [
            {name: each[name] for name in fields} for each in fresh["members"]
        ]
        await _marks_arrive(room, client, path, token)


async def _marks_arrive(room: JoinedRoom, client: Client, path: str, token: str) -> None:
    """Receipts travel beside the log, and devices say by themselves what has reached them: both the
    marks that are held and those that were told may still move.
    """
    async with asyncio.timeout(20):
        while True:
            fresh = (await client.get(path, token=token)).expect(200)["members"]
            held = {each["user_id"]: tuple(each[name] for name in MARKS) for each in fresh}
            if _marks(room) == held:
                return
            await asyncio.sleep(0.05)


def _marks(room: JoinedRoom) -> dict[str, tuple[int, ...]]:
    """The marks of the last look at the room, moved on by every receipt."""
    marks = {each["user_id"]: [each[name] for name in MARKS] for each in room.view["members"]}
    for member_view in room.log.members.values():
        marks.setdefault(member_view["user_id"], [0, 0])
    for event, data in room.client.events:
        if event == "receipt" and data["room"] == room.id:
            held = marks[data["user"]]
            marks[data["user"]] = [
                max(old, data[name]) for old, name in zip(held, MARKS, strict=True)
            ]
    return {user: tuple(held) for user, held in marks.items()}
