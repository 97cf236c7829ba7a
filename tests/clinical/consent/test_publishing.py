"""A text takes effect when a second administrator confirms it, and not before."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from core.audit.models import AuditEntry
from core.clock import FakeClock
from tests.clinical.consent.desk import TextDesk
from tests.clinical.story import Story


@pytest.fixture
async def desk(story: Story) -> TextDesk:
    return await TextDesk.of(story)


async def privacy(story: Story) -> str:
    """The version of the privacy policy that patients are shown."""
    version: str = (await story.get(story.cast.patient, "/me/agreements"))[1]["version"]
    return version


async def test_a_text_is_published_by_two_and_nobody_confirms_the_own_proposal(
    story: Story, desk: TextDesk
) -> None:
    draft = await desk.draft()
    proposal = await desk.propose(draft["id"])
    assert await privacy(story) == "1.0"
    assert (proposal["state"], proposal["base_version"], proposal["mine"]) == (
        "pending",
        "1.0",
        True,
    )
    seen = await desk.shown(draft["id"], desk.second)
    assert (seen["phase"], seen["proposal"]["requested_by"]) == ("pending", "管一成")
    assert seen["proposal"]["mine"] is False
    assert "consent_text" in await story.inbox(desk.second)
    own = await desk.decide(desk.first, proposal, "confirm")
    assert (own.status, own.code) == (403, "own_request")
    assert (await desk.decide(desk.first, proposal, "refuse", "x")).code == "own_request"
    done = (await desk.decide(desk.second, proposal, "confirm", "已核对")).expect(200)
    assert (done["phase"], done["published_by"]) == ("current", "管二成")
    assert done["proposal"]["note"] == "已核对"
    assert await privacy(story) == "2.0"
    assert "consent_text" in await story.inbox(desk.first)


async def test_a_text_that_waits_is_not_changed_and_one_taken_back_is_a_draft_again(
    story: Story, desk: TextDesk
) -> None:
    draft = await desk.draft()
    proposal = await desk.propose(draft["id"])
    path = f"/consent-texts/{draft['id']}"
    form = {"version": "2.0", "title": "改过", "text": "改过的内容"}
    assert (await story.ask(desk.first, "PUT", path, form)).code == "text_pending"
    assert (await story.ask(desk.first, "DELETE", path)).code == "text_pending"
    assert (await story.ask(desk.first, "POST", f"{path}/proposals")).code == "text_pending"
    assert (await desk.decide(desk.second, proposal, "withdraw")).code == "own_request"
    back = (await desk.decide(desk.first, proposal, "withdraw")).expect(200)
    assert (back["phase"], back["proposal"]["state"]) == ("draft", "withdrawn")
    late = await desk.decide(desk.second, proposal, "confirm")
    assert (late.code, late.json["detail"]) == ("text_proposal_closed", "管一成已撤回")
    (await story.ask(desk.first, "PUT", path, form)).expect(200)
    assert await privacy(story) == "1.0"


async def test_who_refuses_says_why_and_the_author_reads_it(story: Story, desk: TextDesk) -> None:
    draft = await desk.draft()
    proposal = await desk.propose(draft["id"])
    silent = await desk.decide(desk.second, proposal, "refuse", "  ")
    assert silent.json["fields"][0]["field"] == "note"
    (await desk.decide(desk.second, proposal, "refuse", "第三条与法规不符")).expect(200)
    seen = await desk.shown(draft["id"])
    assert (seen["phase"], seen["proposal"]["state"]) == ("draft", "refused")
    assert seen["proposal"]["note"] == "第三条与法规不符"
    assert seen["proposal"]["decided_by"] == "管二成"
    assert await privacy(story) == "1.0"
    # Improved, it is proposed anew.
    published = await desk.publish(draft["id"])
    assert published["phase"] == "current"


async def test_of_many_who_confirm_and_refuse_at_once_one_decides(
    story: Story, desk: TextDesk
) -> None:
    proposal = await desk.propose((await desk.draft())["id"])
    verbs = ["confirm", "refuse"] * 4
    answers = await asyncio.gather(
        *(desk.decide(desk.second, proposal, verb, "同时") for verb in verbs)
    )
    assert sorted(answer.status for answer in answers) == [200] + [409] * 7
    winner = next(verb for verb, answer in zip(verbs, answers, strict=True) if answer.status == 200)
    assert await privacy(story) == ("2.0" if winner == "confirm" else "1.0")
    late = next(answer for answer in answers if answer.status == 409)
    assert late.json["detail"] in ("管二成已确认发布", "管二成已退回")


async def test_a_proposal_compared_with_a_text_that_is_over_is_not_confirmed(
    story: Story, desk: TextDesk, clock: FakeClock
) -> None:
    first = await desk.propose((await desk.draft(version="2.0"))["id"])
    second = await desk.propose((await desk.draft(version="3.0"))["id"])
    (await desk.decide(desk.second, first, "confirm")).expect(200)
    clock.advance(timedelta(seconds=1))
    late = await desk.decide(desk.second, second, "confirm")
    assert late.code == "text_proposal_outdated"
    assert await privacy(story) == "2.0"


async def test_other_roles_and_hospitals_have_no_part_in_it(story: Story, desk: TextDesk) -> None:
    proposal = await desk.propose((await desk.draft())["id"])
    foreign = await desk.decide(story.cast.foreign_administrator, proposal, "confirm")
    assert foreign.code == "not_found"
    for who in (story.cast.supervisor, story.cast.doctor, story.cast.patient):
        assert (await desk.decide(who, proposal, "confirm")).code == "forbidden"


async def test_both_hear_of_each_others_steps_at_once_and_the_audit_keeps_them(
    story: Story, desk: TextDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[UUID, str]] = []

    async def to_user(user_id: UUID, event: str, payload: Any, **_: Any) -> None:
        if event == "notice":
            heard.append((user_id, payload["code"]))

    monkeypatch.setattr(story.runtime.realtime, "to_user", to_user)
    both = {(desk.first.user_id, "consent_texts_changed")}
    both |= {(desk.second.user_id, "consent_texts_changed")}
    draft = await desk.draft()
    assert both <= set(heard)
    for step in ("propose", "refuse", "propose", "confirm"):
        heard.clear()
        if step == "propose":
            proposal = await desk.propose(draft["id"])
        else:
            (await desk.decide(desk.second, proposal, step, "看过")).expect(200)
        assert both <= set(heard), step
    async with story.runtime.unit_of_work() as uow:
        entries = list(
            await uow.session.scalars(
                select(AuditEntry.action)
                .where(AuditEntry.object_id == draft["id"])
                .order_by(AuditEntry.at, AuditEntry.id)
            )
        )
    assert entries == [
        "consent_text.draft",
        "consent_text.propose",
        "consent_text.refuse",
        "consent_text.propose",
        "consent_text.publish",
    ]
