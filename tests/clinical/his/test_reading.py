"""The patient's reports and the doctor's look into the hospital, through HTTP and the codec."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.pool import QueuePool

from clinical.consultation.states import Kind
from clinical.his.gateway import HospitalSystem
from clinical.his.jobs import forget
from clinical.his.models import HospitalExchange
from clinical.his.rest import RestHospital
from clinical.sandbox.server import SandboxServer
from core.clock import FakeClock
from core.identity.roles import Role
from tests.clinical.consultation.test_nursing import enrol, opened, ordered
from tests.clinical.his.papers import person
from tests.clinical.story import Story
from tests.support.cast import Person, hire
from tests.support.outside import Payer, made_keys, payer, sandbox

__all__ = ["made_keys", "payer", "sandbox"]


@pytest.fixture
async def hospital(
    story: Story, sandbox: SandboxServer, clock: FakeClock, payer: Payer
) -> AsyncIterator[Story]:
    """The story's patient is known to the simulated HIS, with papers."""
    secret = sandbox.world.keys.secrets.his_secret
    system = RestHospital(sandbox.url, "zhenjian", secret, clock.now, timeout=2)
    story.runtime.provide(HospitalSystem, system)
    form = story.adult_form()
    await payer.put("/_sandbox/people", {"people": [person(form["name"], form["id_number"])]})
    yield story
    await system.aclose()


async def patient_of(hospital: Story) -> str:
    found = await hospital.get(hospital.cast.patient, "/patients")
    shown = found[0] if found else await hospital.add_patient()
    return str(shown["id"])


async def code(hospital: Story, who: Person, path: str) -> str:
    return (await hospital.ask(who, "GET", path)).code


async def ask_in(hospital: Story, room: str, who: Person) -> None:
    body = {"people": [{"user_id": str(who.user_id), "role": who.caller.role.value}]}
    doctor = hospital.cast.doctor
    (await hospital.ask(doctor, "POST", f"/rooms/{room}/members", body)).expect(200)


@pytest.mark.requirement("S1-075")
async def test_the_patient_lists_laboratory_reports_and_opens_one_with_its_marks(
    hospital: Story,
) -> None:
    patient, key = hospital.cast.patient, await patient_of(hospital)
    listed = await hospital.get(patient, f"/patients/{key}/reports?kind=lab")
    assert listed["known"] is True
    assert [(each["title"], each["released_at"]) for each in listed["items"]] == [
        ("血常规", "2026-11-03T02:21:00Z"),
        ("肝功能", "2026-06-30T15:59:00Z"),
    ]
    june = await hospital.get(
        patient, f"/patients/{key}/reports?kind=lab&from=2026-06-01&to=2026-06-30"
    )
    assert [each["title"] for each in june["items"]] == ["肝功能"]
    whole = await hospital.get(patient, f"/patients/{key}/reports/lab/L1")
    assert whole["abnormal"] is True
    assert [(each["name"], each["mark"]) for each in whole["results"]] == [
        ("白细胞", "high"),
        ("血红蛋白", "normal"),
        ("钾", "critical_low"),
    ]
    assert await code(hospital, patient, f"/patients/{key}/reports/lab/L9") == "his_report_unknown"
    wrong = f"/patients/{key}/reports?kind=lab&from=2026-07-01&to=2026-06-01"
    assert await code(hospital, patient, wrong) == "invalid"


@pytest.mark.requirement("S1-074")
async def test_the_patient_opens_an_examination_and_its_picture_by_a_link_of_the_session(
    hospital: Story,
) -> None:
    patient, key = hospital.cast.patient, await patient_of(hospital)
    [row] = (await hospital.get(patient, f"/patients/{key}/reports?kind=exam"))["items"]
    whole = await hospital.get(patient, f"/patients/{key}/reports/exam/{row['report_no']}")
    assert whole["conclusion"] == "右肺上叶微小结节，建议复查。"
    [picture] = whole["pictures"]
    answer = await hospital.client.request("GET", "/" + picture["url"])
    assert answer.status == 200, answer.body
    # The hospital said text/html; the bytes are a picture, and are served as one.
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    forged = "/" + picture["url"].replace("E1P1", "E1P2")
    assert (await hospital.client.request("GET", forged)).code == "ticket_invalid"
    hospital.runtime.clock.advance(timedelta(minutes=12))  # type: ignore[attr-defined]
    late = await hospital.client.request("GET", "/" + picture["url"])
    assert late.code == "ticket_invalid"


async def test_nobody_reads_the_reports_of_a_person_whom_another_has_bound(hospital: Story) -> None:
    key, cast = await patient_of(hospital), hospital.cast
    for path in (f"/patients/{key}/reports?kind=lab", f"/patients/{key}/reports/lab/L1"):
        assert await code(hospital, cast.other_patient, path) == "not_found"
        assert await code(hospital, cast.foreign_patient, path) == "not_found"
        assert await code(hospital, cast.doctor, path) == "forbidden"


async def test_a_number_that_is_filed_under_another_name_shows_nothing(
    hospital: Story, payer: Payer
) -> None:
    patient, key = hospital.cast.patient, await patient_of(hospital)
    number = hospital.adult_form()["id_number"]
    await payer.put("/_sandbox/people", {"people": [person("另有其人", number)]})
    path = f"/patients/{key}/reports?kind=lab"
    assert await code(hospital, patient, path) == "his_person_differs"


async def test_somebody_without_a_file_in_the_hospital_is_told_so(
    hospital: Story, sandbox: SandboxServer
) -> None:
    form = hospital.adult_form("林新来", serial=7)
    added = (await hospital.try_to_add(form)).expect(201)
    path = f"/patients/{added['id']}/reports?kind=lab"
    assert await hospital.get(hospital.cast.patient, path) == {
        "known": False,
        "since": "2023-11-20",
        "until": "2026-11-20",
        "items": [],
    }


async def test_the_room_shows_records_and_reports_to_who_treats_and_who_was_asked_in(
    hospital: Story,
) -> None:
    consultation, cast = await hospital.active(), hospital.cast
    key, room = consultation["id"], consultation["room_id"]
    base = f"/consultations/{key}"
    paths = (f"{base}/hospital-records", f"{base}/reports?kind=exam", f"{base}/reports/lab/L1")
    records, reports, lab = [await hospital.get(cast.doctor, path) for path in paths]
    assert [(each["visit_date"], each["doctor"]) for each in records["items"]] == [
        ("2026-10-01", "陈静")
    ]
    assert [each["title"] for each in reports["items"]] == ["胸部CT平扫"]
    assert lab["results"][0]["mark"] == "high"

    bystander = await hire(
        hospital.runtime, cast.hospital_id, Role.DOCTOR, "路过人", cast.department_id, serial=61
    )
    strangers = (bystander, cast.foreign_doctor, cast.nurse, cast.pharmacist, cast.other_doctor)
    for who in strangers:
        for path in paths:
            assert await code(hospital, who, path) == "not_found", who.name
    for who in (cast.patient, cast.supervisor, cast.administrator):
        assert await code(hospital, who, paths[0]) == "forbidden"
    guests = (cast.nurse, cast.pharmacist, cast.other_doctor)
    for who in guests:
        await ask_in(hospital, room, who)
        for path in paths:
            await hospital.get(who, path)
        (await hospital.ask(who, "POST", f"/rooms/{room}/leave")).expect(204)
        assert await code(hospital, who, paths[0]) == "not_found"

    audit = await hospital.get(cast.administrator, f"/audit?object_id={key}&limit=100")
    looks = [each for each in audit["items"] if each["action"] == "hospital_record.look"]
    assert len(looks) == len(paths) * 4
    assert {each["detail"]["what"] for each in looks} == {"records", "exam_reports", "lab_report"}


@pytest.mark.requirement("S0-C-140")
async def test_a_nurse_who_is_asked_about_care_reads_who_asks_and_what_was_before(
    hospital: Story,
) -> None:
    nurse, ended = hospital.cast.nurse, await hospital.ended()
    await enrol(hospital, nurse, "何清和")
    await opened(hospital)
    row = await ordered(hospital)
    base = f"/consultations/{row['id']}"
    shown = await hospital.get(nurse, base)
    assert (shown["patient"]["name"], shown["description"], len(shown["attachments"])) == (
        "林小满",
        "术后伤口有些渗液，要不要换药？",
        1,
    )
    assert [each["id"] for each in await hospital.get(nurse, f"{base}/history")] == [ended["id"]]
    [record] = (await hospital.get(nurse, f"{base}/hospital-records"))["items"]
    [report] = (await hospital.get(nurse, f"{base}/reports?kind=exam"))["items"]
    assert (record["doctor"], report["title"]) == ("陈静", "胸部CT平扫")
    lab = await hospital.get(nurse, f"{base}/reports/lab/L1")
    assert lab["results"][0]["mark"] == "high"


async def test_an_order_that_a_department_may_claim_is_no_reason_yet(hospital: Story) -> None:
    waiting, doctor = await hospital.waiting(), hospital.cast.doctor
    path = f"/consultations/{waiting['id']}/hospital-records"
    await hospital.get(doctor, path)
    async with hospital.runtime.unit_of_work() as uow:
        row = await hospital.row(uow, waiting["id"])
        row.kind, row.doctor_id = Kind.DEPARTMENT, None
    shown = await hospital.ask(doctor, "GET", f"/consultations/{waiting['id']}")
    assert shown.status == 200, "the department sees what it may claim"
    assert await code(hospital, doctor, path) == "not_found"


async def test_the_reason_ends_some_time_after_the_consultation(hospital: Story) -> None:
    ended, doctor = await hospital.ended(), hospital.cast.doctor
    path = f"/consultations/{ended['id']}/reports?kind=lab"
    await hospital.get(doctor, path)
    async with hospital.runtime.unit_of_work() as uow:
        row = await hospital.row(uow, ended["id"])
        row.ended_at = uow.now - timedelta(hours=73)
    assert await code(hospital, doctor, path) == "his_reason_ended"
    await hospital.set("his.after_end_hours", 100)
    await hospital.get(doctor, path)


@pytest.mark.parametrize(
    ("fault", "told", "status"),
    [
        ("error", "his_unreachable", 503),
        ("refused", "his_refused", 502),
        ("garbled", "his_malformed", 502),
        ("other_person", "his_malformed", 502),
    ],
)
async def test_a_his_that_fails_has_a_name_and_the_consultation_goes_on(
    hospital: Story, payer: Payer, fault: str, told: str, status: int
) -> None:
    consultation, doctor = await hospital.active(), hospital.cast.doctor
    path = f"/consultations/{consultation['id']}/reports?kind=lab"
    await payer.fault(his_records=fault)
    answer = await hospital.ask(doctor, "GET", path)
    assert (answer.status, answer.code) == (status, told)
    assert "林小满" not in answer.body.decode()
    note = {"diagnosis": "急性支气管炎恢复期", "advice": "多饮水。"}
    await hospital.do(doctor, consultation["id"], "closing-note", note)
    await payer.fault(his_records="ok")
    assert (await hospital.get(doctor, path))["known"] is True


async def test_while_a_slow_his_is_waited_for_no_connection_is_held_and_the_doctor_writes_on(
    hospital: Story, payer: Payer
) -> None:
    consultation, doctor = await hospital.active(), hospital.cast.doctor
    await payer.fault(his_records="timeout")
    path = f"/consultations/{consultation['id']}/reports?kind=lab"
    asking = asyncio.create_task(hospital.ask(doctor, "GET", path))
    while not await journal(hospital):  # The person was found; the list is what hangs.
        await asyncio.sleep(0.02)
    while busy(hospital):
        await asyncio.sleep(0.02)
    assert not asking.done()
    note = {"diagnosis": "急性支气管炎恢复期", "advice": "多饮水。"}
    await hospital.do(doctor, consultation["id"], "closing-note", note)
    assert (await asking).code == "his_unreachable"
    assert [row.outcome for row in await journal(hospital)] == ["answered", "unreachable"]


def busy(hospital: Story) -> int:
    """Connections to the database in use."""
    pool = hospital.runtime.engine.sync_engine.pool
    assert isinstance(pool, QueuePool)
    return pool.checkedout()


async def test_a_dead_his_is_not_asked_until_its_breaker_lets_a_probe_through(
    hospital: Story, payer: Payer
) -> None:
    key, patient = await patient_of(hospital), hospital.cast.patient
    await payer.fault(his="error")
    path = f"/patients/{key}/reports?kind=lab"
    for _ in range(3):
        assert await code(hospital, patient, path) == "his_unreachable"
    written = await journal(hospital)
    answer = await hospital.ask(patient, "GET", path)
    assert answer.code == "his_unreachable"
    assert answer.json["retry_after"] >= 1
    assert len(await journal(hospital)) == len(written), "nothing was sent"


async def test_the_platform_stops_asking_at_the_hospitals_threshold(hospital: Story) -> None:
    key, patient = await patient_of(hospital), hospital.cast.patient
    path = f"/patients/{key}/reports?kind=lab"
    await hospital.set("his.most_per_minute", 1)
    await hospital.get(patient, path)
    answer = await hospital.ask(patient, "GET", path)
    assert (answer.status, answer.code) == (503, "his_busy")
    assert answer.json["retry_after"] > 1
    await hospital.set("his.most_per_minute", 0)
    await hospital.get(patient, path)


async def journal(hospital: Story) -> list[HospitalExchange]:
    async with hospital.runtime.unit_of_work() as uow:
        rows = await uow.session.scalars(select(HospitalExchange).order_by(HospitalExchange.id))
        return list(rows)


async def test_every_exchange_is_written_down_and_names_nobody(
    hospital: Story, payer: Payer, clock: FakeClock
) -> None:
    consultation, cast = await hospital.active(), hospital.cast
    key = consultation["id"]
    await hospital.get(cast.doctor, f"/consultations/{key}/reports?kind=exam&from=2026-09-01")
    await payer.fault(his_records="garbled")
    await hospital.ask(cast.doctor, "GET", f"/consultations/{key}/hospital-records")
    page = await hospital.get(cast.administrator, "/his/exchanges")
    said = [(e["operation"], e["outcome"], e["rows"], e["parameters"]) for e in page["items"]]
    span = {"since": "2023-11-20", "until": "2026-11-20"}
    assert said == [
        ("records", "malformed", None, span),
        ("person", "answered", 1, {"by": "id_number"}),
        ("reports", "answered", 1, {"kind": "exam", **span, "since": "2026-09-01"}),
        ("person", "answered", 1, {"by": "id_number"}),
    ]
    for each in page["items"]:
        assert each["user_name"] == cast.doctor.name
        assert each["consultation_id"] == key
        assert each["address"].startswith("/his/v1/")
    async with hospital.runtime.unit_of_work() as uow:
        lines = await uow.session.scalars(text("SELECT his_exchanges::text FROM his_exchanges"))
        kept = " ".join(lines)
    form = hospital.adult_form()
    for secret in (form["name"], form["id_number"], form["id_number"][-4:], "支气管炎", "结节"):
        assert secret not in kept
    only = await hospital.get(cast.administrator, "/his/exchanges?outcome=malformed&limit=1")
    assert ([each["operation"] for each in only["items"]], only["next"]) == (["records"], None)
    assert await code(hospital, cast.foreign_administrator, "/his/exchanges") == ""
    foreign = await hospital.get(cast.foreign_administrator, "/his/exchanges")
    assert foreign["items"] == []
    assert await code(hospital, cast.doctor, "/his/exchanges") == "forbidden"

    clock.advance(timedelta(days=179))
    await forget(hospital.runtime)
    assert len(await journal(hospital)) == 4
    clock.advance(timedelta(days=2))
    await forget(hospital.runtime)
    assert await journal(hospital) == []


async def test_nothing_of_an_answer_is_stored(hospital: Story) -> None:
    consultation, doctor = await hospital.active(), hospital.cast.doctor
    words: dict[str, Any] = await hospital.get(
        doctor, f"/consultations/{consultation['id']}/reports/exam/E1"
    )
    assert words["findings"]
    async with hospital.runtime.unit_of_work() as uow:
        tables = await uow.session.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        )
        for table in tables.all():
            kept = await uow.session.scalar(
                text(f'SELECT count(*) FROM "{table}" AS t WHERE t::text LIKE :words'),
                {"words": "%右肺上叶%"},
            )
            assert kept == 0, table
