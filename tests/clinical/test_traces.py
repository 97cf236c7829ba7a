"""What a consultation leaves behind: sealed rows, looks on record, and no name in a log."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
import structlog
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from clinical.payments.models import Order
from core import audit, logs
from core.audit.alarming import report
from core.audit.jobs import seal_ledger
from core.audit.models import AuditEntry
from core.integrity import checker
from core.integrity.adoption import adopt
from core.integrity.models import CheckOrigin, IntegrityFinding
from core.outbox import Relay
from tests.clinical.story import Story
from tests.support.http import Response


async def check(story: Story) -> list[tuple[str, str]]:
    """Everything that is not as it was written."""
    await adopt(story.runtime)
    await seal_ledger(story.runtime)
    async with story.runtime.unit_of_work() as uow:
        await checker.begin(uow, CheckOrigin.COMMAND)
    while await checker.advance(story.runtime, report):
        pass
    async with story.runtime.unit_of_work() as uow:
        found = await uow.session.scalars(select(IntegrityFinding))
        return [(each.kind.value, each.table_name) for each in found]


@pytest.mark.requirement("S1-218")
async def test_a_whole_consultation_is_written_as_its_ledger_says(
    story: Story, relay: Relay
) -> None:
    ended = await story.ended()
    await story.try_to(story.cast.patient, ended["id"], "rating", {"stars": 5})
    waiting = await story.waiting()
    await story.do(story.cast.doctor, waiting["id"], "decline", {"reason": "今日停诊"})
    await relay.drain()
    assert await check(story) == []


@pytest.mark.requirement("S0-N-039", "S3-019")
async def test_every_look_of_staff_at_a_patients_data_is_recorded_with_the_patient(
    story: Story,
) -> None:
    ended = await story.ended()
    key, room = ended["id"], ended["room_id"]
    cast = story.cast
    async with story.runtime.unit_of_work() as uow:
        row = await story.row(uow, key)
        patient_id, order_id = row.patient_id, row.order_id
        if await uow.session.get(Order, order_id) is None:
            order_id = None
    looks: list[tuple[Any, str, str]] = [
        (cast.doctor, f"/consultations/{key}", "consultation.look"),
        (cast.doctor, f"/consultations/{key}/history", "history.look"),
        (cast.supervisor, f"/consultations/{key}", "consultation.look"),
        (cast.supervisor, f"/rooms/{room}", "room.look"),
        (cast.supervisor, f"/rooms/{room}/messages", "room.look"),
    ]
    if order_id is not None:
        looks.append((cast.administrator, f"/orders/{order_id}", "order.look"))
    for who, path, action in looks:
        before = await _looks(story, patient_id)
        await story.get(who, path)
        after = await _looks(story, patient_id)
        assert after[len(before) :] == [(action, who.user_id)], path
    for path, object_type in (
        ("/consultations", "consultation"),
        ("/orders", "order"),
        ("/account-holders", "account_holder"),
    ):
        await story.get(cast.administrator, path)
        listed = await story.get(
            cast.administrator, f"/audit?object_type={object_type}&object_id=list"
        )
        assert listed["items"][0]["action"] == f"{object_type}.look", path


async def _looks(story: Story, patient_id: UUID) -> list[tuple[str, UUID | None]]:
    async with story.runtime.unit_of_work() as uow:
        rows = await uow.session.scalars(
            select(AuditEntry)
            .where(AuditEntry.patient_id == patient_id, AuditEntry.action.endswith(".look"))
            .order_by(AuditEntry.at, AuditEntry.id)
        )
        return [(row.action, row.user_id) for row in rows]


async def test_changes_of_a_persons_data_are_on_record_without_the_data(story: Story) -> None:
    patient = await story.add_patient()
    answer = await story.ask(
        story.cast.patient, "PATCH", f"/patients/{patient['id']}", {"phone": "13912345678"}
    )
    assert answer.status == 200, answer.body
    page = await story.get(
        story.cast.supervisor, f"/audit?patient_id={patient['id']}&action=patient.edit"
    )
    entry = page["items"][0]
    assert entry["changes"] == {"phone": ["****0001", "****5678"]} or entry["changes"] == {
        "phone": ["139****0001", "139****5678"]
    }
    await seal_ledger(story.runtime)
    shown = await story.get(story.cast.supervisor, f"/audit/entries/{entry['id']}")
    assert shown["seal"]["anchored"] is True
    assert shown["request_id"]


@pytest.mark.requirement("S1-250")
async def test_an_export_is_masked_guarded_and_recorded_with_rows_and_filter(
    story: Story,
) -> None:
    patient = await story.add_patient()
    async with story.runtime.unit_of_work() as uow:
        await audit.record(
            uow,
            story.cast.supervisor.caller,
            "order.refund",
            "order",
            "=HYPERLINK(1)",
            UUID(patient["id"]),
            {"words": "13900000001"},
            reason="患者林小满要求",
        )
    answer = await story.ask(story.cast.supervisor, "GET", "/audit/export?action=order.refund")
    table = _csv(answer)
    assert "'=HYPERLINK(1)" in table
    assert "督明远" in table
    for secret in ("林小满", "13900000001", "127.0.0.1"):
        assert secret not in table
    recorded = await story.get(story.cast.supervisor, "/audit?category=export")
    assert recorded["items"][0]["detail"] == {"rows": 1, "filters": {"action": "order.refund"}}
    assert (await story.ask(story.cast.doctor, "GET", "/audit/export")).code == "forbidden"


async def test_officers_find_a_patient_by_name_or_number_and_the_search_is_on_record(
    story: Story,
) -> None:
    patient = await story.add_patient()
    for words in ("林小满", story.adult_form()["id_number"]):
        found = await story.get(story.cast.supervisor, f"/audit/patients?q={quote(words)}")
        assert [(each["id"], each["name"]) for each in found] == [(patient["id"], "林*满")]
    assert await story.get(story.cast.supervisor, "/audit/patients?q=0") == []
    assert (
        await story.get(story.cast.foreign_supervisor, f"/audit/patients?q={quote('林小满')}") == []
    )
    looks = await story.get(story.cast.administrator, "/audit?action=patient.look")
    assert len(looks["items"]) == 3


def _csv(answer: Response) -> str:
    assert answer.status == 200, answer.body
    assert answer.body.startswith(b"\xef\xbb\xbf")
    return answer.body.decode("utf-8-sig")


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    """Everything that would go to the log, at its chattiest."""
    caught = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.configure("debug", "json", "test")
    handler = root.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(caught)
    for noisy in ("asyncio", "sqlalchemy"):
        logging.getLogger(noisy).setLevel("DEBUG" if noisy == "asyncio" else "INFO")
    yield caught
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.requirement("S1-250")
async def test_no_personal_value_stands_in_the_logs(
    story: Story, relay: Relay, log_lines: io.StringIO
) -> None:
    ended = await story.ended()
    await story.add_patient(name="欧阳小雨", serial=7)
    await story.ask(story.cast.patient, "POST", "/patients", story.adult_form(id_number="1"))
    body = {"login": "13900000001", "password": "Geheim-2026"}
    await story.ask(story.cast.patient, "POST", "/auth/login", body)
    await story.get(story.cast.supervisor, f"/consultations/{ended['id']}")
    await story.ask(story.cast.supervisor, "GET", "/consultations/export.csv")
    structlog.get_logger("probe").error(
        "probe",
        real_name="欧阳小雨",
        diagnosis="急性支气管炎恢复期",
        guardian_phone="13900000001",
        error=ValueError("13900000001 110101198503142000"),
    )
    with pytest.raises(DBAPIError) as refused:
        async with story.runtime.engine.begin() as connection:
            await connection.execute(text("SELECT CAST(:name AS integer)"), {"name": "林小满"})
    structlog.get_logger("probe").error("statement", error=repr(refused.value))
    await relay.drain()
    written = log_lines.getvalue()
    assert "probe" in written
    secrets = (
        "林小满",
        "欧阳小雨",
        "13900000001",
        "110101198503142",
        "春风路1号",
        "支气管炎",
        "Geheim-2026",
    )
    assert [secret for secret in secrets if secret in written] == []
