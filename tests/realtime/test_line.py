"""The WebSocket below the rooms, byte by byte (RFC 6455)."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace
from typing import Any

import pytest

from realtime.line import GOODBYES, LINE, MAX_MESSAGE_BYTES, TURN_BYTES, Line, text_frame

REQUEST = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Wire:
    """The transport of a line: keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = self.aborted = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> Any:
        return None


class Listener:
    """What an owner hears."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.binaries = self.losses = 0

    def heard(self, payload: bytes) -> None:
        self.texts.append(payload)

    def heard_binary(self) -> None:
        self.binaries += 1

    def paused(self) -> None:
        raise AssertionError

    def resumed(self) -> None:
        raise AssertionError

    def lost(self) -> None:
        self.losses += 1


class Talk:
    """A line with its wire, its owner and the application that decides."""

    def __init__(self, application: Any = None) -> None:
        self.owner = Listener()

        async def accept(scope: Any, receive: Any, send: Any) -> None:
            assert scope["extensions"][LINE].accept(self.owner)

        config = SimpleNamespace(root_path="", asgi_version="3.0", loaded_app=application or accept)
        self.state = SimpleNamespace(connections=set())
        self.wire = Wire()
        self.line = Line(config, self.state, {})
        self.line.connection_made(self.wire)  # type: ignore[arg-type]

    async def open(self) -> None:
        self.line.data_received(REQUEST)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert self.wire.written.startswith(b"HTTP/1.1 101 ")
        self.wire.written = b""

    @property
    def code(self) -> int:
        """The status with which the line was closed."""
        assert self.wire.closed
        assert self.wire.written[-4:-2] == b"\x88\x02"
        return int.from_bytes(self.wire.written[-2:], "big")


@pytest.fixture
async def talk() -> Talk:
    opened = Talk()
    await opened.open()
    return opened


def masked(first: int, payload: bytes) -> bytes:
    # One key: frames are made at collection too, and every worker must collect the same tests.
    key, size = b"\x5a\xa5\x0f\xf1", len(payload)
    if size < 126:
        head = bytes((first, 0x80 | size))
    elif size < 65_536:
        head = bytes((first, 0xFE)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, 0xFF)) + size.to_bytes(8, "big")
    return head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_a_text_of_any_length_is_framed_and_read(size: int) -> None:
    wire = text_frame(b"x" * size)
    marker = wire[1]
    width = {126: 2, 127: 8}.get(marker, 0)
    told = int.from_bytes(wire[2 : 2 + width], "big") if width else marker
    assert (wire[0], told, len(wire)) == (0x81, size, 2 + width + size)


async def test_the_handshake_answers_the_key_of_the_client() -> None:
    talk = Talk()
    talk.line.data_received(REQUEST)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    # The example of RFC 6455, section 1.3.
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in talk.wire.written


@pytest.mark.parametrize("size", [0, 5, 125, 126, 300, 70_000])
async def test_frames_are_read_however_they_are_cut(talk: Talk, size: int) -> None:
    payload = os.urandom(size)
    data = masked(0x81, payload) + masked(0x81, b"next")
    step = max(1, len(data) // 50)
    for start in range(0, len(data), step):
        talk.line.data_received(data[start : start + step])
    assert talk.owner.texts == [payload, b"next"]


async def test_many_frames_in_one_piece_come_in_their_order(talk: Talk) -> None:
    talk.line.data_received(b"".join(masked(0x81, b"%d" % n) for n in range(50)))
    assert talk.owner.texts == [b"%d" % n for n in range(50)]


async def test_a_message_in_several_frames_is_put_together(talk: Talk) -> None:
    talk.line.data_received(masked(0x01, b"ab") + masked(0x00, b"cd"))
    # A ping may come in between.
    talk.line.data_received(masked(0x89, b"?") + masked(0x80, b"ef") + masked(0x81, b"gh"))
    assert talk.owner.texts == [b"abcdef", b"gh"]
    await asyncio.sleep(0)
    assert talk.wire.written == b"\x8a\x01?"


async def test_what_is_written_in_one_turn_of_the_loop_goes_out_together(talk: Talk) -> None:
    writes: list[bytes] = []
    talk.wire.write = writes.append  # type: ignore[method-assign]
    for word in (b"one ", b"two ", b"three"):
        talk.line.write(word)
    assert writes == []
    await asyncio.sleep(0)
    talk.line.write(b"later")
    await asyncio.sleep(0)
    assert writes == [b"one two three", b"later"]


async def test_much_in_one_turn_does_not_wait_for_its_end(talk: Talk) -> None:
    talk.line.write(b"x" * TURN_BYTES)
    talk.line.write(b"y")
    assert talk.wire.written == b"x" * TURN_BYTES + b"y"


async def test_what_was_written_goes_out_before_the_goodbye_and_never_after_the_end(
    talk: Talk,
) -> None:
    talk.line.write(b"last")
    talk.line.close()
    assert talk.wire.written == b"last" + b"\x88\x02\x03\xe8"
    other = Talk()
    await other.open()
    other.line.write(b"too late")
    other.line.connection_lost(None)
    await asyncio.sleep(0)
    assert other.wire.written == b""


async def test_binary_messages_are_named(talk: Talk) -> None:
    talk.line.data_received(masked(0x82, b"\0") + masked(0x02, b"\0") + masked(0x80, b"\0"))
    assert (talk.owner.binaries, talk.owner.texts) == (2, [])


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x02hi\0\0\0\0", 1002),  # not masked
        (masked(0xC1, b"x"), 1002),  # a reserved bit
        (masked(0x83, b"x"), 1002),  # a reserved opcode
        (masked(0x8B, b"x"), 1002),
        (masked(0x09, b"x"), 1002),  # a control frame in pieces
        (masked(0x89, b"x" * 126), 1002),  # a control frame that is too long
        (masked(0x80, b"x"), 1002),  # the continuation of nothing
        (masked(0x01, b"x") + masked(0x81, b"y"), 1002),  # a message within a message
        (b"\x81\xff" + (MAX_MESSAGE_BYTES + 1).to_bytes(8, "big") + b"\0" * 4, 1009),
        (masked(0x88, (1000).to_bytes(2, "big")), 1000),
        (masked(0x88, b""), 1000),
    ],
)
async def test_the_line_is_closed_with_the_status_of_the_rfc(
    talk: Talk, data: bytes, code: int
) -> None:
    talk.line.data_received(data)
    assert talk.code == code
    talk.line.data_received(masked(0x81, b"too late"))
    assert talk.owner.texts == []


async def test_a_message_that_grows_without_end_is_cut(talk: Talk) -> None:
    talk.line.data_received(masked(0x01, b""))
    piece = masked(0x00, b"\0" * 60_000)
    for _ in range(MAX_MESSAGE_BYTES // 60_000 + 1):
        talk.line.data_received(piece)
    assert talk.code == 1009


async def test_the_owner_hears_of_the_loss_once(talk: Talk) -> None:
    assert talk.state.connections == {talk.line}
    talk.line.connection_lost(None)
    talk.line.close()
    assert (talk.owner.losses, talk.state.connections) == (1, set())


async def test_who_hangs_up_is_let_go(talk: Talk) -> None:
    assert talk.line.eof_received()
    await asyncio.sleep(0)
    assert talk.wire.closed


async def test_of_thousands_that_hang_up_at_once_some_go_in_each_turn_of_the_loop() -> None:
    talks = [Talk() for _ in range(3 * GOODBYES + 1)]
    for talk in talks:
        assert talk.line.eof_received()
    gone = []
    for _ in range(4):
        await asyncio.sleep(0)
        gone.append(sum(talk.wire.closed for talk in talks))
    assert gone == [GOODBYES, 2 * GOODBYES, 3 * GOODBYES, len(talks)]


async def test_with_tls_the_transport_hangs_up_itself() -> None:
    class Secret(Wire):
        def get_extra_info(self, name: str) -> Any:
            return object() if name == "sslcontext" else None

    line = Talk().line
    line.connection_made(Secret())  # type: ignore[arg-type]
    assert not line.eof_received()


async def test_a_client_that_does_not_hang_up_is_hung_up(talk: Talk) -> None:
    talk.line.close_within(0.01)
    await asyncio.sleep(0.05)
    assert talk.wire.aborted


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ((b"Version: 13", b"Version: 8"), b"426"),
        ((b"dGhlIHNhbXBsZSBub25jZQ==", b"short"), b"400"),
        ((b"GET", b"PUT"), b"400"),
    ],
)
async def test_a_wrong_request_is_refused(change: tuple[bytes, bytes], status: bytes) -> None:
    talk = Talk()
    talk.line.data_received(REQUEST.replace(*change))
    assert talk.wire.written.startswith(b"HTTP/1.1 " + status)
    assert talk.wire.closed


async def test_whatever_the_application_does_the_request_is_answered() -> None:
    async def close(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.close", "code": 1000})

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        start = {"status": 503, "headers": [(b"retry-after", b"5")]}
        await send({"type": "websocket.http.response.start", **start})
        await send({"type": "websocket.http.response.body", "body": b"full"})

    async def crash(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("not this one")

    async def forget(scope: Any, receive: Any, send: Any) -> None:
        return None

    for application, status in ((close, 403), (answer, 503), (crash, 500), (forget, 500)):
        talk = Talk(application)
        talk.line.data_received(REQUEST)
        for _ in range(3):
            await asyncio.sleep(0)
        assert talk.wire.written.startswith(b"HTTP/1.1 %d " % status), talk.wire.written
        assert talk.wire.closed
