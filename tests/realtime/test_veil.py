"""Who may not read patients' names does not read them off a socket either."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from core.access import permitted
from core.identity.roles import Role
from core.runtime import Runtime
from realtime import service
from realtime.access import ROOM
from realtime.outgoing import event_frame
from realtime.veil import Veil
from tests.realtime.conftest import Connect
from tests.support.cast import Cast
from tests.support.nodes import Node
from tests.support.policies import put_policy
from zhenjian_client import RequestFailed, Socket


class Ear:
    """A socket of somebody, and everything that it was told."""

    def __init__(self, node: Node, token: str) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.news = asyncio.Event()
        self.socket = Socket(node.url, {"token": token}, self._hear)

    def _hear(self, event: str, payload: Any) -> None:
        self.heard.append((event, payload))
        self.news.set()

    async def wait_for(self, event: str) -> Any:
        async with asyncio.timeout(10):
            while True:
                for name, payload in self.heard:
                    if name == event:
                        return payload
                self.news.clear()
                await self.news.wait()


async def settled(node: Node, user_id: UUID, *, veiled: bool) -> None:
    """Until the node has heard of the policy."""
    async with asyncio.timeout(10):
        while True:
            sockets = node.gateway.connections.of_user(user_id)
            if all((each.veil is not None) is veiled for each in sockets):
                return
            await asyncio.sleep(0.01)


async def test_a_name_that_is_masked_reaches_no_socket_of_the_role_and_every_other_one(
    node: Node, cast: Cast, room: UUID, connect: Connect, runtime: Runtime
) -> None:
    name = cast.patient.name
    watcher = Ear(node, cast.supervisor.token)
    await watcher.socket.connect()
    await put_policy(
        runtime, cast.hospital_id, Role.SUPERVISOR, "patient.read", "hospital", masked=["name"]
    )
    await settled(node, cast.supervisor.user_id, veiled=True)
    joined = await watcher.socket.call("room:join", {"room": str(room), "after": 0})
    assert name not in orjson.dumps(joined).decode()
    assert joined["room"]["subject"]["title"] == ""
    hers = await (await connect(cast.patient)).join(str(room))
    doctor = await (await connect(cast.doctor)).join(str(room))
    sent = await hers.send_text("我是新来的")
    message = await watcher.wait_for("message")
    assert message["sender"]["name"] == "林*满"
    assert name not in orjson.dumps(watcher.heard).decode()
    await doctor.wait_for(lambda log: log.last == sent.seq)
    assert doctor.log.messages[-1]["sender"]["name"] == name
    await watcher.socket.close()


async def test_the_monitor_brings_masked_names_to_a_role_whose_names_are_masked(
    node: Node, cast: Cast, room: UUID, runtime: Runtime
) -> None:
    watcher = Ear(node, cast.supervisor.token)
    await watcher.socket.connect()
    await put_policy(
        runtime, cast.hospital_id, Role.SUPERVISOR, "patient.read", "hospital", masked=["name"]
    )
    await settled(node, cast.supervisor.user_id, veiled=True)
    await watcher.socket.call("monitor:watch", {})
    async with runtime.unit_of_work() as uow:
        await service.system_message(uow, room, "red_flag", "危急信号")
    [told] = (await watcher.wait_for("monitor:rooms"))["rooms"]
    assert told["subject"]["title"] == ""
    assert "林*满" in {member["name"] for member in told["members"]}
    assert cast.patient.name not in orjson.dumps(watcher.heard).decode()
    await watcher.socket.close()


async def test_taking_the_room_from_a_role_ends_its_listening_at_once(
    node: Node, cast: Cast, room: UUID, connect: Connect, runtime: Runtime
) -> None:
    watcher = Ear(node, cast.supervisor.token)
    await watcher.socket.connect()
    await watcher.socket.call("room:join", {"room": str(room), "after": 0})
    (connection,) = node.gateway.connections.of_user(cast.supervisor.user_id)
    await put_policy(runtime, cast.hospital_id, Role.SUPERVISOR, "room.read", "none")
    async with asyncio.timeout(10):
        while connection.rooms:
            await asyncio.sleep(0.01)
    hers = await (await connect(cast.patient)).join(str(room))
    await hers.send_text("现在没有旁听")
    with pytest.raises(RequestFailed, match="not_permitted"):
        await watcher.socket.call("room:join", {"room": str(room), "after": 0})
    assert "message" not in [event for event, _ in watcher.heard]
    await watcher.socket.close()


async def test_a_role_that_may_not_speak_is_refused_before_anything_is_written(
    node: Node, cast: Cast, room: UUID, runtime: Runtime
) -> None:
    await put_policy(runtime, cast.hospital_id, Role.DOCTOR, "room.speak", "none")
    doctor = Ear(node, cast.doctor.token)
    await doctor.socket.connect()
    await doctor.socket.call("room:join", {"room": str(room), "after": 0})
    message = {
        "room": str(room),
        "client_id": str(uuid4()),
        "kind": "text",
        "body": {"text": "好"},
        "reply_to": None,
    }
    async with asyncio.timeout(10):
        while await permitted(node.runtime, cast.doctor.caller, ROOM, "speak"):
            await asyncio.sleep(0.01)
    with pytest.raises(RequestFailed, match="not_permitted"):
        await doctor.socket.call("message:send", message)
    await doctor.socket.close()


def test_a_veil_finds_patients_wherever_they_stand_and_leaves_the_rest_alone() -> None:
    payload = {
        "call": {"participants": [{"role": "patient", "name": "林小满", "device": None}]},
        "member": {"role": "doctor", "name": "陈安和"},
        "list": [{"subject": {"title": "图文 · 林小满", "consultation_id": "x"}}],
        "text": "林小满",
    }
    masked = Veil(hidden=False).over(payload)
    assert masked["call"]["participants"][0]["name"] == "林*满"
    assert masked["member"] == payload["member"]
    assert masked["list"][0]["subject"]["title"] == ""
    assert masked["text"] == "林小满", "what people write is free text"
    assert Veil(hidden=True).over(payload)["call"]["participants"][0]["name"] == "患者"
    frame = Veil(hidden=True).over_frame(event_frame("call:ring", payload))
    assert frame.data.startswith(b'42["call:ring",')
    assert frame.wire.endswith(frame.data)
    assert "林小满".encode() not in frame.data.partition(b'"text"')[0]
