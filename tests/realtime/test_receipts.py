"""Delivered, read, unread: the same on every device of a user, on any node."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from realtime import service
from tests.realtime.conftest import Connect, StartNode
from tests.support.cast import Cast, Person
from tests.support.http import Client
from zhenjian_client import HttpClient, RoomClient


async def unread(client: Client, who: Person, room: UUID) -> int:
    page = (await client.get("/rooms/mine", token=who.token)).expect(200)
    return next(int(each["unread"]) for each in page["items"] if each["room"]["id"] == str(room))


def marks(client: RoomClient, who: Person) -> list[dict[str, Any]]:
    return [
        data
        for name, data in client.events
        if name == "receipt" and data["user"] == str(who.user_id)
    ]


async def test_two_devices_on_two_nodes_have_the_same_mark_and_count_at_once(
    connect: Connect, start_node: StartNode, cast: Cast, room: UUID, client: Client
) -> None:
    other = await start_node()
    phone = await connect(cast.doctor, device="phone")
    desk = await connect(cast.doctor, device="desk", to=other)
    patient = await connect(cast.patient)
    hers = await patient.join(str(room))
    on_phone = await phone.join(str(room))
    for text in ("一", "二", "三"):
        last = await hers.send_text(text)
    await on_phone.wait_for(lambda log: log.last == last.seq)
    assert await unread(client, cast.doctor, room) == 3

    # The desk has not even opened the room: its list still follows.
    await on_phone.read(last.seq - 1)
    told = await desk.wait_event("unread", lambda data: data["unread"] == 1)
    assert told == {"room": str(room), "read_seq": last.seq - 1, "unread": 1}
    on_desk = await desk.join(str(room))
    assert on_desk.view["me"]["read_seq"] == last.seq - 1
    await on_desk.read(last.seq)
    assert (await phone.wait_event("unread", lambda data: data["unread"] == 0))["room"] == str(room)
    assert on_phone.view["me"]["read_seq"] == last.seq
    assert await unread(client, cast.doctor, room) == 0
    # An older mark of a device that lags behind moves nothing back.
    assert (await on_phone.read(last.seq - 2))["read_seq"] == last.seq
    # It is nobody else's business how much somebody has left to read.
    await patient.wait_event("receipt", lambda data: data["read_seq"] == last.seq)
    assert not [data for name, data in patient.events if name == "unread"]


async def test_a_client_says_what_has_arrived_and_many_messages_take_few_words(
    connect: Connect, cast: Cast, room: UUID, monkeypatch: Any
) -> None:
    told: list[int] = []
    mark = service.mark_delivered

    async def counting(uow: Any, caller: Any, room_id: UUID, seq: int) -> Any:
        told.append(seq)
        return await mark(uow, caller, room_id, seq)

    monkeypatch.setattr(service, "mark_delivered", counting)
    patient, doctor = await connect(cast.patient), await connect(cast.doctor)
    hers = await patient.join(str(room))
    await doctor.join(str(room))
    sent = await asyncio.gather(*(hers.send_text(f"第{n}句") for n in range(40)))
    last = max(each.seq for each in sent)
    receipt = await patient.wait_event(
        "receipt", lambda data: data["delivered_seq"] == last and data["read_seq"] == 0
    )
    assert receipt["user"] == str(cast.doctor.user_id)
    assert len(marks(patient, cast.doctor)) < 10
    # Who sent them all has nothing to say about their arrival.
    assert len(told) == len(marks(patient, cast.doctor))


async def test_the_client_looks_around_what_a_search_found(
    connect: Connect, cast: Cast, room: UUID
) -> None:
    patient = await connect(cast.patient)
    hers = await patient.join(str(room))
    for number in range(30):
        await hers.send_text(f"第{number}句" + ("要点" if number == 7 else ""))
    async with HttpClient(patient.url) as http:
        http.token = cast.patient.token
        pages = [page async for page in http.search("要点", room=str(room))]
    [hit] = [hit for page in pages for hit in page["items"]]
    seq = hit["message"]["seq"]
    assert [each["seq"] for each in await hers.around(seq, 10)] == list(range(seq - 5, seq + 5))
