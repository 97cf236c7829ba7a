"""What is held for a time: delegations, permissions on request."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.clock import FakeClock
from core.identity.roles import Role
from core.runtime import Runtime
from tests.clinical.story import Story
from tests.core.access.conftest import Desk, cell
from tests.support.cast import Cast, Person, hire


@pytest.fixture
async def colleague(runtime: Runtime, cast: Cast) -> Person:
    """A doctor of the same department as the doctor of the stories."""
    return await hire(
        runtime, cast.hospital_id, Role.DOCTOR, "顾同舟", cast.department_id, serial=3
    )


def delegation(receiver: Person, clock: FakeClock, hours: int = 8, *actions: str) -> dict[str, Any]:
    now = clock.now()
    return {
        "receiver_id": str(receiver.user_id),
        "actions": list(actions or ("consultation.read",)),
        "starts_at": now.isoformat(),
        "ends_at": (now + timedelta(hours=hours)).isoformat(),
        "reason": "外出会诊",
    }


async def sees(story: Story, who: Person) -> list[str]:
    page = await story.get(who, "/consultations")
    return [item["number"] for item in page["items"]]


async def test_a_colleague_sees_what_was_delegated_until_its_time_is_over(
    story: Story, cast: Cast, colleague: Person, clock: FakeClock
) -> None:
    waiting = await story.waiting()
    assert await sees(story, colleague) == []
    body = delegation(colleague, clock, 1)
    given = (await story.ask(cast.doctor, "POST", "/access/delegations", body)).expect(201)
    assert given["state"] == "running"
    assert await sees(story, colleague) == [waiting["number"]]
    # Seeing is not treating.
    refused = await story.ask(colleague, "POST", f"/consultations/{waiting['id']}/accept")
    assert refused.code == "not_found"
    for who in (cast.doctor, colleague):
        listed = await story.get(who, "/access/delegations")
        assert [each["id"] for each in listed["items"]] == [given["id"]]
    assert "delegation" in await story.inbox(colleague)
    clock.advance(timedelta(minutes=61))
    assert await sees(story, colleague) == []


async def test_a_delegation_is_never_more_than_the_giver_holds_at_the_moment_of_use(
    story: Story, cast: Cast, colleague: Person, clock: FakeClock, desk: Desk
) -> None:
    waiting = await story.waiting()
    body = delegation(colleague, clock)
    (await story.ask(cast.doctor, "POST", "/access/delegations", body)).expect(201)
    await desk.policy(Role.DOCTOR, "consultation.read", "patients", filters=["ended"])
    assert await sees(story, colleague) == []
    await desk.change(cell(Role.DOCTOR, "consultation.read", None))
    assert await sees(story, colleague) == [waiting["number"]]
    off = {"enabled": False, "reason": "休假"}
    path = f"/accounts/staff/{cast.doctor.user_id}/enabled"
    (await story.ask(cast.administrator, "PUT", path, off)).expect(200)
    assert await sees(story, colleague) == []


async def test_giver_receiver_and_officers_end_a_delegation_and_others_do_not(
    story: Story, cast: Cast, colleague: Person, clock: FakeClock
) -> None:
    await story.waiting()
    for ender in (cast.doctor, colleague, cast.administrator):
        body = delegation(colleague, clock)
        given = (await story.ask(cast.doctor, "POST", "/access/delegations", body)).expect(201)
        path = f"/access/delegations/{given['id']}/end"
        assert (await story.ask(cast.pharmacist, "POST", path)).code == "not_permitted"
        assert (await story.ask(cast.foreign_doctor, "POST", path)).code == "not_found"
        assert (await story.ask(ender, "POST", path)).expect(200)["state"] == "ended"
        assert await sees(story, colleague) == []


async def test_what_one_does_not_hold_or_only_borrowed_cannot_be_delegated(
    story: Story, cast: Cast, colleague: Person, clock: FakeClock, runtime: Runtime
) -> None:
    async def problem(giver: Person, body: dict[str, Any]) -> str:
        answer = await story.ask(giver, "POST", "/access/delegations", body)
        assert answer.code == "delegation_refused"
        return str(answer.json["fields"][0]["field"])

    assert await problem(cast.doctor, delegation(cast.other_doctor, clock)) == "receiver_id"
    assert await problem(cast.doctor, delegation(cast.doctor, clock)) == "receiver_id"
    export = delegation(colleague, clock, 8, "consultation.export")
    assert await problem(cast.doctor, export) == "actions"
    treat = delegation(colleague, clock, 8, "consultation.treat")
    assert await problem(cast.doctor, treat) == "actions"
    assert await problem(cast.doctor, delegation(colleague, clock, -1)) == "ends_at"
    assert await problem(cast.doctor, delegation(colleague, clock, 24 * 91)) == "ends_at"
    nurse = await story.ask(cast.nurse, "POST", "/access/delegations", delegation(colleague, clock))
    assert nurse.code == "not_permitted"


async def test_a_head_nurse_delegates_by_an_own_role(
    story: Story, cast: Cast, desk: Desk, runtime: Runtime, clock: FakeClock
) -> None:
    other = await hire(
        runtime, cast.hospital_id, Role.NURSE, "白小护", cast.department_id, serial=4
    )
    role = (
        await desk.ask(desk.first, "POST", "/access/roles", {"base": "nurse", "name": "护士长"})
    ).expect(201)
    await desk.change(
        cell(Role.NURSE, "delegation.give", "department", role["id"]),
        cell(Role.NURSE, "consultation.read", "department", role["id"]),
    )
    held = {"role": "nurse", "role_id": role["id"]}
    path = f"/access/staff/{cast.nurse.user_id}/role"
    (await desk.ask(desk.first, "PUT", path, held)).expect(204)
    waiting = await story.waiting()
    assert await sees(story, cast.nurse) == [waiting["number"]]
    assert await sees(story, other) == []
    body = delegation(other, clock)
    (await story.ask(cast.nurse, "POST", "/access/delegations", body)).expect(201)
    assert await sees(story, other) == [waiting["number"]]


async def refund(story: Story, cast: Cast, consultation: dict[str, Any]) -> str:
    body = {"reason": "患者改约线下"}
    path = f"/consultations/{consultation['id']}/refund"
    return (await story.ask(cast.doctor, "POST", path, body)).code


@pytest.mark.requirement("S0-A-167", "S0-O-098")
async def test_a_doctor_asks_for_the_refund_permission_and_gives_back_only_with_it(
    story: Story, cast: Cast, desk: Desk, clock: FakeClock
) -> None:
    active = await story.active()
    assert await refund(story, cast, active) == "not_permitted"
    mine = await story.get(cast.doctor, "/me/permissions")
    assert [(each["permission"], each["held"]) for each in mine["standings"]] == [
        ("order.refund", False)
    ]
    wanted = {"permission": "order.refund", "reason": "门诊排班需要", "days": 30}
    path = "/me/permissions/applications"
    asked = (await story.ask(cast.doctor, "POST", path, wanted)).expect(201)
    assert (await story.ask(cast.doctor, "POST", path, wanted)).code == "permit_pending"
    assert "permit_asked" in await story.inbox(desk.first)
    decide = f"/access/permits/{asked['id']}/decide"
    body = {"granted": True, "days": 7, "note": "同意"}
    granted = (await desk.ask(desk.first, "POST", decide, body)).expect(200)
    assert granted["state"] == "granted"
    assert granted["days"] == 7
    assert (await desk.ask(desk.second, "POST", decide, body)).code == "permit_closed"
    assert "permit_decided" in await story.inbox(cast.doctor)
    (standing,) = (await story.get(cast.doctor, "/me/permissions"))["standings"]
    assert standing["held"]
    assert standing["until"] == granted["ends_at"]
    assert await refund(story, cast, active) == ""


@pytest.mark.requirement("S0-A-167")
async def test_a_refund_permission_is_refused_taken_back_and_runs_out(
    story: Story, cast: Cast, desk: Desk
) -> None:
    active = await story.active()
    wanted = {"permission": "order.refund", "reason": "门诊排班需要", "days": 30}
    path = "/me/permissions/applications"
    asked = (await story.ask(cast.doctor, "POST", path, wanted)).expect(201)
    decide = f"/access/permits/{asked['id']}/decide"
    no = {"granted": False, "note": "请走线下流程"}
    assert (await desk.ask(desk.first, "POST", decide, no)).expect(200)["state"] == "refused"
    assert await refund(story, cast, active) == "not_permitted"
    asked = (await story.ask(cast.doctor, "POST", path, wanted)).expect(201)
    decide = f"/access/permits/{asked['id']}/decide"
    (await desk.ask(desk.first, "POST", decide, {"granted": True, "note": ""})).expect(200)
    taken = f"/access/permits/{asked['id']}/revoke"
    (await desk.ask(desk.second, "POST", taken, {"note": "调岗"})).expect(200)
    assert await refund(story, cast, active) == "not_permitted"


async def test_declining_a_patient_with_a_full_refund_needs_no_permission(
    story: Story, cast: Cast
) -> None:
    waiting = await story.waiting()
    body = {"reason": "不在诊疗范围"}
    path = f"/consultations/{waiting['id']}/decline"
    (await story.ask(cast.doctor, "POST", path, body)).expect(200)
