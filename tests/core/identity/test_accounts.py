"""The own account, the catalogue and the staff list, with two hospitals in the house."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from core.clock import FakeClock
from core.identity import service, staff
from core.identity.errors import PhoneTaken
from core.identity.gateway import (
    IdentityCheck,
    IdentityCheckResult,
    IdentityCheckUnavailable,
    IdentityVerdict,
)
from core.identity.roles import Role
from core.runtime import Runtime
from tests.support.cast import Cast, Person
from tests.support.http import Client

NUMBER = "11010519491231002X"


class Registry:
    """A registry that knows one person."""

    def __init__(self) -> None:
        self.asked = 0
        self.down = False

    async def check(self, name: str, id_number: str) -> IdentityCheckResult:
        self.asked += 1
        if self.down:
            raise IdentityCheckUnavailable
        known = (name, id_number) == ("林小满", NUMBER)
        verdict = IdentityVerdict.MATCH if known else IdentityVerdict.MISMATCH
        return IdentityCheckResult(verdict=verdict, reference="ref-1")


@pytest.fixture
def registry(runtime: Runtime) -> Registry:
    registry = Registry()
    runtime.provide(IdentityCheck, registry)
    return registry


async def agree_to_sensitive(client: Client, person: Person) -> None:
    """Give the consent without which no identity number is asked for."""
    [needed] = (await client.get("/consents/needed", token=person.token)).expect(200)
    ticks = {each["code"]: True for each in needed["text"]["purposes"]}
    agreed = {"kind": "sensitive", "version": needed["text"]["version"], "purposes": ticks}
    (await client.post("/consents", token=person.token, json=agreed)).expect(201)


async def verify(client: Client, person: Person, name: str, number: str) -> Any:
    await agree_to_sensitive(client, person)
    body = {"name": name, "id_number": number}
    return await client.post("/me/real-name", token=person.token, json=body)


@pytest.mark.requirement("S4-077")
async def test_the_real_name_is_checked_and_kept_unreadable(
    cast: Cast, client: Client, registry: Registry, runtime: Runtime
) -> None:
    user = (await verify(client, cast.patient, "林小满", " 11010519491231002x ")).expect(200)
    assert user["real_name_verified"] is True
    assert user["real_name_masked"] == "林*满"
    async with runtime.engine.connect() as connection:
        dump = await connection.scalar(
            text("SELECT u::text FROM users u WHERE real_name IS NOT NULL")
        )
    assert NUMBER.encode().hex() not in dump
    assert "林小满".encode().hex() not in dump.replace("\\x", "")
    again = await verify(client, cast.patient, "林小满", NUMBER)
    assert again.code == "real_name_already_verified"
    me = (await client.get("/me", token=cast.patient.token)).expect(200)
    assert me["user"]["real_name_verified"] is True


async def test_wrong_names_and_numbers_are_told_apart(
    cast: Cast, client: Client, registry: Registry
) -> None:
    answer = await verify(client, cast.patient, "林小满", "110105194912310021")
    assert answer.code == "id_number_invalid"
    assert answer.json["fields"] == [{"field": "id_number", "message": "身份证号校验位不正确"}]
    assert registry.asked == 0
    assert (await verify(client, cast.patient, "周未来", NUMBER)).code == "real_name_mismatch"
    registry.down = True
    answer = await verify(client, cast.patient, "林小满", NUMBER)
    assert (answer.status, answer.code) == (503, "real_name_unavailable")
    registry.down = False
    (await verify(client, cast.patient, "林小满", NUMBER)).expect(200)


async def test_the_registry_cannot_be_asked_without_end(
    cast: Cast, client: Client, registry: Registry, clock: FakeClock
) -> None:
    for _ in range(5):
        assert (await verify(client, cast.patient, "张三", NUMBER)).code == "real_name_mismatch"
    assert (await verify(client, cast.patient, "张三", NUMBER)).code == "too_many_attempts"
    assert registry.asked == 5
    assert (await verify(client, cast.other_patient, "张三", NUMBER)).code == "real_name_mismatch"


@pytest.mark.requirement("S3-059")
async def test_a_name_is_changed_and_shown_at_once(cast: Cast, client: Client) -> None:
    token = cast.patient.token
    me = (await client.patch("/me", token=token, json={"name": " 小满 "})).expect(200)
    assert me["user"]["name"] == "小满"
    assert (await client.patch("/me", token=token, json={"name": " "})).code == "invalid"
    assert (await client.get("/me", token=token)).expect(200)["user"]["name"] == "小满"


async def test_the_catalogue_is_public_and_a_token_fixes_its_hospital(
    cast: Cast, client: Client, runtime: Runtime
) -> None:
    hospitals = (await client.get("/hospitals")).expect(200)
    assert [each["name"] for each in hospitals] == ["仁和示范医院", "安康医院"]
    first = (await client.get("/departments")).expect(200)
    assert {each["name"]: each["clinician_count"] for each in first} == {"内科": 3, "儿科": 1}
    other = {"hospital": str(cast.other_hospital_id)}
    foreign = (await client.get("/departments", query=other)).expect(200)
    assert [each["clinician_count"] for each in foreign] == [1]
    asked = await client.get("/departments", token=cast.patient.token, query=other)
    assert asked.expect(200) == first
    unknown = {"hospital": "00000000-0000-7000-8000-000000000000"}
    assert (await client.get("/departments", query=unknown)).code == "not_found"
    async with runtime.unit_of_work() as uow:
        await staff.set_enabled(
            uow,
            cast.administrator.caller,
            cast.hospital_id,
            cast.doctor.user_id,
            enabled=False,
            reason="休假",
        )
    fewer = (await client.get("/departments")).expect(200)
    assert {each["name"]: each["clinician_count"] for each in fewer}["内科"] == 2


async def test_the_staff_list_holds_the_own_hospital_alone(cast: Cast, client: Client) -> None:
    token = cast.administrator.token

    async def staff(**query: Any) -> list[str]:
        answer = await client.get("/staff", token=token, query=query)
        return [each["name"] for each in answer.expect(200)["items"]]

    everybody = await staff()
    assert len(everybody) == 8
    assert "林小满" not in everybody
    assert not [name for name in everybody if name.startswith("外")]
    assert await staff(q="安和") == ["陈安和"]
    assert await staff(q=cast.doctor.phone) == ["陈安和"]
    assert await staff(q="%") == []
    assert await staff(q=cast.foreign_doctor.phone) == []
    assert sorted(await staff(role="doctor")) == ["沈若水", "陈安和"]
    assert await staff(role="patient") == []
    assert await staff(department_id=str(cast.other_department_id)) == ["沈若水"]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 3}
    while True:
        page = (await client.get("/staff", token=token, query=query)).expect(200)
        seen += [each["name"] for each in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert sorted(seen) == sorted(everybody)
    assert all(
        each["phone_masked"].startswith("139****")
        for each in (await client.get("/staff", token=token)).expect(200)["items"]
    )


async def test_people_of_another_hospital_cannot_be_locked(cast: Cast, client: Client) -> None:
    off = {"enabled": False, "reason": "离职"}
    for person in (cast.foreign_doctor, cast.patient):
        path = f"/accounts/staff/{person.user_id}/enabled"
        answer = await client.put(path, token=cast.administrator.token, json=off)
        assert (answer.status, answer.code) == (404, "not_found")
    path = f"/accounts/staff/{cast.doctor.user_id}/enabled"
    for role in set(Role) - {Role.ADMINISTRATOR, Role.OPERATOR}:
        answer = await client.put(path, token=cast.of(role).token, json=off)
        assert answer.code == "forbidden"


async def test_two_requests_at_once_make_one_account_and_one_role(
    cast: Cast, client: Client, runtime: Runtime
) -> None:
    async def register() -> str:
        async with runtime.unit_of_work() as uow:
            try:
                await service.register(uow, cast.hospital_id, Role.PATIENT, phone="13700000001")
            except PhoneTaken:
                return "taken"
        return "made"

    outcomes = await asyncio.gather(*(register() for _ in range(4)), return_exceptions=True)
    assert sorted(str(outcome) for outcome in outcomes) == ["made", "taken", "taken", "taken"]
    body = {"role": "patient", "hospital_id": str(cast.other_hospital_id)}
    token = cast.patient.token
    answers = await asyncio.gather(
        *(client.post("/auth/role", token=token, json=body) for _ in range(4))
    )
    assert [answer.status for answer in answers] == [200] * 4


async def test_a_patient_takes_the_role_at_another_hospital_and_sees_that_one(
    cast: Cast, client: Client
) -> None:
    body = {"role": "patient", "hospital_id": str(cast.other_hospital_id)}
    moved = (await client.post("/auth/role", token=cast.patient.token, json=body)).expect(200)
    assert moved["hospital"]["name"] == "安康医院"
    listed = (await client.get("/departments", token=moved["access_token"])).expect(200)
    assert len(listed) == 1
    body["hospital_id"] = "00000000-0000-7000-8000-000000000000"
    answer = await client.post("/auth/role", token=cast.patient.token, json=body)
    assert answer.code == "not_found"
    body = {"role": "doctor", "hospital_id": str(cast.other_hospital_id)}
    answer = await client.post("/auth/role", token=cast.doctor.token, json=body)
    assert answer.code == "role_not_assigned"


@pytest.mark.requirement("S0-C-002")
async def test_how_somebody_is_reminded_follows_to_every_desk(cast: Cast, client: Client) -> None:
    shown = await client.get("/me/reminders", token=cast.doctor.token)
    assert shown.expect(200) == {"sound": True, "popup": True}
    quiet = {"sound": False, "popup": True}
    changed = await client.put("/me/reminders", token=cast.doctor.token, json=quiet)
    assert changed.expect(200) == quiet
    again = await client.get("/me/reminders", token=cast.doctor.token)
    assert again.expect(200) == quiet
    other = await client.get("/me/reminders", token=cast.pharmacist.token)
    assert other.expect(200) == {"sound": True, "popup": True}
