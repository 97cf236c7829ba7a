"""What people ask about their data: seeing, copying, correcting, deleting, closing the account."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select, update

from clinical.consent.copies import make_waiting
from clinical.consent.models import ConsentRecord, Restriction
from clinical.consent.retention import close_due_accounts, remove_what_is_over
from clinical.consultation.models import Consultation
from clinical.people.models import Patient
from core.audit.models import AuditEntry
from core.clock import FakeClock
from core.identity.models import DeviceSession, User
from tests.clinical.story import Story

TAIL_WRONG = "000000"


async def ask(story: Story, right: str, **more: Any) -> Any:
    return await story.ask(story.cast.patient, "POST", "/rights/requests", {"right": right, **more})


async def count(story: Story, model: Any, *where: Any) -> int:
    async with story.runtime.unit_of_work() as uow:
        found = await uow.session.scalar(select(func.count()).select_from(model).where(*where))
        return int(found or 0)


async def later(story: Story, clock: FakeClock, days: float) -> None:
    """Some days pass, and everybody who still may has logged in again."""
    clock.advance(timedelta(days=days))
    async with story.runtime.unit_of_work() as uow:
        await uow.session.execute(
            update(DeviceSession).values(
                created_at=uow.now, last_seen_at=uow.now, active_at=uow.now
            )
        )


# --- seeing and copying --------------------------------------------------------------------------


async def test_everybody_sees_what_is_held_and_until_when(story: Story) -> None:
    await story.ended()
    held = {each["title"]: each for each in await story.get(story.cast.patient, "/rights/holdings")}
    assert held["问诊病历"]["count"] == 1
    assert held["问诊病历"]["keep_until"] == "2041-11-20"
    assert held["图文沟通记录"]["keep_until"] == "2029-11-20"
    assert (held["就诊人资料（有病历）"]["count"], held["就诊人资料"]["count"]) == (1, 0)
    assert held["同意与撤回记录"]["count"] == 5
    other = await story.get(story.cast.other_patient, "/rights/holdings")
    assert {e["title"]: e["count"] for e in other}["问诊病历"] == 0


async def test_a_copy_is_made_in_the_background_and_fetched_after_a_second_check(
    story: Story, clock: FakeClock
) -> None:
    patient = story.cast.patient
    await story.ended()
    await story.prove_real_name()
    request = (await ask(story, "copy")).expect(201)
    assert request["copy"]["state"] == "queued"
    assert (await ask(story, "copy")).code == "rights_request_pending"
    path = f"/rights/copies/{request['copy']['id']}/link"
    number = story.adult_form()["id_number"]
    assert (await story.ask(patient, "POST", path, {})).code == "copy_not_ready"
    await make_waiting(story.runtime)
    shown = await story.get(patient, f"/rights/requests/{request['id']}")
    assert (shown["state"], shown["copy"]["state"], shown["copy"]["progress"]) == (
        "done",
        "ready",
        1.0,
    )
    assert "rights_answered" in await story.inbox(patient)
    assert (
        await story.ask(patient, "POST", path, {"id_tail": TAIL_WRONG})
    ).code == "identity_wrong"
    links = (await story.ask(patient, "POST", path, {"id_tail": number[-6:]})).expect(200)

    answer = await story.client.get("/" + links["json_url"])
    document = orjson.loads(answer.body)
    assert document["format"] == "zhenjian.personal-data/1"
    sections = {each["title"]: each for each in document["sections"]}
    assert sections["账号与实名信息"]["records"][0]["id_number"] == number
    assert sections["问诊病历"]["records"][0]["diagnosis"] == "急性支气管炎恢复期"
    paper = await story.client.get("/" + links["pdf_url"])
    assert paper.body.startswith(b"%PDF")
    assert paper.headers["cache-control"] == "no-store"

    # The link is the session's: another login cannot open it, and it ends.
    other = await story.ask(story.cast.other_patient, "POST", path, {"id_tail": number[-6:]})
    assert other.code == "not_found"
    swapped = links["pdf_url"].replace("/files/pdf", "/files/json")
    assert (await story.client.get("/" + swapped)).code == "ticket_invalid"
    clock.advance(timedelta(minutes=12))
    assert (await story.client.get("/" + links["json_url"])).code == "ticket_invalid"
    clock.advance(timedelta(days=7))
    await remove_what_is_over(story.runtime)
    assert await story.runtime.storage.list("copies") == []


async def test_a_copy_can_be_read_by_people(story: Story) -> None:
    """The paper holds the Chinese words of the record, not boxes."""
    await story.ended()
    await story.prove_real_name()
    request = (await ask(story, "copy")).expect(201)
    await make_waiting(story.runtime)
    stored = await story.runtime.storage.list("copies")
    pdf = next(each for each in stored if each.key.endswith("pdf"))
    data = await story.runtime.storage.get(pdf.key)
    assert io.BytesIO(data).read(5) == b"%PDF-"
    assert b"STSong-Light" in data
    assert request["copy"]["id"] in pdf.key


# --- the officers' queue -------------------------------------------------------------------------


async def test_a_correction_goes_through_the_officers_with_check_and_answer(
    story: Story, clock: FakeClock
) -> None:
    officer, patient = story.cast.administrator, story.cast.patient
    refused = await ask(story, "correction")
    assert [each["field"] for each in refused.json["fields"]] == ["field", "wish"]
    request = (
        await ask(story, "correction", field="姓名", wish="林小曼", words="录入错误")
    ).expect(201)
    assert request["due_on"] == "2026-12-11"
    queue = await story.get(officer, "/rights/queue")
    assert [each["id"] for each in queue["items"]] == [request["id"]]

    def do(verb: str, body: Any = None) -> Any:
        return story.ask(officer, "POST", f"/rights/requests/{request['id']}/{verb}", body)

    assert (await do("decide", {"outcome": "granted"})).code == "identity_unchecked"
    taken = (await do("take")).expect(200)
    assert (taken["state"], taken["assignee"]) == ("in_progress", "管一成")
    (await do("check", {"note": "电话核对身份证号后四位"})).expect(200)
    assert (await do("decide", {"outcome": "refused"})).code == "reason_required"
    extended = (await do("extend", {"reason": "需核对原始病历"})).expect(200)
    assert extended["due_on"] == "2027-01-01"
    assert (await do("extend", {"reason": "再延长一次"})).code == "already_extended"
    decided = (await do("decide", {"outcome": "granted", "reason": "已更正"})).expect(200)
    assert decided["state"] == "done"
    assert (
        await do("decide", {"outcome": "refused", "reason": "x"})
    ).code == "rights_request_closed"
    assert await story.inbox(patient) == ["rights_extended", "rights_answered"]
    shown = await story.get(patient, f"/rights/requests/{request['id']}")
    # How the identity was checked is the officers' own affair.
    assert [each["what"] for each in shown["steps"]] == [
        "submitted",
        "taken",
        "extended",
        "decided",
    ]
    actions = {"rights.request", "rights.take", "rights.check_identity", "rights.decide"}
    async with story.runtime.unit_of_work() as uow:
        kept = set(await uow.session.scalars(select(AuditEntry.action)))
    assert actions <= kept


async def test_the_queue_shows_what_comes_near_and_what_is_late(
    story: Story, clock: FakeClock
) -> None:
    officer = story.cast.supervisor
    await ask(story, "restriction", words="请停止用于质量抽查")

    async def numbers() -> tuple[int, int, int]:
        found = await story.get(officer, "/rights/queue/numbers")
        return found["open"], found["near"], found["overdue"]

    assert await numbers() == (1, 0, 0)
    await later(story, clock, 19)
    assert await numbers() == (1, 1, 0)
    await later(story, clock, 3)
    assert await numbers() == (1, 0, 1)
    late = await story.get(officer, "/rights/queue?overdue=true")
    assert late["items"][0]["urgency"] == "overdue"
    table = await story.ask(officer, "GET", "/rights/queue/export.csv")
    assert "限制或反对处理" in table.body.decode()
    assert (await story.ask(story.cast.doctor, "GET", "/rights/queue")).code == "forbidden"
    foreign = await story.get(story.cast.foreign_administrator, "/rights/queue")
    assert foreign["items"] == []


async def test_a_deletion_takes_what_may_go_and_restricts_what_must_stay(story: Story) -> None:
    officer, patient = story.cast.administrator, story.cast.patient
    done = await story.ended()
    draft = await story.draft()
    request = (await ask(story, "deletion", words="请删除全部信息")).expect(201)
    path = f"/rights/requests/{request['id']}"
    (await story.ask(officer, "POST", f"{path}/check", {"note": "实名账号，短信核验"})).expect(200)
    body = {"outcome": "partly", "reason": "病历依法保存，草稿已删除"}
    decided = (await story.ask(officer, "POST", f"{path}/decide", body)).expect(200)
    lines = {each["title"]: each for each in decided["result"]}
    assert lines["未提交的问诊草稿"]["erased"] == 1
    assert lines["问诊病历"]["kept"] == 1
    assert lines["问诊病历"]["until"] == "2041-11-20"
    assert (await story.ask(patient, "GET", f"/consultations/{draft['id']}")).code == "not_found"
    # What stays shows to its patient alone.
    (await story.ask(patient, "GET", f"/consultations/{done['id']}")).expect(200)
    for who in (story.cast.doctor, story.cast.supervisor, story.cast.administrator):
        assert (await story.ask(who, "GET", f"/consultations/{done['id']}")).code == "not_found"
        assert (await story.get(who, "/consultations"))["items"] == []


async def test_a_legal_hold_keeps_what_would_be_deleted_until_it_is_lifted(story: Story) -> None:
    officer = story.cast.administrator
    draft = await story.draft()
    hold = {
        "thing": "patient",
        "thing_id": draft["patient"]["id"],
        "reason": "医疗纠纷处理中",
    }
    placed = (await story.ask(officer, "POST", "/rights/holds", hold)).expect(201)
    assert placed["label"] == "林小满"
    unknown = {**hold, "thing": "user"}
    assert (await story.ask(officer, "POST", "/rights/holds", unknown)).code == "not_found"
    request = (await ask(story, "deletion", words="请删除草稿")).expect(201)
    path = f"/rights/requests/{request['id']}"
    (await story.ask(officer, "POST", f"{path}/check", {"note": "当面核对"})).expect(200)
    (await story.ask(officer, "POST", f"{path}/decide", {"outcome": "granted"})).expect(200)
    assert await count(story, Consultation) == 1
    lift = f"/rights/holds/{placed['id']}/lift"
    (await story.ask(officer, "POST", lift, {"reason": "纠纷已结案"})).expect(200)
    assert (await story.ask(officer, "POST", lift, {"reason": "再次解除"})).code == "hold_lifted"
    second = (await ask(story, "deletion", words="请删除草稿")).expect(201)
    path = f"/rights/requests/{second['id']}"
    (await story.ask(officer, "POST", f"{path}/check", {"note": "当面核对"})).expect(200)
    (await story.ask(officer, "POST", f"{path}/decide", {"outcome": "granted"})).expect(200)
    assert await count(story, Consultation) == 0


# --- closing the account -------------------------------------------------------------------------


async def test_an_account_is_closed_after_its_cooling_off_time_and_records_stay(
    story: Story, clock: FakeClock
) -> None:
    patient = story.cast.patient
    await story.prove_real_name()
    done = await story.ended()
    request = (await ask(story, "account_closing")).expect(201)
    assert request["state"] == "cooling"
    await later(story, clock, 6)
    await close_due_accounts(story.runtime)
    (await story.ask(patient, "GET", "/me")).expect(200)
    await later(story, clock, 1.1)
    await close_due_accounts(story.runtime)
    assert (await story.ask(patient, "GET", "/me")).status == 401
    async with story.runtime.unit_of_work() as uow:
        user = await uow.session.get_one(User, patient.user_id)
        assert (user.name, user.phone, user.real_name, user.enabled) == (
            "已注销用户",
            None,
            None,
            False,
        )
        kept = await uow.session.get_one(Consultation, done["id"])
        assert kept.diagnosis == "急性支气管炎恢复期"
        person = await uow.session.get_one(Patient, kept.patient_id)
        assert person.name == "林小满"
        device = await uow.session.get_one(DeviceSession, patient.caller.session_id)
        assert device.address == ""
    assert await count(story, Restriction, Restriction.patient_id == kept.patient_id) == 1
    hidden = await story.ask(story.cast.doctor, "GET", f"/consultations/{done['id']}")
    assert hidden.code == "not_found"
    # Three years later the consents of the account go too, those of the treatment stay.
    before = await count(story, ConsentRecord)
    clock.advance(timedelta(days=3 * 366))
    await remove_what_is_over(story.runtime)
    assert await count(story, ConsentRecord) == before - 3
    assert await count(story, ConsentRecord, ConsentRecord.ref_id.is_not(None)) == 2


async def test_a_patient_without_records_is_forgotten_with_the_account(
    story: Story, clock: FakeClock
) -> None:
    await story.add_patient()
    (await ask(story, "account_closing")).expect(201)
    clock.advance(timedelta(days=8))
    await close_due_accounts(story.runtime)
    async with story.runtime.unit_of_work() as uow:
        [person] = await uow.session.scalars(select(Patient))
        assert (person.name, person.id_number) == ("已删除", None)


async def test_closing_is_blocked_while_something_is_open_and_says_what(story: Story) -> None:
    consultation = await story.waiting()
    shown = await story.get(story.cast.patient, "/rights/closing")
    assert shown["obstacles"] == ["有 1 个问诊还未结束，请先完成或取消"]
    refused = await ask(story, "account_closing")
    assert (refused.code, refused.json["details"]["reasons"]) == (
        "closing_blocked",
        shown["obstacles"],
    )
    await story.do(story.cast.patient, consultation["id"], "cancel")
    assert (await story.get(story.cast.patient, "/rights/closing"))["obstacles"] == []


async def test_who_takes_the_agreement_back_closes_the_account_and_may_think_again(
    story: Story, clock: FakeClock
) -> None:
    patient = story.cast.patient
    await story.agree((await story.add_patient())["id"])
    taken = {"kind": "user_agreement"}
    (await story.ask(patient, "POST", "/consents/withdrawals", taken)).expect(201)
    pending = (await story.get(patient, "/rights/closing"))["pending"]
    assert pending["state"] == "cooling"
    path = f"/rights/requests/{pending['id']}/cancel"
    assert (await story.ask(patient, "POST", path)).expect(200)["state"] == "cancelled"
    await later(story, clock, 30)
    await close_due_accounts(story.runtime)
    (await story.ask(patient, "GET", "/me")).expect(200)


async def test_requests_are_their_authors_own(story: Story) -> None:
    request = (await ask(story, "restriction", words="停止使用")).expect(201)
    path = f"/rights/requests/{request['id']}"
    assert (await story.ask(story.cast.other_patient, "GET", path)).code == "not_found"
    assert (await story.ask(story.cast.foreign_supervisor, "GET", path)).code == "not_found"
    assert (await story.ask(story.cast.other_patient, "POST", f"{path}/cancel")).code == "not_found"


@pytest.mark.parametrize("right", ["deletion", "restriction"])
async def test_a_request_says_what_it_is_about(story: Story, right: str) -> None:
    assert (await ask(story, right)).json["fields"][0]["field"] == "words"
    assert (await ask(story, "access")).code == "invalid"
