"""No holes, every message once, one order everywhere: under concurrency and retries."""

from __future__ import annotations

import asyncio
import random
import uuid
from itertools import chain
from uuid import UUID

import pytest
from sqlalchemy import select

from core.runtime import Runtime
from realtime import service
from realtime.models import MessageRow
from realtime.rules import CloseReason, MessageKind
from realtime.schemas import TextBody
from realtime.sending import Send, Sent, send_messages
from tests.realtime.conftest import Connect, OpenRoom, StartNode
from tests.support.cast import Cast
from tests.support.nodes import Node
from zhenjian_client import RoomClient, Socket


async def stored(runtime: Runtime, room: UUID) -> list[MessageRow]:
    async with runtime.unit_of_work() as uow:
        rows = await uow.session.scalars(
            select(MessageRow).where(MessageRow.room_id == room).order_by(MessageRow.seq)
        )
        return list(rows)


async def test_twenty_senders_on_two_nodes_leave_one_log_without_holes(
    connect: Connect,
    cast: Cast,
    room: UUID,
    node: Node,
    start_node: StartNode,
    runtime: Runtime,
) -> None:
    """Every sender repeats some of his messages at once; both nodes deliver the same order."""
    other = await start_node()
    people = [cast.patient, cast.doctor]
    clients = [
        await connect(people[n % 2], device=f"d{n}", to=(node, other)[n // 2 % 2])
        for n in range(20)
    ]
    rooms = [await client.join(str(room)) for client in clients]

    async def talk(number: int) -> list[tuple[str, int]]:
        chooser = random.Random(number)
        said = []
        for step in range(10):
            name, text = str(uuid.uuid4()), f"{number}:{step}"
            copies = [rooms[number]]
            if chooser.random() < 0.4:
                # The same user repeats it from another device, perhaps on the other node.
                copies.append(rooms[(number + 2) % 20])
            answers = await asyncio.gather(
                *(each.send("text", {"text": text}, client_id=name) for each in copies)
            )
            assert len({answer.seq for answer in answers}) == 1
            assert sorted(answer.duplicate for answer in answers) == [False, True][: len(copies)]
            said.append((text, answers[0].seq))
        return said

    said = dict(chain.from_iterable(await asyncio.gather(*(talk(n) for n in range(20)))))
    rows = await stored(runtime, room)
    assert [row.seq for row in rows] == list(range(1, 202))
    assert {row.body["text"]: row.seq for row in rows[1:]} == said
    for each in rooms:
        await each.wait_for(lambda log: log.last == 201)
        heard = [message["body"]["text"] for message in each.log.messages[1:]]
        assert heard == [row.body["text"] for row in rows[1:]]
    for number in range(20):
        own = [text for text in heard if text.startswith(f"{number}:")]
        assert own == [f"{number}:{step}" for step in range(10)]


async def test_what_a_socket_receives_is_in_order_on_every_node(
    cast: Cast,
    room: UUID,
    node: Node,
    start_node: StartNode,
    connect: Connect,
) -> None:
    """The raw stream, before any client sorts it: each node delivers the log's own order."""
    other = await start_node()
    heard: dict[str, list[int]] = {"here": [], "there": []}
    sockets = []
    for name, place in (("here", node), ("there", other)):
        seen = heard[name]

        def listen(event: str, data: dict[str, int], seen: list[int] = seen) -> None:
            if event == "message":
                seen.append(data["seq"])

        auth = {"token": cast.doctor.token, "device": name}
        socket = Socket(place.url, auth, listen)
        await socket.connect()
        sockets.append(socket)
        await socket.call("room:join", {"room": str(room), "after": None})
    senders: list[RoomClient] = [
        await connect(cast.patient, device=f"p{n}", to=(node, other)[n % 2]) for n in range(4)
    ]
    joined = [await sender.join(str(room)) for sender in senders]
    await asyncio.gather(*(each.send_text(str(n)) for n in range(15) for each in joined))
    for each in joined:
        await each.wait_for(lambda log: log.last == 61)
    async with asyncio.timeout(10):
        while len(heard["here"]) < 60 or len(heard["there"]) < 60:
            await asyncio.sleep(0.01)
    assert heard["here"] == heard["there"] == list(range(2, 62))
    for socket in sockets:
        await socket.close()


async def test_batches_that_lock_many_rooms_at_once_do_not_deadlock(
    cast: Cast, open_room: OpenRoom, runtime: Runtime
) -> None:
    rooms = [await open_room() for _ in range(6)]

    async def batch(seed: int) -> None:
        order = rooms[:]
        random.Random(seed).shuffle(order)
        sends = [
            Send(cast.patient.caller, each, uuid.uuid4(), MessageKind.TEXT, TextBody(text="忙"))
            for each in order
        ]
        async with runtime.unit_of_work() as uow:
            outcomes = await send_messages(uow, sends)
        assert all(isinstance(outcome, Sent) for outcome in outcomes)

    await asyncio.gather(*(batch(seed) for seed in range(12)))
    for each in rooms:
        assert [row.seq for row in await stored(runtime, each)] == list(range(1, 14))


async def test_a_refused_message_fails_alone_and_takes_no_number(
    cast: Cast, open_room: OpenRoom, runtime: Runtime
) -> None:
    good, closed = await open_room(), await open_room()
    async with runtime.unit_of_work() as uow:
        await service.close_room(uow, closed, CloseReason.COMPLETED)

    def text(room: UUID, reply_to: int | None = None, *, client: UUID | None = None) -> Send:
        return Send(
            cast.patient.caller,
            room,
            client or uuid.uuid4(),
            MessageKind.TEXT,
            TextBody(text="好"),
            reply_to,
        )

    twice = uuid.uuid4()
    sends = [
        text(good),
        text(closed),
        text(good, reply_to=50),
        text(uuid.uuid4()),
        Send(cast.foreign_doctor.caller, good, uuid.uuid4(), MessageKind.TEXT, TextBody(text="x")),
        text(good, client=twice),
        text(good, client=twice),
        text(good, reply_to=2),
    ]
    async with runtime.unit_of_work() as uow:
        outcomes = await send_messages(uow, sends)
    told = [
        (each.seq, each.duplicate) if isinstance(each, Sent) else each.code for each in outcomes
    ]
    assert told == [
        (2, False),
        "room_closed",
        "invalid",
        "not_found",
        "not_found",
        (3, False),
        (3, True),
        (4, False),
    ]
    assert [row.seq for row in await stored(runtime, good)] == [1, 2, 3, 4]


async def test_messages_that_arrive_together_share_a_commit(
    connect: Connect, cast: Cast, room: UUID, node: Node
) -> None:
    patient = await connect(cast.patient)
    joined = await patient.join(str(room))
    name = {"room": str(room), "kind": "text", "reply_to": None}
    before = node.gateway.writer.batches
    sends = [
        {**name, "client_id": str(uuid.uuid4()), "body": {"text": str(number)}}
        for number in range(30)
    ]
    doctor_clients = [await connect(cast.doctor, device=f"d{n}") for n in range(10)]
    await asyncio.gather(
        *(
            client.call("message:send", send)
            for client, send in zip(doctor_clients * 3, sends, strict=True)
        )
    )
    await joined.wait_for(lambda log: log.last == 31)
    assert node.gateway.writer.batches - before < 30


async def test_sends_of_one_socket_keep_their_order_without_waiting_for_answers(
    connect: Connect, cast: Cast, room: UUID
) -> None:
    patient = await connect(cast.patient)
    joined = await patient.join(str(room))
    calls = [
        asyncio.create_task(
            patient.connection.ask(
                "message:send",
                {
                    "room": str(room),
                    "client_id": str(uuid.uuid4()),
                    "kind": "text",
                    "body": {"text": str(number)},
                    "reply_to": None,
                },
            )
        )
        for number in range(25)
    ]
    answers = await asyncio.gather(*calls)
    assert [answer["seq"] for answer in answers] == list(range(2, 27))
    await joined.wait_for(lambda log: log.last == 26)
    assert [m["body"]["text"] for m in joined.log.messages[1:]] == [str(n) for n in range(25)]


@pytest.mark.parametrize("writers", [8])
async def test_events_of_the_room_and_messages_share_one_sequence(
    connect: Connect, cast: Cast, room: UUID, runtime: Runtime, writers: int
) -> None:
    patient = await connect(cast.patient)
    joined = await patient.join(str(room))

    async def note(number: int) -> None:
        async with runtime.unit_of_work() as uow:
            await service.system_message(uow, room, "red_flag", f"提示 {number}")

    await asyncio.gather(
        *(note(n) for n in range(writers)), *(joined.send_text(str(n)) for n in range(writers))
    )
    rows = await stored(runtime, room)
    assert [row.seq for row in rows] == list(range(1, 2 * writers + 2))
    await joined.wait_for(lambda log: log.last == 2 * writers + 1)
