"""Recordings as people find them: who sees which, what is waited for, what is counted."""

import asyncio
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import av
import pytest

from clinical.consent import retention as holds
from clinical.consent.states import HeldThing
from core.clock import FakeClock
from core.identity.sessions import revoke_own
from core.ids import new_id
from core.jobs import JobRunner
from core.runtime import Runtime
from core.storage import ObjectInfo, Storage, StorageError
from media.calls import access as calls
from media.calls.models import CallParticipantRow, CallRow
from media.recording import access, composer, handlers, service
from media.recording.composer import Composer
from media.recording.disk import replace_file
from media.recording.frames import MANIFEST_NAME
from media.recording.jobs import drop_journals
from media.recording.orders import Order
from media.recording.process import ProductionFailed, run_production
from media.recording.rules import Next, TakeStatus, next_step
from media.recording.take import recover_take
from realtime import service as rooms
from realtime.rules import RoomState
from realtime.service import NewMember
from tests.media.recording.senders import Caller, record, session
from tests.realtime.test_retention import say
from tests.support.cast import Cast, Person
from tests.support.http import Client

SECOND = 1_000_000
START = 1_795_000_000_000_000
PATIENCE = timedelta(minutes=10)


@pytest.mark.parametrize(
    ("takes", "seconds", "expected"),
    [
        ([], 60, Next.WAIT),
        ([], 601, Next.GIVE_UP),
        ([TakeStatus("a", True, 2)], 1, Next.WAIT),
        ([TakeStatus("a", True, 2)], 2, Next.COMPOSE),
        ([TakeStatus("a", True, 2), TakeStatus("b", False, 0)], 60, Next.WAIT),
        ([TakeStatus("a", True, 2), TakeStatus("b", False, 0)], 601, Next.COMPOSE),
        ([TakeStatus("b", False, 3)], 599, Next.WAIT),
        ([TakeStatus("b", False, 3)], 601, Next.COMPOSE),
        ([TakeStatus("b", False, 0)], 601, Next.GIVE_UP),
    ],
)
def test_a_recording_waits_for_its_takes_but_not_for_ever(
    takes: list[TakeStatus], seconds: int, expected: Next
) -> None:
    ended = datetime.fromisoformat("2026-11-20T01:00:00+00:00")
    assert next_step(takes, ended, ended + timedelta(seconds=seconds), PATIENCE) is expected


@dataclass
class Story:
    """A recorded call of the doctor and the patient, over, with its takes yet to be stored."""

    room: UUID
    call: UUID
    spool: Path
    storage: Storage

    async def take(
        self,
        name: str,
        start: int,
        seconds: int,
        *,
        seal: bool = True,
        damage: bool = False,
        marks: Sequence[tuple[str, int]] = (),
    ) -> None:
        """Put a take of two talking people into the store, as a worker does."""
        people = [Caller(str(user), tone, []) for user, tone in self.people]
        end = start + seconds * SECOND
        folder = self.spool / name
        sent = [(each, session(each, start, end, "a")) for each in people]
        writer = record(folder, str(self.call), sent, start)
        for kind, at in marks:
            writer.mark(kind, start + at * SECOND, {"user": people[0].user})
        if seal:
            writer.seal("call_closed")
        else:
            writer.let_go()
        if damage:
            raw = bytearray((folder / "00001.zjr").read_bytes())
            raw[len(raw) // 2] ^= 0xFF
            (folder / "00001.zjr").write_bytes(raw)
        for path in folder.iterdir():
            if path.name != ".lock":
                key = f"recordings/{self.call}/{name}/{path.name}"
                await self.storage.put(key, path.read_bytes())

    async def stored(self, below: str = "") -> list[ObjectInfo]:
        return await self.storage.list(f"recordings/{self.call}{below}")

    people: list[tuple[UUID, float]]


@pytest.fixture
async def story(runtime: Runtime, cast: Cast) -> Story:
    async with runtime.unit_of_work() as uow:
        room = await rooms.open_room(
            uow,
            hospital_id=cast.hospital_id,
            title="复诊 · 陈安和",
            members=[NewMember(p.user_id, p.caller.role) for p in (cast.patient, cast.doctor)],
            ref_type="consultation",
            ref_id=new_id(),
            state=RoomState.ACTIVE,
        )
        call = CallRow(
            id=new_id(),
            hospital_id=cast.hospital_id,
            room_id=room,
            media="video",
            state="ended",
            started_by=cast.doctor.user_id,
            started_at=uow.now - timedelta(seconds=100),
            ring_until=uow.now,
            answered_at=uow.now - timedelta(seconds=90),
            ended_at=uow.now,
            end_reason="hung_up",
            record=True,
            worker="ws://nowhere",
            assigned_at=uow.now,
        )
        uow.session.add(call)
        await uow.session.flush()
        for position, each in enumerate((cast.doctor, cast.patient)):
            uow.session.add(_in_the_call(call.id, position, each))
        await service.begin(uow, hospital_id=cast.hospital_id, room_id=room, call_id=call.id)
        await uow.session.flush()
        await service.finish(uow, call.id)
    people = [(cast.doctor.user_id, 800.0), (cast.patient.user_id, 1500.0)]
    return Story(room, call.id, runtime.config.data_dir / "spool", runtime.storage, people)


def _in_the_call(call_id: UUID, position: int, person: Person) -> CallParticipantRow:
    return CallParticipantRow(
        call_id=call_id,
        user_id=person.user_id,
        position=position,
        role=person.caller.role.value,
        name=person.name,
        place="left",
        device="d",
        audio=True,
        video=True,
        seconds=90,
        offer_version=0,
    )


async def compose_once(runtime: Runtime, clock: FakeClock, wait: float = 10) -> None:
    clock.advance(wait)
    found = Composer.of(runtime)
    await found.poll()
    await found.wait()


async def listed(client: Client, story: Story, person: Person) -> dict[str, object]:
    answer = await client.get(f"/rooms/{story.room}/recordings", token=person.token)
    [recording] = answer.expect(200)
    return recording


async def linked(client: Client, recording: dict[str, object], person: Person) -> str:
    files = recording["files"]
    assert isinstance(files, list)
    path = f"/recordings/{recording['id']}/files/{files[0]['id']}/link"
    answer = (await client.post(path, token=person.token)).expect(200)
    return str(answer["url"]).removeprefix("/api/v1")


async def test_people_of_the_room_and_overseers_of_the_hospital_see_it_and_nobody_else(
    client: Client, cast: Cast, story: Story, runtime: Runtime, clock: FakeClock
) -> None:
    await story.take("t1", START, 3)
    await compose_once(runtime, clock)
    recording = await listed(client, story, cast.doctor)
    assert recording["state"] == "ready"
    for person in (cast.doctor, cast.patient, cast.supervisor, cast.administrator):
        assert (await listed(client, story, person))["id"] == recording["id"]
        assert (await client.get(await linked(client, recording, person))).status == 200
    path = f"/recordings/{recording['id']}/files/{recording['files'][0]['id']}/link"
    for person in (
        cast.other_patient,
        cast.other_doctor,
        cast.foreign_doctor,
        cast.foreign_supervisor,
        cast.foreign_administrator,
    ):
        answer = await client.get(f"/rooms/{story.room}/recordings", token=person.token)
        assert answer.code == "not_found"
        assert (await client.post(path, token=person.token)).code == "not_found"
    for person in (cast.operator, cast.customer_service):
        assert (await client.post(path, token=person.token)).code == "forbidden"


async def test_a_link_is_for_one_file_one_session_and_a_while(
    client: Client, cast: Cast, story: Story, runtime: Runtime, clock: FakeClock
) -> None:
    await story.take("t1", START, 3)
    await compose_once(runtime, clock)
    recording = await listed(client, story, cast.doctor)
    url = await linked(client, recording, cast.doctor)
    other = recording["files"][1]["id"]
    assert (await client.get(f"/recordings/files/{other}/content?{url.split('?')[1]}")).code == (
        "ticket_invalid"
    )
    assert (await client.get(url[:-2])).code == "ticket_invalid"
    assert (await client.get(url, headers={"Range": "bytes=99999999-"})).status == 416
    async with runtime.unit_of_work() as uow:
        await rooms.remove_member(uow, story.room, cast.doctor.user_id)
    assert (await client.get(url)).code == "not_found"
    url = await linked(client, recording, cast.supervisor)
    async with runtime.unit_of_work() as uow:
        await revoke_own(uow, cast.supervisor.caller, cast.supervisor.caller.session_id)
    assert (await client.get(url)).code == "session_revoked"
    url = await linked(client, recording, cast.patient)
    clock.advance(timedelta(hours=3))
    assert (await client.get(url)).code == "ticket_invalid"


async def test_watching_is_not_taking_away(
    client: Client, cast: Cast, story: Story, runtime: Runtime, clock: FakeClock
) -> None:
    await story.take("t1", START, 3)
    await compose_once(runtime, clock)
    recording: Any = await listed(client, story, cast.doctor)
    path = f"/recordings/{recording['id']}"
    take = f"{path}/files/{recording['files'][0]['id']}/download"
    for person, may in ((cast.doctor, False), (cast.patient, False), (cast.supervisor, True)):
        page = (await client.get(path, token=person.token)).expect(200)
        assert page["may_download"] is may
    assert (await client.post(take, token=cast.patient.token)).code == "forbidden"
    assert (await client.post(take, token=cast.doctor.token)).code == "not_permitted"
    assert (await client.post(take, token=cast.foreign_supervisor.token)).code == "not_found"
    answer = (await client.post(take, token=cast.supervisor.token)).expect(200)
    url = str(answer["url"]).removeprefix("/api/v1")
    saved = await client.get(url)
    assert saved.headers["content-disposition"].startswith("attachment; ")
    # A link to watch saves nothing.
    watch = await linked(client, recording, cast.doctor)
    assert (await client.get(watch)).headers["content-disposition"].startswith("inline; ")
    assert (await client.get(f"{watch}&download=true")).code == "ticket_invalid"
    looks = await client.get("/audit?object_type=recording", token=cast.supervisor.token)
    assert "recording.download" in {each["action"] for each in looks.expect(200)["items"]}


async def test_a_hospital_may_keep_recordings_from_patients(
    client: Client, cast: Cast, story: Story
) -> None:
    path = "/settings/recording.patient_may_watch"
    keep = {"value": False, "scope": "hospital"}
    (await client.put(path, token=cast.administrator.token, json=keep)).expect(200)
    answer = await client.get(f"/rooms/{story.room}/recordings", token=cast.patient.token)
    assert answer.code == "recording_not_shared"
    assert (await listed(client, story, cast.doctor))["state"] == "processing"


async def test_the_page_of_a_recording_holds_its_time_line_and_what_was_said_meanwhile(
    client: Client, cast: Cast, story: Story, runtime: Runtime, clock: FakeClock
) -> None:
    clock.advance(timedelta(seconds=5))
    start = round(clock.now().timestamp() * 1_000_000)
    await story.take("t1", start, 4, marks=[("joined", 0), ("left", 3)])
    clock.advance(timedelta(seconds=1))
    await say(runtime, story.room, cast.patient, "医生好")
    clock.advance(timedelta(seconds=60))
    await say(runtime, story.room, cast.patient, "录像之后的话")
    await compose_once(runtime, clock)
    recording = await listed(client, story, cast.doctor)
    path = f"/recordings/{recording['id']}"
    page = (await client.get(path, token=cast.doctor.token)).expect(200)
    assert [(each["kind"], each["user"]) for each in page["moments"]] == [
        ("joined", str(cast.doctor.user_id)),
        ("left", str(cast.doctor.user_id)),
    ]
    assert abs(page["moments"][1]["at_ms"] - 3000) < 100
    assert {each["user_id"] for each in page["people"]} == {
        str(cast.doctor.user_id),
        str(cast.patient.user_id),
    }
    assert page["layout"] == "side_by_side"
    assert page["keeping"] == {"until": "2029-11-20", "held": False}
    assert all(len(each["bars"]) > 10 for each in page["loudness"])
    said = (await client.get(f"{path}/messages", token=cast.doctor.token)).expect(200)
    assert [each["body"].get("text") for each in said["messages"]] == ["医生好"]
    # Whoever may watch but not read the room sees no chat.
    assert (await client.get(path, token=cast.administrator.token)).status == 200
    assert (await client.get(f"{path}/messages", token=cast.administrator.token)).status in (
        403,
        404,
    )
    for person in (cast.other_patient, cast.foreign_supervisor):
        assert (await client.get(path, token=person.token)).code == "not_found"
        assert (await client.get(f"{path}/messages", token=person.token)).code == "not_found"


async def test_the_stored_files_are_compared_with_their_digests(
    client: Client, cast: Cast, story: Story, runtime: Runtime, clock: FakeClock
) -> None:
    await story.take("t1", START, 3)
    await compose_once(runtime, clock)
    recording = await listed(client, story, cast.supervisor)
    path = f"/recordings/{recording['id']}/check"
    found = (await client.post(path, token=cast.supervisor.token)).expect(200)
    assert [each["whole"] for each in found] == [True, True, True]
    assert (await client.post(path, token=cast.doctor.token)).code == "forbidden"
    assert (await client.post(path, token=cast.foreign_supervisor.token)).code == "not_found"
    first, second, _ = await story.stored("/files")
    await story.storage.put(first.key, b"another film")
    await story.storage.delete(second.key)
    found = (await client.post(path, token=cast.supervisor.token)).expect(200)
    assert sorted(each["whole"] for each in found) == [False, False, True]


async def test_a_file_that_was_tampered_with_in_the_store_is_refused_and_not_played(
    client: Client, cast: Cast, story: Story, runtime: Runtime, clock: FakeClock
) -> None:
    await story.take("t1", START, 3)
    await compose_once(runtime, clock)
    recording = await listed(client, story, cast.supervisor)
    [path] = [each for each in runtime.config.data_dir.rglob("call.mp4*") if each.is_file()]
    raw = bytearray(path.read_bytes())
    # What lies there is sealed: no trace of the film's own structure.
    assert b"ftyp" not in raw
    raw[len(raw) // 2] ^= 0x01
    path.write_bytes(raw)
    url = await linked(client, recording, cast.doctor)
    with pytest.raises(StorageError):
        await client.get(url)
    found = await client.post(f"/recordings/{recording['id']}/check", token=cast.supervisor.token)
    assert [each["whole"] for each in found.expect(200)] == [False, True, True]


async def test_a_recording_is_composed_again_in_another_layout_from_its_sides(
    client: Client, cast: Cast, story: Story, runtime: Runtime, clock: FakeClock
) -> None:
    await story.take("t1", START, 3)
    await compose_once(runtime, clock)
    recording = await listed(client, story, cast.doctor)
    path = f"/recordings/{recording['id']}"
    for info in await story.stored("/t1"):
        await story.storage.delete(info.key)
    choice = {"layout": "speaker"}
    assert (await client.put(f"{path}/layout", token=cast.patient.token, json=choice)).status == 403
    page = (await client.put(f"{path}/layout", token=cast.doctor.token, json=choice)).expect(200)
    assert (page["recording"]["state"], page["arranging"]) == ("processing", True)
    # What was made before plays meanwhile.
    assert (await client.get(await linked(client, page["recording"], cast.doctor))).status == 200
    again = await client.put(f"{path}/layout", token=cast.doctor.token, json=choice)
    assert again.code == "recording_not_ready"
    await compose_once(runtime, clock)
    page = (await client.get(path, token=cast.doctor.token)).expect(200)
    assert (page["recording"]["state"], page["layout"]) == ("ready", "speaker")
    old, new = recording["files"], page["recording"]["files"]
    assert [each["kind"] for each in new] == ["composed", "side", "side"]
    assert new[0]["sha256"] != old[0]["sha256"]
    assert [each["id"] for each in new[1:]] == [each["id"] for each in old[1:]]
    content = await client.get(await linked(client, page["recording"], cast.doctor))
    with av.open(io.BytesIO(content.body)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (1280, 720)
    assert len(await story.stored("/files")) == 3


async def test_a_take_that_never_comes_is_given_up_and_composed_in_when_it_comes_after_all(
    client: Client, cast: Cast, story: Story, runtime: Runtime, clock: FakeClock
) -> None:
    await story.take("t1", START, 3)
    async with runtime.unit_of_work() as uow:
        await service.take_started(uow, story.call, "t2")
    await compose_once(runtime, clock)
    assert (await listed(client, story, cast.doctor))["state"] == "processing"
    await compose_once(runtime, clock, 601)
    recording = await listed(client, story, cast.doctor)
    assert (recording["state"], recording["note"]) == ("ready", "take_missing")
    assert 2500 < recording["duration_ms"] < 3200

    await story.take("t2", START + 5 * SECOND, 3)
    async with runtime.unit_of_work() as uow:
        await service.take_sealed(uow, story.call, "t2")
    await compose_once(runtime, clock)
    recording = await listed(client, story, cast.doctor)
    assert (recording["state"], recording["note"]) == ("ready", None)
    assert 7500 < recording["duration_ms"] < 8200
    assert len(await story.stored("/files")) == 3


async def test_segments_without_a_manifest_are_used_when_their_worker_never_returns(
    client: Client, cast: Cast, story: Story, runtime: Runtime, clock: FakeClock
) -> None:
    await story.take("t1", START, 3, seal=False)
    await compose_once(runtime, clock, 60)
    assert (await listed(client, story, cast.doctor))["state"] == "processing"
    await compose_once(runtime, clock, 601)
    recording = await listed(client, story, cast.doctor)
    assert (recording["state"], recording["note"]) == ("ready", "take_missing")


async def test_a_call_without_any_take_fails_with_its_name(
    client: Client, cast: Cast, story: Story, runtime: Runtime, clock: FakeClock
) -> None:
    await compose_once(runtime, clock, 601)
    recording = await listed(client, story, cast.doctor)
    assert (recording["state"], recording["note"]) == ("failed", "nothing_recorded")


async def test_a_damaged_journal_is_said_to_be_damaged_and_the_rest_plays(
    client: Client, cast: Cast, story: Story, runtime: Runtime, clock: FakeClock
) -> None:
    await story.take("t1", START, 3, damage=True)
    await compose_once(runtime, clock)
    recording = await listed(client, story, cast.doctor)
    assert (recording["state"], recording["note"]) == ("ready", "damaged")


async def test_the_officers_hear_of_a_disk_that_refuses_recordings(
    story: Story, client: Client, cast: Cast, runtime: Runtime
) -> None:
    event = {"call": str(story.call), "take": "t1", "problem": "disk_full", "dropped": 0}
    for _ in range(2):  # Every process hears the worker.
        await handlers.alarm_of_a_disk_that_refuses(runtime, event)
    page = (await client.get("/alarms", token=cast.administrator.token)).expect(200)
    [alarm] = [each for each in page["items"] if each["kind"] == "recording_disk"]
    assert alarm["title"] == "录制磁盘已满"
    await handlers.alarm_of_a_disk_that_refuses(runtime, event | {"call": str(new_id())})


async def test_a_failing_composition_is_tried_three_times(
    client: Client,
    cast: Cast,
    story: Story,
    runtime: Runtime,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await story.take("t1", START, 3)
    attempts = 0

    async def fail(*_: object) -> None:
        nonlocal attempts
        attempts += 1
        raise ProductionFailed("no space left")

    monkeypatch.setattr(composer, "run_production", fail)
    for _ in range(6):
        await compose_once(runtime, clock, 140)
    recording = await listed(client, story, cast.doctor)
    assert (recording["state"], recording["note"], attempts) == ("failed", "composition_failed", 3)


@pytest.mark.requirement("S0-N-021", "S0-N-022")
async def test_minutes_of_talk_and_bytes_of_recordings_are_counted(
    cast: Cast, story: Story, runtime: Runtime, clock: FakeClock
) -> None:
    await story.take("t1", START, 3)
    await compose_once(runtime, clock)
    in_store = sum(info.size for info in await story.stored())
    async with runtime.unit_of_work() as uow:
        talk = await calls.talk_time(uow, cast.hospital_id, uow.now - timedelta(days=1), uow.now)
        stored = await access.stored(uow, cast.hospital_id)
        foreign = await access.stored(uow, cast.other_hospital_id)
    assert (talk.calls, talk.minutes, talk.participant_minutes) == (1, 2, 3)
    assert (stored.recordings, stored.minutes, stored.bytes) == (1, 1, in_store)
    assert (foreign.recordings, foreign.bytes) == (0, 0)

    clock.advance(timedelta(days=8))
    await drop_journals(runtime)
    assert not [info for info in await story.stored() if info.key.endswith(".zjr")]
    async with runtime.unit_of_work() as uow:
        after = await access.stored(uow, cast.hospital_id)
    assert 0 < after.bytes < stored.bytes


async def test_journals_under_a_legal_hold_outlive_their_time_until_it_is_lifted(
    cast: Cast, story: Story, runtime: Runtime, clock: FakeClock
) -> None:
    await story.take("t1", START, 3)
    await compose_once(runtime, clock)

    async def journals() -> int:
        return len([info for info in await story.stored() if info.key.endswith(".zjr")])

    before, officer = await journals(), cast.administrator.caller
    # A hold on anybody who was in the room, here the patient's account.
    who = cast.patient.user_id
    async with runtime.unit_of_work() as uow:
        hold = await holds.place_hold(uow, officer, HeldThing.USER, who, "医疗纠纷处理中")
    clock.advance(timedelta(days=8))
    await drop_journals(runtime)
    assert await journals() == before > 0

    async with runtime.unit_of_work() as uow:
        await holds.lift_hold(uow, officer, hold.id, "纠纷已结案")
    await drop_journals(runtime)
    assert await journals() == 0
    assert await story.stored("/files")


async def test_journals_that_a_dead_process_left_behind_go_at_the_next_turn(
    story: Story, runtime: Runtime, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await story.take("t1", START, 3)
    await compose_once(runtime, clock)
    clock.advance(timedelta(days=8))

    async def die(key: str) -> None:
        raise StorageError(key)

    with monkeypatch.context() as patched:
        patched.setattr(runtime.storage, "delete", die)
        with pytest.raises(StorageError):
            await drop_journals(runtime)
    assert [info for info in await story.stored() if info.key.endswith(".zjr")]
    await drop_journals(runtime)
    assert not [info for info in await story.stored() if info.key.endswith(".zjr")]


async def test_the_job_composes_beside_other_jobs(
    client: Client,
    cast: Cast,
    story: Story,
    runtime: Runtime,
    clock: FakeClock,
    jobs: JobRunner,
) -> None:
    await story.take("t1", START, 3)
    clock.advance(10)
    await jobs.run_due()
    await Composer.of(runtime).wait()
    assert (await listed(client, story, cast.doctor))["state"] == "ready"


async def test_a_production_works_at_low_priority_and_a_cancelled_one_ends_its_process(
    tmp_path: Path,
) -> None:
    callers = [Caller("a", 800.0, []), Caller("b", 1500.0, [])]
    end = START + 90 * SECOND
    sent = [(each, session(each, START, end, "a")) for each in callers]
    record(tmp_path / "takes" / "t1", "call", sent, START).seal("call_closed")
    order = Order(takes=str(tmp_path / "takes"), out=str(tmp_path / "out"), names={"a": "甲"})
    begun = asyncio.Event()
    told: list[float] = []
    niceness: list[int] = []

    async def progress(done: float) -> None:
        told.append(done)
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            if str(tmp_path) in _read(path):
                niceness.append(os.getpriority(os.PRIO_PROCESS, int(path.parent.name)))
        begun.set()

    task = asyncio.create_task(run_production(order, progress))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # It told how far it was, and left the processor to whoever answers people.
    assert 0 < told[0] < 1
    assert min(niceness) >= os.getpriority(os.PRIO_PROCESS, 0) + 15 or min(niceness) == 19
    running = [p for p in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path) in _read(p)]
    assert running == []


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""


async def test_a_production_that_cannot_write_names_its_failure(tmp_path: Path) -> None:
    caller = Caller("a", 800.0, [])
    sent = [(caller, session(caller, START, START + 2 * SECOND, "a"))]
    record(tmp_path / "takes" / "t1", "call", sent, START).seal("call_closed")
    out = tmp_path / "out"
    (out / "call.mp4").mkdir(parents=True)
    order = Order(takes=str(tmp_path / "takes"), out=str(out), names={})
    with pytest.raises(ProductionFailed, match="directory"):
        await run_production(order)


def test_a_manifest_is_replaced_whole(tmp_path: Path) -> None:
    replace_file(tmp_path / MANIFEST_NAME, b"old")
    replace_file(tmp_path / MANIFEST_NAME, b"new")
    assert [p.name for p in tmp_path.iterdir()] == [MANIFEST_NAME]
    assert (tmp_path / MANIFEST_NAME).read_bytes() == b"new"


def test_a_recovered_take_reads_like_a_sealed_one(tmp_path: Path) -> None:
    caller = Caller("a", 800.0, [])
    sent = [(caller, session(caller, START, START + 2 * SECOND, "a"))]
    record(tmp_path / "t1", "call", sent, START)
    assert recover_take(tmp_path / "t1").packets > 90
