"""Reminders of consultations: the doctor until he accepts, the patient at every stage."""

from __future__ import annotations

from datetime import timedelta

import pytest

from clinical.notifications.states import PushState
from core.clock import FakeClock
from core.jobs import JobRunner
from realtime.notices import Channel
from tests.clinical.notifications.desk import DOCTOR_OPENID, Desk
from tests.clinical.schedule.conftest import Clinic
from tests.clinical.story import Story
from tests.realtime.conftest import Connect, connect, node, start_node

__all__ = ["connect", "node", "start_node"]


@pytest.mark.requirement("S1-118")
async def test_a_waiting_patient_reaches_the_doctor_by_several_channels_with_a_link_to_accept(
    story: Story, desk: Desk
) -> None:
    doctor = desk.cast.doctor
    await desk.bind(doctor, DOCTOR_OPENID, service=True)
    await desk.template("consultation_waiting", Channel.WECHAT_SERVICE, "SIM-service-notice")
    first = await story.waiting()
    await desk.push()
    assert "consultation_waiting" in await story.inbox(doctor)
    [message] = await desk.wechat()
    assert message["page"].endswith(f"clinician/consultation/index?id={first['id']}")
    await desk.post("/_sandbox/wechat/followers", {"openid": f"w{DOCTOR_OPENID}", "follows": False})
    await desk.tell(doctor, "consultation_waiting")
    await desk.push()
    [text] = await desk.sms(doctor)
    assert "clinician/consultation/index?id=" in text


@pytest.mark.requirement("S1-119")
async def test_the_doctor_is_reminded_again_at_the_set_interval_until_he_accepts(
    story: Story, desk: Desk, clock: FakeClock, jobs: JobRunner
) -> None:
    await story.set("consultation.remind_minutes", 20)
    waiting = await story.waiting()
    counts = []
    for _ in range(6):
        clock.advance(timedelta(minutes=10))
        await jobs.run_due()
        kinds = await story.inbox(desk.cast.doctor)
        counts.append(kinds.count("consultation_still_waiting"))
    assert counts == [0, 1, 1, 2, 2, 3]
    await story.do(desk.cast.doctor, waiting["id"], "accept")
    clock.advance(timedelta(hours=1))
    await jobs.run_due()
    kinds = await story.inbox(desk.cast.doctor)
    assert kinds.count("consultation_still_waiting") == 3


@pytest.mark.requirement("S1-071")
async def test_who_waits_in_a_session_is_told_once_when_the_turn_is_near(
    story: Story, desk: Desk, clock: FakeClock, jobs: JobRunner
) -> None:
    clinic, told = Clinic(story), []
    await story.set("consultation.near_ahead", 1)
    shift = await clinic.plan(hours=2, places=4)
    people = await clinic.patients(4)
    first, second, *_ = [await clinic.book(person, shift) for person in people]

    async def near() -> list[int]:
        clock.advance(timedelta(seconds=15))
        await jobs.run_due()
        return [(await story.inbox(each)).count("consultation_turn_near") for each in people]

    told.append(await near())
    clock.advance(timedelta(hours=2))
    told.append(await near())
    # The first is called, passed over and taken back: the others move up, nobody is told twice.
    (await clinic.call(shift)).expect(200)
    told.append(await near())
    (await clinic.call(shift, f"queue/{first}/pass")).expect(200)
    told.append(await near())
    (await clinic.call(shift, f"queue/{first}/return")).expect(200)
    (await clinic.call(shift)).expect(200)
    await story.do(story.cast.doctor, second, "accept")
    told.append(await near())
    assert told == [[0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    [words] = [
        each["text"]
        for each in (await story.get(people[2], "/inbox?limit=100"))["items"]
        if each["type"] == "consultation_turn_near"
    ]
    assert words == "前面还有 1 位，请在诊间候诊"
    await desk.push()
    [pushed] = [each for each in await desk.pushes(people[2]) if each.code.endswith("turn_near")]
    assert (pushed.state, pushed.channel) == (PushState.SENT, Channel.SMS)
    assert all("复诊" not in text for text in await desk.sms(people[2]))


async def test_the_patient_hears_of_every_stage_that_there_is(
    story: Story, desk: Desk, clock: FakeClock, jobs: JobRunner
) -> None:
    """Booked, accepted, to pay, to rate; the prescription comes with its module."""
    await story.submitted()
    for _ in range(3):
        clock.advance(timedelta(minutes=9))
        await jobs.run_due()
    kinds = await story.inbox(desk.cast.patient)
    assert kinds == ["consultation_payment_due"]
    clock.advance(timedelta(minutes=9))
    await jobs.run_due()
    await story.ended()
    await desk.relay.drain()
    kinds = await story.inbox(desk.cast.patient)
    assert [each for each in kinds if each != "consultation_cancelled"] == [
        "consultation_payment_due",
        "consultation_booked",
        "consultation_accepted",
        "consultation_ended",
        "rating_invited",
    ]


async def test_every_stage_arrives_at_once_on_an_open_page_and_is_listed(
    story: Story, desk: Desk, connect: Connect
) -> None:
    phone = await connect(desk.cast.patient)
    await story.ended()
    await desk.relay.drain()
    await phone.wait_event("inbox", lambda item: item["type"] == "rating_invited")
    live = [item["type"] for name, item in phone.events if name == "inbox"]
    stages = ["consultation_booked", "consultation_accepted", "consultation_ended"]
    assert live == [*stages, "rating_invited"]
    page = await story.get(desk.cast.patient, "/inbox/items?limit=20")
    assert [item["type"] for item in page["items"]] == live[::-1]


@pytest.mark.requirement("S1-121")
async def test_a_new_rating_is_told_to_the_doctor_at_once(story: Story, desk: Desk) -> None:
    doctor = desk.cast.doctor
    await desk.bind(doctor, DOCTOR_OPENID, service=True)
    await desk.template("rating_received", Channel.WECHAT_SERVICE, "SIM-service-notice")
    ended = await story.ended()
    body = {"stars": 5, "tags": [], "comment": "药很有效"}
    (
        await story.ask(desk.cast.patient, "POST", f"/consultations/{ended['id']}/rating", body)
    ).expect(201)
    await desk.push()
    assert (await story.inbox(doctor))[-1] == "rating_received"
    assert [each["title"] for each in await desk.wechat()] == ["服务进度提醒"]
