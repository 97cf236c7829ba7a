"""PostgreSQL's disk is full: clear refusals, nothing acknowledged, and it goes on by itself.

The table of messages lies on a small volume of its own, which a ballast file fills.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import select

from core.postgres import SYSTEM_ROOT
from core.runtime import Runtime
from realtime import service
from realtime.models import MessageRow
from realtime.rules import RoomState
from realtime.service import NewMember
from tests.realtime.conftest import node, start_node  # noqa: F401
from tests.support.cast import Cast
from tests.support.nodes import Node
from zhenjian_client import RequestFailed, RoomClient, Socket

SIZE = "4m"
#: Long enough to need new pages soon.
WORDS = "话" * 1500


@pytest.fixture
async def volume(database_url: str) -> AsyncIterator[Path]:
    """A small file system that holds the messages of this test's database."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small volume")
    SYSTEM_ROOT.mkdir(mode=0o755, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="small-", dir=SYSTEM_ROOT))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0777", "tmpfs", str(folder)], check=False
    )
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip("a volume cannot be mounted here")
    name = f"small_{uuid.uuid4().hex[:12]}"
    inside = folder / "tablespace"
    inside.mkdir()
    shutil.chown(inside, "nobody")
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(f"CREATE TABLESPACE {name} LOCATION '{inside}'")
        # The databases of tests are emptied and used again: what others deleted still takes room.
        await connection.execute("VACUUM FULL room_messages")
        await connection.execute(f"ALTER TABLE room_messages SET TABLESPACE {name}")
        yield folder
        await connection.execute("ALTER TABLE room_messages SET TABLESPACE pg_default")
        await connection.execute(f"DROP TABLESPACE {name}")
    finally:
        await connection.close()
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def fill(volume: Path) -> Path:
    """Take all the space that is left."""
    ballast = volume / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    return ballast


@pytest.mark.slow
async def test_a_full_disk_refuses_clearly_and_loses_nothing(
    volume: Path,
    node: Node,  # noqa: F811
    runtime: Runtime,
    cast: Cast,
) -> None:
    people = cast.patient, cast.doctor
    async with runtime.unit_of_work() as uow:
        room = await service.open_room(
            uow,
            hospital_id=cast.hospital_id,
            title="复诊",
            members=[NewMember(each.user_id, each.caller.role) for each in people],
            state=RoomState.ACTIVE,
        )
    socket = Socket(node.url, {"token": cast.patient.token, "device": "phone"})
    await socket.connect()
    await socket.call("room:join", {"room": str(room), "after": None})
    ballast = fill(volume)
    acknowledged = await _send_until_refused(socket, room)

    # While it is full nothing is acknowledged, and reading goes on.
    async with RoomClient(node.url, cast.doctor.token, device="desk") as doctor:
        his = await doctor.join(str(room))
        assert his.log.last == len(acknowledged) + 1
        waiting = asyncio.create_task(his.send_text(WORDS))
        for _ in range(3):
            with pytest.raises(RequestFailed) as refused:
                await _say(socket, room)
            assert refused.value.code == "service_unavailable"
            assert refused.value.retry_after
        assert not waiting.done()
        ballast.unlink()
        # The client that waited gets through without anybody's help.
        acknowledged.append((await asyncio.wait_for(waiting, 30)).seq)
    acknowledged.append(await _say(socket, room))
    await socket.close()
    async with runtime.unit_of_work() as uow:
        rows = await uow.session.scalars(select(MessageRow.seq).order_by(MessageRow.seq))
        stored = list(rows)
    assert stored == list(range(1, len(stored) + 1))
    assert stored[1:] == acknowledged


async def _send_until_refused(socket: Socket, room: UUID) -> list[int]:
    acknowledged: list[int] = []
    refused: RequestFailed | None = None
    while refused is None:
        try:
            acknowledged.append(await _say(socket, room))
        except RequestFailed as failed:
            refused = failed
        assert len(acknowledged) < 5000, "the volume does not fill"
    assert refused.code == "service_unavailable"
    return acknowledged


async def _say(socket: Socket, room: UUID) -> int:
    payload = {
        "room": str(room),
        "client_id": str(uuid.uuid4()),
        "kind": "text",
        "body": {"text": WORDS},
        "reply_to": None,
    }
    return int((await socket.call("message:send", payload))["seq"])
