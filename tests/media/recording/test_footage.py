"""Recordings that came by upload: what a body recorder filmed, lectures."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import av
import pytest

from core.clock import FakeClock
from core.files.converter import convert
from core.files.recognise import recognise
from core.identity.roles import Role
from core.runtime import Runtime
from media.recording import access
from media.recording.models import RecordingUploadRow
from realtime import service as rooms
from realtime.service import NewMember
from tests.core.files.conftest import sound_wav, video
from tests.media.recording.test_recordings import Story, linked, story
from tests.support.cast import Cast, Person
from tests.support.http import Client, Response

__all__ = ["story"]

TYPE = {"content-type": "application/offset+octet-stream", "tus-resumable": "1.0.0"}


async def uploaded(client: Client, person: Person, data: bytes, name: str) -> Response:
    """Send a recording in two pieces and have its file made; the last answer."""
    fields = {"purpose": "recording", "filename": name}
    given = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in fields.items())
    headers = {"upload-length": str(len(data)), "upload-metadata": given}
    begun = (await client.post("/uploads", token=person.token, headers=headers)).expect(201)
    path, half = f"/uploads/{begun['id']}", len(data) // 2
    for offset, piece in ((0, data[:half]), (half, data[half:])):
        headers = TYPE | {"upload-offset": str(offset)}
        sent = await client.patch(path, token=person.token, body=piece, headers=headers)
        assert sent.status == 204
    async with asyncio.timeout(60):
        while True:
            answer = await client.post(f"{path}/file", token=person.token)
            if answer.status != 200 or answer.json["file"] is not None:
                return answer


async def taken_in(
    client: Client, person: Person, data: bytes, name: str = "REC0012.mp4", **said: Any
) -> Any:
    file = (await uploaded(client, person, data, name)).expect(200)["file"]
    body = {"file_id": file["id"], "origin": "body_recorder", "title": "上门换药"} | said
    answer = await client.post("/recordings/uploads", token=person.token, json=body)
    return answer.expect(201)


async def test_what_the_body_recorder_of_a_nurse_filmed_plays_like_any_recording_of_its_room(
    client: Client, cast: Cast, story: Story, runtime: Runtime, clock: FakeClock
) -> None:
    async with runtime.unit_of_work() as uow:
        nurse = NewMember(cast.nurse.user_id, Role.NURSE)
        await rooms.add_member(uow, story.room, nurse)
    film = video("mp4", "libx264", 60)
    at = (clock.now() - timedelta(hours=2)).isoformat()
    page = await taken_in(
        client, cast.nurse, film, room_id=str(story.room), recorded_at=at, title="上门换药"
    )
    recording = page["recording"]
    assert (recording["origin"], recording["title"]) == ("body_recorder", "上门换药")
    assert (recording["state"], page["origin_at"]) == ("ready", recording["started_at"])
    assert page["came"]["sha256"] == hashlib.sha256(film).hexdigest()
    assert (page["came"]["video"], page["came"]["copied"]) == ("h264", True)
    # Everybody of the room finds it beside the calls, and it plays by ranges.
    for person in (cast.nurse, cast.patient, cast.doctor, cast.supervisor):
        path = f"/rooms/{story.room}/recordings"
        listed = (await client.get(path, token=person.token)).expect(200)
        assert recording["id"] in [each["id"] for each in listed]
        url = await linked(client, recording, person)
        part = await client.get(url, headers={"range": "bytes=4-7"})
        assert (part.status, part.body) == (206, b"ftyp")
    for stranger in (cast.other_patient, cast.other_doctor, cast.foreign_supervisor):
        path = f"/recordings/{recording['id']}"
        assert (await client.get(path, token=stranger.token)).code == "not_found"
    # There is no way round the audit of looks by the attachment that it came as.
    async with runtime.unit_of_work() as uow:
        upload = await uow.session.get_one(RecordingUploadRow, UUID(recording["id"]))
    ids = {"ids": [str(upload.file_id)]}
    assert (await client.post("/files/links", token=cast.nurse.token, json=ids)).json == {}
    # What lies in the store is sealed, and the digest is that of what plays.
    url = await linked(client, recording, cast.doctor)
    whole = (await client.get(url)).body
    assert hashlib.sha256(whole).hexdigest() == recording["files"][0]["sha256"]
    path = f"/recordings/{recording['id']}/check"
    checked = (await client.post(path, token=cast.supervisor.token)).expect(200)
    assert [each["whole"] for each in checked] == [True]
    stored = [each for each in (runtime.config.data_dir).rglob("*original*") if each.is_file()]
    assert stored
    assert all(b"ftyp" not in each.read_bytes() for each in stored)
    # What it occupies is counted with the calls.
    async with runtime.unit_of_work() as uow:
        counted = await access.stored(uow, cast.hospital_id)
    assert counted.bytes == recording["files"][0]["size"] == len(whole)


async def test_a_lecture_stands_alone_and_is_there_for_all_staff(
    client: Client, cast: Cast, story: Story
) -> None:
    page = await taken_in(
        client,
        cast.doctor,
        video("webm", "libvpx", 50),
        "课程.webm",
        origin="lecture",
        title="血压",
    )
    recording = page["recording"]
    # WebM does not play everywhere: it was encoded anew.
    assert recording["files"][0]["content_type"] == "video/mp4"
    assert (page["room_id"], page["may_arrange"]) == (None, False)
    path = f"/recordings/{recording['id']}"
    for person in (cast.other_doctor, cast.nurse, cast.pharmacist, cast.supervisor):
        listed = (await client.get("/recordings/uploads", token=person.token)).expect(200)
        assert [each["title"] for each in listed["items"]] == ["血压"]
        assert (await client.get(path, token=person.token)).status == 200
        assert (await client.get(f"{path}/messages", token=person.token)).json["messages"] == []
    assert (await client.get(path, token=cast.patient.token)).code == "not_found"
    assert (await client.get(path, token=cast.foreign_doctor.token)).code == "not_found"
    # Chapters are written by whoever uploaded it.
    chapters = {"chapters": [{"at_ms": 900, "title": "袖带"}, {"at_ms": 0, "title": "准备"}]}
    changed = await client.put(f"{path}/chapters", token=cast.doctor.token, json=chapters)
    assert [each["title"] for each in changed.expect(200)["chapters"]] == ["准备", "袖带"]
    other = await client.put(f"{path}/chapters", token=cast.other_doctor.token, json=chapters)
    assert other.code == "not_found"


async def test_who_may_upload_and_into_which_room(
    client: Client, cast: Cast, story: Story, clock: FakeClock
) -> None:
    file = (await uploaded(client, cast.doctor, video(), "a.mp4")).expect(200)["file"]
    said = {"file_id": file["id"], "origin": "body_recorder", "title": "上门"}

    async def refused(person: Person, **more: Any) -> str:
        answer = await client.post("/recordings/uploads", token=person.token, json=said | more)
        return str(answer.code)

    assert await refused(cast.patient) == "forbidden"
    assert await refused(cast.pharmacist) == "forbidden"
    # Somebody else's upload, a foreign room, a clock that runs ahead, a kind that nobody uploads.
    assert await refused(cast.other_doctor) == "file_not_found"
    assert await refused(cast.other_doctor, room_id=str(story.room)) == "not_found"
    later = (clock.now() + timedelta(days=1)).isoformat()
    assert await refused(cast.doctor, recorded_at=later) == "recorded_in_the_future"
    assert await refused(cast.doctor, origin="call") == "invalid"
    # A picture of a chat is no recording.
    assert (
        await client.post("/recordings/uploads", token=cast.doctor.token, json=said)
    ).status == 201
    assert await refused(cast.doctor) == "file_not_found"


async def test_a_broken_file_is_named_and_leaves_no_recording(client: Client, cast: Cast) -> None:
    film = video("mp4", "libx264", 30)
    torn = await uploaded(client, cast.doctor, film[: len(film) // 3], "torn.mp4")
    assert torn.code == "file_content_mismatch"
    text = await uploaded(client, cast.doctor, b"just words" * 100, "words.mp4")
    assert text.code == "file_content_mismatch"
    listed = (await client.get("/recordings/uploads", token=cast.doctor.token)).expect(200)
    assert (listed["items"], listed["may_upload"]) == ([], True)


def recorder_film(container: str, picture: str, sound: str) -> bytes:
    """Two seconds of a recorder: picture and a tone."""
    output = io.BytesIO()
    with (
        av.open(io.BytesIO(video("mp4", "libx264", 50))) as images,
        av.open(io.BytesIO(sound_wav(2.0, 48000))) as tone,
        av.open(output, "w", format=container) as target,
    ):
        made: Any = target.add_stream(picture, rate=25)
        made.width, made.height, made.pix_fmt = 160, 120, "yuv420p"
        voice: Any = target.add_stream(sound, rate=48000)
        voice.codec_context.layout = "mono"
        for frame in images.decode(video=0):
            frame.pict_type = 0
            target.mux(made.encode(frame))
        target.mux(made.encode(None))
        resampler = av.AudioResampler(voice.codec_context.format, "mono", 48000, frame_size=1024)
        for piece in tone.decode(audio=0):
            for part in resampler.resample(piece):
                target.mux(voice.encode(part))
        target.mux(voice.encode(None))
    return output.getvalue()


@pytest.mark.parametrize(
    ("container", "picture", "sound", "copied"),
    [
        ("mov", "libx264", "aac", True),
        ("matroska", "libx264", "aac", True),
        ("mov", "libx264", "pcm_s16le", False),
        ("avi", "mpeg4", "mp2", False),
        ("mpegts", "libx264", "mp2", False),
        ("webm", "libvpx", "libopus", False),
    ],
)
def test_whatever_a_recorder_writes_becomes_what_every_client_plays(
    tmp_path: Path, container: str, picture: str, sound: str, copied: bool
) -> None:
    path = tmp_path / "came"
    path.write_bytes(recorder_film(container, picture, sound))
    found = recognise(path, "")
    request = {
        "kind": "media",
        "source": str(path),
        "folder": str(tmp_path),
        "demuxer": found.demuxer,
        "max_seconds": 60,
        "everywhere": True,
    }
    answer = convert(request)
    assert (answer["content_type"], answer["source"]["copied"]) == ("video/mp4", copied)
    assert abs(answer["duration_ms"] - 2000) < 150
    with av.open(answer["file"]) as film:
        names = {stream.codec_context.name for stream in film.streams}
        assert names == {"h264", "aac"}
        assert abs((film.duration or 0) / av.time_base - 2) < 0.15
        assert sum(1 for _ in film.decode(video=0)) == 50
