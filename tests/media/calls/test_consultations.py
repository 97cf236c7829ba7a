"""The calls of a consultation that was booked, paid for and accepted: what its kind allows."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from clinical.people.models import ClinicianService
from tests.clinical.conftest import story
from tests.clinical.story import Story
from tests.media.calls.conftest import Attend
from tests.media.calls.test_calls import place, refused, started, state_where
from tests.support.cast import Cast

__all__ = ["story"]


@pytest.fixture
async def consultation(story: Story, request: pytest.FixtureRequest) -> dict[str, Any]:
    """A revisit in the way that the test asks for, accepted by the doctor."""
    doctor = story.cast.doctor
    async with story.runtime.unit_of_work() as uow:
        uow.session.add(
            ClinicianService(
                clinician_id=doctor.clinician_id,
                kind="revisit",
                mode="voice",
                hospital_id=story.cast.hospital_id,
                price_fen=3000,
            )
        )
    return await story.active(request.param, recording=request.param != "text")


@pytest.fixture
def room(consultation: dict[str, Any]) -> UUID:
    """Its consulting room."""
    return UUID(consultation["room_id"])


@pytest.mark.requirement("S0-P-185")
@pytest.mark.parametrize("consultation", ["voice"], indirect=True)
async def test_doctor_and_patient_of_a_voice_consultation_talk_and_send_no_picture(
    attend: Attend, cast: Cast, room: UUID
) -> None:
    doctor = await attend(cast.doctor, "pc", 60)
    patient = await attend(cast.patient, "phone", 180)
    assert await refused(doctor, "call:start", room=str(room), media="video") == "call_not_booked"
    call = await started(doctor, room, "voice")
    ring = await patient.client.wait_event("call:ring")
    assert ring["call"]["media"] == "voice"
    await patient.call("call:accept", call=call["id"])
    await asyncio.gather(doctor.receives(100, 0), patient.receives(100, 0))
    assert doctor.frames["video"] == patient.frames["video"] == 0
    # The doctor goes on with his phone.
    mobile = await attend(cast.doctor, "mobile", 60)
    await mobile.call("call:update", call=call["id"], action="join")
    await asyncio.gather(mobile.receives(50, 0), patient.receives(50, 0))


@pytest.mark.parametrize("consultation", ["video"], indirect=True)
async def test_the_doctor_of_a_video_consultation_sees_the_patient_who_cannot_call_himself(
    attend: Attend, cast: Cast, room: UUID
) -> None:
    patient = await attend(cast.patient, "phone", 180)
    doctor = await attend(cast.doctor, "pc", 60)
    for media in ("voice", "video"):
        assert await refused(patient, "call:start", room=str(room), media=media) == "forbidden"
    call = await started(doctor, room, "video")
    await patient.client.wait_event("call:ring")
    assert doctor.frames == {"audio": 0, "video": 0, "screen": 0}, "only once the patient accepts"
    await patient.call("call:accept", call=call["id"])
    await asyncio.gather(doctor.receives(), patient.receives())
    mobile = await attend(cast.doctor, "mobile", 60)
    moved = await mobile.call("call:update", call=call["id"], action="join")
    assert place(moved["call"], cast.doctor)["device"] == "mobile"
    await asyncio.gather(mobile.receives(), patient.receives())
    await mobile.call("call:end", call=call["id"])
    # The same consultation by voice, as the doctor likes.
    call = await started(mobile, room, "voice")
    await patient.client.wait_event("call:ring", lambda it: it["call"]["media"] == "voice")
    await patient.call("call:accept", call=call["id"])
    await asyncio.gather(mobile.receives(50, 0), patient.receives(50, 0))
    await mobile.call("call:end", call=call["id"])
    await state_where(patient, lambda it: it["id"] == call["id"] and it["state"] == "ended")


async def said(story: Story, room: UUID, *, agreed: bool) -> dict[str, Any]:
    """What the patient answers to the text about recordings while it rings."""
    notice = await story.get(story.cast.patient, "/consultations/notice")
    body = {"version": notice["recording_version"], "agreed": agreed}
    path = f"/rooms/{room}/recording-answer"
    assert (await story.ask(story.cast.doctor, "POST", path, body)).code == "forbidden"
    entry: dict[str, Any] = (await story.ask(story.cast.patient, "POST", path, body)).expect(201)
    return entry


@pytest.mark.requirement("S2-010", "S0-C-035")
@pytest.mark.parametrize("consultation", ["text"], indirect=True)
async def test_a_call_in_a_text_consultation_starts_once_the_patient_agreed_to_its_recording(
    attend: Attend, story: Story, cast: Cast, room: UUID, consultation: dict[str, Any]
) -> None:
    assert consultation["calls"] == ["voice", "video"]
    patient = await attend(cast.patient, "phone", 180)
    doctor = await attend(cast.doctor, "pc", 60)
    assert await refused(patient, "call:start", room=str(room), media="video") == "forbidden"
    call = await started(doctor, room)
    assert (call["recording"], call["asks_recording"]) == (False, True)
    ring = await patient.client.wait_event("call:ring")
    assert ring["call"]["asks_recording"] is True
    for event, more in (("call:accept", {}), ("call:update", {"action": "join"})):
        assert await refused(patient, event, call=call["id"], **more) == "recording_undecided"

    await said(story, room, agreed=True)
    told = await state_where(patient, lambda it: it["recording"])
    assert (told["state"], told["asks_recording"]) == ("ringing", False)
    await patient.call("call:accept", call=call["id"])
    await asyncio.gather(doctor.receives(), patient.receives())
    await doctor.call("call:end", call=call["id"])
    [recording] = await story.get(cast.doctor, f"/rooms/{room}/recordings")
    assert recording["call_id"] == call["id"]
    matters = await story.get(cast.patient, "/consents")
    [consent] = [each["latest"] for each in matters if each["latest"]["kind"] == "recording"]
    assert (consent["act"], consent["ref_id"]) == ("given", consultation["id"])
    # It stands for the next call of this consultation: nobody is asked twice.
    again = await started(doctor, room, "voice")
    assert (again["recording"], again["asks_recording"]) == (True, False)
    await patient.client.wait_event("call:ring", lambda it: it["call"]["id"] == again["id"])
    await patient.call("call:accept", call=again["id"])
    await asyncio.gather(doctor.receives(50, 0), patient.receives(50, 0))


@pytest.mark.parametrize("consultation", ["text"], indirect=True)
async def test_who_refuses_to_be_recorded_when_it_rings_goes_on_in_text(
    attend: Attend, story: Story, cast: Cast, room: UUID, consultation: dict[str, Any]
) -> None:
    patient = await attend(cast.patient, "phone", 180)
    doctor = await attend(cast.doctor, "pc", 60)
    call = await started(doctor, room)
    await patient.client.wait_event("call:ring")
    entry = await said(story, room, agreed=False)
    assert (entry["kind"], entry["act"]) == ("recording", "refused")
    over = await state_where(doctor, lambda it: it["state"] == "ended")
    assert (over["id"], over["end_reason"]) == (call["id"], "recording_refused")
    page = await story.get(cast.doctor, f"/rooms/{room}/messages?after=0")
    lines = [each["body"]["text"] for each in page["messages"] if each["kind"] == "system"]
    assert lines[-2:] == ["患者不同意录音录像，可继续图文沟通", "视频通话未接通，患者不同意录制"]
    assert "call_missed" not in await story.inbox(cast.patient)
    # The answer stands: he is rung no more.
    assert await refused(doctor, "call:start", room=str(room), media="voice") == "recording_refused"
    answer = {"version": entry["version"], "agreed": True}
    path = f"/rooms/{room}/recording-answer"
    assert (await story.ask(cast.patient, "POST", path, answer)).code == "nothing_asked"
