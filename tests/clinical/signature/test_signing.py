"""What may go wrong while signing, and what must never be signed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import select, update

from clinical.consultation.models import Consultation
from clinical.signature.models import DocumentSignature, SigningConfirmation
from clinical.signature.personal_data import SignatureData
from core.clock import FakeClock
from core.identity import sessions
from core.identity.models import DeviceSession
from core.jobs import JobRunner
from core.outbox import Relay
from core.personal_data import Subject
from core.settings.registry import Scope
from core.settings.service import set_value
from realtime.inbox import newest
from tests.clinical.signature.desk import Desk, answers, handwriting
from tests.clinical.story import Story
from tests.support.cast import Cast
from tests.support.outside import Payer


@pytest.mark.requirement("S0-C-006", "S1-132")
async def test_changing_the_handwriting_keeps_the_old_one_on_what_it_signed(
    story: Story, doctor: Desk
) -> None:
    await doctor.enrol()
    first = await story.ended()
    old = await doctor.sign(first["id"])
    before = (await doctor.client.get(f"/{old['image_url']}")).body
    mine = await doctor.write_by_hand(handwriting(size=(600, 500), paper=True))
    assert [image["version"] for image in mine["images"]] == [2, 1]
    after = (await doctor.client.get(f"/{old['image_url']}")).body
    assert before == after
    async with doctor.runtime.unit_of_work() as uow:
        kept = await uow.session.scalar(select(DocumentSignature))
        assert kept is not None
    new = await doctor.client.post(
        "/files/links",
        token=doctor.person.token,
        json={"ids": [image["file_id"] for image in mine["images"]]},
    )
    assert len(new.expect(200)) == 2


async def test_an_empty_picture_is_no_handwriting(doctor: Desk) -> None:
    path = doctor.folder / "blank.png"
    Image.new("RGBA", (400, 200), (255, 255, 255, 255)).save(path)
    with pytest.raises(Exception, match="没有看到笔迹"):
        await doctor.upload(path.read_bytes())


async def test_what_changed_since_it_was_shown_is_not_signed(story: Story, doctor: Desk) -> None:
    await doctor.enrol()
    consultation = await story.ended()
    shown = await doctor.look(consultation["id"])
    confirmed = (await doctor.confirm(shown)).expect(201)
    amended = await doctor.ask(
        "POST",
        f"/consultations/{consultation['id']}/closing-note/versions",
        {"diagnosis": "支气管炎", "advice": "三天后复查。", "reason": "补充"},
    )
    amended.expect(201)
    refused = await doctor.put_under(shown, confirmed)
    assert refused.code == "document_changed"
    assert refused.json["details"]["digest"] != shown["digest"]
    # A confirmation is good for what it was given for alone.
    now = await doctor.look(consultation["id"])
    assert (await doctor.put_under(now, confirmed)).code == "signing_confirmation_invalid"


async def test_a_confirmation_is_good_once_for_a_short_while_and_for_its_login(
    story: Story, doctor: Desk, cast: Cast, clock: FakeClock, tmp_path: Path
) -> None:
    await doctor.enrol()
    consultation = await story.ended()
    shown = await doctor.look(consultation["id"])
    confirmed = (await doctor.confirm(shown)).expect(201)
    wrong = await doctor.put_under(shown, confirmed | {"token": confirmed["token"][::-1]})
    assert wrong.code == "signing_confirmation_invalid"
    other = Desk(doctor.runtime, doctor.client, tmp_path, cast.other_doctor)
    assert (await other.put_under(shown, confirmed)).code == "not_found"
    clock.advance(timedelta(minutes=3))
    assert (await doctor.put_under(shown, confirmed)).code == "signing_confirmation_invalid"
    mark = await doctor.sign(consultation["id"])
    again = (await doctor.put_under(shown, confirmed)).expect(201)
    assert again["signature_id"] == mark["signature_id"]


@pytest.mark.requirement("S0-C-027")
async def test_nobody_signs_without_a_second_factor_in_this_login(
    story: Story, doctor: Desk
) -> None:
    await doctor.enrol()
    consultation = await story.ended()
    shown = await doctor.look(consultation["id"])
    await doctor.show_second_factor(None)
    assert (await doctor.confirm(shown)).code == "second_factor_required"


async def test_only_the_treating_doctor_signs_and_strangers_see_nothing(
    story: Story, doctor: Desk, cast: Cast, tmp_path: Path
) -> None:
    await doctor.enrol()
    consultation = await story.ended()
    mark = await doctor.sign(consultation["id"])
    for stranger in (
        cast.other_doctor,
        cast.other_patient,
        cast.nurse,
        cast.foreign_doctor,
        cast.foreign_administrator,
    ):
        desk = Desk(doctor.runtime, doctor.client, tmp_path, stranger)
        for path in (
            f"/signing/signatures/{mark['signature_id']}",
            f"/signing/signatures/{mark['signature_id']}/file",
            f"/signing/documents/closing_note/{consultation['id']}",
        ):
            assert (await desk.ask("GET", path)).code == "not_found", stranger.name
    supervisor = Desk(doctor.runtime, doctor.client, tmp_path, cast.supervisor)
    shown = await supervisor.look(consultation["id"])
    assert shown["signable"] is False


async def test_a_signing_session_lasts_ten_minutes_in_its_login_alone(
    story: Story, doctor: Desk, clock: FakeClock, cast: Cast, jobs: JobRunner
) -> None:
    await doctor.enrol()
    consultation = await story.ended()
    assert (await doctor.confirm(None)).code == "signing_session_off"
    async with doctor.runtime.unit_of_work() as uow:
        await set_value(
            uow, cast.administrator.caller, "signature.session_allowed", True, Scope.HOSPITAL, None
        )
    session = (await doctor.confirm(None)).expect(201)
    assert (await doctor.me())["session"]["signatures"] == 0
    shown = await doctor.look(consultation["id"])
    (await doctor.put_under(shown, session)).expect(201)
    assert (await doctor.me())["session"]["signatures"] == 1
    (await doctor.ask("DELETE", "/signing/session")).expect(204)
    assert (await doctor.ask("DELETE", "/signing/session")).code == "not_found"
    second = (await doctor.confirm(None)).expect(201)
    clock.advance(timedelta(minutes=11))
    await jobs.run_due()
    async with doctor.runtime.unit_of_work() as uow:
        row = await uow.session.get_one(SigningConfirmation, second["id"])
        assert (row.ended_at is not None, row.sealed) == (True, None)


async def test_a_logout_ends_what_the_login_confirmed(story: Story, doctor: Desk) -> None:
    await doctor.enrol()
    consultation = await story.ended()
    (await doctor.confirm(await doctor.look(consultation["id"]))).expect(201)
    async with doctor.runtime.unit_of_work() as uow:
        login = await uow.session.get_one(DeviceSession, doctor.person.caller.session_id)
        await sessions.revoke(uow, login, "logout")
    async with doctor.runtime.unit_of_work() as uow:
        kept = await uow.session.scalars(
            select(SigningConfirmation.sealed).where(SigningConfirmation.sealed.is_not(None))
        )
        assert kept.all() == []


@pytest.mark.requirement("S1-106", "S3-137")
async def test_an_amended_note_is_signed_again_and_the_old_version_stays_good(
    story: Story, doctor: Desk, relay: Relay, cast: Cast
) -> None:
    await doctor.enrol()
    consultation = await story.ended()
    old = await doctor.sign(consultation["id"])
    path = f"/consultations/{consultation['id']}/closing-note/versions"
    body = {"diagnosis": "支气管炎", "advice": "三天后复查。", "reason": "补充复查时间"}
    (await doctor.ask("POST", path, body)).expect(201)
    shown = await story.get(cast.patient, f"/consultations/{consultation['id']}")
    assert shown["closing_note"]["version"] == 2
    assert shown["closing_note"]["signature"]["current"] is False
    [task] = await doctor.tasks()
    assert task["version"] == 2
    new = await doctor.sign(consultation["id"])
    assert (new["version"], new["current"]) == (2, True)
    await relay.drain()
    found = await doctor.verify(old["signature_id"])
    assert (found["verdict"], found["current"]) == ("valid", False)
    assert {change["name"] for change in found["changes"]} >= {"diagnosis", "advice", "version"}
    assert [mark["version"] for mark in found["versions"]] == [2, 1]
    assert (await doctor.verify(new["signature_id"]))["verdict"] == "valid"


async def test_a_note_changed_behind_the_signature_is_found_field_by_field(
    story: Story, doctor: Desk, relay: Relay
) -> None:
    await doctor.enrol()
    consultation = await story.ended()
    mark = await doctor.sign(consultation["id"])
    await relay.drain()
    async with doctor.runtime.unit_of_work() as uow:
        row = await story.row(uow, consultation["id"])
        table = Consultation.__table__
        await uow.session.execute(
            update(table).where(table.c.id == row.id).values(diagnosis="健康")  # type: ignore[arg-type]
        )
    found = await doctor.verify(mark["signature_id"])
    assert found["verdict"] == "changed"
    [change] = found["changes"]
    assert (change["label"], change["signed"], change["present"]) == (
        "诊断",
        "急性支气管炎恢复期",
        "健康",
    )


async def test_a_forged_signature_row_is_found(story: Story, doctor: Desk, relay: Relay) -> None:
    await doctor.enrol()
    consultation = await story.ended()
    mark = await doctor.sign(consultation["id"])
    await relay.drain()
    async with doctor.runtime.unit_of_work() as uow:
        kept = await uow.session.scalar(select(DocumentSignature))
        assert kept is not None
        forged = dict(kept.content)
        forged["fields"] = [
            [name, label, "健康" if name == "diagnosis" else value]
            for name, label, value in forged["fields"]
        ]
        table = DocumentSignature.__table__
        await uow.session.execute(
            update(table).where(table.c.id == kept.id).values(content=forged)  # type: ignore[arg-type]
        )
    found = await doctor.verify(mark["signature_id"])
    assert found["verdict"] == "invalid"
    assert answers(found)["content"] == "no"
    assert answers(found)["record"] == "no"


async def test_patients_see_no_unsigned_note_where_the_hospital_says_so(
    story: Story, doctor: Desk, cast: Cast
) -> None:
    await doctor.enrol()
    consultation = await story.ended()
    path = f"/consultations/{consultation['id']}"
    assert (await story.get(cast.patient, path))["closing_note"]["signature"] is None
    async with doctor.runtime.unit_of_work() as uow:
        await set_value(
            uow,
            cast.administrator.caller,
            "consultation.patient_sees_unsigned_note",
            False,
            Scope.HOSPITAL,
            None,
        )
    assert (await story.get(cast.patient, path))["closing_note"] is None
    await doctor.sign(consultation["id"])
    assert (await story.get(cast.patient, path))["closing_note"] is not None


async def test_a_time_authority_that_is_down_delays_the_timestamp_alone(
    story: Story, doctor: Desk, relay: Relay, jobs: JobRunner, clock: FakeClock, payer: Payer
) -> None:
    await doctor.enrol()
    consultation = await story.ended()
    await payer.fault(tsa="error")
    mark = await doctor.sign(consultation["id"])
    await relay.drain()
    found = await doctor.verify(mark["signature_id"])
    assert (found["verdict"], answers(found)["timestamp"]) == ("valid", "unknown")
    await payer.fault(tsa="ok")
    clock.advance(timedelta(minutes=1))
    await jobs.run_due()
    assert answers(await doctor.verify(mark["signature_id"]))["timestamp"] == "yes"


async def test_who_forgets_to_sign_is_reminded_once_a_day(
    story: Story, doctor: Desk, jobs: JobRunner, clock: FakeClock
) -> None:
    await story.ended()
    await jobs.run_due()
    assert "signing_waiting" not in await story.inbox(doctor.person)
    for days in (1, 2):
        clock.advance(timedelta(hours=24, minutes=20))
        await jobs.run_due()
        fresh = await _fresh(story, doctor)
        assert fresh.count("signing_waiting") == days


async def _fresh(story: Story, doctor: Desk) -> list[str]:
    """The inbox, read with a token that the moved clock accepts."""
    async with story.runtime.unit_of_work() as uow:
        return [item.type for item in (await newest(uow, doctor.person.caller, 50)).items]


async def test_after_its_time_the_text_is_erased_and_the_signature_says_so(
    story: Story, doctor: Desk, relay: Relay, clock: FakeClock, cast: Cast
) -> None:
    await doctor.enrol()
    consultation = await story.ended()
    mark = await doctor.sign(consultation["id"])
    await relay.drain()
    part = SignatureData()
    async with doctor.runtime.unit_of_work() as uow:
        row = await story.row(uow, consultation["id"])
        subject = Subject(
            hospital_id=cast.hospital_id,
            user_id=cast.patient.user_id,
            patient_ids=frozenset({row.patient_id}),
            today=clock.now().date(),
        )
        [holding] = await part.holdings(uow, subject)
        [section] = await part.export(uow, subject)
        [now] = await part.erase(uow, subject)
        assert (holding.count, len(section.records), now.kept) == (1, 1, 1)
        later = replace(subject, today=clock.now().date() + timedelta(days=366 * 15))
        [then] = await part.erase(uow, later)
        assert (then.erased, then.kept) == (1, 0)
    found = await doctor.verify(mark["signature_id"])
    assert (found["verdict"], found["fields"]) == ("doubtful", [])
    assert (answers(found)["content"], answers(found)["signature"]) == ("unknown", "yes")
