"""A request is in the hands of one officer at a time, and everybody sees whose."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from core.audit.models import AuditEntry
from core.clock import FakeClock
from core.identity.models import DeviceSession
from tests.clinical.story import Story
from tests.support.cast import Person
from tests.support.http import Response


async def asked(story: Story, who: Person | None = None) -> dict[str, Any]:
    """A request that waits for an officer."""
    body = {"right": "restriction", "words": "请停止用于质量抽查"}
    answer = await story.ask(who or story.cast.patient, "POST", "/rights/requests", body)
    request: dict[str, Any] = answer.expect(201)
    return request


async def act(
    story: Story, who: Person, request: dict[str, Any], verb: str, body: Any = None
) -> Response:
    return await story.ask(who, "POST", f"/rights/requests/{request['id']}/{verb}", body)


async def listed(story: Story, who: Person, **filters: str) -> list[str]:
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    page = await story.get(who, f"/rights/queue?{query}")
    return [each["id"] for each in page["items"]]


async def test_of_officers_who_take_a_request_at_once_one_has_it_and_the_others_hear_who(
    story: Story,
) -> None:
    request = await asked(story)
    first, second = story.cast.administrator, story.cast.supervisor
    third = await story.second_administrator()
    answers = await asyncio.gather(
        *(act(story, who, request, "take") for who in (first, second, third))
    )
    assert sorted(answer.status for answer in answers) == [200, 409, 409]
    holder = next(answer.json["assignee"] for answer in answers if answer.status == 200)
    for late in (answer for answer in answers if answer.status == 409):
        assert late.code == "rights_request_held"
        assert late.json["detail"] == f"{holder}已受理该请求"
        assert late.json["details"] == {"holder": holder}
    shown = await story.get(story.cast.patient, f"/rights/requests/{request['id']}")
    assert [each["what"] for each in shown["steps"]] == ["submitted", "taken"]


async def test_only_the_holder_works_on_a_request_until_it_is_given_to_a_colleague(
    story: Story,
) -> None:
    mine, other = story.cast.administrator, story.cast.supervisor
    request = await asked(story)
    taken = (await act(story, mine, request, "take")).expect(200)
    assert taken["assignee_id"] == str(mine.user_id)
    for verb, body in (
        ("take", None),
        ("check", {"note": "电话核对"}),
        ("extend", {"reason": "需核对病历"}),
    ):
        answer = await act(story, other, request, verb, body)
        assert (verb, answer.code) == (verb, "rights_request_held")
    (await act(story, mine, request, "check", {"note": "电话核对"})).expect(200)
    body = {"to": str(other.user_id), "held_by": str(mine.user_id)}
    given = (await act(story, mine, request, "give", body)).expect(200)
    assert given["assignee"] == "督明远"
    assert "rights_given" in await story.inbox(other)
    words = {"outcome": "granted", "reason": "已停止"}
    late = await act(story, mine, request, "decide", words)
    assert (late.code, late.json["detail"]) == ("rights_request_held", "督明远已受理该请求")
    (await act(story, other, request, "decide", words)).expect(200)
    steps = (await story.get(other, f"/rights/requests/{request['id']}"))["steps"]
    assert [(each["what"], each["words"], each["by"]) for each in steps if each["by"]] == [
        ("submitted", "", "林小满"),
        ("taken", "", "管一成"),
        ("checked", "电话核对", "管一成"),
        ("given", "督明远", "管一成"),
        ("decided", "予以支持：已停止", "督明远"),
    ]
    async with story.runtime.unit_of_work() as uow:
        entry = await uow.session.scalar(
            select(AuditEntry).where(AuditEntry.action == "rights.give")
        )
    assert entry is not None
    assert entry.detail["held_by"] == str(other.user_id)
    assert entry.detail["held_before_by"] == str(mine.user_id)


async def test_who_gives_away_what_a_colleague_has_taken_meanwhile_is_told(story: Story) -> None:
    mine, other = story.cast.administrator, story.cast.supervisor
    request = await asked(story)
    (await act(story, other, request, "take")).expect(200)
    stale = {"to": str(mine.user_id), "held_by": None}
    refused = await act(story, mine, request, "give", stale)
    assert (refused.code, refused.json["detail"]) == ("rights_request_held", "督明远已受理该请求")
    # An absent colleague's request is taken over knowingly, and the colleague hears of it.
    over = {"to": str(mine.user_id), "held_by": str(other.user_id)}
    (await act(story, mine, request, "give", over)).expect(200)
    assert "rights_given" in await story.inbox(other)


async def test_a_request_is_given_to_officers_of_the_hospital_alone(story: Story) -> None:
    mine, request = story.cast.administrator, await asked(story)
    for nobody in (story.cast.doctor, story.cast.foreign_supervisor, story.cast.patient):
        body = {"to": str(nobody.user_id), "held_by": None}
        assert (await act(story, mine, request, "give", body)).code == "not_an_officer"
    body = {"to": str(story.cast.foreign_administrator.user_id), "held_by": None}
    foreign = await act(story, story.cast.foreign_administrator, request, "give", body)
    assert foreign.code == "not_found"
    officers = await story.get(mine, "/rights/officers")
    assert [(each["name"], each["open"], each["me"]) for each in officers] == [
        ("督明远", 0, False),
        ("管一成", 0, True),
    ]


async def test_the_queue_is_filtered_by_mine_unassigned_and_overdue(
    story: Story, clock: FakeClock
) -> None:
    mine, other = story.cast.administrator, story.cast.supervisor
    first, second = await asked(story), await asked(story, story.cast.other_patient)
    (await act(story, mine, first, "take")).expect(200)
    assert await listed(story, mine, holder="mine") == [first["id"]]
    assert await listed(story, other, holder="mine") == []
    assert await listed(story, other, holder="unassigned") == [second["id"]]
    numbers = await story.get(mine, "/rights/queue/numbers")
    assert (numbers["open"], numbers["mine"], numbers["unassigned"]) == (2, 1, 1)
    assert await listed(story, mine, overdue="true") == []
    clock.advance(timedelta(days=30))
    async with story.runtime.unit_of_work() as uow:
        await uow.session.execute(
            update(DeviceSession).values(
                created_at=uow.now, last_seen_at=uow.now, active_at=uow.now
            )
        )
    assert set(await listed(story, mine, overdue="true")) == {first["id"], second["id"]}
    assert await listed(story, mine, overdue="true", holder="mine") == [first["id"]]
    odd = await story.ask(mine, "GET", "/rights/queue?holder=everybody")
    assert odd.code == "invalid"


async def test_every_officer_hears_at_once_that_the_queue_changed(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[UUID, str]] = []

    async def to_user(user_id: UUID, event: str, payload: Any, **_: Any) -> None:
        if event == "notice":
            heard.append((user_id, payload["code"]))

    monkeypatch.setattr(story.runtime.realtime, "to_user", to_user)
    mine, other = story.cast.administrator, story.cast.supervisor
    both = {(each.user_id, "rights_queue_changed") for each in (mine, other)}
    request = await asked(story)
    assert set(heard) == both
    bodies = {
        "take": None,
        "check": {"note": "电话核对"},
        "extend": {"reason": "需核对病历"},
        "decide": {"outcome": "granted"},
    }
    for verb, body in bodies.items():
        heard.clear()
        (await act(story, mine, request, verb, body)).expect(200)
        assert set(heard) == both, verb
