"""Speech to text with a real engine, and with the cloud's protocol: who gets which words."""

import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from clinical.sandbox import keys
from clinical.sandbox.server import SandboxServer
from core.clock import FakeClock
from core.ids import new_id
from core.runtime import Runtime
from media.recording.models import RecordingFileRow, RecordingRow
from media.speech import service
from media.speech.gateway import (
    LocalRecogniser,
    Recogniser,
    RecognitionFailed,
    TencentRecogniser,
    tc3_signature,
)
from media.speech.models import SpeechTextRow
from media.speech.rules import Segment, SpeechKind, subtitles
from media.speech.transcriber import Transcriber
from realtime.models import MessageRow
from realtime.rules import MessageKind
from realtime.schemas import FileBody
from realtime.sending import Send, Sent, send_messages
from tests.media.recording.test_recordings import Story, story
from tests.support.cast import Cast, Person
from tests.support.http import Client
from tests.support.outside import Payer, made_keys, payer, sandbox

__all__ = ["made_keys", "payer", "sandbox", "story"]

SPOKEN = Path(__file__).with_name("go-somewhere.ogg")
WORDS = "go somewhere and do something"


async def quiet(_: float) -> None:
    return None


async def send_voice(
    client: Client, runtime: Runtime, room: UUID, who: Person, source: Path = SPOKEN
) -> int:
    """Upload sound and send it; returns the message's number."""
    body = (
        b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nmessage'
        b'\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a.ogg"\r\n'
        b"Content-Type: audio/ogg\r\n\r\n" + source.read_bytes() + b"\r\n--b--\r\n"
    )
    headers = {"content-type": "multipart/form-data; boundary=b"}
    answer = await client.post("/files", token=who.token, body=body, headers=headers)
    file = FileBody.model_validate({"file": {"id": answer.expect(201)["id"]}})
    send = Send(who.caller, room, new_id(), MessageKind.VOICE, file, None)
    async with runtime.unit_of_work() as uow:
        [sent] = await send_messages(uow, [send])
    assert isinstance(sent, Sent)
    return sent.seq


async def recognise_once(runtime: Runtime, clock: FakeClock, wait: float = 1) -> None:
    clock.advance(wait)
    found = Transcriber.of(runtime)
    await found.poll()
    await found.wait()


@pytest.fixture
def engine(runtime: Runtime) -> None:
    runtime.provide(Recogniser, LocalRecogniser("pocketsphinx"))


@pytest.mark.usefixtures("engine")
async def test_a_voice_message_is_read_found_and_forgotten_when_it_is_recalled(
    client: Client, cast: Cast, story: Story, runtime: Runtime, clock: FakeClock
) -> None:
    seq = await send_voice(client, runtime, story.room, cast.patient)
    path = f"/rooms/{story.room}/messages/{seq}/text"
    found = (await client.get(path, token=cast.doctor.token)).expect(200)
    assert (found["state"], found["available"]) == ("none", True)
    for _ in range(2):
        asked = (await client.post(path, token=cast.doctor.token)).expect(200)
        assert asked["state"] == "waiting"
    for stranger in (cast.other_doctor, cast.other_patient, cast.foreign_supervisor):
        assert (await client.post(path, token=stranger.token)).code == "not_found"
    await recognise_once(runtime, clock)
    found = (await client.get(path, token=cast.patient.token)).expect(200)
    [segment] = found["segments"]
    assert segment["text"] == WORDS
    assert segment["user"] == str(cast.patient.user_id)
    assert 0 <= segment["from_ms"] < segment["to_ms"] <= 3300

    query = {"q": "somewhere"}
    hits = (await client.get("/rooms/search", token=cast.doctor.token, query=query)).expect(200)
    [hit] = hits["items"]
    assert hit["message"]["seq"] == seq
    assert "".join(each["text"] for each in hit["fragments"]).endswith(WORDS)
    other = await client.get("/rooms/search", token=cast.other_doctor.token, query=query)
    assert other.expect(200)["items"] == []

    async with runtime.unit_of_work() as uow:
        row = await uow.session.get_one(MessageRow, (story.room, seq))
        row.recalled_at = uow.now
    assert (await client.get(path, token=cast.doctor.token)).code == "not_found"
    hits = (await client.get("/rooms/search", token=cast.doctor.token, query=query)).expect(200)
    assert hits["items"] == []


async def ready_recording(story: Story, cast: Cast, runtime: Runtime) -> UUID:
    """A recording of which the patient's side is the spoken sample."""
    async with runtime.unit_of_work() as uow:
        row = await uow.session.scalar(
            RecordingRow.__table__.select()
            .with_only_columns(RecordingRow.id)
            .where(RecordingRow.call_id == story.call)
        )
        assert row is not None
        recording_id = UUID(str(row))
        key = f"recordings/{story.call}/files/x/side.ogg"
        recording = await uow.session.get_one(RecordingRow, recording_id)
        recording.state, recording.duration_ms = "ready", 3000
        uow.session.add(
            RecordingFileRow(
                id=new_id(),
                recording_id=recording_id,
                kind="side",
                user_id=cast.patient.user_id,
                name="side",
                content_type="audio/ogg",
                size=1,
                duration_ms=3000,
                sha256="0" * 64,
                storage_key=key,
                position=1,
                created_at=uow.now,
            )
        )
        await service.ask(
            uow,
            hospital_id=cast.hospital_id,
            room_id=story.room,
            kind=SpeechKind.RECORDING,
            subject_id=recording_id,
        )
    await runtime.storage.put(key, SPOKEN, cast.hospital_id)
    return recording_id


@pytest.mark.requirement("S1-096")
@pytest.mark.usefixtures("engine")
async def test_a_recorded_consultation_is_read_by_whoever_may_watch_it(
    client: Client, cast: Cast, story: Story, runtime: Runtime, clock: FakeClock
) -> None:
    recording_id = await ready_recording(story, cast, runtime)
    path = f"/recordings/{recording_id}"
    early = await client.get(f"{path}/subtitles.vtt", token=cast.doctor.token)
    assert early.code == "speech_not_ready"
    await recognise_once(runtime, clock)
    found = (await client.get(f"{path}/text", token=cast.doctor.token)).expect(200)
    assert [(each["user"], each["text"]) for each in found["segments"]] == [
        (str(cast.patient.user_id), WORDS)
    ]
    file = await client.get(f"{path}/subtitles.vtt", token=cast.doctor.token)
    assert file.status == 200
    assert file.body.decode().startswith("WEBVTT\n\n1\n00:00:0")
    assert f"<v {cast.patient.name}>{WORDS}" in file.body.decode()
    for stranger in (cast.other_doctor, cast.foreign_administrator):
        assert (await client.get(f"{path}/text", token=stranger.token)).code == "not_found"
        answer = await client.get(f"{path}/subtitles.vtt", token=stranger.token)
        assert answer.code == "not_found"


async def test_a_failing_engine_is_tried_three_times_and_again_when_somebody_asks(
    client: Client, cast: Cast, story: Story, runtime: Runtime, clock: FakeClock
) -> None:
    class Broken:
        name = "broken"
        calls = 0

        async def recognise(self, source: Path, work: Path, hear: object) -> list[Segment]:
            assert source.stat().st_size > 1000
            self.calls += 1
            raise RecognitionFailed("out of order")

    seq = await send_voice(client, runtime, story.room, cast.patient)
    path = f"/rooms/{story.room}/messages/{seq}/text"
    assert (await client.post(path, token=cast.doctor.token)).code == "speech_not_configured"
    broken = Broken()
    runtime.provide(Recogniser, broken)
    (await client.post(path, token=cast.doctor.token)).expect(200)
    for _ in range(6):
        await recognise_once(runtime, clock, 100)
    found = (await client.get(path, token=cast.doctor.token)).expect(200)
    assert (found["state"], broken.calls) == ("failed", 3)
    asked = (await client.post(path, token=cast.doctor.token)).expect(200)
    assert asked["state"] == "waiting"


async def test_the_lease_of_a_dead_process_runs_out(
    cast: Cast, story: Story, runtime: Runtime, clock: FakeClock
) -> None:
    await ready_recording(story, cast, runtime)
    async with runtime.unit_of_work() as uow:
        assert await service.claim(uow) is not None
    async with runtime.unit_of_work() as uow:
        assert await service.claim(uow) is None
    clock.advance(timedelta(seconds=61))
    async with runtime.unit_of_work() as uow:
        assert await service.claim(uow) is not None


@pytest.mark.parametrize(
    ("engine", "source", "says"),
    [
        ("sherpa", "voice.ogg", "sherpa"),
        ("pocketsphinx", "words.txt", "InvalidDataError"),
        ("hal", "voice.ogg", "there is no engine 'hal'"),
    ],
)
async def test_an_engine_that_cannot_work_says_why(
    tmp_path: Path, engine: str, source: str, says: str
) -> None:
    shutil.copy(SPOKEN, tmp_path / "voice.ogg")
    (tmp_path / "words.txt").write_text("no sound at all")
    with pytest.raises(RecognitionFailed, match=says):
        await LocalRecogniser(engine).recognise(tmp_path / source, tmp_path, quiet)


@pytest.fixture
async def cloud(sandbox: SandboxServer, clock: FakeClock) -> AsyncIterator[TencentRecogniser]:
    secret = keys.load(sandbox.config.folder).secrets.speech_secret
    url = f"{sandbox.url}/tencent-asr"
    made = TencentRecogniser(url, keys.KEY_ID, secret, clock.now, poll_seconds=0.01)
    yield made
    await made.aclose()


async def test_the_cloud_recognises_in_its_own_protocol(
    sandbox: SandboxServer,
    payer: Payer,
    cloud: TencentRecogniser,
    clock: FakeClock,
    tmp_path: Path,
) -> None:
    [segment] = await cloud.recognise(SPOKEN, tmp_path, quiet)
    assert (segment.from_ms, segment.to_ms, segment.text) == (200, 3800, "您好，最近感觉怎么样？")
    await payer.fault(speech="failed")
    with pytest.raises(RecognitionFailed, match="Failed to decode"):
        await cloud.recognise(SPOKEN, tmp_path, quiet)
    await payer.fault(speech="error")
    with pytest.raises(RecognitionFailed, match="500"):
        await cloud.recognise(SPOKEN, tmp_path, quiet)
    await payer.fault(speech="ok")
    url = f"{sandbox.url}/tencent-asr"
    forger = TencentRecogniser(url, keys.KEY_ID, "another secret", clock.now)
    with pytest.raises(RecognitionFailed, match="SignatureFailure"):
        await forger.recognise(SPOKEN, tmp_path, quiet)
    await forger.aclose()


def test_the_cloud_signature_depends_on_body_host_and_time() -> None:
    made = tc3_signature("secret", "asr.example", b"{}", 1_795_000_000)
    assert len(made) == 64
    others = {
        tc3_signature("secret", "asr.example", b"{ }", 1_795_000_000),
        tc3_signature("secret", "asr.test", b"{}", 1_795_000_000),
        tc3_signature("secret", "asr.example", b"{}", 1_795_000_001),
        tc3_signature("Secret", "asr.example", b"{}", 1_795_000_000),
    }
    assert made not in others
    assert len(others) == 4


def test_subtitles_carry_voices_and_no_markup_of_what_was_said() -> None:
    long = "血压" * 30
    made = subtitles(
        [
            Segment(from_ms=3_661_042, to_ms=3_662_000, text="a <b> & \n\n-->", user="u"),
            Segment(from_ms=0, to_ms=0, text=long),
        ],
        {"u": "周 <医生>"},
    )
    assert "01:01:01.042 --> 01:01:02.000\n<v 周 &lt;医生&gt;>a &lt;b&gt; &amp; --&gt;\n" in made
    assert "00:00:00.000 --> 00:00:00.500\n" + long[:42] + "\n" + long[42:] in made


async def test_words_of_a_recorded_consultation_are_found_at_their_second(
    client: Client, cast: Cast, story: Story, runtime: Runtime
) -> None:
    recording_id = await ready_recording(story, cast, runtime)
    patient = str(cast.patient.user_id)
    said = [
        Segment(from_ms=0, to_ms=900, text="您好", user=str(cast.doctor.user_id)),
        Segment(from_ms=62_000, to_ms=64_000, text="这几天头晕，早上起来最明显", user=patient),
    ]
    async with runtime.unit_of_work() as uow:
        row = await uow.session.scalar(select(SpeechTextRow))
        assert row is not None
        await service.made(uow, row.id, "test", said)

    async def search(person: Person, q: str, **more: str) -> Any:
        query = {"q": q} | more
        return await client.get("/spoken-words", token=person.token, query=query)

    for person in (cast.doctor, cast.patient, cast.supervisor):
        [hit] = (await search(person, "头晕 早上", room=str(story.room))).expect(200)["items"]
        assert (hit["recording_id"], hit["at_ms"]) == (str(recording_id), 62_000)
        assert [each["text"] for each in hit["fragments"] if each["hit"]] == ["头晕", "早上"]
    assert hit["speaker"] == cast.patient.name
    assert (await search(cast.doctor, "发烧")).expect(200)["items"] == []
    assert (await search(cast.doctor, "头晕", room=str(new_id()))).expect(200)["items"] == []
    for stranger in (cast.other_doctor, cast.other_patient, cast.foreign_supervisor):
        assert (await search(stranger, "头晕")).expect(200)["items"] == []
    assert (await search(cast.doctor, " ")).code == "invalid"
    assert (await search(cast.customer_service, "头晕")).code == "forbidden"
