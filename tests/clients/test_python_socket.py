"""The Python client's socket, where no server is needed to show it."""

import asyncio

import pytest

from zhenjian_client import Socket


async def test_a_call_that_is_given_up_in_the_moment_of_its_answer_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who closes a client waits for its tasks: one that lost the word to end would go on."""
    socket = Socket("ws://unused", {}, lambda *_: None)

    async def sent(frame: str | bytes) -> None:
        pass

    monkeypatch.setattr(socket, "send_frame", sent)
    call = asyncio.create_task(socket.call("message:send", {}))
    await asyncio.sleep(0)
    [answer] = socket._acks.values()
    answer.set_result({"ok": True})
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
