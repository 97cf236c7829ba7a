"""A supervisor listens to a call: unseen, uncounted, unable to send, and on record."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from core.outbox import Relay
from core.runtime import Runtime
from media.calls.controller import Controller
from tests.media.calls.conftest import Attend, Attendee
from tests.media.calls.test_calls import refused, started
from tests.support.cast import Cast
from tests.support.http import Client

REASON = "抽查视频问诊质量"


@pytest.fixture
async def supervisor(connect: Any, cast: Cast) -> Any:
    """A supervisor with a socket, who is in no room."""
    watcher = Attendee(cast.supervisor, "desk", 20)
    watcher.client = await connect(cast.supervisor, device="desk", on_event=watcher.hear)
    yield watcher
    await watcher.close()


async def talking(attend: Attend, cast: Cast, room: UUID) -> tuple[str, Attendee, Attendee]:
    doctor = await attend(cast.doctor, "pc", 60)
    patient = await attend(cast.patient, "phone", 180)
    call = (await started(doctor, room))["id"]
    await patient.client.wait_event("call:ring")
    await patient.call("call:accept", call=call)
    await asyncio.gather(doctor.receives(), patient.receives())
    return call, doctor, patient


async def audited(client: Client, cast: Cast, action: str) -> list[dict[str, Any]]:
    found = await client.get(f"/audit?action={action}", token=cast.administrator.token)
    items: list[dict[str, Any]] = found.expect(200)["items"]
    return items


async def test_a_supervisor_hears_and_sees_a_call_and_nobody_in_it_can_tell(
    attend: Attend,
    supervisor: Attendee,
    cast: Cast,
    room: UUID,
    client: Client,
    runtime: Runtime,
    relay: Relay,
) -> None:
    call, doctor, patient = await talking(attend, cast, room)
    told = [len(each.client.events) for each in (doctor, patient)]
    answer = await supervisor.call("call:observe", room=str(room), reason=REASON)
    assert [each["role"] for each in answer["call"]["participants"]] == ["doctor", "patient"]
    await supervisor.receives(audio=60, video=30)

    # Nothing came to the people in the call, and its list is as it was.
    mine = str(cast.supervisor.user_id)
    for attendee, before in zip((doctor, patient), told, strict=True):
        since = attendee.client.events[before:]
        assert [name for name, _ in since if name != "call:quality"] == []
        assert all(payload.get("user") != mine for _, payload in since)
        assert len(attendee.sessions) == 1
    seen = (await client.get(f"/rooms/{room}/call", token=cast.doctor.token)).expect(200)
    assert len(seen["participants"]) == 2
    # He could not send: the lines that he would publish into are closed to him.
    assert supervisor.pc is not None
    own = [t for t in supervisor.pc.getTransceivers() if t.mid in ("0", "1")]
    assert {each.currentDirection for each in own} == {"inactive"}
    for action in ("media", "screen", "join"):
        payload = {"call": call, "action": action, "on": True, "audio": True}
        assert await refused(supervisor, "call:update", **payload) == "forbidden"

    [entry] = await audited(client, cast, "call.observe")
    assert (entry["user"]["id"], entry["reason"]) == (mine, REASON)
    await supervisor.call("call:leave", call=call)
    [left] = await audited(client, cast, "call.observe_end")
    assert left["user"]["id"] == mine
    [link] = (await Controller.of(runtime)).links
    await link.wait_up()
    [listed] = await link.list_calls()
    assert len(listed["peers"]) == 2

    await doctor.call("call:end", call=call)
    await relay.drain()
    [recording] = (await client.get(f"/rooms/{room}/recordings", token=cast.doctor.token)).expect(
        200
    )
    assert mine not in str(recording)


async def test_an_observer_goes_when_the_call_ends_and_that_is_on_record(
    attend: Attend, supervisor: Attendee, cast: Cast, room: UUID, client: Client
) -> None:
    call, doctor, _ = await talking(attend, cast, room)
    await supervisor.call("call:observe", room=str(room), reason=REASON)
    await doctor.call("call:end", call=call)
    ended = await supervisor.client.wait_event("call:state", lambda it: it["state"] == "ended")
    assert ended["id"] == call
    [left] = await audited(client, cast, "call.observe_end")
    assert left["user"]["id"] == str(cast.supervisor.user_id)


async def test_nobody_else_may_observe_and_there_has_to_be_a_call_and_a_reason(
    attend: Attend, supervisor: Attendee, connect: Any, cast: Cast, room: UUID, client: Client
) -> None:
    ask = {"room": str(room), "reason": REASON}
    assert await refused(supervisor, "call:observe", **ask) == "no_call"
    call, doctor, patient = await talking(attend, cast, room)
    assert await refused(supervisor, "call:observe", room=str(room), reason="") == "invalid"
    for insider in (doctor, patient):
        assert await refused(insider, "call:observe", **ask) == "forbidden"
    for person in (
        cast.administrator,
        cast.other_doctor,
        cast.pharmacist,
        cast.nurse,
        cast.other_patient,
    ):
        stranger = Attendee(person, "pc", 20)
        stranger.client = await connect(person, device="pc", on_event=stranger.hear)
        assert await refused(stranger, "call:observe", **ask) == "forbidden"
    # A supervisor who does not observe gets nothing of the call, whatever he knows of it.
    stale = {"call": call, "session": "0" * 32, "version": 1, "sdp": "v=0"}
    assert await refused(supervisor, "call:answer", **stale) == "not_found"
    assert await refused(supervisor, "call:leave", call=call) == "not_found"
    assert await audited(client, cast, "call.observe") == []
