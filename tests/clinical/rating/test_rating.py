"""Ratings, through the API."""

from datetime import timedelta

import pytest

from core.clock import FakeClock
from core.jobs import JobRunner
from core.outbox import Relay
from tests.clinical.story import Story

GOOD = {"stars": 5, "tags": ["讲解清楚", "耐心细致"], "comment": "谢谢医生"}


@pytest.mark.requirement("S1-046", "S1-140")
async def test_an_ended_consultation_is_rated_once_and_the_doctor_sees_it(story: Story) -> None:
    key = (await story.ended())["id"]
    path = f"/consultations/{key}/rating"
    given = (await story.ask(story.cast.patient, "POST", path, GOOD)).expect(201)
    assert given["stars"] == 5
    again = await story.ask(story.cast.patient, "POST", path, GOOD)
    assert (again.status, again.code) == (409, "already_rated")
    received = (await story.get(story.cast.doctor, "/ratings/received"))["items"]
    assert [(r["stars"], r["patient_name_masked"]) for r in received] == [(5, "林*满")]
    mine = (await story.get(story.cast.patient, "/ratings/mine"))["items"]
    assert mine[0]["doctor"]["name"] == "陈安和"
    shown = await story.get(story.cast.patient, f"/consultations/{key}")
    assert shown["rating"]["comment"] == "谢谢医生"
    assert (await story.get(story.cast.other_doctor, "/ratings/received"))["items"] == []


async def test_what_is_not_over_or_was_not_served_is_not_rated(story: Story) -> None:
    waiting = (await story.waiting())["id"]
    path = f"/consultations/{waiting}/rating"
    assert (
        await story.ask(story.cast.patient, "POST", path, GOOD)
    ).code == "consultation_not_rateable"
    await story.do(story.cast.doctor, waiting, "decline", {"reason": "不属于本科室"})
    assert (
        await story.ask(story.cast.patient, "POST", path, GOOD)
    ).code == "consultation_not_rateable"


@pytest.mark.parametrize(
    "wrong",
    [
        {"stars": 0},
        {"stars": 6},
        {"stars": "五"},
        {"stars": 5, "tags": ["自编标签"]},
        {"stars": 5, "comment": "好" * 501},
    ],
)
async def test_a_rating_outside_the_form_is_refused(story: Story, wrong: dict[str, object]) -> None:
    key = (await story.ended())["id"]
    answer = await story.ask(story.cast.patient, "POST", f"/consultations/{key}/rating", wrong)
    assert (answer.status, answer.code) == (422, "invalid")


async def test_a_repeated_event_invites_the_patient_once(story: Story, relay: Relay) -> None:
    consultation = await story.ended()
    await relay.drain()
    async with story.runtime.unit_of_work() as uow:
        connection = await uow.session.connection()
        await connection.exec_driver_sql(
            "UPDATE outbox_deliveries SET done_at = NULL, attempts = 0 "
            "WHERE handler LIKE 'clinical.rating%%'"
        )
    await relay.drain()
    assert (await story.inbox(story.cast.patient)).count("rating_invited") == 1
    path = f"/rooms/{consultation['room_id']}/messages?after=0"
    page = await story.get(story.cast.patient, path)
    events = [m["body"].get("event") for m in page["messages"]]
    assert events.count("rating_invited") == 1


async def test_who_has_not_rated_is_reminded_once_a_day_later(
    story: Story, relay: Relay, clock: FakeClock, jobs: JobRunner
) -> None:
    await story.ended()
    rated = await story.ended()
    path = f"/consultations/{rated['id']}/rating"
    (await story.ask(story.cast.patient, "POST", path, GOOD)).expect(201)
    await relay.drain()
    clock.advance(timedelta(hours=23, minutes=50))
    await jobs.run_due()
    assert "rating_reminder" not in await story.inbox(story.cast.patient)
    for _ in range(3):
        clock.advance(timedelta(minutes=20))
        await jobs.run_due()
    assert (await story.inbox(story.cast.patient)).count("rating_reminder") == 1


async def test_a_hospital_may_do_without_reminders(
    story: Story, relay: Relay, clock: FakeClock, jobs: JobRunner
) -> None:
    await story.set("rating.remind_hours", 0)
    await story.ended()
    await relay.drain()
    clock.advance(timedelta(hours=30))
    await jobs.run_due()
    assert "rating_reminder" not in await story.inbox(story.cast.patient)


async def test_a_stranger_rates_nothing(story: Story) -> None:
    key = (await story.ended())["id"]
    for stranger in (story.cast.other_patient, story.cast.foreign_patient):
        answer = await story.ask(stranger, "POST", f"/consultations/{key}/rating", GOOD)
        assert answer.code == "not_found"
