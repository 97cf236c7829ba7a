"""Roles of a hospital's own, and the menus that they are shown."""

from __future__ import annotations

from typing import Any

import pytest

from core.identity.roles import Role
from core.runtime import Runtime
from tests.core.access.conftest import Desk, cell
from tests.support.cast import Cast, Person


async def make(desk: Desk, name: str, base: str = "supervisor") -> dict[str, Any]:
    body = {"base": base, "name": name, "description": "只看财务"}
    role: dict[str, Any] = (await desk.ask(desk.first, "POST", "/access/roles", body)).expect(201)
    return role


async def assign(desk: Desk, who: Person, role_id: str | None) -> None:
    body = {"role": who.caller.role.value, "role_id": role_id}
    path = f"/access/staff/{who.user_id}/role"
    (await desk.ask(desk.first, "PUT", path, body)).expect(204)


@pytest.mark.requirement("S0-A-151", "S1-188")
async def test_roles_are_made_edited_copied_held_and_deleted(desk: Desk, cast: Cast) -> None:
    role = await make(desk, "质控员")
    taken = await desk.ask(desk.first, "POST", "/access/roles", {"base": "nurse", "name": "质控员"})
    assert taken.code == "access_role_name_taken"
    path = f"/access/roles/{role['id']}"
    edited = await desk.ask(
        desk.first, "PUT", path, {"name": "质控专员", "description": "病历质控"}
    )
    assert edited.expect(200)["name"] == "质控专员"
    await desk.policy(Role.SUPERVISOR, "audit.read", "none", role["id"])
    copied = await desk.ask(desk.first, "POST", f"{path}/copy", {"name": "质控组长"})
    assert copied.expect(201)["policies"] == 1
    await assign(desk, cast.supervisor, role["id"])
    assert (await desk.ask(cast.supervisor, "GET", "/audit")).code == "not_permitted"
    assert (await desk.ask(desk.first, "DELETE", path)).code == "access_role_held"
    await assign(desk, cast.supervisor, None)
    (await desk.ask(cast.supervisor, "GET", "/audit")).expect(200)
    (await desk.ask(desk.first, "DELETE", path)).expect(204)
    names = [each["name"] for each in await desk.get(desk.first, "/access/roles")]
    assert names == ["质控组长"]


async def test_nobody_gives_himself_a_role_and_none_of_another_hospital_or_base(
    desk: Desk, cast: Cast
) -> None:
    role = await make(desk, "副院长", "administrator")
    own = {"role": "administrator", "role_id": role["id"]}
    path = f"/access/staff/{desk.first.user_id}/role"
    assert (await desk.ask(desk.first, "PUT", path, own)).code == "own_request"
    path = f"/access/staff/{cast.nurse.user_id}/role"
    wrong = {"role": "nurse", "role_id": role["id"]}
    assert (await desk.ask(desk.first, "PUT", path, wrong)).code == "policy_invalid"
    foreign = cast.foreign_administrator
    assert await desk.get(foreign, "/access/roles") == []
    edit = await desk.ask(foreign, "PUT", f"/access/roles/{role['id']}", {"name": "我的"})
    assert edit.code == "not_found"
    path = f"/access/staff/{cast.foreign_supervisor.user_id}/role"
    body = {"role": "supervisor", "role_id": None}
    assert (await desk.ask(desk.first, "PUT", path, body)).code == "not_found"


@pytest.mark.requirement("S0-O-079", "S3-035")
async def test_operators_make_roles_of_the_group_that_every_hospital_can_use(
    desk: Desk, cast: Cast
) -> None:
    body = {"base": "supervisor", "name": "集团督导"}
    role = (await desk.ask(cast.operator, "POST", "/access/roles", body)).expect(201)
    assert role["own"]
    for administrator in (desk.first, cast.foreign_administrator):
        (seen,) = await desk.get(administrator, "/access/roles")
        assert seen["name"] == "集团督导"
        assert not seen["own"]
    path = f"/access/roles/{role['id']}"
    assert (await desk.ask(desk.first, "PUT", path, {"name": "改名"})).code == "not_found"
    await assign(desk, cast.supervisor, role["id"])
    gone = await desk.ask(cast.operator, "DELETE", path)
    assert gone.code == "access_role_held"


@pytest.mark.requirement("S1-168", "S1-190", "S0-R-026")
async def test_a_role_is_shown_the_pages_of_its_menu_in_their_order(desk: Desk, cast: Cast) -> None:
    mine = await desk.get(cast.supervisor, "/me/menus")
    assert mine["pages"] is None
    assert mine["permissions"]["consultation.read"] == "hospital"
    role = await make(desk, "对账员")
    menu = {"role": "supervisor", "role_id": role["id"], "pages": ["messages", "home"]}
    (await desk.ask(desk.first, "PUT", "/access/menus", menu)).expect(204)
    assert (await desk.get(cast.supervisor, "/me/menus"))["pages"] is None
    await assign(desk, cast.supervisor, role["id"])
    assert (await desk.get(cast.supervisor, "/me/menus"))["pages"] == ["messages", "home"]
    base = {"role": "doctor", "pages": ["home", "reception"]}
    (await desk.ask(desk.first, "PUT", "/access/menus", base)).expect(204)
    assert (await desk.get(cast.doctor, "/me/menus"))["pages"] == ["home", "reception"]
    assert (await desk.get(cast.foreign_doctor, "/me/menus"))["pages"] is None
    (await desk.ask(desk.first, "PUT", "/access/menus", {"role": "doctor", "pages": None})).expect(
        204
    )
    assert (await desk.get(cast.doctor, "/me/menus"))["pages"] is None


@pytest.mark.requirement("S0-R-020")
async def test_a_login_for_reconciliation_is_opened_with_its_role_changed_locked_and_taken_away(
    desk: Desk, cast: Cast
) -> None:
    role = await make(desk, "对账员")
    form = {"name": "对账甲", "phone": "13911112222", "duties": [{"role": "supervisor"}]}
    made = (await desk.ask(desk.first, "POST", "/accounts/staff", form)).expect(201)
    path = f"/accounts/staff/{made['user_id']}"
    body = {"role": "supervisor", "role_id": role["id"]}
    given = f"/access/staff/{made['user_id']}/role"
    (await desk.ask(desk.first, "PUT", given, body)).expect(204)
    edited = await desk.ask(desk.first, "PATCH", path, {"name": "对账乙", "login": "duizhang"})
    assert edited.expect(200)["login"] == "duizhang"
    for enabled in (False, True):
        change = {"enabled": enabled, "reason": "轮岗"}
        answer = await desk.ask(desk.first, "PUT", f"{path}/enabled", change)
        assert answer.expect(200)["enabled"] is enabled
    reset = await desk.ask(desk.first, "POST", f"{path}/password-reset")
    assert reset.expect(200)["has_password"] is False
    (await desk.ask(desk.first, "POST", f"{path}/dismiss", {"reason": "离职"})).expect(204)
    assert (await desk.ask(desk.first, "GET", path)).code == "not_found"


async def test_an_own_role_starts_as_its_base_does_and_differs_only_where_it_says(
    desk: Desk, cast: Cast, runtime: Runtime
) -> None:
    role = await make(desk, "病历质控")
    await desk.change(
        cell(Role.SUPERVISOR, "consultation.read", "hospital", role["id"], masked=["patient.name"]),
    )
    matrix = await desk.get(desk.first, "/access/matrix")
    differing = [each for each in matrix["cells"] if each["changed"]]
    assert [(each["role_id"], each["action"], each["source"]) for each in differing] == [
        (role["id"], "read", "role")
    ]
    await assign(desk, cast.supervisor, role["id"])
    answer = await desk.ask(cast.supervisor, "GET", "/consultations/export.csv")
    assert answer.status == 200
