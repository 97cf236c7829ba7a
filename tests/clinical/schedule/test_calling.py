"""叫号: the doctor calls, patients hear of it and see where they stand, every call is logged."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from core.clock import FakeClock
from tests.clinical.schedule.conftest import Clinic


@pytest.fixture
def heard(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> list[tuple[UUID, str]]:
    """Whom the sockets told about what."""
    said: list[tuple[UUID, str]] = []

    async def to_user(user_id: UUID, event: str, payload: Any, **_: Any) -> None:
        if event == "notice":
            said.append((user_id, payload["code"]))

    monkeypatch.setattr(clinic.story.runtime.realtime, "to_user", to_user)
    return said


@pytest.mark.requirement("S1-191")
async def test_the_doctor_calls_passes_over_and_takes_back_and_every_call_is_logged(
    clinic: Clinic, clock: FakeClock, heard: list[tuple[UUID, str]]
) -> None:
    story, doctor = clinic.story, clinic.story.cast.doctor
    one, two = story.cast.patient, story.cast.other_patient
    shift = await clinic.plan(hours=2)
    first, second = await clinic.book(one, shift), await clinic.book(two, shift)
    assert (await clinic.call(shift)).code == "not_yet_time"
    clock.advance(timedelta(hours=2))
    mine = await clinic.booking(two, second)
    assert (mine["number"], mine["ahead"], mine["called_number"]) == (2, 1, None)

    heard.clear()
    (await clinic.call(shift)).expect(200)
    assert {(one.user_id, "queue_changed"), (two.user_id, "queue_changed")} <= set(heard)
    assert (await story.inbox(one))[-1] == "queue_called"
    assert (await clinic.booking(one, first))["state"] == "called"
    assert (await clinic.booking(two, second))["called_number"] == 1
    assert (await clinic.call(shift)).code == "call_pending"

    (await clinic.call(shift, f"queue/{first}/call-again")).expect(200)
    (await clinic.call(shift, f"queue/{first}/pass")).expect(200)
    assert "queue_passed" in await story.inbox(one)
    assert (await clinic.booking(two, second))["ahead"] == 0
    (await story.ask(one, "POST", f"/bookings/{first}/arrive")).expect(200)
    assert (await clinic.booking(one, first))["ahead"] == 1
    shown = (await clinic.call(shift)).expect(200)
    assert [(e["number"], e["state"]) for e in shown["entries"]] == [(2, "called"), (1, "queued")]
    await story.do(doctor, second, "accept")

    log = await story.get(story.cast.administrator, "/queue-calls")
    assert [(line["number"], line["kind"]) for line in log["items"]] == [
        (2, "called"),
        (1, "passed"),
        (1, "called_again"),
        (1, "called"),
    ]
    passed = await story.get(
        story.cast.administrator, f"/queue-calls?kind=passed&doctor={quote(doctor.name)}"
    )
    assert len(passed["items"]) == 1
    nobody = await story.get(story.cast.administrator, "/queue-calls?from=2020-01-01&to=2020-01-02")
    assert nobody["items"] == []
    table = await story.ask(story.cast.administrator, "GET", "/queue-calls/export.csv")
    assert table.status == 200
    written = table.body.decode("utf-8-sig")
    assert [written.count(word) for word in ("过号", "重新叫号", "\n")] == [1, 1, 5]
    assert (await story.ask(doctor, "GET", "/queue-calls")).status == 403


async def test_who_was_passed_over_can_be_taken_back_by_the_doctor(
    clinic: Clinic, clock: FakeClock
) -> None:
    story = clinic.story
    shift = await clinic.plan()
    key = await clinic.book(story.cast.patient, shift)
    clock.advance(timedelta(hours=2))
    assert (await clinic.call(shift, f"queue/{key}/return")).code == "booking_not_passed"
    (await clinic.call(shift)).expect(200)
    (await clinic.call(shift, f"queue/{key}/pass")).expect(200)
    assert (await clinic.call(shift)).code == "nobody_waits"
    (await clinic.call(shift, f"queue/{key}/return")).expect(200)
    (await clinic.call(shift)).expect(200)


async def test_the_queue_of_a_session_is_its_doctors_and_the_planners_alone(
    clinic: Clinic,
) -> None:
    story = clinic.story
    shift = await clinic.plan()
    key = await clinic.book(story.cast.patient, shift)
    path = f"/shifts/{shift['id']}/queue"
    [entry] = (await story.get(story.cast.doctor, path))["entries"]
    assert (entry["patient_name"], entry["number"]) == ("林小满", 1)
    assert (await story.ask(story.cast.other_doctor, "GET", path)).status == 404
    assert (await story.ask(story.cast.foreign_administrator, "GET", path)).status == 404
    stranger = await story.ask(story.cast.other_patient, "GET", f"/bookings/{key}")
    assert stranger.status == 404


@pytest.mark.requirement("S0-A-109")
@pytest.mark.requirement("S4-010")
async def test_supervisors_see_the_four_states_and_what_each_doctor_had_to_do(
    clinic: Clinic,
) -> None:
    story = clinic.story
    shift = await clinic.plan()
    booked = await clinic.book(story.cast.patient, shift)
    ended = await story.ended()
    active = await story.active("text")
    waiting = await story.waiting()
    supervisor = story.cast.supervisor
    shown = {"booked": booked, "ended": ended["id"], "active": active["id"]}
    for state, key in {**shown, "waiting": waiting["id"]}.items():
        page = await story.get(supervisor, f"/consultations?state={state}")
        assert [each["id"] for each in page["items"]] == [key]
    [line] = await story.get(supervisor, "/consultations/by-doctor")
    assert (line["doctor"]["name"], line["total"], line["booked"]) == ("陈安和", 4, 1)
    assert line["states"] == {"booked": 1, "ended": 1, "active": 1, "waiting": 1}
    assert line["modes"] == {"video": 1, "text": 3}
    assert await story.get(supervisor, "/consultations/by-doctor?booked=true&mode=text") == []
