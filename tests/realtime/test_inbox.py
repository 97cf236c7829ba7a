"""The inbox: stored with its cause, pushed to every device, caught up by its own cursor."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from uuid import UUID

from core.runtime import Runtime
from realtime import inbox
from tests.realtime.conftest import Connect, StartNode
from tests.support.cast import Cast, Person
from tests.support.http import Client


async def tell(
    runtime: Runtime, people: Iterable[Person], title: str, hospital_id: UUID | None = None
) -> None:
    people = list(people)
    async with runtime.unit_of_work() as uow:
        await inbox.notify(
            uow,
            [each.user_id for each in people],
            hospital_id=hospital_id or people[0].caller.hospital_id,
            type="consultation_waiting",
            title=title,
            text="有新的问诊等待接诊",
            ref=("consultation", UUID(int=7)),
        )


async def test_an_item_reaches_every_device_on_every_node(
    connect: Connect, cast: Cast, runtime: Runtime, start_node: StartNode
) -> None:
    phone = await connect(cast.doctor)
    desk = await connect(cast.doctor, device="desk", to=await start_node())
    stranger = await connect(cast.other_doctor)
    await tell(runtime, [cast.doctor], "第一条")
    for device in (phone, desk):
        item = await device.wait_event("inbox")
        assert item["id"] == 1
        assert item["title"] == "第一条"
        assert item["ref"] == {"type": "consultation", "id": str(UUID(int=7))}
        assert item["read"] is False
    assert not [event for event, _ in stranger.events if event == "inbox"]


async def test_whoever_was_away_asks_above_his_cursor(
    cast: Cast, runtime: Runtime, client: Client
) -> None:
    for number in range(1, 6):
        await tell(runtime, [cast.doctor, cast.patient], f"第{number}条")
    token = cast.doctor.token
    page = (await client.get("/inbox?after=2&limit=2", token=token)).expect(200)
    assert [item["title"] for item in page["items"]] == ["第3条", "第4条"]
    assert (page["cursor"], page["unread"]) == (4, 5)
    rest = (await client.get("/inbox?after=4", token=token)).expect(200)
    assert [item["id"] for item in rest["items"]] == [5]
    newest = (await client.get("/inbox?limit=2", token=token)).expect(200)
    assert [item["id"] for item in newest["items"]] == [4, 5]


async def test_reading_goes_forward_only_and_is_ones_own(
    cast: Cast, runtime: Runtime, client: Client
) -> None:
    for _ in range(3):
        await tell(runtime, [cast.doctor, cast.patient], "消息")
    for up_to, unread in ((2, 1), (1, 1), (99, 0)):
        (await client.put("/inbox/read", token=cast.doctor.token, json={"up_to": up_to})).expect(
            204
        )
        page = (await client.get("/inbox?after=0", token=cast.doctor.token)).expect(200)
        assert page["unread"] == unread
    assert all(item["read"] for item in page["items"])
    theirs = (await client.get("/inbox?after=0", token=cast.patient.token)).expect(200)
    assert theirs["unread"] == 3


async def test_an_inbox_belongs_to_one_hospital(
    cast: Cast, runtime: Runtime, client: Client
) -> None:
    await tell(runtime, [cast.doctor], "别的医院", cast.other_hospital_id)
    page = (await client.get("/inbox?after=0", token=cast.doctor.token)).expect(200)
    assert page["items"] == []
    assert page["unread"] == 0


async def test_a_rolled_back_cause_leaves_no_item_and_no_hole(
    cast: Cast, runtime: Runtime, client: Client
) -> None:
    await tell(runtime, [cast.doctor], "留下")
    with contextlib.suppress(ZeroDivisionError):
        async with runtime.unit_of_work() as uow:
            await inbox.notify(
                uow,
                [cast.doctor.user_id],
                hospital_id=cast.hospital_id,
                type="refund",
                title="不会留下",
                text="",
            )
            1 / 0  # noqa: B018
    await tell(runtime, [cast.doctor], "也留下")
    page = (await client.get("/inbox?after=0", token=cast.doctor.token)).expect(200)
    assert [(item["id"], item["title"]) for item in page["items"]] == [(1, "留下"), (2, "也留下")]


async def test_the_cursor_never_passes_an_item_that_commits_later(
    cast: Cast, runtime: Runtime, client: Client
) -> None:
    """Many write at once, for people in different order; numbers have no holes and no deadlock."""
    people = [cast.doctor, cast.patient, cast.nurse]
    await asyncio.gather(
        *(tell(runtime, people if n % 2 else people[::-1], str(n)) for n in range(12))
    )
    for person in people:
        page = (await client.get("/inbox?after=0&limit=100", token=person.token)).expect(200)
        assert [item["id"] for item in page["items"]] == list(range(1, 13))
