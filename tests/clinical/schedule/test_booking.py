"""Places: released, taken once, given back, called off; the appointed time holds."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from clinical.consultation import jobs
from clinical.schedule.jobs import remind
from clinical.schedule.models import Booking
from clinical.schedule.states import TAKING
from core.clock import FakeClock
from core.outbox import Relay
from tests.clinical.schedule.conftest import Clinic


@pytest.mark.requirement("S0-C-016")
async def test_a_booked_video_consultation_is_taken_in_at_its_time_and_not_before(
    clinic: Clinic, clock: FakeClock
) -> None:
    story, patient, doctor = clinic.story, clinic.story.cast.patient, clinic.story.cast.doctor
    shift = await clinic.plan(hours=2)
    [offered] = await story.get(patient, f"/doctors/{doctor.user_id}/shifts?mode=video")
    assert (offered["left"], offered["bookable"]) == (3, True)
    key = await clinic.book(patient, shift)
    row = await story.get(doctor, f"/consultations/{key}")
    assert (row["state"], row["state_text"], row["starts_at"]) == (
        "booked",
        "预约中",
        shift["starts_at"],
    )
    assert "consultation_appointed" in await story.inbox(doctor)
    assert (await story.try_to(doctor, key, "accept")).code == "not_yet_time"
    early = await story.ask(patient, "POST", f"/bookings/{key}/arrive")
    assert early.code == "not_yet_time"
    clock.advance(timedelta(hours=2))
    assert (await story.ask(patient, "POST", f"/bookings/{key}/arrive")).status == 200
    assert (await story.do(doctor, key, "accept"))["state"] == "active"
    assert (await clinic.booking(patient, key))["state"] == "serving"


@pytest.mark.requirement("S4-006")
async def test_no_place_is_sold_twice_when_many_press_at_once(clinic: Clinic) -> None:
    story = clinic.story
    shift = await clinic.plan(places=3)
    people = await clinic.patients(8)
    drafts = [(who, await clinic.draft(who, shift)) for who in people]
    answers = await asyncio.gather(*(story.try_to(who, key, "submit") for who, key in drafts))
    assert sorted(answer.code for answer in answers) == [""] * 3 + ["shift_full"] * 5
    async with story.runtime.unit_of_work() as uow:
        taken = Booking.state.in_(TAKING)
        numbers = list(await uow.session.scalars(select(Booking.number).where(taken)))
    assert sorted(numbers) == [1, 2, 3]
    refused = [key for (_, key), answer in zip(drafts, answers, strict=True) if answer.code]
    assert [(await story.state(key))[0] for key in refused] == ["draft"] * 5


async def test_a_place_that_is_not_paid_in_time_is_free_for_the_next_one(
    clinic: Clinic, clock: FakeClock, relay: Relay
) -> None:
    story, patient, other = clinic.story, clinic.story.cast.patient, clinic.story.cast.other_patient
    shift = await clinic.plan(hours=5, places=1)
    unpaid = await clinic.draft(patient, shift)
    await story.do(patient, unpaid, "submit")
    late = await clinic.draft_refused(other, shift)
    assert late == "shift_full"
    clock.advance(timedelta(minutes=31))
    await jobs.expire_unpaid(story.runtime)
    await relay.drain()
    key = await clinic.book(other, shift)
    assert (await clinic.booking(other, key))["number"] == 1


@pytest.mark.requirement("S0-C-010")
async def test_the_doctor_adds_places_to_a_full_session(clinic: Clinic) -> None:
    story = clinic.story
    shift = await clinic.plan(places=1)
    await clinic.book(story.cast.patient, shift)
    assert await clinic.draft_refused(story.cast.other_patient, shift) == "shift_full"
    path = f"/shifts/{shift['id']}/extra"
    shown = (await story.ask(story.cast.doctor, "POST", path, {"places": 2})).expect(200)
    assert (shown["extra"], shown["left"]) == (2, 2)
    other = await story.ask(story.cast.other_doctor, "POST", path, {"places": 2})
    assert other.status == 404
    await clinic.book(story.cast.other_patient, shift)


async def test_a_suspended_session_tells_its_patients_and_pays_them_back(
    clinic: Clinic, relay: Relay
) -> None:
    story, patient = clinic.story, clinic.story.cast.patient
    shift = await clinic.plan()
    key = await clinic.book(patient, shift)
    shown = (await clinic.planner(shift, "suspend", {"reason": "医生外出会诊"})).expect(200)
    assert shown["state"] == "suspended"
    await relay.drain()
    assert await story.state(key) == ("cancelled", "suspended", True)
    assert "consultation_suspended" in await story.inbox(patient)
    again = await clinic.planner(shift, "suspend", {"reason": "再次"})
    assert again.code == "shift_suspended"


async def test_the_patient_cancels_with_a_refund_or_chooses_another_time_without(
    clinic: Clinic, relay: Relay
) -> None:
    story, patient = clinic.story, clinic.story.cast.patient
    morning, evening = await clinic.plan(hours=2, places=1), await clinic.plan(hours=6)
    key = await clinic.book(patient, morning)
    moved = await story.ask(patient, "POST", f"/bookings/{key}/move", {"shift_id": evening["id"]})
    assert moved.expect(200)["shift"]["id"] == evening["id"]
    row = await story.get(patient, f"/consultations/{key}")
    assert row["starts_at"] == evening["starts_at"]
    [free, _] = await story.get(patient, f"/doctors/{story.cast.doctor.user_id}/shifts")
    assert (free["id"], free["left"]) == (morning["id"], 1)
    await story.do(patient, key, "cancel")
    assert await story.state(key) == ("cancelled", "cancelled_by_patient", True)
    async with story.runtime.unit_of_work() as uow:
        left = await uow.session.scalar(
            select(func.count()).select_from(Booking).where(Booking.state.in_(TAKING))
        )
    assert left == 0


@pytest.mark.requirement("S4-006")
@pytest.mark.requirement("S4-007")
async def test_planners_copy_a_week_switch_sessions_and_release_days_ahead(
    clinic: Clinic,
) -> None:
    story, admin = clinic.story, clinic.story.cast.administrator
    shift = await clinic.plan(hours=2)
    assert (await clinic.try_to_plan(hours=3)).code == "shift_overlaps"
    day = (await story.get(admin, "/shifts"))[0]["starts_at"][:10]
    later = str((clinic.now + timedelta(days=7)).date())
    week = {"from_day": day, "to_day": later}
    first = (await story.ask(admin, "POST", "/shifts/copy-week", week)).expect(200)
    again = (await story.ask(admin, "POST", "/shifts/copy-week", week)).expect(200)
    assert (first, again) == ({"made": 1, "left_out": 0}, {"made": 0, "left_out": 1})
    path = f"/doctors/{story.cast.doctor.user_id}/shifts"
    assert len(await story.get(story.cast.patient, path)) == 2
    await story.set("schedule.release_days", 3)
    assert len(await story.get(story.cast.patient, path)) == 1
    (await clinic.planner(shift, "disable")).expect(200)
    assert await story.get(story.cast.patient, path) == []
    (await clinic.planner(shift, "enable")).expect(200)
    stale = {
        "version": 1,
        "starts_at": shift["starts_at"],
        "ends_at": shift["ends_at"],
        "places": 9,
    }
    answer = await story.ask(admin, "PUT", f"/shifts/{shift['id']}", stale)
    assert answer.code == "shift_changed"
    table = await story.ask(admin, "GET", f"/shifts/export.csv?from={day}&to={later}")
    assert table.status == 200


async def test_patient_and_doctor_are_reminded_once_before_the_session(
    clinic: Clinic, clock: FakeClock
) -> None:
    story = clinic.story
    shift = await clinic.plan(hours=2)
    await clinic.book(story.cast.patient, shift)
    await remind(story.runtime)
    assert "appointment_soon" not in await story.inbox(story.cast.patient)
    clock.advance(timedelta(minutes=95))
    for _ in range(2):
        await remind(story.runtime)
    assert (await story.inbox(story.cast.patient)).count("appointment_soon") == 1
    assert (await story.inbox(story.cast.doctor)).count("shift_soon") == 1


async def test_whom_nobody_took_in_gets_everything_back_after_the_session(
    clinic: Clinic, clock: FakeClock
) -> None:
    story = clinic.story
    shift = await clinic.plan(hours=2)
    key = await clinic.book(story.cast.patient, shift)
    clock.advance(timedelta(hours=5, minutes=59))
    await jobs.expire_unaccepted(story.runtime)
    assert (await story.state(key))[0] == "booked"
    clock.advance(timedelta(minutes=2))
    await jobs.expire_unaccepted(story.runtime)
    assert await story.state(key) == ("cancelled", "not_accepted", True)
