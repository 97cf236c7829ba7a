"""Who keeps whose account, as the matrix says."""

from __future__ import annotations

from typing import Any

from core.identity.roles import Role
from core.runtime import Runtime
from tests.core.access.conftest import Desk
from tests.support.cast import Cast, hire


def form(department: Any) -> dict[str, Any]:
    duties = [{"role": "nurse", "department_id": str(department)}]
    return {"name": "新护士", "phone": "13911112222", "duties": duties}


async def test_a_keeper_of_a_department_keeps_its_people_and_gives_duties_in_it_alone(
    desk: Desk, cast: Cast, runtime: Runtime
) -> None:
    head = await hire(
        runtime, cast.hospital_id, Role.ADMINISTRATOR, "科管一", cast.department_id, serial=7
    )
    await desk.policy(Role.ADMINISTRATOR, "staff.manage", "department")
    off = {"enabled": False, "reason": "休假"}

    async def lock(who: Any) -> str:
        path = f"/accounts/staff/{who.user_id}/enabled"
        return (await desk.ask(head, "PUT", path, off)).code

    assert await lock(cast.other_doctor) == "not_found"
    assert await lock(cast.administrator) == "not_found"
    assert await lock(cast.nurse) == ""
    here = await desk.ask(head, "POST", "/accounts/staff", form(cast.department_id))
    made = here.expect(201)
    there = await desk.ask(head, "POST", "/accounts/staff", form(cast.other_department_id))
    assert there.code == "not_permitted"
    # Whoever works beyond the department as well is not the keeper's to change.
    path = f"/accounts/staff/{made['user_id']}"
    both = {"duties": [*form(cast.department_id)["duties"], {"role": "administrator"}]}
    assert (await desk.ask(head, "PUT", f"{path}/duties", both)).code == "not_permitted"
    both = {"duties": [*both["duties"][:1], {"role": "supervisor"}]}
    (await desk.ask(cast.operator, "PUT", f"{path}/duties", both)).expect(200)
    assert (await desk.ask(head, "POST", f"{path}/password-reset")).code == "not_permitted"


async def test_what_is_withheld_of_colleagues_is_not_found_by_searching_for_it(
    desk: Desk, cast: Cast
) -> None:
    async def found(**query: str) -> list[dict[str, Any]]:
        answer = await desk.client.get("/staff", token=desk.first.token, query=query)
        items: list[dict[str, Any]] = answer.expect(200)["items"]
        return items

    assert [each["name"] for each in await found(q=cast.doctor.phone)] == [cast.doctor.name]
    await desk.policy(Role.ADMINISTRATOR, "staff.read", "hospital", hidden=["phone_masked"])
    assert await found(q=cast.doctor.phone) == []
    (shown,) = await found(q=cast.doctor.name)
    assert shown["phone_masked"] is None


async def test_an_operator_may_be_kept_to_the_own_hospital(desk: Desk, cast: Cast) -> None:
    there = f"/staff?hospital_id={cast.other_hospital_id}"
    assert (await desk.get(cast.operator, there))["items"]
    await desk.policy(Role.OPERATOR, "staff.read", "hospital")
    assert (await desk.ask(cast.operator, "GET", there)).code == "not_found"
    assert (await desk.get(cast.operator, "/staff"))["items"]
