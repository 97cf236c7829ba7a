"""Accounts of staff: opened, changed, locked, reset and taken away again."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from core.audit.models import AuditEntry
from core.identity.roles import Role
from core.runtime import Runtime
from tests.support.cast import Cast, Person
from tests.support.http import Client, Response

PHONE = "13911112222"


class Office:
    """The accounts page in the hands of one keeper."""

    def __init__(self, client: Client, keeper: Person) -> None:
        self._client, self._token = client, keeper.token

    async def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Response:
        return await self._client.request(
            method, f"/accounts/staff{path}", token=self._token, json=body, query=query
        )

    async def hire(self, *duties: dict[str, Any], **more: Any) -> Response:
        form = {"name": "新来的", "phone": PHONE, "duties": list(duties), **more}
        return await self.ask("POST", "", form)


@pytest.fixture
def office(client: Client, cast: Cast) -> Office:
    return Office(client, cast.administrator)


def duty(role: str, department: Any = None, title: str = "") -> dict[str, Any]:
    return {"role": role, "department_id": str(department) if department else None, "title": title}


async def actions(runtime: Runtime, user_id: str) -> list[str]:
    async with runtime.unit_of_work() as uow:
        found = await uow.session.scalars(
            select(AuditEntry.action).where(AuditEntry.object_id == user_id).order_by(AuditEntry.id)
        )
        return list(found)


@pytest.mark.requirement("S0-A-161", "S1-187", "S1-160")
async def test_a_new_doctor_gets_an_account_in_a_department(
    office: Office, cast: Cast, runtime: Runtime
) -> None:
    made = (await office.hire(duty("doctor", cast.department_id, "主治医师"))).expect(201)
    assert made["duties"] == [
        {
            "role": "doctor",
            "department_id": str(cast.department_id),
            "department": "内科",
            "title": "主治医师",
        }
    ]
    assert made["phone_masked"] == "139****2222"
    assert made["has_password"] is False
    assert "staff.hire" in await actions(runtime, made["user_id"])


@pytest.mark.requirement("S0-A-155", "S0-O-084")
@pytest.mark.parametrize("keeper", ["administrator", "operator"])
async def test_administrators_are_added_changed_locked_and_taken_away(
    client: Client, cast: Cast, keeper: str
) -> None:
    office = Office(client, getattr(cast, keeper))
    made = (await office.hire(duty("administrator"))).expect(201)
    path = f"/{made['user_id']}"
    edited = (await office.ask("PATCH", path, {"name": "改名", "login": "Guan.Er"})).expect(200)
    assert (edited["name"], edited["login"]) == ("改名", "guan.er")
    locked = await office.ask("PUT", f"{path}/enabled", {"enabled": False, "reason": "休假"})
    assert locked.expect(200)["enabled"] is False
    open_again = await office.ask("PUT", f"{path}/enabled", {"enabled": True, "reason": "回来"})
    assert open_again.expect(200)["enabled"] is True
    (await office.ask("POST", f"{path}/dismiss", {"reason": "离职"})).expect(204)
    assert (await office.ask("GET", path)).status == 404


@pytest.mark.requirement("S0-O-091", "S0-A-161")
@pytest.mark.parametrize("role", ["doctor", "pharmacist", "nurse"])
async def test_an_operator_keeps_the_clinicians_of_any_hospital(
    client: Client, cast: Cast, role: str
) -> None:
    office = Office(client, cast.operator)
    there = {"hospital_id": str(cast.other_hospital_id)}
    rooms = await client.get("/accounts/departments", token=cast.operator.token, query=there)
    department = rooms.expect(200)[0]["id"]
    form = {"name": "新来的", "phone": PHONE, "duties": [duty(role, department)]}
    path = f"/{(await office.ask('POST', '', form, **there)).expect(201)['user_id']}"
    found = await client.get("/staff", token=cast.operator.token, query={**there, "q": PHONE})
    assert [each["name"] for each in found.expect(200)["items"]] == ["新来的"]
    edited = await office.ask("PATCH", path, {"name": "改名"}, **there)
    assert edited.expect(200)["name"] == "改名"
    for enabled in (False, True):
        body = {"enabled": enabled, "reason": "休假"}
        answer = await office.ask("PUT", f"{path}/enabled", body, **there)
        assert answer.expect(200)["enabled"] is enabled
    reset = await office.ask("POST", f"{path}/password-reset", **there)
    assert reset.expect(200)["has_password"] is False
    # It is nobody's at the operator's own hospital, and no administrator reaches it from here.
    assert (await office.ask("GET", path)).code == "not_found"
    elsewhere = await Office(client, cast.administrator).ask("GET", path, **there)
    assert elsewhere.code == "not_found"
    (await office.ask("POST", f"{path}/dismiss", {"reason": "离职"}, **there)).expect(204)
    assert (await office.ask("GET", path, **there)).code == "not_found"


@pytest.mark.requirement("S0-A-161", "S0-A-155")
async def test_after_a_reset_only_a_code_to_the_own_telephone_opens_the_account(
    office: Office, client: Client, cast: Cast
) -> None:
    (await office.ask("POST", f"/{cast.doctor.user_id}/password-reset")).expect(200)
    refused = await client.get("/me", token=cast.doctor.token)
    assert refused.code == "session_revoked"
    shown = (await office.ask("GET", f"/{cast.doctor.user_id}")).expect(200)
    assert shown["has_password"] is False
    assert "password" not in {key for key in shown if key != "has_password"}


async def test_an_account_of_a_patient_keeps_its_name_and_gets_the_duty(
    office: Office, cast: Cast
) -> None:
    made = (await office.hire(duty("nurse"), phone=cast.patient.phone)).expect(201)
    assert made["user_id"] == str(cast.patient.user_id)
    assert made["name"] == cast.patient.name
    # Whoever may change the number could read the person's own records with it.
    moved = await office.ask("PATCH", f"/{made['user_id']}", {"phone": "13911113333"})
    assert moved.code == "account_shared"


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"duties": []}, "duties"),
        ({"phone": "12345"}, "phone"),
        ({"name": "一"}, "name"),
        ({"login": "有空格 的"}, "login"),
        ({"duties": [duty("patient")]}, "duties"),
        ({"duties": [duty("operator")]}, "duties"),
    ],
)
async def test_a_wrong_form_is_told_beside_the_field(
    office: Office, form: dict[str, Any], field: str
) -> None:
    given = {"duties": [duty("nurse")], **form}
    answer = await office.hire(*given.pop("duties"), **given)
    assert answer.status in (409, 422)
    assert [each["field"] for each in answer.json["fields"]] == [field]


async def test_a_taken_number_or_login_is_told(office: Office, cast: Cast) -> None:
    made = (await office.hire(duty("nurse"), login="hushi")).expect(201)
    path = f"/{made['user_id']}"
    assert (await office.ask("PATCH", path, {"phone": cast.doctor.phone})).code == "phone_taken"
    again = await office.hire(duty("nurse"), phone="13911114444", login="HUSHI")
    assert again.code == "login_taken"


async def test_nobody_locks_himself_out(office: Office, cast: Cast) -> None:
    own = f"/{cast.administrator.user_id}"
    answers = [
        await office.ask("PUT", f"{own}/enabled", {"enabled": False, "reason": "试试"}),
        await office.ask("PUT", f"{own}/duties", {"duties": [duty("supervisor")]}),
        await office.ask("POST", f"{own}/dismiss", {"reason": "试试"}),
        await office.ask("POST", f"{own}/password-reset"),
    ]
    assert [answer.code for answer in answers] == ["own_account"] * 4


async def test_a_hospital_keeps_its_last_administrator_even_against_two_at_once(
    client: Client, cast: Cast
) -> None:
    office = Office(client, cast.administrator)
    second = (await office.hire(duty("administrator"))).expect(201)["user_id"]
    group = Office(client, cast.operator)
    answers = await asyncio.gather(
        group.ask("POST", f"/{second}/dismiss", {"reason": "离职"}),
        group.ask("POST", f"/{cast.administrator.user_id}/dismiss", {"reason": "离职"}),
    )
    assert sorted(answer.status for answer in answers) == [204, 409]
    assert {answer.code for answer in answers if answer.status == 409} == {"last_administrator"}


async def test_duties_are_replaced_as_a_whole_and_count_at_once(
    office: Office, client: Client, cast: Cast
) -> None:
    path = f"/{cast.nurse.user_id}/duties"
    wanted = [duty("nurse", cast.other_department_id, "主管护师"), duty("supervisor")]
    changed = (await office.ask("PUT", path, {"duties": wanted})).expect(200)
    assert {(each["role"], each["department"]) for each in changed["duties"]} == {
        ("nurse", "儿科"),
        ("supervisor", None),
    }
    (await office.ask("PUT", path, {"duties": [duty("supervisor")]})).expect(200)
    assert (await client.get("/me", token=cast.nurse.token)).status == 401


async def test_an_administrator_reaches_no_other_hospital_and_an_operator_every_one(
    client: Client, cast: Cast
) -> None:
    foreign = f"/{cast.foreign_doctor.user_id}"
    here, group = Office(client, cast.administrator), Office(client, cast.operator)
    assert (await here.ask("GET", foreign)).status == 404
    assert (await here.ask("GET", foreign, hospital_id=cast.other_hospital_id)).status == 404
    shown = await group.ask("GET", foreign, hospital_id=cast.other_hospital_id)
    assert shown.expect(200)["name"] == cast.foreign_doctor.name
    assert (await group.ask("GET", foreign)).status == 404


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.ADMINISTRATOR, Role.OPERATOR}))
async def test_nobody_else_keeps_accounts(client: Client, cast: Cast, role: Role) -> None:
    office = Office(client, cast.of(role))
    assert (await office.ask("GET", f"/{cast.doctor.user_id}")).status == 403
    assert (await office.hire(duty("nurse"))).status == 403
