"""Who may see and do what: every event and route with every role, foreign rooms and hospitals."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from core.audit.models import AuditEntry
from core.identity import tokens
from core.identity.models import RoleAssignment
from core.identity.roles import Role
from core.ids import new_id
from core.modules import Modules
from core.runtime import Runtime
from realtime import commands
from tests.realtime.conftest import Connect, OpenRoom
from tests.support.cast import Cast
from tests.support.http import Client
from tests.support.nodes import Node
from zhenjian_client import RequestFailed, Socket

IN_ROOMS = {
    Role.PATIENT,
    Role.DOCTOR,
    Role.NURSE,
    Role.PHARMACIST,
    Role.CUSTOMER_SERVICE,
    Role.SUPERVISOR,
}
MEMBERS = IN_ROOMS - {Role.SUPERVISOR}

#: Who may use each event of rooms. A new event must be entered here.
WHO_MAY: dict[str, set[Role]] = {
    "room:join": IN_ROOMS,
    "room:leave": IN_ROOMS,
    "message:send": IN_ROOMS,
    "message:fetch": IN_ROOMS,
    "message:recall": IN_ROOMS,
    "receipt:read": IN_ROOMS,
    "receipt:delivered": IN_ROOMS,
    "typing": MEMBERS,
    "presence:watch": set(Role),
    "session:renew": set(Role),
}


def payload_of(event: str, room: UUID) -> dict[str, Any]:
    payloads: dict[str, dict[str, Any]] = {
        "room:join": {"room": str(room), "after": 0},
        "message:send": {
            "room": str(room),
            "client_id": str(uuid.uuid4()),
            "kind": "text",
            "body": {"text": "好"},
            "reply_to": None,
        },
        "message:fetch": {"room": str(room), "limit": 10},
        "message:recall": {"room": str(room), "seq": 1},
        "receipt:read": {"room": str(room), "seq": 1},
        "receipt:delivered": {"room": str(room), "seq": 1},
        "presence:watch": {"users": []},
        "session:renew": {"token": "nonsense"},
    }
    return payloads.get(event, {"room": str(room)})


async def answer_of(socket: Socket, event: str, payload: dict[str, Any]) -> str:
    try:
        await socket.call(event, payload)
    except RequestFailed as failed:
        return failed.code
    return "ok"


def test_every_event_of_rooms_is_in_the_table_of_roles() -> None:
    assert set(commands.messages.handlers) == set(WHO_MAY)


async def test_every_event_with_every_role(
    node: Node, cast: Cast, open_room: OpenRoom, modules: Modules
) -> None:
    """A role that may not use an event hears `forbidden`; one that may hears about the room."""
    room = await open_room(cast.other_patient, cast.other_doctor)
    for role, person in cast.everybody.items():
        socket = Socket(node.url, {"token": person.token})
        await socket.connect()
        for event, message in modules.room_messages.items():
            code = await answer_of(socket, event, payload_of(event, room))
            if role not in message.roles:
                assert code == "forbidden", (event, role)
            elif event in WHO_MAY:
                assert role in WHO_MAY[event], (event, role)
                assert code in told_of_a_foreign_room(event, role), (event, role, code)
            else:
                assert code not in ("ok", "internal_error"), (event, role, code)
        await socket.close()


def told_of_a_foreign_room(event: str, role: Role) -> set[str]:
    """What somebody outside the room may hear; a supervisor may listen."""
    if event in ("presence:watch", "room:leave"):
        return {"ok"}
    if event == "session:renew":
        return {"unauthenticated"}
    if role is Role.SUPERVISOR and event in ("room:join", "message:fetch"):
        return {"ok"}
    return {"not_found"}


async def test_without_a_login_there_is_no_socket_and_no_route(
    client: Client, room: UUID, modules: Modules
) -> None:
    for route in modules.routes:
        # A link that names its session instead of a login: tests/realtime/test_retention.py.
        if route.tag == "rooms" and not route.is_public:
            path = route.path.replace("{room_id}", str(room))
            answer = await client.request(route.method, path)
            assert (answer.status, answer.code) == (401, "unauthenticated"), route.path


async def test_every_route_of_rooms_with_every_role(
    client: Client, cast: Cast, open_room: OpenRoom, modules: Modules
) -> None:
    room = await open_room(cast.other_patient, cast.other_doctor)
    for route in modules.routes:
        if route.tag != "rooms":
            continue
        if "{seq}" in route.path:
            # For auditors alone: tests/realtime/test_retention.py.
            continue
        if "{number}" in route.path:
            # An item of one's own inbox: tests/realtime/test_message_centre.py.
            continue
        path = route.path.replace("{room_id}", str(room))
        bodies: dict[str, dict[str, int]] = {"/inbox/read": {"up_to": 0}, "/inbox/all-read": {}}
        body = bodies.get(path)
        query = {"kind": "image"} if path == "/rooms/search" else None
        for role, person in cast.everybody.items():
            answer = await client.request(
                route.method, path, token=person.token, json=body, query=query
            )
            if role not in route.roles:
                assert (answer.status, answer.code) == (403, "forbidden"), (path, role)
            elif "{room_id}" in route.path and role is not Role.SUPERVISOR:
                assert (answer.status, answer.code) == (404, "not_found"), (path, role)
            else:
                assert answer.status in (200, 204), (path, role, answer.body)


async def test_a_room_does_not_exist_for_people_outside_it(
    client: Client, cast: Cast, room: UUID, connect: Connect
) -> None:
    outsiders = [
        cast.other_patient,
        cast.other_doctor,
        cast.foreign_patient,
        cast.foreign_doctor,
        cast.foreign_supervisor,
    ]
    for person in outsiders:
        for path in (f"/rooms/{room}", f"/rooms/{room}/messages"):
            answer = await client.get(path, token=person.token)
            unknown = await client.get(
                path.replace(str(room), str(uuid.uuid4())), token=person.token
            )
            assert answer.status == unknown.status == 404
            assert {**answer.json, "request_id": ""} == {**unknown.json, "request_id": ""}
        outsider = await connect(person)
        for event in WHO_MAY.keys() - {"room:leave", "presence:watch", "session:renew"}:
            with pytest.raises(RequestFailed) as refused:
                await outsider.call(event, payload_of(event, room))
            assert refused.value.code in ("not_found", "forbidden"), (person.name, event)
        assert not outsider.events


async def test_a_supervisor_listens_unseen_and_every_look_is_recorded(
    client: Client, cast: Cast, room: UUID, connect: Connect, runtime: Runtime
) -> None:
    patient, watcher = await connect(cast.patient), await connect(cast.supervisor)
    hers = await patient.join(str(room))
    watched = await watcher.join(str(room))
    sent = await hers.send_text("督导听得见")
    await watched.wait_for(lambda log: log.last == sent.seq)
    assert watched.view["me"] == {
        "user_id": str(cast.supervisor.user_id),
        "read_seq": 0,
        "may_send": False,
    }
    view = (await client.get(f"/rooms/{room}", token=cast.patient.token)).expect(200)
    assert {each["role"] for each in view["members"]} == {"patient", "doctor"}
    for event in ("message:send", "receipt:read", "message:recall"):
        with pytest.raises(RequestFailed, match="not_found"):
            await watcher.call(event, payload_of(event, room))
    with pytest.raises(RequestFailed, match="forbidden"):
        await watcher.call("typing", payload_of("typing", room))
    (await client.get(f"/rooms/{room}/messages", token=cast.supervisor.token)).expect(200)
    async with runtime.unit_of_work() as uow:
        looks = (
            await uow.session.scalars(select(AuditEntry).where(AuditEntry.action == "room.look"))
        ).all()
    assert [(each.user_id, each.object_id) for each in looks] == [
        (cast.supervisor.user_id, str(room))
    ] * 2


async def test_a_member_sees_the_room_only_in_his_role_there(
    client: Client, cast: Cast, room: UUID, runtime: Runtime
) -> None:
    """The doctor's account logged in as a patient is another person to the room."""
    async with runtime.unit_of_work() as uow:
        uow.session.add(
            RoleAssignment(
                id=new_id(),
                user_id=cast.doctor.user_id,
                hospital_id=cast.hospital_id,
                role=Role.PATIENT,
                created_at=uow.now,
            )
        )
    as_patient = replace(cast.doctor.caller, role=Role.PATIENT)
    token = tokens.issue_access_token(as_patient, runtime.clock.now(), runtime.keyring)
    assert (await client.get(f"/rooms/{room}", token=token)).status == 404
    assert (await client.get(f"/rooms/{room}", token=cast.doctor.token)).status == 200
