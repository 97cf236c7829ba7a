"""What no correct client sends: each gets its named error, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from realtime.limits import LIMITS
from realtime.transport import BAD_PACKET_LIMIT
from tests.realtime.conftest import Connect, StartNode
from tests.support.cast import Cast
from tests.support.nodes import Node
from zhenjian_client import ConnectionLost, Refused, RequestFailed, Socket


class RawLine:
    """A WebSocket on which anything can be sent, connected as a member of the room."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, node: Node) -> None:
        self.ws = ws
        self.node = node

    def forgive(self) -> None:
        """Let the server forget how much rubbish came, so that a test may send more of it."""
        for socket in self.node.gateway.server.eio.sockets.values():
            socket.bad_packets = 0

    async def send(self, frame: str | bytes) -> None:
        await (self.ws.send_bytes(frame) if isinstance(frame, bytes) else self.ws.send_str(frame))

    async def answer(self) -> str:
        """The next frame that is no ping, and not the word of the room itself: it is new, and its
        members are told of it whenever that has gone round.
        """
        while True:
            message = await self.ws.receive(timeout=5)
            assert message.type is aiohttp.WSMsgType.TEXT, message
            if message.data != "2" and not message.data.startswith('42["membership"'):
                return str(message.data)

    async def error_of(self, frame: str | bytes) -> str:
        """Send a frame; the code of the refusal in the next acknowledgement or notice."""
        await self.send(frame)
        found = await self.answer()
        if found.startswith("43"):
            payload = json.loads(found[found.index("[") :])[0]
            return str(payload["error"]["code"])
        name, payload = json.loads(found[2:])
        assert name == "notice"
        return str(payload["code"])


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def open_raw(http: aiohttp.ClientSession, node: Node) -> RawLine:
    url = node.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
    line = RawLine(await http.ws_connect(url, max_msg_size=0), node)
    assert (await line.answer()).startswith("0")
    return line


@pytest.fixture
async def line(http: aiohttp.ClientSession, node: Node, cast: Cast) -> RawLine:
    raw = await open_raw(http, node)
    await raw.send("40" + json.dumps({"token": cast.patient.token}))
    assert (await raw.answer()).startswith("40{")
    return raw


def send_to(target: UUID, **changes: Any) -> dict[str, Any]:
    return {
        "room": str(target),
        "client_id": str(uuid.uuid4()),
        "kind": "text",
        "body": {"text": "好"},
        "reply_to": None,
    } | changes


BAD_FRAMES = [
    ('427["message:send",{]', "malformed"),
    ('427["message:send"', "malformed"),
    ("427{}", "malformed"),
    ("427[]", "malformed"),
    ("427[1,2]", "malformed"),
    ('427["message:send",{},{}]', "malformed"),
    ('427["message:send",{"text":"\\ud800"}]', "malformed"),
    ("42", "malformed"),
    ("4", "malformed"),
    ("49", "malformed"),
    ("47[]", "malformed"),
    ("9", "malformed"),
    ("x", "malformed"),
    ('451-["message:send",{"_placeholder":true,"num":0}]', "malformed"),
    (b"\x00\x01", "malformed"),
    ('427["no:such",{}]', "unknown_event"),
    ('427["",{}]', "unknown_event"),
    ('427["connect",{}]', "unknown_event"),
    ('427["message:send",null]', "invalid"),
    ('427["message:send",[]]', "invalid"),
    ('427["message:send","text"]', "invalid"),
    ('427["message:send"]', "invalid"),
    ("427" + json.dumps(["message:send", {"text": "長" * 40_000}]), "too_large"),
    ("42" + "9" * 80_000, "too_large"),
    ("42" + "7" * 400 + "[]", "malformed"),
]


async def test_each_bad_frame_gets_its_named_error_and_the_line_goes_on(
    line: RawLine, room: UUID
) -> None:
    for number, (frame, code) in enumerate(BAD_FRAMES):
        line.forgive()
        assert await line.error_of(frame) == code, frame[:80]
        ack = 1000 + number
        await line.send(f'42{ack}["message:send",' + json.dumps(send_to(room)) + "]")
        found = await line.answer()
        assert found.startswith(f"43{ack}["), frame[:80]
        assert json.loads(found[6:])[0]["seq"] == number + 2


async def test_an_empty_frame_is_bad_too(line: RawLine) -> None:
    assert await line.error_of("") == "malformed"


WRONG_FIELDS: list[tuple[dict[str, Any], str, str | None]] = [
    ({"room": "nonsense"}, "invalid", "room"),
    ({"room": None}, "invalid", "room"),
    ({"room": {"$ne": 1}}, "invalid", "room"),
    ({"client_id": "1"}, "invalid", "client_id"),
    ({"kind": "shout"}, "invalid", "kind"),
    ({"kind": "system", "body": {"event": "closed", "text": "x"}}, "invalid", "kind"),
    ({"body": None}, "invalid", "body"),
    ({"body": []}, "invalid", "body"),
    ({"body": {}}, "invalid", "body.text"),
    ({"body": {"text": 5}}, "invalid", "body.text"),
    ({"body": {"text": " \n "}}, "invalid", "body.text"),
    ({"body": {"text": "长" * 5001}}, "invalid", "body.text"),
    ({"body": {"text": "x", "html": "<b>"}}, "invalid", "body.html"),
    ({"kind": "sticker", "body": {"code": "../../etc"}}, "invalid", "body.code"),
    ({"kind": "location", "body": {"lat": 91, "lng": 0, "name": ""}}, "invalid", "body.lat"),
    ({"kind": "image", "body": {"file": {"id": "x"}}}, "invalid", "body.file.id"),
    ({"kind": "image", "body": {"file": {"id": str(uuid.uuid4())}}}, "file_not_found", None),
    (
        {"kind": "card", "body": {"type": "prescription", "ref": "1", "title": "处方"}},
        "message_kind_not_allowed",
        None,
    ),
    ({"reply_to": 0}, "invalid", "reply_to"),
    ({"reply_to": -1}, "invalid", "reply_to"),
    ({"reply_to": 2**70}, "invalid", "reply_to"),
    ({"reply_to": 400}, "invalid", None),
    ({"sender": "somebody else"}, "invalid", "sender"),
    ({"room": str(uuid.uuid4())}, "not_found", None),
]


async def test_every_wrong_field_is_named(connect: Connect, cast: Cast, room: UUID) -> None:
    patient = await connect(cast.patient)
    for changes, code, field in WRONG_FIELDS:
        with pytest.raises(RequestFailed) as refused:
            await patient.call("message:send", send_to(room, **changes))
        assert refused.value.code == code, changes
        if field is not None:
            named = [each["field"] for each in refused.value.details["fields"]]
            assert field in named, changes


WRONG_PAYLOADS: list[tuple[str, dict[str, Any]]] = [
    ("room:join", {"room": 5}),
    ("room:join", {"room": None, "after": 0}),
    ("room:join", {"after": -1}),
    ("room:leave", {}),
    ("message:fetch", {"limit": 0}),
    ("message:fetch", {"limit": 10_000}),
    ("message:fetch", {"before": 0}),
    ("message:recall", {"seq": "last"}),
    ("receipt:read", {"seq": -5}),
    ("receipt:delivered", {"seq": 1.5}),
    ("typing", {"room": []}),
    ("presence:watch", {"users": "everybody"}),
    ("presence:watch", {"users": [str(uuid.uuid4())] * 501}),
    ("session:renew", {"token": None}),
    ("session:renew", {"token": "x" * 5000}),
]


async def test_every_event_checks_its_payload(connect: Connect, cast: Cast) -> None:
    patient = await connect(cast.patient)
    for event, payload in WRONG_PAYLOADS:
        complete = payload
        if event not in ("room:leave", "presence:watch", "session:renew"):
            complete = {"room": str(uuid.uuid4()), **payload}
        with pytest.raises(RequestFailed) as refused:
            await patient.call(event, complete)
        assert refused.value.code == "invalid", (event, payload)


async def test_whoever_sends_only_rubbish_is_let_go_and_others_talk_on(
    line: RawLine, connect: Connect, cast: Cast, room: UUID
) -> None:
    doctor = await connect(cast.doctor)
    his = await doctor.join(str(room))
    for _ in range(BAD_PACKET_LIMIT):
        await line.send("rubbish")
    async with asyncio.timeout(5):
        while not line.ws.closed:
            await line.ws.receive()
    assert (await his.send_text("没有受影响")).seq == 2


async def test_a_frame_beyond_every_measure_ends_only_its_own_line(
    line: RawLine, connect: Connect, cast: Cast, room: UUID
) -> None:
    doctor = await connect(cast.doctor)
    his = await doctor.join(str(room))
    # The server may cut the line before it has taken all of it.
    with contextlib.suppress(ConnectionError):
        await line.send('427["message:send",{"text":"' + "x" * 20_000_000 + '"}]')
    async with asyncio.timeout(10):
        while not line.ws.closed:
            await line.ws.receive()
    assert (await his.send_text("没有受影响")).seq == 2


async def test_a_bad_token_is_refused_by_name(node: Node) -> None:
    for token in (None, 5, "", "nonsense", "a.b.c", "x" * 20_000, {"a": 1}):
        with pytest.raises(Refused) as refused:
            await Socket(node.url, {"token": token}).connect()
        assert refused.value.code == "unauthenticated", token
    with pytest.raises(Refused):
        await Socket(node.url, {}).connect()


async def test_a_handshake_that_is_no_object_is_refused(
    http: aiohttp.ClientSession, node: Node
) -> None:
    for auth in ("{", '"token"', "[1]", "nonsense"):
        raw = await open_raw(http, node)
        await raw.send("40" + auth)
        found = await raw.answer()
        assert found.startswith("44"), auth
        assert json.loads(found[2:])["data"]["code"] == "malformed", auth


async def test_nothing_is_heard_before_the_handshake(
    http: aiohttp.ClientSession, node: Node, room: UUID, cast: Cast, connect: Connect
) -> None:
    stranger = await open_raw(http, node)
    await stranger.send('421["message:send",' + json.dumps(send_to(room)) + "]")
    his = await (await connect(cast.doctor)).join(str(room))
    assert (await his.send_text("只有我")).seq == 2
    with pytest.raises(TimeoutError):
        await stranger.ws.receive(timeout=0.3)


async def test_another_namespace_and_long_polling_are_refused(
    http: aiohttp.ClientSession, node: Node, cast: Cast
) -> None:
    raw = await open_raw(http, node)
    await raw.send("40/admin," + json.dumps({"token": cast.patient.token}))
    assert (await raw.answer()).startswith("44/admin,")
    async with http.get(node.url + "/socket.io/?EIO=4&transport=polling") as response:
        assert response.status == 400


async def test_a_full_process_says_overloaded(cast: Cast, start_node: StartNode) -> None:
    small = await start_node(max_connections=1)
    first = Socket(small.url, {"token": cast.patient.token})
    await first.connect()
    with pytest.raises(Refused) as refused:
        await Socket(small.url, {"token": cast.doctor.token}).connect()
    assert (refused.value.code, refused.value.data["retry_after"]) == ("overloaded", 5)
    await first.close()


async def test_too_many_messages_are_answered_with_the_time_to_wait(
    cast: Cast, room: UUID, start_node: StartNode, connect: Connect
) -> None:
    strict = await start_node(limits=LIMITS)
    patient = await connect(cast.patient, to=strict)
    doctor = await connect(cast.doctor, to=strict)
    burst = LIMITS["message:send"].burst
    answers = await asyncio.gather(
        *(patient.call("message:send", send_to(room)) for _ in range(burst + 20)),
        return_exceptions=True,
    )
    refused = [each for each in answers if isinstance(each, RequestFailed)]
    assert refused
    assert {each.code for each in refused} == {"rate_limited"}
    assert all(each.retry_after == 1 for each in refused)
    assert (await doctor.call("message:send", send_to(room)))["ok"]


async def test_no_answer_is_expected_from_a_dead_server(cast: Cast) -> None:
    with pytest.raises(ConnectionLost):
        await Socket("http://127.0.0.1:9", {"token": cast.patient.token}).connect()
