"""方便门诊统计: what everybody reviewed, along several dimensions, and how often."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.clock import FakeClock
from core.identity.roles import Role
from tests.clinical.outpatient.conftest import Clinic
from tests.support.cast import hire


@pytest.mark.requirement("S4-011")
async def test_reviews_are_counted_by_reviewer_day_kind_and_number(
    clinic: Clinic, clock: FakeClock
) -> None:
    story, cast = clinic.story, clinic.story.cast
    doctor, pharmacist, overseer = cast.doctor, cast.pharmacist, cast.supervisor
    busy = await hire(
        story.runtime, cast.hospital_id, Role.DOCTOR, "忙医生", cast.department_id, serial=8
    )
    await story.set("identity.staff_session_hours", 48)
    scan, blood = await clinic.item(capacity=9), await clinic.item("XCG", kind="laboratory")
    drug = await clinic.drug()
    patient = cast.patient

    async def reviewed(who: Any, verb: str, *items: dict[str, Any], minutes: int) -> dict[str, Any]:
        at = clinic.tomorrow("10:30") if verb == "refuse" else None
        order = await clinic.order(patient, *items, at=at)
        clock.advance(timedelta(minutes=minutes))
        words = {"reason": "不适合"} if verb == "refuse" else {"words": ""}
        await clinic.do(who, order, verb, **words)
        return order

    done = await reviewed(busy, "approve", scan, blood, minutes=10)
    await clinic.money_comes(done)
    await clinic.do(busy, done, "fulfil")
    await reviewed(busy, "refuse", scan, minutes=30)
    elsewhere = await story.get(cast.foreign_administrator, "/self-orders/workload")
    assert elsewhere["reviewers"] == []
    await clinic.order(patient, scan)  # Nobody has reviewed it.
    clock.advance(timedelta(days=1))
    await reviewed(doctor, "approve", scan, minutes=5)
    await reviewed(busy, "approve", scan, minutes=20)
    shown = await story.get(overseer, "/self-orders/workload")
    first, second = shown["reviewers"]
    assert (first["reviewer"]["name"], second["reviewer"]["name"]) == ("忙医生", doctor.name)
    counted = ("reviewed", "approved", "refused", "done", "amount_fen", "minutes")
    assert [first[key] for key in counted] == [3, 2, 1, 1, 36000, 20]
    assert first["kinds"] == {"examination": 3, "laboratory": 1}
    assert [second[key] for key in counted] == [1, 1, 0, 0, 12000, 5]
    assert len(shown["days"]) == 30
    latest = [(each["approved"], each["refused"], each["minutes"]) for each in shown["days"][-3:]]
    assert latest == [(0, 0, None), (1, 1, 20), (2, 0, 12)]

    # By day, by desk, by name, and by how many there were.
    async def names(query: str) -> dict[str, int]:
        found = await story.get(overseer, f"/self-orders/workload?{query}")
        return {each["reviewer"]["name"]: each["reviewed"] for each in found["reviewers"]}

    yesterday, today = shown["days"][-2]["day"], shown["days"][-1]["day"]
    assert await names(f"from={yesterday}&to={yesterday}") == {"忙医生": 2}
    assert await names(f"from={today}&to={today}") == {"忙医生": 1, doctor.name: 1}
    assert await names("desk=pharmacy") == {}
    assert await names("at_least=2") == {"忙医生": 3}
    assert await names("reviewer=%E5%BF%99") == {"忙医生": 3}
    await reviewed(pharmacist, "approve", drug, minutes=1)
    assert await names("desk=pharmacy") == {pharmacist.name: 1}
    assert (await story.ask(overseer, "GET", "/self-orders/workload?from=1900-01-01")).status == 422

    table = await story.ask(overseer, "GET", "/self-orders/workload.csv?at_least=2")
    heading, line, end = table.body.decode("utf-8-sig").split("\r\n")
    assert heading.startswith("姓名,职称,科室,审核次数,通过,未通过,已完成,药品项目,检查项目")
    assert line.startswith("忙医生,")
    assert line.endswith(",3,2,1,1,0,3,1,0,360.00,20")
    assert end == ""
    assert (await story.ask(doctor, "GET", "/self-orders/workload")).status == 403
