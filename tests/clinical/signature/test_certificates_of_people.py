"""Certificates of people and of the hospital: asked for, renewed, taken back, followed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import delete, select

from clinical.signature import authority, keeping, own, rules, sealing
from clinical.signature.models import CaRequest, DocumentSignature, SigningKey
from clinical.signature.settings import CREDIT_CODE
from clinical.signature.states import KeyState, RequestState, Standing
from core import settings
from core.alarms.models import Alarm
from core.clock import FakeClock
from core.documents import DocumentFinished
from core.identity import tokens
from core.identity.models import DeviceSession, RoleAssignment, User
from core.ids import new_id
from core.integrity import remove
from core.jobs import JobRunner
from core.outbox import Relay
from core.settings.registry import Scope
from core.settings.service import set_value
from core.uow import UnitOfWork
from media.calls.models import CallRow
from media.recording.documents import RECORDING
from media.recording.events import RecordingReady
from media.recording.models import RecordingFileRow, RecordingRow
from realtime.models import RoomRow
from tests.clinical.signature.desk import Desk, answers
from tests.clinical.story import Story
from tests.support.cast import Cast
from tests.support.outside import Payer

CODE = "91119999MA0000000X"


async def set_here(uow: UnitOfWork, cast: Cast, key: str, value: int | bool | str) -> None:
    await set_value(uow, cast.administrator.caller, key, value, Scope.HOSPITAL, None)


@pytest.mark.parametrize(
    ("image", "suspended", "key", "standing"),
    [
        (False, False, None, Standing.NO_IMAGE),
        (True, False, None, Standing.NO_PIN),
        (True, False, KeyState.REFUSED, Standing.NO_PIN),
        (True, False, KeyState.REQUESTED, Standing.REQUESTED),
        (True, False, KeyState.ACTIVE, Standing.READY),
        (True, True, KeyState.ACTIVE, Standing.SUSPENDED),
        (True, False, KeyState.REVOKED, Standing.REVOKED),
        (True, False, KeyState.SUPERSEDED, Standing.REVOKED),
    ],
)
def test_the_first_thing_that_is_missing_is_named(
    clock: FakeClock, image: bool, suspended: bool, key: KeyState | None, standing: Standing
) -> None:
    ends = clock.now() + timedelta(days=1)
    ability = rules.Ability(has_image=image, suspended=suspended, key=key, not_after=ends)
    assert ability.standing(clock.now()) is standing
    if standing is Standing.READY:
        assert ability.standing(ends) is Standing.EXPIRED


@pytest.mark.requirement("S2-059")
async def test_a_ca_that_is_down_is_asked_again_until_it_answers(
    doctor: Desk, payer: Payer, jobs: JobRunner, relay: Relay, clock: FakeClock
) -> None:
    await doctor.prove()
    await doctor.write_by_hand()
    # Issued, but the answer is lost: asking again must not make a second certificate.
    await payer.fault(ca="answer_lost")
    mine = (await doctor.set_pin()).expect(200)
    assert mine["standing"] == "requested"
    await payer.fault(ca="ok")
    await relay.drain()
    assert (await doctor.me())["standing"] == "requested"
    clock.advance(timedelta(minutes=1))
    await jobs.run_due()
    assert (await doctor.me())["standing"] == "ready"
    async with doctor.runtime.unit_of_work() as uow:
        [request] = (await uow.session.scalars(select(CaRequest))).all()
        assert (request.state, request.attempts) == (RequestState.DONE, 2)


async def test_a_refusal_by_the_ca_is_told_and_the_next_try_is_free(
    story: Story, doctor: Desk, payer: Payer
) -> None:
    await doctor.prove()
    await doctor.write_by_hand()
    await payer.fault(ca="refused")
    assert (await doctor.set_pin()).expect(200)["standing"] == "no_pin"
    assert "certificate_refused" in await story.inbox(doctor.person)
    await payer.fault(ca="ok")
    assert (await doctor.set_pin()).expect(200)["standing"] == "ready"


async def test_a_certificate_is_renewed_before_it_ends_and_the_pin_stays(
    story: Story, doctor: Desk, jobs: JobRunner, relay: Relay, clock: FakeClock
) -> None:
    first = await doctor.enrol()
    consultation = await story.ended()
    old = await doctor.sign(consultation["id"])
    await relay.drain()
    clock.advance(timedelta(days=340))
    async with doctor.runtime.unit_of_work() as uow:
        assert await authority.ask_for_renewals(uow) == 1
    async with doctor.runtime.unit_of_work() as uow:
        assert await authority.ask_for_renewals(uow) == 0
    await authority.process_waiting(doctor.runtime)
    async with doctor.runtime.unit_of_work() as uow:
        keys = (await uow.session.scalars(select(SigningKey).order_by(SigningKey.created_at))).all()
        assert [key.state for key in keys] == [KeyState.SUPERSEDED, KeyState.ACTIVE]
        assert keys[0].sealed is None
        assert keys[1].serial != first["certificate"]["serial"]
    doctor = await fresh(doctor)
    found = await doctor.verify(old["signature_id"])
    assert found["verdict"] == "valid"
    path = f"/consultations/{consultation['id']}/closing-note/versions"
    body = {"diagnosis": "已愈", "advice": "无需复查。", "reason": "复诊"}
    (await doctor.ask("POST", path, body)).expect(201)
    await doctor.show_second_factor(clock.now())
    assert (await doctor.sign(consultation["id"]))["version"] == 2


async def fresh(desk: Desk) -> Desk:
    """The same desk with a login of this moment."""
    now = desk.runtime.clock.now()
    async with desk.runtime.unit_of_work() as uow:
        login = await uow.session.get_one(DeviceSession, desk.person.caller.session_id)
        login.created_at = login.last_seen_at = login.active_at = now
    await desk.show_second_factor(now)
    token = tokens.issue_access_token(desk.person.caller, now, desk.runtime.keyring)
    return replace(desk, person=replace(desk.person, token=token))


async def test_a_lost_phone_ends_signing_at_once_and_earlier_signatures_stay_good(
    story: Story, doctor: Desk, relay: Relay, clock: FakeClock
) -> None:
    await doctor.enrol()
    consultation = await story.ended()
    mark = await doctor.sign(consultation["id"])
    await relay.drain()
    clock.advance(timedelta(seconds=5))
    mine = (await doctor.ask("PUT", "/signing/me/revocation", {})).expect(200)
    assert mine["standing"] == "revoked"
    assert (await doctor.confirm(None)).code in ("certificate_unusable", "signing_session_off")
    await relay.drain()
    found = await doctor.verify(mark["signature_id"])
    assert (answers(found)["then"], answers(found)["now"]) == ("yes", "no")
    assert (await doctor.ask("PUT", "/signing/me/revocation", {})).code == "certificate_unusable"
    assert (await doctor.set_pin("7392")).expect(200)["standing"] == "ready"


async def test_administrators_suspend_resume_and_revoke(
    story: Story, doctor: Desk, cast: Cast, tmp_path: Path
) -> None:
    await doctor.enrol()
    consultation = await story.ended()
    keeper = Desk(doctor.runtime, doctor.client, tmp_path, cast.administrator)
    [signer] = (await keeper.ask("GET", "/signing/signers")).expect(200)
    assert (signer["name"], signer["waiting"]) == ("陈安和", 1)
    path = f"/signing/signers/{signer['id']}"
    (await keeper.ask("PUT", f"{path}/suspension", {"reason": "休假"})).expect(204)
    shown = await doctor.look(consultation["id"])
    assert (await doctor.confirm(shown)).code == "signing_suspended"
    (await keeper.ask("DELETE", f"{path}/suspension")).expect(204)
    await doctor.sign(consultation["id"])
    (await keeper.ask("PUT", f"{path}/revocation", {"reason": "离岗", "kind": "left"})).expect(204)
    assert (await doctor.me())["standing"] == "revoked"
    assert "signing_revoked" in await story.inbox(doctor.person)
    stranger = Desk(doctor.runtime, doctor.client, tmp_path, cast.foreign_administrator)
    assert (await stranger.ask("PUT", f"{path}/suspension", {"reason": "x"})).code == "not_found"


async def test_a_disabled_account_signs_no_more_and_one_that_left_is_revoked(
    doctor: Desk,
) -> None:
    await doctor.enrol()
    user_id = doctor.person.user_id
    async with doctor.runtime.unit_of_work() as uow:
        (await uow.session.get_one(User, user_id)).enabled = False
    async with doctor.runtime.unit_of_work() as uow:
        assert await keeping.follow_accounts(uow) == 1
    async with doctor.runtime.unit_of_work() as uow:
        assert await keeping.follow_accounts(uow) == 0
        (await uow.session.get_one(User, user_id)).enabled = True
    async with doctor.runtime.unit_of_work() as uow:
        assert await keeping.follow_accounts(uow, user_id) == 1
    assert (await doctor.me())["standing"] == "ready"
    async with doctor.runtime.unit_of_work() as uow:
        await uow.session.execute(delete(RoleAssignment).where(RoleAssignment.user_id == user_id))
    async with doctor.runtime.unit_of_work() as uow:
        await keeping.follow_accounts(uow, user_id)
    async with doctor.runtime.unit_of_work() as uow:
        key = await uow.session.scalar(select(SigningKey))
        assert key is not None
        assert (key.state, key.sealed, key.revoke_reason) == (KeyState.REVOKED, None, "left")


@pytest.mark.requirement("S0-N-020")
async def test_certificates_and_signatures_are_counted_and_warned_of(
    story: Story, doctor: Desk, cast: Cast, jobs: JobRunner, tmp_path: Path
) -> None:
    await doctor.enrol()
    await doctor.sign((await story.ended())["id"])
    async with doctor.runtime.unit_of_work() as uow:
        await set_here(uow, cast, "signature.certificates_included", 1)
        await set_here(uow, cast, "signature.signatures_per_year", 1000)
    keeper = Desk(doctor.runtime, doctor.client, tmp_path, cast.administrator)
    usage = (await keeper.ask("GET", "/signing/usage")).expect(200)
    assert usage["certificates"] == {"used": 1, "limit": 1, "percent": 100, "level": "over"}
    assert (usage["signatures"]["used"], usage["signatures"]["level"]) == (1, "ok")
    for _ in range(2):
        await jobs.run_due()
        doctor.runtime.clock.advance(timedelta(hours=7))  # type: ignore[attr-defined]
    async with doctor.runtime.unit_of_work() as uow:
        limits = select(Alarm).where(Alarm.kind == "signing_limit")
        alarms = (await uow.session.scalars(limits)).all()
        assert [(each.kind, each.ref_id) for each in alarms] == [
            ("signing_limit", "certificates:over:2026")
        ]


def test_eighty_percent_is_near_and_a_hundred_is_over() -> None:
    assert [rules.Usage(used, 200).level() for used in (159, 160, 199, 200, 201)] == [
        "ok",
        "near",
        "near",
        "over",
        "over",
    ]


# --- the hospital's seal -------------------------------------------------------------------------


async def seal(doctor: Desk, cast: Cast) -> None:
    """The hospital has its certificate."""
    async with doctor.runtime.unit_of_work() as uow:
        await set_here(uow, cast, CREDIT_CODE.key, CODE)
    assert await settings.current(doctor.runtime, CREDIT_CODE, hospital_id=cast.hospital_id) == CODE
    await sealing.enrol_hospitals(doctor.runtime)


async def test_a_consent_is_sealed_by_the_hospital(
    story: Story, doctor: Desk, cast: Cast, relay: Relay, tmp_path: Path
) -> None:
    await seal(doctor, cast)
    await story.waiting()
    await relay.drain()
    async with doctor.runtime.unit_of_work() as uow:
        rows = (await uow.session.scalars(select(DocumentSignature))).all()
        assert rows
        assert {row.document_type for row in rows} == {"consent"}
        assert {row.user_id for row in rows} == {None}
    patient = Desk(doctor.runtime, doctor.client, tmp_path, cast.patient)
    found = await patient.verify(str(rows[0].id))
    assert (found["verdict"], found["kind"], found["signer_name"]) == (
        "valid",
        "seal",
        "仁和示范医院",
    )
    other = Desk(doctor.runtime, doctor.client, tmp_path, cast.other_patient)
    assert (await other.ask("GET", f"/signing/signatures/{rows[0].id}")).code == "not_found"


async def test_what_lies_finished_before_the_certificate_came_is_sealed_later(
    story: Story, doctor: Desk, cast: Cast, relay: Relay, jobs: JobRunner, clock: FakeClock
) -> None:
    await story.waiting()
    await relay.drain()
    async with doctor.runtime.unit_of_work() as uow:
        assert (await uow.session.scalars(select(DocumentSignature.id))).all() == []
    await seal(doctor, cast)
    clock.advance(timedelta(minutes=1))
    await jobs.run_due()
    async with doctor.runtime.unit_of_work() as uow:
        assert (await uow.session.scalars(select(DocumentSignature.id))).all() != []


async def recording(story: Story, uow: UnitOfWork, room_id: UUID) -> RecordingRow:
    """A finished recording of a call in the room, with one file."""
    room = await uow.session.get_one(RoomRow, room_id)
    call = CallRow(
        id=new_id(),
        hospital_id=room.hospital_id,
        room_id=room_id,
        media="video",
        state="ended",
        started_by=story.cast.doctor.user_id,
        started_at=uow.now,
        ring_until=uow.now,
        assigned_at=uow.now,
        record=True,
        worker="",
    )
    uow.session.add(call)
    await uow.session.flush()
    row = RecordingRow(
        hospital_id=room.hospital_id,
        room_id=room_id,
        call_id=call.id,
        state="ready",
        started_at=uow.now,
        duration_ms=61_000,
    )
    uow.session.add(row)
    await uow.session.flush()
    return row


def file_of(row: RecordingRow, digest: str, uow: UnitOfWork) -> RecordingFileRow:
    return RecordingFileRow(
        recording_id=row.id,
        kind="composed",
        name="合成.mp4",
        content_type="video/mp4",
        size=1000,
        duration_ms=61_000,
        sha256=digest,
        storage_key=f"recordings/{digest}",
        position=0,
        created_at=uow.now,
    )


def ready(row: RecordingRow, uow: UnitOfWork) -> RecordingReady:
    return RecordingReady(
        hospital_id=row.hospital_id,
        aggregate_id=row.id,
        occurred_at=uow.now,
        room_id=row.room_id,
        call_id=row.call_id,
        duration_ms=61_000,
        size=1000,
        note=None,
    )


async def test_a_recording_is_sealed_with_its_files_and_again_when_it_was_made_again(
    story: Story, doctor: Desk, cast: Cast, relay: Relay
) -> None:
    await seal(doctor, cast)
    consultation = await story.active("video")
    async with doctor.runtime.unit_of_work() as uow:
        row = await recording(story, uow, UUID(consultation["room_id"]))
        file = file_of(row, "a" * 64, uow)
        uow.session.add(file)
        uow.record(ready(row, uow))
    await relay.drain()
    path = f"/signing/documents/{RECORDING}/{row.id}/signatures"
    [first] = (await doctor.ask("GET", path)).expect(200)
    found = await doctor.verify(first["signature_id"])
    assert found["verdict"] == "valid"
    assert any("a" * 64 in line["value"] for line in found["fields"])
    async with doctor.runtime.unit_of_work() as uow:
        await remove(uow.session, RecordingFileRow, RecordingFileRow.recording_id == row.id)
        uow.session.add(file_of(row, "b" * 64, uow))
        uow.record(ready(row, uow))
    await relay.drain()
    marks = (await doctor.ask("GET", path)).expect(200)
    assert [(mark["version"], mark["current"]) for mark in marks] == [(2, True), (1, False)]
    changed = await doctor.verify(first["signature_id"])
    assert [change["name"] for change in changed["changes"]] == ["file_0"]


async def test_a_document_that_nobody_registered_is_not_found(doctor: Desk, relay: Relay) -> None:
    async with doctor.runtime.unit_of_work() as uow:
        uow.record(
            DocumentFinished(
                hospital_id=doctor.person.caller.hospital_id,
                aggregate_id=new_id(),
                occurred_at=uow.now,
                document_type="nothing",
            )
        )
    await relay.drain()
    assert (await doctor.ask("GET", f"/signing/documents/nothing/{new_id()}")).code == "not_found"


async def test_a_crash_between_request_and_answer_is_repeated_without_harm(
    doctor: Desk, clock: FakeClock
) -> None:
    mine = await doctor.enrol()
    async with doctor.runtime.unit_of_work() as uow:
        request = await uow.session.scalar(select(CaRequest))
        assert request is not None
        request.state, request.done_at = RequestState.OPEN, None
    clock.advance(timedelta(minutes=2))
    assert await authority.process(doctor.runtime, request.id)
    assert (await doctor.me())["certificate"]["serial"] == mine["certificate"]["serial"]
    async with doctor.runtime.unit_of_work() as uow:
        view = await own.usage(uow, doctor.person.caller.hospital_id)
        assert view.certificates.used == 1
