"""SIGKILL of the web process in mid-chat: nothing acknowledged is lost, nothing is there twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from core.clock import FakeClock
from core.crypto.keyring import Keyring
from core.identity import tokens
from core.runtime import Runtime
from realtime import service
from realtime.models import MessageRow
from realtime.rules import RoomState
from realtime.service import NewMember
from tests.support.cast import Cast, Person
from tests.support.web import WebProcess
from zhenjian_client import JoinedRoom, RoomClient, Sent

EACH = 40
KILLS = 2


@pytest.fixture
def clock() -> FakeClock:
    """Now: the process under test would end a login of long ago as idle."""
    return FakeClock(datetime.now(UTC))


@pytest.fixture
async def web(tmp_path: Path, runtime: Runtime, keyring: Keyring) -> AsyncIterator[WebProcess]:
    process = WebProcess(tmp_path, runtime.config.require_database(), keyring)
    await process.start()
    yield process
    await process.stop()


def token_of(person: Person, keyring: Keyring) -> str:
    """The process under test lives by the real clock."""
    return tokens.issue_access_token(person.caller, datetime.now(UTC), keyring)


async def talk(room: JoinedRoom, who: str, acknowledged: dict[str, Sent]) -> None:
    """Say one thing after the other, each once the one before is stored."""
    for number in range(EACH):
        text = f"{who}:{number}"
        acknowledged[text] = await room.send_text(text)
        await asyncio.sleep(0.1)


async def kill_in_mid_chat(web: WebProcess, acknowledged: dict[str, Sent]) -> None:
    """Kill and restart, each time after some more messages were acknowledged."""
    for round_ in range(1, KILLS + 1):
        while len(acknowledged) < round_ * EACH // 2:
            await asyncio.sleep(0.005)
        await web.kill()
        await web.start()


@pytest.mark.slow
async def test_a_killed_web_process_loses_nothing_and_doubles_nothing(
    web: WebProcess, runtime: Runtime, cast: Cast, keyring: Keyring
) -> None:
    async with runtime.unit_of_work() as uow:
        room_id = await service.open_room(
            uow,
            hospital_id=cast.hospital_id,
            title="复诊",
            members=[NewMember(p.user_id, p.caller.role) for p in (cast.patient, cast.doctor)],
            state=RoomState.ACTIVE,
        )
    acknowledged: dict[str, Sent] = {}
    async with AsyncExitStack() as stack:
        rooms = []
        for name, person in (("p", cast.patient), ("d", cast.doctor), ("e", cast.doctor)):
            client = RoomClient(web.url, token_of(person, keyring), device=name)
            await stack.enter_async_context(client)
            rooms.append(await client.join(str(room_id)))
        async with asyncio.timeout(120), asyncio.TaskGroup() as group:
            for name, room in zip(("p", "d", "e"), rooms, strict=True):
                group.create_task(talk(room, name, acknowledged))
            group.create_task(kill_in_mid_chat(web, acknowledged))
        for room in rooms:
            await room.wait_for(lambda log: log.last == 3 * EACH + 1, timeout=30)
            assert room.client.connects > 1

    async with runtime.unit_of_work() as uow:
        rows = list(await uow.session.scalars(select(MessageRow).order_by(MessageRow.seq)))
    assert [row.seq for row in rows] == list(range(1, 3 * EACH + 2))
    history = {row.body["text"]: row.seq for row in rows[1:]}
    assert len(history) == len(rows) - 1
    assert {text: sent.seq for text, sent in acknowledged.items()} == history
    for name in ("p", "d", "e"):
        own = [row.body["text"] for row in rows[1:] if row.body["text"].startswith(name)]
        assert own == [f"{name}:{number}" for number in range(EACH)]
    for room in rooms:
        heard = [message["body"]["text"] for message in room.log.messages[1:]]
        assert heard == [row.body["text"] for row in rows[1:]]
