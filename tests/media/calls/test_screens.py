"""A screen as a participant's second picture, through the whole server."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from core.clock import FakeClock
from core.outbox import Relay
from core.runtime import Runtime
from tests.media.calls.conftest import Attend
from tests.media.calls.test_calls import (
    composed,
    place,
    refused,
    stands_still,
    started,
    state_where,
)
from tests.media.sfu.support import WorkerProcess
from tests.support.cast import Cast
from tests.support.http import Client


async def test_a_shared_screen_is_seen_beside_the_camera_one_at_a_time_and_recorded(
    attend: Attend,
    cast: Cast,
    room: UUID,
    client: Client,
    runtime: Runtime,
    relay: Relay,
    clock: FakeClock,
) -> None:
    doctor = await attend(cast.doctor, "pc", 60)
    patient = await attend(cast.patient, "phone", 180)
    call = (await started(doctor, room))["id"]
    await patient.client.wait_event("call:ring")
    await patient.call("call:accept", call=call)
    await asyncio.gather(doctor.receives(), patient.receives())

    share = {"call": call, "action": "screen", "on": True}
    answer = await doctor.call("call:update", **share)
    assert place(answer["call"], cast.doctor)["screen"]
    await state_where(patient, lambda it: place(it, cast.doctor)["screen"])
    await asyncio.gather(doctor.receives(), patient.receives(screen=30))
    assert await refused(patient, "call:update", **share) == "screen_taken"

    await patient.call("call:update", call=call, action="view", screen=0)
    await stands_still(patient, "screen")
    await patient.call("call:update", call=call, action="view")
    await patient.receives(screen=10)

    await doctor.call("call:update", call=call, action="screen", on=False)
    await stands_still(patient, "screen")
    await patient.call("call:update", **share)
    await asyncio.gather(doctor.receives(screen=10), patient.receives())
    target = {"call": call, "user": str(cast.patient.user_id), "action": "stop_screen"}
    await doctor.call("call:moderate", **target)
    await state_where(patient, lambda it: not place(it, cast.patient)["screen"])
    await stands_still(doctor, "screen")
    assert (len(doctor.sessions), len(patient.sessions)) == (1, 1)

    await doctor.call("call:end", call=call)
    await relay.drain()
    await composed(runtime, clock, client, room, cast.doctor.token)
    [recording] = (await client.get(f"/rooms/{room}/recordings", token=cast.doctor.token)).json
    screens = [each["user_id"] for each in recording["files"] if each["kind"] == "screen"]
    assert screens == [str(cast.doctor.user_id), str(cast.patient.user_id)]


@pytest.mark.timeout(120)
async def test_a_shared_screen_comes_along_when_the_worker_dies_and_not_to_another_device(
    attend: Attend, cast: Cast, room: UUID, clock: FakeClock, workers: list[WorkerProcess]
) -> None:
    doctor = await attend(cast.doctor, "pc", 60)
    patient = await attend(cast.patient, "phone", 180)
    call = (await started(doctor, room))["id"]
    await patient.client.wait_event("call:ring")
    await patient.call("call:accept", call=call)
    await asyncio.gather(doctor.receives(), patient.receives())
    await doctor.call("call:update", call=call, action="screen", on=True)
    await patient.receives(screen=10)

    clock.advance(timedelta(seconds=10))
    await workers[0].kill()
    await workers[0].start()
    await patient.receives(screen=20)
    assert len(doctor.sessions) == 2

    laptop = await attend(cast.doctor, "laptop", 60)
    answer = await laptop.call("call:update", call=call, action="join")
    assert not place(answer["call"], cast.doctor)["screen"]
    await stands_still(patient, "screen")
    # aiortc tells two video lines apart by the streams that it first heard of; sound has one line.
    await asyncio.gather(laptop.receives(), patient.receives(video=0))
