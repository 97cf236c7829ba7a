"""Whole calls: over real sockets, a real worker process, real PeerConnections, to the playback."""

import asyncio
import hashlib
import io
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import av
import numpy as np
import pytest
from sqlalchemy import select

from clinical.notifications.models import Push
from core.clock import FakeClock
from core.outbox import Relay
from core.runtime import Runtime
from media.calls import access, quality
from media.calls.controller import Controller
from media.calls.jobs import watch_calls
from media.calls.placing import GRACE_SECONDS
from media.control import WorkerLink
from media.errors import RecordingUnavailable
from media.recording.composer import Composer
from realtime import service
from realtime.rules import CloseReason, RecordingPolicy
from tests.media.calls.conftest import TURN, Attend, Attendee
from tests.media.sfu.support import WorkerProcess
from tests.support.cast import Cast
from tests.support.http import Client
from zhenjian_client.errors import RequestFailed


async def refused(attendee: Attendee, event: str, **payload: Any) -> str:
    with pytest.raises(RequestFailed) as caught:
        await attendee.call(event, **payload)
    return caught.value.code


async def started(doctor: Attendee, room: UUID, media: str = "video") -> dict[str, Any]:
    answer = await doctor.call("call:start", room=str(room), media=media)
    return answer["call"]


async def state_where(attendee: Attendee, check: Any) -> dict[str, Any]:
    return await attendee.client.wait_event("call:state", check)


def place(call: dict[str, Any], person: Any) -> dict[str, Any]:
    [found] = [p for p in call["participants"] if p["user_id"] == str(person.user_id)]
    return found


async def stands_still(attendee: Attendee, kind: str) -> None:
    """Return once half a second passed without a frame of this kind."""
    async with asyncio.timeout(10):
        while True:
            before = attendee.frames[kind]
            await asyncio.sleep(0.5)
            if attendee.frames[kind] == before:
                return


@pytest.fixture
def slow_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database takes its time to write a level down."""
    write = quality.show_level

    async def slowly(*row: Any) -> None:
        await asyncio.sleep(0.2)
        await write(*row)

    monkeypatch.setattr(quality, "show_level", slowly)


@pytest.mark.usefixtures("slow_levels")
async def test_every_device_rings_the_first_wins_and_both_sides_hear_and_see(
    attend: Attend, cast: Cast, room: UUID, client: Client, runtime: Runtime
) -> None:
    doctor = await attend(cast.doctor, "pc")
    phone = await attend(cast.patient, "phone", 180)
    pad = await attend(cast.patient, "pad")

    begun = await doctor.call("call:start", room=str(room), media="video")
    assert [server["urls"] for server in begun["ice_servers"]] == [[TURN]]
    call = begun["call"]
    assert (call["state"], call["recording"]) == ("ringing", True)
    for device in (phone, pad):
        ring = await device.client.wait_event("call:ring")
        assert "ice_servers" not in ring
        assert (ring["call"]["id"], ring["room"]) == (call["id"], str(room))
    current = (await client.get(f"/rooms/{room}/call", token=cast.patient.token)).expect(200)
    assert current["id"] == call["id"]

    answer = await phone.call("call:accept", call=call["id"], device="phone")
    assert place(answer["call"], cast.patient)["device"] == "phone"
    [own], [other] = answer["ice_servers"], begun["ice_servers"]
    assert own["username"] != other["username"]
    assert str(cast.patient.user_id) not in own["username"]
    assert await refused(pad, "call:accept", call=call["id"], device="pad") == "call_taken"
    stop = await state_where(pad, lambda it: place(it, cast.patient)["state"] == "joined")
    assert (stop["state"], place(stop, cast.patient)["device"]) == ("active", "phone")

    await asyncio.gather(doctor.receives(), phone.receives())
    assert pad.sessions == []
    told = await doctor.client.wait_event("call:quality")
    assert told["call"] == call["id"]
    assert 1 <= told["level"] <= 4
    monitor = (await client.get("/monitor/rooms", token=cast.supervisor.token)).expect(200)
    [watched] = [each for each in monitor["items"] if each["id"] == str(room)]
    assert 1 <= watched["call"]["quality"] <= 4
    for frozen_ms in (2_400, 900):
        await doctor.call(
            "call:update", call=call["id"], action="freezes", freezes=1, frozen_ms=frozen_ms
        )
    hide = {"lines": {str(cast.patient.user_id): 0}}
    await doctor.call("call:update", call=call["id"], action="view", **hide)
    await stands_still(doctor, "video")
    await doctor.call("call:update", call=call["id"], action="view")
    await doctor.receives()

    await phone.call("call:update", call=call["id"], action="media", audio=False, video=True)
    muted = await state_where(doctor, lambda it: not place(it, cast.patient)["audio"])
    assert place(muted, cast.patient)["video"]

    target = {"user": str(cast.patient.user_id)}
    assert await refused(phone, "call:moderate", call=call["id"], action="mute", **target) == (
        "forbidden"
    )
    await phone.call("call:update", call=call["id"], action="media", audio=True)
    await doctor.receives(video=0)
    await doctor.call("call:moderate", call=call["id"], action="mute", **target)
    await state_where(phone, lambda it: not place(it, cast.patient)["audio"])
    await stands_still(doctor, "audio")

    await phone.call("call:leave", call=call["id"])
    ended = await state_where(doctor, lambda it: it["state"] == "ended")
    assert ended["end_reason"] == "hung_up"
    assert await refused(phone, "call:update", call=call["id"], action="join") == "call_ended"
    await Relay(runtime).drain()
    freezes = {"action": "freezes", "freezes": 1, "frozen_ms": 10}
    assert await refused(phone, "call:update", call=call["id"], **freezes) == "not_in_call"
    kept: list[dict[str, Any]] = []
    async with asyncio.timeout(10):
        while len({each["user_id"] for each in kept if each["bitrate"]}) < 2:
            await asyncio.sleep(0.1)  # Written when the worker has let go of the sessions.
            path = f"/rooms/{room}/call/quality"
            kept = (await client.get(path, token=cast.supervisor.token)).expect(200)
    assert {each["user_id"] for each in kept} == {
        str(cast.doctor.user_id),
        str(cast.patient.user_id),
    }
    assert all(1 <= each["worst"] <= 4 and each["bitrate"] > 10_000 for each in kept)
    stood = {(each["user_id"], each["freezes"], each["frozen_seconds"]) for each in kept}
    assert stood == {(str(cast.doctor.user_id), 2, 3.3), (str(cast.patient.user_id), 0, 0.0)}
    [warned] = [each["warning"] for each in kept if each["freezes"]]
    assert warned
    inside = {"room": str(room)}
    listed = (await client.get("/calls", token=cast.supervisor.token, query=inside)).expect(200)
    [figures] = listed["items"]
    assert figures["connect_ms"] is not None
    assert (figures["id"], figures["people"]) == (call["id"], 2)
    events = [m["body"].get("event") for m in doctor.client.rooms[str(room)].log.messages]
    assert events[-2:] == ["call_started", "call_ended"]
    assert (await client.get(f"/rooms/{room}/call", token=cast.doctor.token)).expect(200) is None


async def test_a_recorded_call_is_composed_listed_linked_and_played_in_ranges(
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
    call = await started(doctor, room)
    await patient.client.wait_event("call:ring")
    await patient.call("call:accept", call=call["id"])
    await asyncio.gather(doctor.receives(150, 60), patient.receives(150, 60))
    listed = (await client.get(f"/rooms/{room}/recordings", token=cast.doctor.token)).expect(200)
    assert [each["state"] for each in listed] == ["recording"]

    await doctor.call("call:end", call=call["id"])
    await relay.drain()
    await composed(runtime, clock, client, room, cast.doctor.token)
    [recording] = (await client.get(f"/rooms/{room}/recordings", token=cast.doctor.token)).json
    assert (recording["state"], recording["note"]) == ("ready", None)
    kinds = [(each["kind"], each["user_id"]) for each in recording["files"]]
    assert kinds == [
        ("composed", None),
        ("side", str(cast.doctor.user_id)),
        ("side", str(cast.patient.user_id)),
    ]
    [whole, *_] = recording["files"]
    link = (
        await client.post(
            f"/recordings/{recording['id']}/files/{whole['id']}/link", token=cast.supervisor.token
        )
    ).expect(200)
    path = link["url"].removeprefix("/api/v1")
    answer = await client.get(path)
    assert answer.status == 200
    assert hashlib.sha256(answer.body).hexdigest() == whole["sha256"]
    part = await client.get(path, headers={"Range": "bytes=100-199"})
    assert (part.status, part.body) == (206, answer.body[100:200])

    left, right, loudness, seconds = look_at(answer.body)
    assert left < 100 < right
    assert loudness > 0.05
    assert seconds > 3
    entries = (
        await client.get("/audit?action=recording.look", token=cast.administrator.token)
    ).json
    assert [entry["user"]["id"] for entry in entries["items"]] == [str(cast.supervisor.user_id)]


async def composed(
    runtime: Runtime, clock: FakeClock, client: Client, room: UUID, token: str
) -> None:
    """Poll as the job does until no recording of the room is waiting any more."""
    composer = Composer.of(runtime)
    # Encoding yields to everything else: a busy machine needs a minute for what takes seconds.
    async with asyncio.timeout(200):
        while True:
            clock.advance(timedelta(seconds=6))
            await composer.poll()
            await composer.wait()
            listed = (await client.get(f"/rooms/{room}/recordings", token=token)).expect(200)
            if all(each["state"] in ("ready", "failed") for each in listed):
                return
            await asyncio.sleep(0.2)


def look_at(data: bytes) -> tuple[float, float, float, float]:
    """Brightness of the left and right half at the end, loudness, length in seconds."""
    with av.open(io.BytesIO(data)) as container:
        seconds = (container.duration or 0) / 1e6
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    with av.open(io.BytesIO(data)) as container:
        sound = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    late = frames[int(len(frames) * 0.9)]
    middle = late.shape[1] // 2
    rows = slice(late.shape[0] // 3, late.shape[0] // 2)
    left, right = np.median(late[rows, :middle]), np.median(late[rows, middle:])
    return float(left), float(right), float(np.sqrt((sound**2).mean())), seconds


@pytest.mark.timeout(300)
async def test_a_killed_worker_costs_a_moment_and_what_was_recorded_plays(
    attend: Attend,
    cast: Cast,
    room: UUID,
    client: Client,
    runtime: Runtime,
    relay: Relay,
    clock: FakeClock,
    workers: list[WorkerProcess],
) -> None:
    doctor = await attend(cast.doctor, "pc", 60)
    patient = await attend(cast.patient, "phone", 180)
    call = await started(doctor, room)
    await patient.client.wait_event("call:ring")
    await patient.call("call:accept", call=call["id"])
    await asyncio.gather(doctor.receives(100, 40), patient.receives(100, 40))

    clock.advance(timedelta(seconds=10))
    await workers[0].kill()
    await workers[0].start()
    await asyncio.gather(doctor.turns_to(2), patient.turns_to(2))
    await asyncio.gather(doctor.receives(100, 40), patient.receives(100, 40))
    assert len(doctor.sessions) == 2
    assert len(patient.sessions) == 2

    await doctor.call("call:end", call=call["id"])
    await relay.drain()
    await composed(runtime, clock, client, room, cast.doctor.token)
    [recording] = (await client.get(f"/rooms/{room}/recordings", token=cast.doctor.token)).json
    assert (recording["state"], recording["note"]) == ("ready", None)
    takes = {
        p.parent.name for p in (Path(runtime.config.data_dir) / "storage").rglob("*.zjr.sealed")
    }
    assert len(takes) == 2
    assert recording["duration_ms"] > 4000


async def test_a_call_that_nobody_answers_ends_by_itself_and_is_told_once_and_outside(
    attend: Attend, cast: Cast, room: UUID, runtime: Runtime, clock: FakeClock, relay: Relay
) -> None:
    doctor, laptop = await attend(cast.doctor, "pc"), await attend(cast.doctor, "laptop")
    patient, pad = await attend(cast.patient, "phone"), await attend(cast.patient, "pad")
    call = await started(doctor, room)
    for device in (patient, pad):
        await device.client.wait_event("call:ring")
    await watch_calls(runtime)
    assert [name for name, _ in patient.client.events].count("call:state") == 1, "it still rings"
    clock.advance(timedelta(seconds=61))
    await watch_calls(runtime)
    await watch_calls(runtime)
    for device in (doctor, laptop, patient, pad):
        ended = await state_where(device, lambda it: it["state"] == "ended")
        assert (ended["id"], ended["end_reason"]) == (call["id"], "no_answer")
        log = device.client.rooms[str(room)]
        await log.wait_for(lambda it: "call_ended" in lines(it.messages))
        assert lines(log.log.messages) == ["call_started", "call_ended"]
        assert log.log.messages[-1]["body"]["text"] == "视频通话对方无人接听"
    item = await patient.client.wait_event("inbox")
    assert (item["type"], item["ref"]["id"]) == ("call_missed", str(room))
    # Whoever is not there hears of it outside: the message waits for a rule to say so.
    await relay.drain()
    async with runtime.unit_of_work() as uow:
        pushes = (await uow.session.execute(select(Push.user_id, Push.code))).all()
    assert [tuple(each) for each in pushes] == [(cast.patient.user_id, "call_missed")]
    assert "inbox" not in [name for name, _ in doctor.client.events]


def lines(messages: list[dict[str, Any]]) -> list[str]:
    """What the house itself said in the room of calls."""
    events = [each["body"].get("event", "") for each in messages]
    return [event for event in events if event.startswith("call_")]


async def test_who_is_in_a_call_is_busy_for_others_and_is_not_called_twice(
    attend: Attend, cast: Cast, room: UUID
) -> None:
    doctor = await attend(cast.doctor, "pc")
    phone = await attend(cast.patient, "phone")
    both = [str(cast.doctor.user_id), str(cast.patient.user_id)]
    call = await started(doctor, room)
    await phone.client.wait_event("call:ring")
    await phone.call("call:accept", call=call["id"])
    assert await busy_in(doctor, both) == ["call", "call"]
    assert await refused(doctor, "call:start", room=str(room), media="voice") == "call_in_progress"
    await phone.call("call:leave", call=call["id"])
    await state_where(doctor, lambda it: it["state"] == "ended")
    assert await busy_in(doctor, both) == ["consultation", "consultation"], "the room goes on"


async def busy_in(watcher: Attendee, users: list[str]) -> list[str | None]:
    details = (await watcher.call("presence:watch", users=users))["details"]
    return [details[user]["busy_in"] for user in users]


async def test_a_voice_call_sends_no_picture_and_is_recorded_as_sound(
    attend: Attend,
    cast: Cast,
    room: UUID,
    client: Client,
    runtime: Runtime,
    relay: Relay,
    clock: FakeClock,
) -> None:
    doctor = await attend(cast.doctor, "pc", 60)
    # This device sends its picture all the same: nobody sees it, and no recording has it.
    phone = await attend(cast.patient, "phone", 180)
    call = await started(doctor, room, "voice")
    await phone.client.wait_event("call:ring")
    answer = await phone.call("call:accept", call=call["id"])
    places = [place(answer["call"], who) for who in (cast.doctor, cast.patient)]
    assert [(each["audio"], each["video"]) for each in places] == [(True, False)] * 2
    await asyncio.gather(doctor.receives(100, 0), phone.receives(100, 0))
    assert doctor.frames["video"] == phone.frames["video"] == 0
    await doctor.call("call:end", call=call["id"])
    await relay.drain()
    await composed(runtime, clock, client, room, cast.doctor.token)
    [recording] = (await client.get(f"/rooms/{room}/recordings", token=cast.doctor.token)).json
    assert (recording["state"], recording["note"]) == ("ready", None)
    sides = [each for each in recording["files"] if each["kind"] == "side"]
    assert {each["user_id"] for each in sides} == {
        str(cast.doctor.user_id),
        str(cast.patient.user_id),
    }
    for side in sides:
        path = f"/recordings/{recording['id']}/files/{side['id']}/link"
        link = (await client.post(path, token=cast.supervisor.token)).expect(200)
        answer = await client.get(link["url"].removeprefix("/api/v1"))
        with av.open(io.BytesIO(answer.body)) as container:
            assert [stream.type for stream in container.streams] == ["audio"]
            sound = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
        assert float(np.sqrt((sound**2).mean())) > 0.05


async def test_another_device_takes_the_call_over_and_a_lost_line_comes_back_and_nothing_rings(
    attend: Attend, cast: Cast, room: UUID
) -> None:
    doctor = await attend(cast.doctor, "pc", 60)
    phone = await attend(cast.patient, "phone", 180)
    call = await started(doctor, room)
    await phone.client.wait_event("call:ring")
    await phone.call("call:accept", call=call["id"])
    await asyncio.gather(doctor.receives(), phone.receives())
    pad = await attend(cast.patient, "pad", 180)
    moved = (await pad.call("call:update", call=call["id"], action="join"))["call"]
    assert (moved["state"], place(moved, cast.patient)["device"]) == ("active", "pad")
    await asyncio.gather(doctor.receives(), pad.receives())
    heard = await phone.client.wait_event(
        "call:state", lambda it: place(it, cast.patient)["device"] == "pad"
    )
    assert heard["state"] == "active"
    await stands_still(phone, "audio")

    connects = pad.client.connects
    await pad.client.drop()
    async with asyncio.timeout(20):
        while pad.client.connects == connects:
            await asyncio.sleep(0.05)
    found = pad.client.rooms[str(room)].call
    assert found is not None
    assert (found["id"], found["state"]) == (call["id"], "active")
    # Media does not hang on the socket: the session is still that of before.
    await asyncio.gather(doctor.receives(), pad.receives())
    assert (len(doctor.sessions), len(pad.sessions)) == (1, 1)
    rung = {
        each.device: [name for name, _ in each.client.events].count("call:ring")
        for each in (doctor, phone, pad)
    }
    assert rung == {"pc": 0, "phone": 1, "pad": 0}
    assert lines(doctor.client.rooms[str(room)].log.messages) == ["call_started"]


async def test_a_declined_call_tells_the_doctor_and_leaves_no_recording(
    attend: Attend, cast: Cast, room: UUID, client: Client
) -> None:
    doctor = await attend(cast.doctor, "pc")
    patient = await attend(cast.patient, "phone")
    call = await started(doctor, room, "voice")
    assert not place(call, cast.doctor)["video"]
    await patient.client.wait_event("call:ring")
    await patient.call("call:decline", call=call["id"])
    ended = await state_where(doctor, lambda it: it["state"] == "ended")
    assert ended["end_reason"] == "declined"
    listed = await client.get(f"/rooms/{room}/recordings", token=cast.doctor.token)
    assert listed.expect(200) == []


async def test_a_call_that_nobody_can_record_ends_with_its_name(
    attend: Attend, cast: Cast, room: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    doctor = await attend(cast.doctor, "pc")
    phone = await attend(cast.patient, "phone")
    call = await started(doctor, room)
    await phone.client.wait_event("call:ring")

    opened = WorkerLink.open_call

    async def refuse(link: WorkerLink, *names: str, record: bool, **others: Any) -> None:
        if record:
            raise RecordingUnavailable("the journal cannot be opened: No space left on device")
        await opened(link, *names, record=record, **others)

    monkeypatch.setattr(WorkerLink, "open_call", refuse)
    await phone.call("call:accept", call=call["id"])
    for each in (doctor, phone):
        ended = await state_where(each, lambda it: it["state"] == "ended")
        assert ended["end_reason"] == "recording_failed"


async def test_closing_the_room_ends_its_call(
    attend: Attend, cast: Cast, room: UUID, runtime: Runtime
) -> None:
    doctor = await attend(cast.doctor, "pc")
    await started(doctor, room)
    async with runtime.unit_of_work() as uow:
        await service.close_room(uow, room, CloseReason.COMPLETED, cast.doctor.user_id)
    ended = await state_where(doctor, lambda it: it["state"] == "ended")
    assert ended["end_reason"] == "room_closed"


async def test_who_may_not_call_is_told_why(
    attend: Attend, connect: Any, cast: Cast, room: UUID
) -> None:
    doctor = await attend(cast.doctor, "pc")
    patient = await attend(cast.patient, "phone")
    assert await refused(patient, "call:start", room=str(room), media="video") == "forbidden"
    call = await started(doctor, room)
    assert await refused(doctor, "call:start", room=str(room), media="video") == "call_in_progress"
    assert await refused(patient, "call:end", call=call["id"]) == "forbidden"
    for person in (cast.other_doctor, cast.foreign_doctor):
        stranger = await connect(person, device="pc")
        for event, payload in (
            ("call:start", {"room": str(room), "media": "video"}),
            ("call:accept", {"call": call["id"]}),
            ("call:leave", {"call": call["id"]}),
            ("call:update", {"call": call["id"], "action": "join"}),
        ):
            with pytest.raises(RequestFailed) as caught:
                await stranger.call(event, payload)
            assert caught.value.code == "not_found", event


async def test_an_answer_to_another_session_or_in_rubbish_is_refused(
    attend: Attend, cast: Cast, room: UUID
) -> None:
    doctor = await attend(cast.doctor, "pc")
    await attend(cast.patient, "phone")
    call = await started(doctor, room)
    offer = await doctor.client.wait_event("call:offer")
    stale = {"call": call["id"], "session": "0" * 32, "version": 1, "sdp": "v=0"}
    assert await refused(doctor, "call:answer", **stale) == "stale_answer"
    newer = {**stale, "session": offer["session"], "version": 77}
    assert await refused(doctor, "call:answer", **newer) == "stale_answer"


async def test_a_restart_keeps_the_session_and_a_rejoin_gives_a_fresh_one_on_the_new_device(
    attend: Attend, cast: Cast, room: UUID
) -> None:
    doctor = await attend(cast.doctor, "pc", 60)
    phone = await attend(cast.patient, "phone", 180)
    call = await started(doctor, room)
    await phone.client.wait_event("call:ring")
    await phone.call("call:accept", call=call["id"])
    await asyncio.gather(doctor.receives(), phone.receives())
    # Another network: the path is looked for anew, the session and its media go on.
    answered = await phone.call("call:update", call=call["id"], action="restart")
    assert [server["urls"] for server in answered["ice_servers"]] == [[TURN]]
    again = await phone.client.wait_event("call:offer", lambda it: it["version"] > 1)
    assert again["session"] == phone.sessions[-1]
    assert again["ice_servers"]
    await asyncio.gather(doctor.receives(), phone.receives())
    assert len(phone.sessions) == 1
    pad = await attend(cast.patient, "pad", 180)
    joined = pad.client.rooms[str(room)].call
    assert joined is not None
    assert joined["id"] == call["id"]
    answer = await pad.call("call:update", call=call["id"], action="join")
    assert place(answer["call"], cast.patient)["device"] == "pad"
    await asyncio.gather(doctor.receives(), pad.receives())
    # Whoever asks for a new path of a session that is no longer his gets one of his own.
    answer = await phone.call("call:update", call=call["id"], action="restart")
    assert place(answer["call"], cast.patient)["device"] == "phone"
    await asyncio.gather(doctor.receives(), phone.receives())
    assert len(phone.sessions) == 2


async def test_without_consent_to_record_there_is_no_call_unless_the_hospital_allows_it(
    attend: Attend, cast: Cast, room: UUID, runtime: Runtime, client: Client
) -> None:
    async with runtime.unit_of_work() as uow:
        row = await service.locked(uow, room)
        row.recording = "refused"
    doctor = await attend(cast.doctor, "pc")
    patient = await attend(cast.patient, "phone")
    assert await refused(doctor, "call:start", room=str(room), media="video") == "recording_refused"
    allow = {"value": True, "scope": "hospital"}
    path = "/settings/calls.without_recording"
    (await client.put(path, token=cast.administrator.token, json=allow)).expect(200)
    async with asyncio.timeout(10):
        while True:
            try:
                call = await started(doctor, room)
                break
            except RequestFailed:
                await asyncio.sleep(0.1)  # The change reaches the other process over the bus.
    assert not call["recording"]
    await patient.client.wait_event("call:ring")
    await patient.call("call:accept", call=call["id"])
    await doctor.receives()
    listed = await client.get(f"/rooms/{room}/recordings", token=cast.doctor.token)
    assert listed.expect(200) == []


@pytest.mark.parametrize("goes_on", [True, False])
async def test_a_consent_taken_back_in_the_middle_of_a_call_stops_the_recording_at_once(
    attend: Attend, cast: Cast, room: UUID, runtime: Runtime, client: Client, goes_on: bool
) -> None:
    allow = {"value": goes_on, "scope": "hospital"}
    path = "/settings/calls.without_recording"
    (await client.put(path, token=cast.administrator.token, json=allow)).expect(200)
    doctor = await attend(cast.doctor, "pc")
    patient = await attend(cast.patient, "phone", 180)
    call = await started(doctor, room)
    assert call["recording"] is True
    await patient.client.wait_event("call:ring")
    await patient.call("call:accept", call=call["id"])
    await asyncio.gather(doctor.receives(), patient.receives())
    relay = Relay(runtime)
    async with runtime.unit_of_work() as uow:
        await service.set_recording(uow, room, RecordingPolicy.REFUSED, cast.patient.user_id)
    await relay.drain()

    now = await client.get(f"/rooms/{room}/call", token=cast.doctor.token)
    page = await client.get(f"/rooms/{room}/messages?after=0", token=cast.doctor.token)
    lines = [m["body"].get("event") for m in page.expect(200)["messages"]]
    assert "recording_changed" in lines
    if goes_on:
        # The talk goes on, unrecorded, and everybody is told.
        assert now.expect(200)["recording"] is False
        assert "recording_stopped" in lines
        await asyncio.gather(doctor.receives(100, 30), patient.receives(100, 30))
        links = (await Controller.of(runtime)).links
        [open_call] = [each for link in links for each in await link.list_calls()]
        assert open_call["recording"] is False
    else:
        assert now.expect(200) is None
        assert "call_ended" in lines
    [recording] = (await client.get(f"/rooms/{room}/recordings", token=cast.doctor.token)).expect(
        200
    )
    assert recording["ended_at"] is not None


class TestTwoWorkers:
    @pytest.fixture
    def worker_count(self) -> int:
        return 2

    @pytest.mark.timeout(120)
    async def test_a_worker_that_is_stopped_hands_its_calls_over_before_it_goes(
        self,
        attend: Attend,
        cast: Cast,
        room: UUID,
        runtime: Runtime,
        workers: list[WorkerProcess],
    ) -> None:
        doctor = await attend(cast.doctor, "pc", 60)
        patient = await attend(cast.patient, "phone", 180)
        call = await started(doctor, room)
        await patient.client.wait_event("call:ring")
        await patient.call("call:accept", call=call["id"])
        await asyncio.gather(doctor.receives(), patient.receives())
        async with runtime.unit_of_work() as uow:
            stored = await access.stored(uow, UUID(call["id"]))
        assert stored is not None
        [carrier] = [worker for worker in workers if worker.url == stored.row.worker]
        stopping = asyncio.create_task(carrier.stop())
        await asyncio.gather(doctor.receives(), patient.receives())
        assert await stopping == 0
        await asyncio.gather(doctor.receives(), patient.receives())
        async with runtime.unit_of_work() as uow:
            moved = await access.stored(uow, UUID(call["id"]))
        assert moved is not None
        assert (moved.row.worker != carrier.url, moved.row.generation) == (True, 2)
        assert all(person.gone_since is None for person in moved.people)
        assert (len(doctor.sessions), len(patient.sessions)) == (2, 2)
        answer = await doctor.call("call:end", call=call["id"])
        assert answer["call"]["end_reason"] == "hung_up"

    @pytest.mark.timeout(300)
    async def test_a_call_moves_to_the_other_worker_when_its_own_dies_for_good(
        self,
        attend: Attend,
        cast: Cast,
        room: UUID,
        runtime: Runtime,
        clock: FakeClock,
        client: Client,
        relay: Relay,
        workers: list[WorkerProcess],
    ) -> None:
        doctor = await attend(cast.doctor, "pc", 60)
        patient = await attend(cast.patient, "phone", 180)
        call = await started(doctor, room)
        await patient.client.wait_event("call:ring")
        await patient.call("call:accept", call=call["id"])
        await asyncio.gather(doctor.receives(), patient.receives())
        async with runtime.unit_of_work() as uow:
            stored = await access.stored(uow, UUID(call["id"]))
        assert stored is not None
        [carrier] = [worker for worker in workers if worker.url == stored.row.worker]
        clock.advance(timedelta(seconds=10))
        await carrier.kill()
        await asyncio.gather(doctor.turns_to(2), patient.turns_to(2))
        await asyncio.gather(doctor.receives(), patient.receives())
        async with runtime.unit_of_work() as uow:
            moved = await access.stored(uow, UUID(call["id"]))
        assert moved is not None
        assert (moved.row.worker != carrier.url, moved.row.generation) == (True, 2)
        assert moved.row.state == "active"
        # What the dead worker had flushed comes with the next life of its disk, the gap between.
        await carrier.start()
        await doctor.call("call:end", call=call["id"])
        await relay.drain()
        await composed(runtime, clock, client, room, cast.doctor.token)
        path = f"/rooms/{room}/recordings"
        while True:
            [recording] = (await client.get(path, token=cast.doctor.token)).json
            if (recording["state"], recording["note"]) == ("ready", None):
                break
            await composed(runtime, clock, client, room, cast.doctor.token)
        folder = Path(runtime.config.data_dir) / "storage"
        takes = {path.parent.name for path in folder.rglob("*.zjr.sealed")}
        assert len(takes) == 2
        # Both parts have their second of sound at least; the move took its time between them.
        assert recording["duration_ms"] > 2000 + 1000 * GRACE_SECONDS
