"""Finding messages: only in one's own rooms, whatever the width and case, part by part."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from core.clock import FakeClock
from core.ids import new_id
from core.runtime import Runtime
from realtime import matching, search, service
from realtime.rules import MessageKind
from realtime.schemas import LocationBody, TextBody
from realtime.sending import Send, Sent, send_messages
from tests.realtime.conftest import OpenRoom
from tests.support.cast import Cast, Person
from tests.support.http import Client


@pytest.fixture
def say(runtime: Runtime) -> Any:
    async def say_all(room: UUID, who: Person, *texts: str) -> list[int]:
        sends = [
            Send(who.caller, room, new_id(), MessageKind.TEXT, TextBody(text=text), None)
            for text in texts
        ]
        async with runtime.unit_of_work() as uow:
            outcomes = await send_messages(uow, sends)
        return [sent.seq for sent in outcomes if isinstance(sent, Sent)]

    return say_all


async def find(client: Client, person: Person, **query: Any) -> dict[str, Any]:
    answer = await client.get("/rooms/search", token=person.token, query=query)
    page: dict[str, Any] = answer.expect(200)
    return page


def texts(page: dict[str, Any]) -> list[str]:
    return [hit["message"]["body"]["text"] for hit in page["items"]]


async def test_width_and_case_make_no_difference_and_hits_are_marked(
    client: Client, cast: Cast, room: UUID, say: Any
) -> None:
    await say(room, cast.patient, "查了ＣＲＰ，结果是２３", "体温正常")
    page = await find(client, cast.doctor, q="crp 23")
    [hit] = page["items"]
    assert hit["fragments"] == [
        {"text": "查了", "hit": False},
        {"text": "ＣＲＰ", "hit": True},
        {"text": "，结果是", "hit": False},
        {"text": "２３", "hit": True},
    ]
    assert hit["message"]["sender"]["name"] == "林小满"
    assert (page["looked"], page["next"]) == (page["total"], None)


async def test_nobody_finds_anything_in_rooms_of_others(
    client: Client, cast: Cast, room: UUID, open_room: OpenRoom, say: Any
) -> None:
    await say(room, cast.patient, "只告诉这位医生")
    assert texts(await find(client, cast.doctor, q="告诉")) == ["只告诉这位医生"]
    for stranger in (cast.other_patient, cast.other_doctor):
        page = await find(client, stranger, q="告诉")
        assert (page["items"], page["total"]) == ([], 0)
        # Nor by naming the room, nor with a cursor that points into it.
        assert (await find(client, stranger, q="告诉", room=str(room)))["items"] == []
    answer = await client.get("/rooms/search", token=cast.supervisor.token, query={"q": "告诉"})
    assert answer.code == "forbidden"


async def test_who_has_left_a_room_finds_nothing_in_it_any_more(
    client: Client, cast: Cast, room: UUID, say: Any, runtime: Runtime
) -> None:
    await say(room, cast.patient, "复查时间")
    async with runtime.unit_of_work() as uow:
        await service.remove_member(uow, room, cast.doctor.user_id)
    assert (await find(client, cast.doctor, q="复查"))["items"] == []


async def test_what_was_recalled_is_found_by_nobody(
    client: Client, cast: Cast, room: UUID, say: Any, runtime: Runtime
) -> None:
    [seq] = await say(room, cast.patient, "发错了的话")
    async with runtime.unit_of_work() as uow:
        await service.recall(uow, cast.patient.caller, room, seq)
    for person in (cast.patient, cast.doctor):
        assert (await find(client, person, q="发错"))["items"] == []


async def test_a_search_goes_on_part_by_part_and_says_how_far_it_has_come(
    client: Client,
    cast: Cast,
    open_room: OpenRoom,
    say: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search, "MOST", 6)
    monkeypatch.setattr(search, "CHUNK", 3)
    monkeypatch.setattr(search, "HITS", 4)
    for number in range(5):
        room = await open_room()
        await say(room, cast.patient, f"血压{number}甲", "头不晕", f"血压{number}乙", "睡得好")
    found: list[str] = []
    progress: list[int] = []
    cursor, pages = None, 0
    while pages == 0 or cursor is not None:
        asked = {"q": "血压"} if cursor is None else {"q": "血压", "cursor": cursor}
        page = await find(client, cast.patient, **asked)
        assert len(page["items"]) <= 4
        found += texts(page)
        progress.append(page["looked"])
        cursor, pages = page["next"], pages + 1
    assert found == [f"血压{n}{x}" for n in reversed(range(5)) for x in "乙甲"]
    assert progress == sorted(progress)
    assert progress[-1] == page["total"] == 5 * 5
    assert pages > 2


async def test_kind_sender_and_time_narrow_a_search(
    client: Client, cast: Cast, room: UUID, say: Any, runtime: Runtime, clock: FakeClock
) -> None:
    await say(room, cast.patient, "昨天的药吃完了")
    clock.advance(timedelta(minutes=5))
    await say(room, cast.doctor, "药先停两天")
    place = LocationBody(lat=31.2, lng=121.4, name="仁和药房")
    sends = [Send(cast.doctor.caller, room, new_id(), MessageKind.LOCATION, place, None)]
    async with runtime.unit_of_work() as uow:
        await send_messages(uow, sends)

    whole = await find(client, cast.patient, q="药")
    assert [hit["message"]["seq"] for hit in whole["items"]] == [4, 3, 2]
    mine = await find(client, cast.patient, q="药", sender=str(cast.patient.user_id))
    assert texts(mine) == ["昨天的药吃完了"]
    places = await find(client, cast.patient, kind="location")
    assert [hit["message"]["body"]["name"] for hit in places["items"]] == ["仁和药房"]
    since = (clock.now() - timedelta(minutes=1)).isoformat()
    later = await find(client, cast.patient, q="药", since=since)
    assert [hit["message"]["seq"] for hit in later["items"]] == [4, 3]
    earlier = await find(client, cast.patient, q="药", until=since)
    assert [hit["message"]["seq"] for hit in earlier["items"]] == [2]


@pytest.mark.parametrize(
    "query", [{}, {"q": "  "}, {"q": "长" * 101}, {"kind": "system"}, {"q": "药", "cursor": "e30"}]
)
async def test_a_search_for_nothing_or_with_a_bad_cursor_is_refused(
    client: Client, cast: Cast, query: dict[str, str]
) -> None:
    answer = await client.get("/rooms/search", token=cast.patient.token, query=query)
    assert answer.code == "invalid"


def test_a_long_text_is_shown_around_its_first_hit() -> None:
    text = "前" * 200 + "要点" + "后" * 200
    parts = matching.match(text, ("要点",))
    assert parts is not None
    assert (parts[0].text, parts[-1].text) == ("…", "…")
    assert [part.text for part in parts if part.hit] == ["要点"]
    assert len("".join(part.text for part in parts)) == matching.SHOWN + 2
    assert matching.match(text, ("要点", "没有")) is None


def test_one_sign_that_becomes_several_is_marked_whole() -> None:
    parts = matching.match("用量５㎎一次", ("mg",))
    assert parts == [("用量５", False), ("㎎", True), ("一次", False)]
