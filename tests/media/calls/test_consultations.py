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
    return await story.active(request.param)


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
