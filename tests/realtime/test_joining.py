"""Many who come into rooms at once are read together, and get what each alone would get."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import OperationalError

from core.ids import new_id
from core.runtime import Runtime
from realtime import joining
from realtime.rules import PAGE_DEFAULT, PAGE_MAX
from tests.realtime.conftest import Connect, OpenRoom
from tests.realtime.test_resume import say
from tests.support.cast import Cast, Person
from zhenjian_client import RequestFailed, RoomClient


async def join_all(
    clients: list[tuple[RoomClient, UUID, int | None]],
) -> list[dict[str, Any] | str]:
    """What each is answered when all ask in one moment; the code of a refusal."""

    async def ask(client: RoomClient, room: UUID, after: int | None) -> dict[str, Any] | str:
        try:
            return await client.call("room:join", {"room": str(room), "after": after})
        except RequestFailed as refused:
            return refused.code

    return await asyncio.gather(*(ask(*each) for each in clients))


async def one_by_one(
    clients: list[tuple[RoomClient, UUID, int | None]],
) -> list[dict[str, Any] | str]:
    return [(await join_all([each]))[0] for each in clients]


async def test_many_at_once_get_what_each_alone_gets(
    connect: Connect, cast: Cast, open_room: OpenRoom, runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    rooms = [await open_room() for _ in range(4)]
    for number, room in enumerate(rooms):
        await say(runtime, cast, room, *(f"第{n}句" for n in range(number * 3)))
    long = await open_room()
    await say(runtime, cast, long, *(str(n) for n in range(PAGE_MAX + 20)))
    people: list[tuple[Person, UUID, int | None]] = [
        *((cast.patient, room, 0) for room in rooms),
        *((cast.doctor, room, 2) for room in rooms),
        (cast.doctor, rooms[3], None),
        (cast.doctor, rooms[3], 99),
        (cast.patient, long, None),
        (cast.patient, long, 0),
        (cast.patient, long, PAGE_MAX),
        (cast.supervisor, rooms[2], 0),
        (cast.other_patient, rooms[2], 0),
        (cast.foreign_doctor, rooms[2], 0),
        (cast.patient, new_id(), 0),
    ]
    sizes: list[int] = []
    together = joining._read_many

    async def counting(uow: Any, asked: Any) -> Any:
        sizes.append(len(asked))
        return await together(uow, asked)

    monkeypatch.setattr(joining, "_read_many", counting)
    clients = [
        (await connect(person, device=f"d{n}"), room, after)
        for n, (person, room, after) in enumerate(people)
    ]
    # Presence is noted a moment after somebody has come.
    async with asyncio.timeout(20):
        while "offline" in str((await join_all(clients[:1]))[0]):
            await asyncio.sleep(0.05)
    at_once = await join_all(clients)
    assert max(sizes) > 5
    sizes.clear()
    assert at_once == await one_by_one(clients)
    assert sizes == []
    pages = [each for each in at_once if isinstance(each, dict)]
    assert [len(each["messages"]) for each in pages[:4]] == [1, 4, 7, 10]
    assert [each["resync"] for each in pages].count(True) == 1
    assert len(pages[10]["messages"]) == PAGE_DEFAULT
    assert at_once[-3:] == ["not_found"] * 3


async def test_when_the_reading_of_all_fails_each_is_read_alone(
    connect: Connect, cast: Cast, room: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(uow: Any, asked: Any) -> Any:
        raise OperationalError("SELECT", {}, ConnectionError("gone"))

    monkeypatch.setattr(joining, "_read_many", fail)
    clients = [(await connect(cast.patient, device=f"d{n}"), room, 0) for n in range(6)]
    answers = await join_all(clients)
    assert [answer["room"]["seq"] for answer in answers if isinstance(answer, dict)] == [1] * 6
