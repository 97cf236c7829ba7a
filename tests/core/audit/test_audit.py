"""The audit: append-only, tamper-evident, one hospital at a time."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from core import audit
from core.audit.alarming import count_open, report
from core.audit.jobs import advance_check
from core.audit.models import AuditEntry
from core.clock import FakeClock
from core.ids import new_id
from core.integrity import checker
from core.integrity.metrics import FINDINGS
from core.integrity.models import IntegrityFinding
from core.jobs import JobRunner
from core.runtime import Runtime
from tests.support.cast import Cast
from tests.support.http import Client


async def execute(runtime: Runtime, statement: str, **values: Any) -> None:
    async with runtime.engine.begin() as connection:
        await connection.execute(text(statement), values)


async def write(runtime: Runtime, cast: Cast, count: int = 3) -> None:
    async with runtime.unit_of_work() as uow:
        for number in range(count):
            await audit.record(
                uow,
                cast.doctor.caller,
                "prescription.revoke",
                "prescription",
                f"rx-{number}",
                patient_id=new_id(),
                detail={"reason": "重复开具", "at": uow.now, "amounts": [1, 2.5, None]},
            )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET action = 'nothing'",
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries",
    ],
)
@pytest.mark.requirement("S0-N-039")
async def test_the_database_refuses_to_change_entries(
    runtime: Runtime, cast: Cast, statement: str
) -> None:
    await write(runtime, cast)
    with pytest.raises(DBAPIError, match="append-only"):
        await execute(runtime, statement)


@pytest.mark.parametrize(
    "change",
    [
        "action = 'prescription.look'",
        "at = at + interval '1 second'",
        "user_id = NULL",
        "object_id = 'rx-9'",
        "patient_id = NULL",
        "address = '10.9.9.9'",
        "detail = '\\x00'",
        "detail = (SELECT detail FROM audit_entries WHERE object_id = 'rx-2')",
        "reason = (SELECT reason FROM audit_entries WHERE object_id = 'rx-2')",
        "changes = NULL",
        "mac = 'r1:00'",
        "mac = (SELECT mac FROM audit_entries WHERE object_id = 'rx-2')",
    ],
)
@pytest.mark.requirement("S1-218")
async def test_an_entry_changed_by_somebody_with_all_rights_is_found(
    runtime: Runtime, cast: Cast, jobs: JobRunner, change: str
) -> None:
    async with runtime.unit_of_work() as uow:
        for number in range(3):
            await audit.record(
                uow,
                cast.doctor.caller,
                "a.b",
                "a",
                f"rx-{number}",
                new_id(),
                {"number": number},
                reason=f"原因{number}",
                changes={"amount_fen": [number, None]},
            )
    await execute(runtime, "ALTER TABLE audit_entries DISABLE TRIGGER USER")
    await execute(runtime, f"UPDATE audit_entries SET {change} WHERE object_id = 'rx-1'")
    await jobs.run_due()
    await finish_check(runtime)
    assert await findings(runtime) in (["row_changed"], ["row_swapped"])


async def test_the_daily_check_reports_what_was_changed_removed_and_forged(
    runtime: Runtime, cast: Cast, jobs: JobRunner, client: Client
) -> None:
    await write(runtime, cast, 3)
    await execute(runtime, "ALTER TABLE audit_entries DISABLE TRIGGER USER")
    await execute(
        runtime,
        "INSERT INTO audit_entries SELECT :id, at, hospital_id, user_id, role, session_id, 'x.y', "
        "object_type, object_id, patient_id, detail, request_id, address, mac FROM audit_entries "
        "WHERE object_id = 'rx-0'",
        id=new_id(),
    )
    await execute(runtime, "UPDATE audit_entries SET address = 'x' WHERE object_id = 'rx-1'")
    await execute(runtime, "DELETE FROM audit_entries WHERE object_id = 'rx-2'")
    await jobs.run_due()
    await finish_check(runtime)
    assert await findings(runtime) == ["row_changed", "row_forged", "row_removed"]
    assert FINDINGS._value.get() == 3
    alarms = (await client.get("/alarms", token=cast.supervisor.token)).expect(200)
    assert {item["kind"] for item in alarms["items"]} == {"integrity"}


async def finish_check(runtime: Runtime) -> None:
    """A turn of the job is short: take turns until the check is over."""
    while await checker.advance(runtime, report):
        pass
    await advance_check(runtime)
    async with runtime.unit_of_work() as uow:
        await count_open(uow)


async def findings(runtime: Runtime) -> list[str]:
    async with runtime.unit_of_work() as uow:
        found = await uow.session.scalars(select(IntegrityFinding.kind))
        return sorted(kind.value for kind in found)


async def test_an_entry_rolls_back_with_its_change(runtime: Runtime, cast: Cast) -> None:
    async def fail() -> None:
        async with runtime.unit_of_work() as uow:
            await audit.record(uow, cast.doctor.caller, "a.b", "a", "1")
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with runtime.unit_of_work() as uow:
        assert await uow.session.scalar(select(AuditEntry).limit(1)) is None


async def test_staff_looks_are_recorded_and_a_patients_own_are_not(
    runtime: Runtime, cast: Cast, client: Client
) -> None:
    async with runtime.unit_of_work() as uow:
        await audit.look(uow, cast.supervisor.caller, "recording", new_id(), new_id())
        await audit.look(uow, cast.patient.caller, "recording", new_id(), new_id())
    page = (
        await client.get(
            "/audit", token=cast.administrator.token, query={"action": "recording.look"}
        )
    ).expect(200)
    assert [item["user"]["name"] for item in page["items"]] == ["督明远"]
    assert page["items"][0]["role"] == "supervisor"


@pytest.mark.requirement("S1-165", "S3-019")
async def test_the_list_is_filtered_paged_and_itself_audited(
    runtime: Runtime, cast: Cast, client: Client, clock: FakeClock
) -> None:
    began = clock.now()
    for _ in range(5):
        await write(runtime, cast, 1)
        clock.advance(timedelta(minutes=1))
    token = cast.supervisor.token
    query: dict[str, Any] = {"object_type": "prescription", "limit": 2}
    seen: list[str] = []
    while True:
        page = (await client.get("/audit", token=token, query=query)).expect(200)
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert len(seen) == len(set(seen)) == 5
    window = {
        "object_type": "prescription",
        "from": (began + timedelta(minutes=1)).isoformat(),
        "to": (began + timedelta(minutes=3)).isoformat(),
    }
    page = (await client.get("/audit", token=token, query=window)).expect(200)
    assert len(page["items"]) == 2
    assert page["items"][0]["detail"]["reason"] == "重复开具"
    looks = (await client.get("/audit", token=token, query={"action": "audit.look"})).expect(200)
    assert len(looks["items"]) == 2
    assert looks["items"][0]["address"] == "127.0.0.1"
    assert looks["items"][0]["request_id"]


async def test_another_hospital_sees_none_of_it(
    runtime: Runtime, cast: Cast, client: Client
) -> None:
    await write(runtime, cast)
    for person in (cast.foreign_administrator, cast.foreign_supervisor):
        page = (await client.get("/audit", token=person.token)).expect(200)
        assert not [item for item in page["items"] if item["object_type"] == "prescription"]
    for person in (cast.patient, cast.doctor, cast.nurse, cast.customer_service):
        assert (await client.get("/audit", token=person.token)).code == "forbidden"


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "%%%"},
        {"cursor": "WzEsMl0"},
        {"user_id": "x"},
        {"from": "yesterday"},
        {"from": "2026-01-01T00:00:00"},
        {"limit": 0},
        {"limit": 10_000},
    ],
)
async def test_bad_filters_are_named(cast: Cast, client: Client, query: dict[str, Any]) -> None:
    answer = await client.get("/audit", token=cast.supervisor.token, query=query)
    assert (answer.status, answer.code) == (422, "invalid")


@pytest.mark.requirement("S3-043")
async def test_an_operator_reads_the_work_of_every_hospital_without_the_patients(
    runtime: Runtime, cast: Cast, client: Client
) -> None:
    await write(runtime, cast)
    async with runtime.unit_of_work() as uow:
        for who, action in (
            (cast.administrator, "settings.change"),
            (cast.foreign_administrator, "keys.rotate"),
        ):
            await audit.record(uow, who.caller, action, "thing", "1")
    token = cast.operator.token

    async def listed(**query: Any) -> list[tuple[str, str]]:
        page = (await client.get("/audit", token=token, query=query)).expect(200)
        assert all(each["patient_id"] is None for each in page["items"])
        found = [(each["hospital"], each["action"]) for each in page["items"]]
        return [each for each in found if each[1] in ("settings.change", "keys.rotate")]

    everything = await listed()
    assert [action for _, action in everything] == ["keys.rotate", "settings.change"]
    assert len({hospital for hospital, _ in everything}) == 2
    there = {"hospital_id": str(cast.other_hospital_id)}
    assert await listed(**there) == everything[:1]
    assert await listed(action="settings.change") == everything[1:]
    table = (await client.get("/audit/export", token=token)).body.decode()
    assert "settings.change" in table
    assert "prescription.revoke" not in table
    # Naming another hospital widens nothing for those who see one.
    mine = await client.get("/audit", token=cast.supervisor.token, query=there)
    assert mine.expect(200)["items"] == []
    async with runtime.unit_of_work() as uow:
        hidden = await uow.session.scalar(
            select(AuditEntry.id).where(AuditEntry.patient_id.is_not(None)).limit(1)
        )
    assert (await client.get(f"/audit/entries/{hidden}", token=token)).code == "not_found"
