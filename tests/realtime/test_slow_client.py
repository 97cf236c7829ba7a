"""A client that does not read holds up nobody, costs a bounded amount and is told to catch up."""

from __future__ import annotations

import asyncio
import json
from uuid import UUID

import aiohttp

from realtime.connections import Connection
from realtime.outgoing import Frame, Outgoing, event_frame
from realtime.transport import CLOSING_SECONDS
from tests.realtime.conftest import Connect
from tests.support.cast import Cast
from tests.support.nodes import Node


class Line:
    """Takes what is written, until it is told to stop."""

    def __init__(self, limit: int = 1000) -> None:
        self.taken: list[str] = []
        self.finished = 0
        self.outgoing = Outgoing(self._take, self._finish, limit)

    def _take(self, wire: bytes) -> None:
        self.taken.append(wire[2:].decode())

    def _finish(self) -> None:
        self.finished += 1


def frame(size: int) -> Frame:
    return Frame(b"x" * (size - 2))


def test_what_a_client_takes_is_written_at_once() -> None:
    line = Line(limit=10)
    assert line.outgoing.put(frame(100))
    assert line.outgoing.size == 0
    assert len(line.taken) == 1


def test_the_queue_towards_a_client_is_bounded_in_bytes() -> None:
    outgoing = Line(limit=100).outgoing
    outgoing.pause()
    assert outgoing.put(frame(60))
    assert not outgoing.put(frame(60))
    assert outgoing.put(frame(40))
    outgoing.force(frame(5))
    assert outgoing.size == 105


def test_what_was_queued_goes_out_in_order_before_the_end() -> None:
    line = Line()
    line.outgoing.pause()
    for number in range(5):
        line.outgoing.put(Frame(str(number).encode()))
    line.outgoing.end()
    assert (line.taken, line.finished) == ([], 0)
    line.outgoing.resume()
    assert (line.taken, line.finished) == (["0", "1", "2", "3", "4"], 1)
    assert not line.outgoing.put(frame(5))


def test_a_client_that_stops_again_keeps_the_rest_waiting() -> None:
    line = Line()
    line.outgoing.pause()
    for number in range(3):
        line.outgoing.put(Frame(str(number).encode()))

    def take_one(wire: bytes) -> None:
        line.taken.append(wire[2:].decode())
        line.outgoing.pause()

    line.outgoing._write = take_one
    line.outgoing.resume()
    assert line.taken == ["0"]
    line.outgoing.put(Frame(b"3"))
    for _ in range(3):
        line.outgoing.resume()
    assert line.taken == ["0", "1", "2", "3"]
    assert line.outgoing.size == 0


async def test_a_slow_client_is_told_to_fetch_once_it_has_taken_what_waited() -> None:
    line = Line(limit=200)
    connection = Connection("id", None, "d", "", None, line)  # type: ignore[arg-type]
    room = UUID(int=1)
    line.outgoing.pause()
    for number in range(9):
        connection.send_entry(room, event_frame("message", {"seq": number}))
    assert connection.behind == {room}
    line.outgoing.resume()
    connection.send_entry(room, event_frame("message", {"seq": 10}))
    sent = [json.loads(text[2:]) for text in line.taken]
    assert [name for name, _ in sent].count("resync") == 1
    seen = [data["seq"] for name, data in sent if name == "message"]
    assert seen[:3] == [0, 1, 2]
    assert seen[-1] == 10
    assert ["resync", {"room": str(room)}] in sent


async def test_a_client_that_does_not_read_can_still_be_ended(
    connect: Connect, cast: Cast, room: UUID, node: Node
) -> None:
    async with aiohttp.ClientSession() as http:
        deaf = await listen_and_go_deaf(http, node, cast, room)
        [slow] = [c for c in node.gateway.connections.by_id.values() if c.device == "deaf"]
        his = await (await connect(cast.doctor)).join(str(room))
        while room not in slow.behind:
            await his.send_text("长" * 5000)
        slow.drop("session_revoked")
        async with asyncio.timeout(CLOSING_SECONDS + 10):
            while slow.socket.sid in node.gateway.server.eio.sockets:
                await asyncio.sleep(0.05)
        assert slow.id not in node.gateway.connections.by_id
        deaf._response.connection.transport.abort()  # type: ignore[union-attr]


async def listen_and_go_deaf(
    http: aiohttp.ClientSession, node: Node, cast: Cast, room: UUID
) -> aiohttp.ClientWebSocketResponse:
    """Join as the patient's device "deaf", then stop reading the line."""
    url = node.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
    deaf = await http.ws_connect(url, max_msg_size=0)
    await deaf.send_str("40" + json.dumps({"token": cast.patient.token, "device": "deaf"}))
    await deaf.send_str("421" + json.dumps(["room:join", {"room": str(room), "after": 0}]))
    async with asyncio.timeout(10):
        while not (await deaf.receive()).data.startswith("431"):
            pass
    deaf._response.connection.transport.pause_reading()  # type: ignore[union-attr]
    return deaf


async def test_a_client_that_does_not_read_holds_up_nobody(
    connect: Connect, cast: Cast, room: UUID, node: Node
) -> None:
    """The deaf one stops reading its line; the others talk on, and it catches up later."""
    async with aiohttp.ClientSession() as http:
        deaf = await listen_and_go_deaf(http, node, cast, room)
        transport = deaf._response.connection.transport  # type: ignore[union-attr]
        [slow] = [c for c in node.gateway.connections.by_id.values() if c.device == "deaf"]

        talker, listener = await connect(cast.doctor), await connect(cast.doctor, device="desk")
        his, hers = await talker.join(str(room)), await listener.join(str(room))
        text, count = "长" * 5000, 0
        while room not in slow.behind:
            count += 1
            await his.send_text(text)
            assert count < 2000
        await hers.wait_for(lambda log: log.last == count + 1)
        assert slow.socket.outgoing.size <= slow.socket.outgoing.limit + 1024

        transport.resume_reading()
        heard: list[int] = []
        async with asyncio.timeout(30):
            while True:
                data = (await deaf.receive()).data
                if data == "2":
                    await deaf.send_str("3")
                elif data.startswith('42["resync"'):
                    break
                elif data.startswith('42["message"'):
                    heard.append(json.loads(data[2:])[1]["seq"])
        assert heard == list(range(2, len(heard) + 2))
        last = heard[-1]
        asked = {"room": str(room), "after": last, "limit": 200}
        await deaf.send_str("422" + json.dumps(["message:fetch", asked]))
        async with asyncio.timeout(10):
            while not (data := (await deaf.receive()).data).startswith("432"):
                pass
        page = json.loads(data[3:])[0]
        assert page["messages"][0]["seq"] == last + 1
        assert page["messages"][-1]["seq"] == his.log.last or page["has_more"]
        await deaf.close()
