"""A consultation with an appointed time: found before it, called in at it."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

from core.clock import FakeClock
from core.identity.tokens import issue_access_token
from tests.clinical.conftest import story
from tests.clinical.schedule.conftest import Clinic, clinic
from tests.clinical.story import Story
from tests.media.calls.conftest import Attend
from tests.media.calls.test_calls import refused, started
from tests.support.cast import Cast

__all__ = ["clinic", "story"]


async def test_a_booked_consultation_is_found_and_its_video_call_begins_at_the_appointed_time(
    attend: Attend, clinic: Clinic, story: Story, cast: Cast, clock: FakeClock
) -> None:
    key = await clinic.book(cast.patient, await clinic.plan(hours=2))
    path = f"/consultations?booked=true&q={quote(cast.patient.name)}"
    [found] = (await story.get(cast.doctor, path))["items"]
    assert (found["id"], found["state"], found["calls"]) == (key, "booked", ["voice", "video"])
    assert (await story.try_to(cast.doctor, key, "accept")).code == "not_yet_time"
    room = found["room_id"]
    early = await attend(cast.doctor, "early", 60, into=room)
    assert await refused(early, "call:start", room=room, media="video") == "room_not_active"

    clock.advance(timedelta(hours=2))
    await story.do(cast.doctor, key, "accept")
    people = []
    for person, device in ((cast.doctor, "pc"), (cast.patient, "phone")):
        token = issue_access_token(person.caller, clock.now(), story.runtime.keyring)
        people.append(await attend(replace(person, token=token), device, 60, into=room))
    doctor, patient = people
    call = await started(doctor, room)
    await patient.client.wait_event("call:ring")
    await patient.call("call:accept", call=call["id"])
    await asyncio.gather(doctor.receives(), patient.receives())
    [listed] = (await story.get(cast.doctor, path))["items"]
    assert (listed["id"], listed["state"]) == (key, "active")
