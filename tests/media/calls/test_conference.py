"""Conferences through the whole server: who receives whom, packet by packet."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import pytest

from core.identity.roles import Role
from core.runtime import Runtime
from loadtests.bench_media_caller import Traffic
from tests.media.calls.lean import LeanAttendee
from tests.realtime.conftest import OpenRoom
from tests.support.cast import Cast, Person, hire
from zhenjian_client.errors import RequestFailed

Enter = Callable[[UUID, Person, str], Awaitable[LeanAttendee]]
KINDS = ("audio", "video")


@pytest.fixture
async def enter(connect: Any) -> AsyncIterator[Enter]:
    """Somebody in a room: ``await enter(room, cast.doctor, "pc")``."""
    traffic = Traffic()
    async with contextlib.AsyncExitStack() as stack:

        async def come(room: UUID, person: Person, device: str) -> LeanAttendee:
            attendee = LeanAttendee(person, device, traffic)
            attendee.client = await connect(person, device=device, on_event=attendee.hear)
            stack.push_async_callback(attendee.close)
            await attendee.client.join(str(room))
            return attendee

        yield come


async def conference(people: Sequence[LeanAttendee], room: UUID, media: str = "video") -> str:
    """The first calls, everybody else accepts; returns once all have keys."""
    first, *others = people
    call: str = (await first.call("call:start", room=str(room), media=media))["call"]["id"]
    for each in others:
        await each.client.wait_event("call:ring")
        await each.call("call:accept", call=call)
    await asyncio.gather(*(each.connected() for each in people))
    return call


def wanted(people: Sequence[LeanAttendee], viewer: LeanAttendee) -> set[tuple[str, str]]:
    others = [str(each.person.user_id) for each in people if each is not viewer]
    return {(user, kind) for user in others for kind in KINDS}


async def talk(people: Sequence[LeanAttendee], packets: int, pause: float = 0.02) -> None:
    """Everybody says so many packets of each kind."""
    for _ in range(packets):
        for each in people:
            each.say(time.perf_counter())
        await asyncio.sleep(pause)
    await asyncio.sleep(0.3)


async def all_receive_all(people: Sequence[LeanAttendee]) -> None:
    """Talk until everybody has sound and picture of everybody else."""
    async with asyncio.timeout(20):
        while not all(wanted(people, each) <= each.counted.keys() for each in people):
            await talk(people, 2)


def news(viewer: LeanAttendee, before: dict[tuple[str, str], int], of: LeanAttendee) -> list[int]:
    """Packets of sound and picture that came from somebody since then."""
    user = str(of.person.user_id)
    return [viewer.counted.get((user, kind), 0) - before.get((user, kind), 0) for kind in KINDS]


@pytest.mark.requirement("S4-080")
async def test_in_a_conference_of_three_muting_and_removing_end_the_packets_themselves(
    enter: Enter, open_room: OpenRoom, cast: Cast
) -> None:
    room = await open_room(cast.doctor, cast.patient, cast.nurse)
    doctor = await enter(room, cast.doctor, "pc")
    patient = await enter(room, cast.patient, "phone")
    nurse = await enter(room, cast.nurse, "pad")
    people = [doctor, patient, nurse]
    call = await conference(people, room)
    await all_receive_all(people)
    target = {"call": call, "user": str(cast.patient.user_id)}

    await doctor.call("call:moderate", **target, action="mute")
    await patient.client.wait_event("call:muted")
    await asyncio.sleep(0.3)
    before = [dict(each.counted) for each in people]
    await talk(people, 10)
    for viewer, known in ((doctor, before[0]), (nurse, before[2])):
        sound, picture = news(viewer, known, patient)
        assert (sound, picture > 0) == (0, True)
        assert min(news(patient, before[1], viewer)) > 0, "the silenced one hears on"
    # Unmuting is his own: nobody turns on somebody else's microphone.
    await patient.call("call:update", call=call, action="media", audio=True)
    await talk(people, 10)
    assert news(doctor, before[0], patient)[0] > 0

    await doctor.call("call:moderate", **target, action="remove")
    await asyncio.sleep(0.3)
    before = [dict(each.counted) for each in people]
    await talk(people, 10)
    assert [news(each, known, patient) for each, known in zip(people, before, strict=True)] == [
        [0, 0]
    ] * 3
    assert news(patient, before[1], doctor) == news(patient, before[1], nurse) == [0, 0]
    assert min(*news(doctor, before[0], nurse), *news(nurse, before[2], doctor)) > 0
    # He stays out, on this device and on another one, and his own connection stays deaf.
    pad = await enter(room, cast.patient, "pad")
    for device in (patient, pad):
        for event, more in (
            ("call:accept", {}),
            ("call:update", {"action": "join"}),
            ("call:update", {"action": "restart"}),
        ):
            with pytest.raises(RequestFailed) as refused:
                await device.call(event, call=call, **more)
            assert refused.value.code in ("removed_from_call", "not_in_call"), event
    assert pad.sessions == []
    await talk(people, 5)
    assert news(doctor, before[0], patient) == news(patient, before[1], doctor) == [0, 0]


@pytest.mark.slow
async def test_sixteen_talk_and_everybody_receives_everybody(
    enter: Enter, open_room: OpenRoom, cast: Cast, runtime: Runtime
) -> None:
    staff = [cast.doctor, cast.nurse, cast.patient]
    staff += [
        await hire(runtime, cast.hospital_id, Role.NURSE, f"护士{number}", serial=number)
        for number in range(13)
    ]
    room = await open_room(*staff)
    people = [await enter(room, person, "pc") for person in staff]
    call = await conference(people, room)
    await all_receive_all(people)
    assert all(len(each.counted) == 30 for each in people)
    state = (await people[3].call("call:update", call=call, action="media", audio=True))["call"]
    assert [each["state"] for each in state["participants"]] == ["joined"] * 16
    assert all(len(each.sessions) == 1 for each in people), "nobody had to begin anew"
    ended = (await people[0].call("call:end", call=call))["call"]
    assert ended["end_reason"] == "hung_up"
