"""Recordings whose time is over go, and nothing that a legal hold lies on."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from clinical.consent import retention as holds
from clinical.consent.states import HeldThing
from core.audit.models import AuditEntry
from core.clock import FakeClock
from core.documents import document_type
from core.files import jobs as files
from core.runtime import Runtime
from media.recording import access, retention
from media.recording.models import RecordingFileRow, RecordingRow
from media.recording.rules import ended_before, last_day
from media.speech import service as speech
from media.speech.models import SpeechTextRow
from media.speech.rules import Segment, SpeechKind
from tests.core.files.conftest import video
from tests.media.recording.test_footage import taken_in
from tests.media.recording.test_recordings import START, Story, compose_once, linked, listed, story
from tests.support.cast import Cast
from tests.support.http import Client

__all__ = ["story"]

THREE_YEARS = 3 * 365 + 1


@pytest.mark.parametrize(
    ("ended", "last"),
    [
        (date(2026, 11, 20), date(2029, 11, 20)),
        (date(2024, 2, 29), date(2027, 2, 28)),
        (date(2027, 12, 31), date(2030, 12, 31)),
    ],
)
def test_a_recording_is_kept_three_years_to_the_day(ended: date, last: date) -> None:
    assert last_day(ended, 3) == last
    assert not ended < ended_before(last, 3)
    assert ended < ended_before(last + timedelta(days=1), 3)


async def grow_old(runtime: Runtime, days: int) -> None:
    """As if all recordings had ended so many days earlier: logins would not live for years."""
    async with runtime.unit_of_work() as uow:
        for row in await uow.session.scalars(select(RecordingRow)):
            assert row.ended_at is not None
            row.ended_at -= timedelta(days=days)


async def words(runtime: Runtime, story: Story, cast: Cast, recording: UUID) -> None:
    async with runtime.unit_of_work() as uow:
        await speech.ask(
            uow,
            hospital_id=cast.hospital_id,
            room_id=story.room,
            kind=SpeechKind.RECORDING,
            subject_id=recording,
        )
        row = await uow.session.scalar(select(SpeechTextRow))
        assert row is not None
        said = Segment(from_ms=0, to_ms=900, text="头晕三天", user=str(cast.patient.user_id))
        await speech.made(uow, row.id, "test", [said])


async def test_what_is_over_goes_with_its_words_and_leaves_a_tombstone(
    client: Client, cast: Cast, story: Story, runtime: Runtime, clock: FakeClock
) -> None:
    await story.take("t1", START, 3)
    await compose_once(runtime, clock)
    recording: Any = await listed(client, story, cast.doctor)
    path, recording_id = f"/recordings/{recording['id']}", UUID(recording["id"])
    await words(runtime, story, cast, recording_id)
    film = (await taken_in(client, cast.doctor, video()))["recording"]
    kept = document_type("recording")
    assert kept is not None
    async with runtime.unit_of_work() as uow:
        sealed = await kept.read(uow, recording_id)
    await grow_old(runtime, THREE_YEARS - 10)
    await retention.remove_what_is_over(runtime)
    assert (await listed(client, story, cast.doctor))["state"] == "ready"

    # A look says what goes next, and removes nothing.
    look = "/recordings/endings?days=30"
    assert (await client.get(look, token=cast.doctor.token)).code == "forbidden"
    other = await client.get(look, token=cast.foreign_supervisor.token)
    assert other.expect(200)["items"] == []
    found = (await client.get(look, token=cast.supervisor.token)).expect(200)
    assert (found["years"], len(found["items"])) == (3, 2)
    first = found["items"][0]
    assert (first["id"], first["until"], first["held"]) == (recording["id"], "2026-11-30", False)
    assert first["bytes"] == sum(each["size"] for each in recording["files"])

    await grow_old(runtime, 15)
    await retention.remove_what_is_over(runtime)
    await files.remove_orphans(runtime)
    tombstone: Any = await listed(client, story, cast.doctor)
    assert (tombstone["state"], tombstone["files"]) == ("removed", [])
    assert tombstone["removed_rule"] == "recording.keep_years=3"
    assert tombstone["removed_at"] is not None
    assert await story.stored() == []
    assert await runtime.storage.list("files") == []
    gone = f"{path}/files/{recording['files'][0]['id']}/link"
    assert (await client.post(gone, token=cast.supervisor.token)).code == "not_found"
    async with runtime.unit_of_work() as uow:
        assert await uow.session.scalar(select(func.count()).select_from(SpeechTextRow)) == 0
        entries = await uow.session.scalars(
            select(AuditEntry).where(AuditEntry.action == "recording.remove")
        )
        assert {entry.object_id for entry in entries} == {recording["id"], film["id"]}
        # The seal still has what it was set on.
        after = await kept.read(uow, recording_id)
        assert sealed is not None
        assert after is not None
        assert after.fields == sealed.fields
        assert (await access.stored(uow, cast.hospital_id)).bytes == 0
    # Again changes nothing.
    await retention.remove_what_is_over(runtime)
    assert await listed(client, story, cast.doctor) == tombstone


async def test_what_lies_under_a_legal_hold_stays_and_older_pictures_too(
    client: Client, cast: Cast, story: Story, runtime: Runtime, clock: FakeClock
) -> None:
    await story.take("t1", START, 3)
    await compose_once(runtime, clock)
    recording: Any = await listed(client, story, cast.doctor)
    path, officer = f"/recordings/{recording['id']}", cast.administrator.caller
    async with runtime.unit_of_work() as uow:
        who = cast.patient.user_id
        hold = await holds.place_hold(uow, officer, HeldThing.USER, who, "医疗纠纷处理中")
    # Composed again: the older picture is kept beside the new one, which plays.
    choice = {"layout": "speaker"}
    (await client.put(f"{path}/layout", token=cast.doctor.token, json=choice)).expect(200)
    await compose_once(runtime, clock)
    again: Any = await listed(client, story, cast.doctor)
    assert len(again["files"]) == 3
    assert again["files"][0]["id"] != recording["files"][0]["id"]
    assert len(await story.stored("/files")) == 4
    await retention.drop_superseded(runtime)
    assert len(await story.stored("/files")) == 4

    await grow_old(runtime, THREE_YEARS + 5)
    await retention.remove_what_is_over(runtime)
    page = (await client.get(path, token=cast.supervisor.token)).expect(200)
    assert (page["recording"]["state"], page["keeping"]["held"]) == ("ready", True)
    assert (await client.get(await linked(client, again, cast.supervisor))).status == 200

    async with runtime.unit_of_work() as uow:
        await holds.lift_hold(uow, officer, hold.id, "纠纷已结案")
    await retention.drop_superseded(runtime)
    assert len(await story.stored("/files")) == 3
    await retention.remove_what_is_over(runtime)
    assert (await listed(client, story, cast.supervisor))["state"] == "removed"
    async with runtime.unit_of_work() as uow:
        rows = await uow.session.scalars(select(RecordingFileRow))
        assert all(row.superseded_at is None for row in rows)
