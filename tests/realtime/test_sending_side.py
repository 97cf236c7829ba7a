"""`runtime.realtime`: what modules send reaches the right sockets in every process."""

from __future__ import annotations

from uuid import UUID

from tests.realtime.conftest import Connect, StartNode
from tests.support.cast import Cast
from tests.support.nodes import Node


async def test_a_user_is_reached_on_every_device_and_node_or_on_one_device(
    connect: Connect, cast: Cast, node: Node, start_node: StartNode
) -> None:
    other = await start_node()
    phone = await connect(cast.patient, device="phone")
    tablet = await connect(cast.patient, device="tablet", to=other)
    stranger = await connect(cast.doctor)
    user, realtime = cast.patient.user_id, node.runtime.realtime
    await realtime.to_user(user, "call:offer", {"sdp": "给平板"}, "tablet")
    await realtime.to_user(user, "call:ring", {"call": "1"})
    for device in (phone, tablet):
        assert await device.wait_event("call:ring") == {"call": "1"}
    # Events keep their order: whoever has the later one would have had the earlier.
    assert [name for name, _ in phone.events] == ["call:ring"]
    assert await tablet.wait_event("call:offer") == {"sdp": "给平板"}
    assert stranger.events == []


async def test_a_large_payload_arrives_whole_on_another_node(
    connect: Connect, cast: Cast, node: Node, start_node: StartNode
) -> None:
    there = await connect(cast.patient, to=await start_node())
    sdp = "".join(f"a=candidate:{number}\r\n" for number in range(4000))
    await node.runtime.realtime.to_user(cast.patient.user_id, "call:offer", {"sdp": sdp})
    assert (await there.wait_event("call:offer"))["sdp"] == sdp


async def test_a_user_may_be_reached_at_one_hospital_only(
    connect: Connect, cast: Cast, node: Node
) -> None:
    patient = await connect(cast.patient)
    user, realtime = cast.patient.user_id, node.runtime.realtime
    await realtime.to_user(user, "notice", {"n": 1}, hospital_id=cast.other_hospital_id)
    await realtime.to_user(user, "notice", {"n": 2}, hospital_id=cast.hospital_id)
    assert await patient.wait_event("notice") == {"n": 2}
    assert len(patient.events) == 1


async def test_a_room_is_reached_where_somebody_listens(
    connect: Connect, cast: Cast, node: Node, room: UUID, start_node: StartNode
) -> None:
    patient = await connect(cast.patient)
    doctor = await connect(cast.doctor, to=await start_node())
    outside = await connect(cast.doctor, device="not joined")
    await patient.join(str(room))
    await doctor.join(str(room))
    await node.runtime.realtime.to_room(
        room, "call:state", {"state": "active"}, except_user=cast.patient.user_id
    )
    assert await doctor.wait_event("call:state") == {"state": "active"}
    await node.runtime.realtime.to_room(room, "call:state", {"state": "ended"})
    assert await patient.wait_event("call:state") == {"state": "ended"}
    assert outside.events == []
    await doctor.leave(str(room))
    await node.runtime.realtime.to_room(room, "typing", {"room": str(room)})
    await patient.wait_event("typing")
    assert "typing" not in [name for name, _ in doctor.events]
