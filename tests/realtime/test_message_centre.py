"""The message centre: newest first, by category, searched, read one by one, paged."""

from __future__ import annotations

import pytest

from core.runtime import Runtime
from realtime import inbox, message_centre
from tests.support.cast import Cast, Person
from tests.support.http import Client


async def tell(runtime: Runtime, who: Person, code: str, title: str) -> None:
    async with runtime.unit_of_work() as uow:
        await inbox.notify(
            uow,
            [who.user_id],
            hospital_id=who.caller.hospital_id,
            type=code,
            title=title,
            text="点击查看",
        )


@pytest.mark.requirement("S3-058")
async def test_items_are_listed_by_category_and_each_is_read_by_itself(
    runtime: Runtime, cast: Cast, client: Client
) -> None:
    token = cast.patient.token
    codes = ["refund", "consultation_accepted", "login"]
    for number in range(6):
        await tell(runtime, cast.patient, codes[number % 3], f"第{number}条")
    (await client.put("/inbox/items/5/read", token=token)).expect(204)
    counts = (await client.get("/inbox/counts", token=token)).expect(200)
    assert counts["unread"] == 5
    shown = {each["category"]: (each["count"], each["unread"]) for each in counts["categories"]}
    assert shown == {"consultation": (2, 1), "payment": (2, 2), "security": (2, 2)}
    page = (await client.get("/inbox/items?category=consultation", token=token)).expect(200)
    assert [(item["title"], item["read"]) for item in page["items"]] == [
        ("第4条", True),
        ("第1条", False),
    ]
    (await client.put("/inbox/all-read", token=token, json={"category": "payment"})).expect(204)
    unread = (await client.get("/inbox/items?unread=true", token=token)).expect(200)
    assert [item["title"] for item in unread["items"]] == ["第5条", "第2条", "第1条"]
    (await client.put("/inbox/all-read", token=token, json={})).expect(204)
    assert (await client.get("/inbox/counts", token=token)).expect(200)["unread"] == 0
    assert (await client.put("/inbox/items/99/read", token=token)).code == "not_found"


async def test_pages_and_searches_end_where_they_should(
    runtime: Runtime, cast: Cast, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = cast.patient.token
    for number in range(9):
        await tell(runtime, cast.patient, "refund", "订单退款" if number % 4 == 0 else "其他")
    seen, cursor = [], ""
    while cursor is not None:
        path = f"/inbox/items?limit=4&cursor={cursor}"
        page = (await client.get(path, token=token)).expect(200)
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert seen == list(range(9, 0, -1))
    monkeypatch.setattr(message_centre, "SEARCHED", 4)
    found, cursor, asked = [], "", 0
    while cursor is not None:
        query = {"q": "订单", "cursor": cursor}
        page = (await client.get("/inbox/items", token=token, query=query)).expect(200)
        found += [item["id"] for item in page["items"]]
        cursor, asked = page["next"], asked + 1
    assert found == [9, 5, 1]
    assert asked == 3
    assert (await client.get("/inbox/items", token=cast.doctor.token)).json["items"] == []
