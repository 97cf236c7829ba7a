"""A room's log as a document: who may have it, what it says, and that a change shows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import select

from core.audit.models import AuditEntry
from core.clock import FakeClock
from core.runtime import Runtime
from realtime import service
from realtime.retention import clear_what_is_over
from realtime.rules import CloseReason
from realtime.schemas import FileBody
from realtime.transcript import making
from realtime.transcript import service as transcripts
from tests.realtime.test_retention import say, upload
from tests.support.cast import Cast, Person
from tests.support.http import Client


async def made(client: Client, runtime: Runtime, who: Person, room: UUID) -> dict[str, Any]:
    """A finished transcript of the room."""
    asked = (await client.post(f"/rooms/{room}/transcripts", token=who.token)).expect(201)
    await making.make_waiting(runtime)
    shown: dict[str, Any] = (
        await client.get(f"/transcripts/{asked['id']}", token=who.token)
    ).expect(200)
    return shown


async def files_of(client: Client, who: Person, transcript: dict[str, Any]) -> dict[str, bytes]:
    path = f"/transcripts/{transcript['id']}/links"
    links = (await client.post(path, token=who.token)).expect(200)
    found = {}
    for kind in ("json", "pdf"):
        answer = await client.get("/" + links[f"{kind}_url"])
        assert answer.status == 200
        found[kind] = answer.body
    return found


async def checked(client: Client, who: Person, file: bytes) -> dict[str, Any]:
    answer = await client.post("/transcripts/check", token=who.token, body=file)
    found: dict[str, Any] = answer.expect(200)
    return found


async def test_a_transcript_holds_every_entry_and_says_what_was_recalled(
    client: Client, cast: Cast, room: UUID, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Several pages, so that nothing is lost or doubled where they meet.
    monkeypatch.setattr(making, "PAGE", 3)
    file_id = await upload(client, cast.patient)
    secret, picture, *_ = await say(
        runtime,
        room,
        cast.patient,
        "说错了的话",
        FileBody.model_validate({"file": {"id": file_id}, "caption": "红疹"}),
        "咳嗽三天",
    )
    async with runtime.unit_of_work() as uow:
        await service.recall(uow, cast.patient.caller, room, secret)

    transcript = await made(client, runtime, cast.patient, room)
    assert (transcript["state"], transcript["done"]) == ("ready", transcript["total"])
    files = await files_of(client, cast.patient, transcript)
    document = orjson.loads(files["json"])
    content = document["content"]
    assert [each["seq"] for each in content["entries"]] == [1, 2, 3, 4, 5]
    told = {each["seq"]: each for each in content["entries"]}
    assert (told[secret]["state"], "body" in told[secret]) == ("recalled", False)
    assert told[picture]["file"]["id"] == file_id
    assert len(told[picture]["file"]["sha256"]) == 64
    assert told[4]["body"] == {"text": "咳嗽三天"}
    assert [each["name"] for each in content["members"]] == ["林小满", "陈安和"]
    assert "说错了" not in files["json"].decode()
    assert files["pdf"].startswith(b"%PDF-")
    assert b"STSong-Light" in files["pdf"]
    assert b"/Image" in files["pdf"]


async def test_a_changed_file_is_told_from_the_one_that_was_made(
    client: Client, cast: Cast, room: UUID, runtime: Runtime
) -> None:
    await say(runtime, room, cast.doctor, "一日三次，饭后服用")
    transcript = await made(client, runtime, cast.doctor, room)
    files = await files_of(client, cast.doctor, transcript)
    for kind in ("json", "pdf"):
        found = await checked(client, cast.patient, files[kind])
        assert (found["intact"], found["number"]) == (True, transcript["number"])
    # How the JSON is laid out makes no difference.
    document = orjson.loads(files["json"])
    assert (await checked(client, cast.patient, orjson.dumps(document)))["intact"]

    document["content"]["entries"][1]["body"]["text"] = "一日两次，饭后服用"
    changed = await checked(client, cast.patient, orjson.dumps(document))
    assert (changed["intact"], changed["number"]) == (False, None)
    # Nor does a digest help that was made anew for the changed words.
    document["digest"]["value"] = changed["digest"]
    assert not (await checked(client, cast.patient, orjson.dumps(document)))["intact"]
    # The true words under a false digest are no document of ours either.
    document = orjson.loads(files["json"])
    document["digest"]["value"] = "0" * 64
    assert not (await checked(client, cast.patient, orjson.dumps(document)))["intact"]
    assert not (await checked(client, cast.patient, files["pdf"] + b" "))["intact"]


async def test_only_who_reads_the_room_gets_a_transcript_and_every_one_is_in_the_audit(
    client: Client, cast: Cast, room: UUID, runtime: Runtime
) -> None:
    path = f"/rooms/{room}/transcripts"
    for stranger in (cast.other_patient, cast.other_doctor, cast.foreign_supervisor):
        assert (await client.post(path, token=stranger.token)).code == "not_found"
    assert (await client.post(path, token=cast.administrator.token)).code == "forbidden"
    for person in (cast.patient, cast.doctor, cast.supervisor):
        transcript = await made(client, runtime, person, room)
        await files_of(client, person, transcript)
        # It belongs to whoever asked for it.
        foreign = f"/transcripts/{transcript['id']}/links"
        assert (await client.post(foreign, token=cast.nurse.token)).code == "not_found"
    async with runtime.unit_of_work() as uow:
        noted = await uow.session.execute(
            select(AuditEntry.action, AuditEntry.user_id).where(
                AuditEntry.action.in_(("room.export", "room.download"))
            )
        )
        assert sorted(map(tuple, noted)) == sorted(
            (action, person.user_id)
            for action in ("room.download", "room.export")
            for person in (cast.patient, cast.doctor, cast.supervisor)
        )


async def test_who_has_left_the_room_no_longer_fetches_its_transcript(
    client: Client, cast: Cast, room: UUID, runtime: Runtime
) -> None:
    transcript = await made(client, runtime, cast.doctor, room)
    async with runtime.unit_of_work() as uow:
        await service.remove_member(uow, room, cast.doctor.user_id)
    path = f"/transcripts/{transcript['id']}/links"
    assert (await client.post(path, token=cast.doctor.token)).code == "not_found"


async def test_files_go_after_some_days_and_the_digest_stays(
    client: Client, cast: Cast, room: UUID, runtime: Runtime, clock: FakeClock
) -> None:
    transcript = await made(client, runtime, cast.patient, room)
    files = await files_of(client, cast.patient, transcript)
    clock.advance(timedelta(days=8))
    await making.remove_expired(runtime)
    assert await runtime.storage.list("transcripts") == []
    async with runtime.unit_of_work() as uow:
        assert (await transcripts.check(uow, cast.patient.caller, files["json"])).intact


async def test_a_room_that_was_cleared_says_so_and_loses_its_transcripts(
    client: Client, cast: Cast, room: UUID, runtime: Runtime, clock: FakeClock
) -> None:
    await say(runtime, room, cast.patient, "咳嗽三天")
    async with runtime.unit_of_work() as uow:
        await service.close_room(uow, room, CloseReason.COMPLETED, cast.doctor.user_id)
    await made(client, runtime, cast.patient, room)
    clock.advance(timedelta(days=3 * 366))
    await clear_what_is_over(runtime)
    await making.remove_expired(runtime)
    assert await runtime.storage.list("transcripts") == []
    async with runtime.unit_of_work() as uow:
        row = await transcripts.ask(uow, cast.patient.caller, room)
    await making.make_waiting(runtime)
    document = orjson.loads(await runtime.storage.get(row.key("json")))
    states = [each["state"] for each in document["content"]["entries"]]
    assert states == ["said", "removed", "said"]
