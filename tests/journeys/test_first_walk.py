"""A revisit from payment to playback: a patient's phone, a doctor's and a supervisor's desk."""

from __future__ import annotations

import io
from pathlib import Path

import av
import pytest

from admin.demo.accounts import SIGNING_PIN
from tests.journeys.story import (
    DOCTOR,
    DOCTOR_LOGIN,
    SUPERVISOR_LOGIN,
    Family,
    know_at_hospital,
    log_in_as_staff,
    meet,
    photo,
    see_and_hear,
)
from tests.support.demo import Demo, fetch
from tests.support.patient_phone import PatientPhone
from tests.support.screens import Browsers
from tests.support.staff_desk import StaffDesk

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

TALK_SECONDS = 12


@pytest.mark.requirement("S0-P-012", "S0-N-049", "S0-N-050", "S1-039", "S1-042", "S2-039", "S4-077")
@pytest.mark.requirement("S1-106", "S4-032", "S0-A-062", "S0-C-033", "S0-P-185", "S0-P-147")
async def test_a_revisit_from_payment_to_playback(
    demo: Demo, screens: Browsers, tmp_path: Path
) -> None:
    family = Family(101, "林小满", "林果果")
    picture = photo(tmp_path)
    know_at_hospital(demo, family)
    phone, desk = await meet(screens, demo, family, picture)
    await desk.screen.picture("walk-accepted-desk")

    # The doctor reads what the hospital knows of the child; a HIS that fails disturbs nobody.
    await desk.read_records("院内病历", "支气管炎")
    fetch(f"{demo.sandbox}/_sandbox/faults", method="PUT", body={"his_records": "garbled"})
    await desk.read_records("检验", "约 5 秒后自动重试")
    fetch(f"{demo.sandbox}/_sandbox/faults", method="PUT", body={"his_records": "ok"})
    assert await desk.open_report("血常规") == {"白细胞": "11.2 ↑", "血红蛋白": "131"}

    # They chat, both ways, with a picture.
    await desk.say("您好，我是陈医生，孩子现在还咳吗？")
    await phone.hears("您好，我是陈医生，孩子现在还咳吗？")
    await phone.say("白天好些了，夜里还咳。")
    await desk.hears("白天好些了，夜里还咳。")
    await phone.send_past_prescription()
    assert "氨溴特罗口服溶液" in await desk.open_past_prescription("2026-05-06")
    await desk.send_picture(picture)
    await phone.screen.page.locator('[data-testid="message"] img:visible').first.wait_for()
    await phone.screen.picture("walk-chat-phone")
    await desk.screen.picture("walk-chat-desk")

    # The doctor calls; they see and hear each other.
    await desk.start_video()
    await phone.screen.item("incoming-call").wait_for()
    await phone.screen.picture("walk-ringing-phone")
    await phone.accept_call()
    await see_and_hear(phone.screen, desk.screen)
    await phone.screen.item("recording-mark").wait_for()
    await desk.screen.item("call-recording").wait_for()
    await phone.screen.picture("walk-call-phone")
    await desk.screen.picture("walk-call-desk")

    # A reload rejoins.
    await phone.screen.page.reload()
    await phone.screen.item("call-screen").wait_for()
    await see_and_hear(phone.screen, desk.screen)
    await desk.screen.page.wait_for_timeout(TALK_SECONDS * 1000)
    await desk.hang_up()
    await phone.screen.item("call-screen").wait_for(state="hidden")

    # The note, the end, the rating.
    await desk.write_note("急性支气管炎恢复期", "继续雾化三天，多饮水，三天后复诊。")
    await desk.screen.picture("walk-note-desk")
    await desk.end()
    await phone.screen.item("room-closed").wait_for()
    await phone.screen.picture("walk-closed-phone")

    # The doctor signs the note in the same flow; anybody who may read it can check the signature.
    await desk.screen.picture("walk-sign-desk")
    await desk.sign_note(SIGNING_PIN, DOCTOR_LOGIN)
    await desk.screen.picture("walk-signed-desk")
    await phone.screen.press("评价")
    await phone.rate(5, "医生很耐心，讲得清楚。")
    await phone.screen.sees("感谢")

    # The supervisor reads the chat and plays the recording, seeking in it.
    watch = StaffDesk(await screens.desk("supervisor"), demo)
    await watch.log_in(SUPERVISOR_LOGIN)
    await watch.look_up(family.child)
    await watch.screen.sees("白天好些了，夜里还咳。")
    await watch.play_recording()
    state = await watch.until_playing()
    assert state["duration"] >= TALK_SECONDS
    assert state["width"] >= 640
    sought = await watch.seek(state["duration"] * 0.7)
    assert sought["time"] == pytest.approx(state["duration"] * 0.7, abs=1)
    await watch.screen.picture("walk-playback-desk")
    await decode_recording(watch, state["duration"])

    # The signature holds, for the supervisor and for the patient.
    assert await watch.verify_signature() == "valid"
    await watch.screen.sees("由证书对应的私钥签署")
    await watch.screen.picture("walk-verify-desk")
    await phone.open(f"/pages/consultation/index?id={desk.consultation}")
    await phone.screen.tap("signature-mark")
    assert await phone.screen.item("verification").get_attribute("data-verdict") == "valid"
    await phone.screen.picture("walk-verify-phone")

    # Every such look is in the audit log.
    await watch.open("audit")
    await watch.screen.item("audit-table").wait_for()
    await watch.screen.picture("walk-audit-desk")
    token = await watch.screen.token()
    looks = demo.call("GET", "/audit?object_type=recording", token)["items"]
    assert any(look["user"]["name"] == "督明远" or look["role"] == "supervisor" for look in looks)

    for screen in screens.screens:
        assert screen.complaints == [], screen.name
    assert DOCTOR in await desk.screen.page.inner_text("body")


async def decode_recording(watch: StaffDesk, seconds: float) -> None:
    """The file behind the player holds picture and sound, both of the call's length."""
    url = str((await watch.player())["url"])
    response = await watch.screen.page.context.request.get(url)
    assert response.ok
    ends = {"video": 0.0, "audio": 0.0}
    frames, loudest = 0, 0.0
    with av.open(io.BytesIO(await response.body())) as container:
        for frame in container.decode(container.streams.video[0], container.streams.audio[0]):
            if isinstance(frame, av.VideoFrame):
                frames += 1
                ends["video"] = float(frame.time or 0)
            else:
                loudest = max(loudest, float(abs(frame.to_ndarray().astype(float)).max()))
                ends["audio"] = float(frame.time or 0) + frame.samples / frame.sample_rate
    assert frames > seconds * 20, "a constant rate of 25 pictures a second"
    assert loudest > 0
    assert ends["video"] == pytest.approx(seconds, abs=0.5)
    # One picture is 40 ms: the two tracks end together.
    assert ends["audio"] == pytest.approx(ends["video"] + 0.04, abs=0.1)


@pytest.mark.requirement("S1-097", "S0-C-035")
async def test_the_doctors_call_by_phone_comes_back_after_the_media_worker_was_killed(
    demo: Demo, screens: Browsers, tmp_path: Path
) -> None:
    family = Family(102, "周晓岚", "周小舟")
    phone, desk = await meet(screens, demo, family, photo(tmp_path))
    doctor = PatientPhone(await screens.phone("doctor-phone"), demo)
    await log_in_as_staff(doctor.screen, demo, DOCTOR_LOGIN)
    await doctor.open(f"/pages/room/index?id={desk.consultation}")
    await doctor.screen.tap("toggle-more")
    await doctor.screen.tap("extra-video")
    await phone.screen.item("incoming-call").wait_for()
    await doctor.screen.picture("walk-ringing-doctor-phone")
    await phone.accept_call()
    await see_and_hear(phone.screen, doctor.screen)
    await doctor.screen.picture("walk-call-doctor-phone")
    before = [await screen.connections() for screen in (phone.screen, doctor.screen)]
    demo.kill("media")
    await phone.screen.until_reconnected(before[0])
    await doctor.screen.until_reconnected(before[1])
    await see_and_hear(phone.screen, doctor.screen)
    await doctor.screen.tap("call-hangup")
    for screen in (phone.screen, doctor.screen):
        await screen.item("call-screen").wait_for(state="hidden")
    await desk.write_note("复诊", "继续观察。")
    await desk.end()
    watch = StaffDesk(await screens.desk("supervisor"), demo)
    await watch.log_in(SUPERVISOR_LOGIN)
    await watch.look_up(family.child)
    await watch.play_recording()
    state = await watch.until_playing()
    await decode_recording(watch, state["duration"])


async def test_a_chat_survives_the_death_of_the_web_process(
    demo: Demo, screens: Browsers, tmp_path: Path
) -> None:
    family = Family(103, "吴念", "吴小雨")
    phone, desk = await meet(screens, demo, family, photo(tmp_path))
    await desk.say("一")
    await phone.hears("一")
    demo.kill("web")
    # Written while nobody answers; it goes out by itself when the server is back.
    await phone.screen.item("message-input").fill("二")
    await phone.screen.tap("send")
    await desk.hears("二")
    await desk.say("三")
    await phone.hears("三")
    for text in ("一", "二", "三"):
        assert await phone.messages(text).count() == 1
        assert await desk.messages(text).count() == 1
