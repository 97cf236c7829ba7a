"""Nobody changes who may do what alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.clock import FakeClock
from core.identity.roles import Role
from core.runtime import Runtime
from tests.core.access.conftest import Desk, cell
from tests.support.cast import Cast, hire
from tests.support.http import Client

SUPERVISOR_SEES_NOTHING = cell(Role.SUPERVISOR, "audit.read", "none")


@pytest.mark.requirement("S3-018", "S3-035", "S0-N-038")
async def test_a_change_takes_effect_when_a_second_administrator_confirms_it_and_not_before(
    desk: Desk, client: Client, cast: Cast
) -> None:
    token = cast.supervisor.token
    asked = (await desk.propose(SUPERVISOR_SEES_NOTHING)).expect(201)
    assert asked["state"] == "pending"
    assert asked["items"][0]["before"] is None
    assert asked["items"][0]["after"]["scope"] == "none"
    (await client.get("/audit", token=token)).expect(200)
    path = f"/access/changes/{asked['id']}/confirm"
    own = await desk.ask(desk.first, "POST", path, {"note": ""})
    assert own.code == "own_request"
    (await desk.ask(desk.second, "POST", path, {"note": "同意"})).expect(200)
    assert (await client.get("/audit", token=token)).code == "not_permitted"
    (await client.get("/audit", token=cast.administrator.token)).expect(200)
    again = await desk.ask(desk.second, "POST", path, {"note": "同意"})
    assert again.code == "access_change_closed"


async def test_the_other_administrators_hear_of_a_request_and_the_first_of_the_decision(
    desk: Desk, client: Client
) -> None:
    asked = (await desk.propose(SUPERVISOR_SEES_NOTHING)).expect(201)
    items = (await client.get("/inbox", token=desk.second.token)).expect(200)["items"]
    assert [item["ref"]["id"] for item in items] == [asked["id"]]
    path = f"/access/changes/{asked['id']}/refuse"
    (await desk.ask(desk.second, "POST", path, {"note": "监督员需要查看"})).expect(200)
    items = (await client.get("/inbox", token=desk.first.token)).expect(200)["items"]
    assert items[-1]["title"] == "权限变更未获确认"


async def test_who_asked_may_withdraw_and_nobody_else(desk: Desk) -> None:
    asked = (await desk.propose(SUPERVISOR_SEES_NOTHING)).expect(201)
    path = f"/access/changes/{asked['id']}/withdraw"
    assert (await desk.ask(desk.second, "POST", path)).code == "own_request"
    assert (await desk.ask(desk.first, "POST", path)).expect(200)["state"] == "withdrawn"
    confirm = f"/access/changes/{asked['id']}/confirm"
    late = await desk.ask(desk.second, "POST", confirm, {"note": ""})
    assert late.code == "access_change_closed"


async def test_a_request_that_nobody_confirms_in_time_expires(
    desk: Desk, clock: FakeClock, runtime: Runtime, cast: Cast
) -> None:
    asked = (await desk.propose(SUPERVISOR_SEES_NOTHING)).expect(201)
    clock.advance(timedelta(hours=73))
    third = await hire(runtime, cast.hospital_id, Role.ADMINISTRATOR, "管三成", serial=2)
    path = f"/access/changes/{asked['id']}/confirm"
    late = await desk.ask(third, "POST", path, {"note": ""})
    assert late.code == "access_change_closed"
    listed = await desk.get(third, "/access/changes")
    assert listed["items"][0]["state"] == "expired"


async def test_of_two_requests_for_one_cell_the_later_confirmed_one_is_refused(desk: Desk) -> None:
    cells = (
        cell(Role.SUPERVISOR, "consultation.read", "none"),
        cell(Role.SUPERVISOR, "consultation.read", "hospital", filters=["ended"]),
    )
    asked = [(await desk.propose(each)).expect(201) for each in cells]
    for each, code in zip(asked, ("", "access_change_conflict"), strict=True):
        path = f"/access/changes/{each['id']}/confirm"
        assert (await desk.ask(desk.second, "POST", path, {"note": ""})).code == code


async def test_the_history_shows_before_and_after_and_going_back_is_a_change_too(
    desk: Desk,
) -> None:
    await desk.change(SUPERVISOR_SEES_NOTHING)
    await desk.change(cell(Role.SUPERVISOR, "audit.read", None))
    page = await desk.get(desk.first, "/access/changes?state=confirmed")
    assert [
        (item["before"] and item["before"]["scope"], item["after"] and item["after"]["scope"])
        for change in page["items"]
        for item in change["items"]
    ] == [("none", None), (None, "none")]
    cells = (await desk.get(desk.first, "/access/matrix"))["cells"]
    assert not any(each["changed"] for each in cells)


@pytest.mark.parametrize(
    ("wanted", "word"),
    [
        (cell(Role.PATIENT, "consultation.read", "none"), "范围不能小于"),
        (cell(Role.PATIENT, "consultation.read", "hospital"), "不能使用范围"),
        (
            cell(Role.PATIENT, "consultation.read", "own", masked=["patient.name"]),
            "法定权利",
        ),
        (cell(Role.NURSE, "consultation.export", "hospital"), "没有这项操作"),
        (cell(Role.DOCTOR, "consultation.read", "patients", hidden=["shoe_size"]), "未知的字段"),
        (cell(Role.DOCTOR, "consultation.read", "patients", masked=["description"]), "只能隐藏"),
        (cell(Role.DOCTOR, "consultation.read", "patients", filters=["rich"]), "筛选条件"),
        (cell(Role.ADMINISTRATOR, "access.confirm", "none"), "范围不能小于"),
        (cell(Role.DOCTOR, "shoes.read", "none"), "未知"),
        (cell(Role.DOCTOR, "audit.read", "group"), "没有这项操作"),
    ],
)
async def test_what_statute_or_code_does_not_allow_cannot_even_be_asked_for(
    desk: Desk, wanted: dict[str, object], word: str
) -> None:
    answer = await desk.propose(wanted)
    assert answer.code == "policy_invalid"
    assert word in answer.json["fields"][0]["message"]


async def test_administrators_of_another_hospital_see_no_change_and_confirm_none(
    desk: Desk, cast: Cast, client: Client
) -> None:
    asked = (await desk.propose(SUPERVISOR_SEES_NOTHING)).expect(201)
    foreign = cast.foreign_administrator
    assert (await desk.get(foreign, "/access/changes"))["items"] == []
    path = f"/access/changes/{asked['id']}/confirm"
    assert (await desk.ask(foreign, "POST", path, {"note": ""})).code == "not_found"
    await desk.change(cell(Role.ADMINISTRATOR, "audit.read", "none"))
    assert (await client.get("/audit", token=desk.first.token)).code == "not_permitted"
    (await client.get("/audit", token=foreign.token)).expect(200)


async def test_every_step_of_a_change_is_in_the_audit(desk: Desk) -> None:
    await desk.change(SUPERVISOR_SEES_NOTHING)
    page = await desk.get(desk.first, "/audit?object_type=access_change")
    assert [entry["action"] for entry in page["items"]] == [
        "access_change.confirm",
        "access_change.propose",
    ]
