"""Everything that can be said in a room, on a phone and on a desk at once."""

from __future__ import annotations

import os
import re
from pathlib import Path

import av
import numpy as np
import pillow_heif
import pytest
from PIL import Image
from playwright.async_api import expect

from tests.journeys.story import (
    DOCTOR,
    DOCTOR_LOGIN,
    SUPERVISOR_LOGIN,
    Family,
    meet,
    photo,
    see_and_hear,
)
from tests.support.demo import Demo
from tests.support.patient_phone import PatientPhone
from tests.support.screens import Browsers, Screen
from tests.support.staff_desk import PASSWORD, StaffDesk

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def bubble(kind: str) -> str:
    return f'[data-testid="message"][data-kind="{kind}"]:visible'


@pytest.mark.requirement("S0-C-019", "S1-037", "S1-043", "S1-093", "S1-201", "S2-038", "S3-104")
@pytest.mark.requirement("S0-A-057b", "S1-201", "S0-C-033", "S0-P-185", "S0-C-035")
@pytest.mark.requirement("S2-010", "S4-019")
async def test_text_pictures_voice_files_and_stickers_go_both_ways(
    demo: Demo, screens: Browsers, tmp_path: Path
) -> None:
    family = Family(201, "韩笑", "韩小宝")
    picture = photo(tmp_path)
    phone, desk = await meet(screens, demo, family, picture, mode="text", recording="no")
    page = phone.screen.page
    await the_room_tells_who_the_patient_is(desk.screen, "patient-info-card", family)
    await desk.screen.page.keyboard.press("Escape")
    await a_phrase_is_found_by_a_part_of_it(desk, phone)

    # Voice: hold to talk, then play it on both sides.
    await phone.screen.tap("toggle-voice")
    await phone.hold_to_talk(seconds=2.5)
    await page.locator(bubble("voice")).first.wait_for()
    await desk.screen.item("voice").wait_for()
    await phone.screen.tap("voice-message")
    await page.locator('[data-testid="voice-message"][data-playing="true"]').wait_for()
    await phone.screen.tap("toggle-voice")

    # A sticker and a file from the phone.
    await phone.screen.tap("toggle-stickers")
    await page.locator('[data-testid^="sticker-"]:visible').first.click()
    await desk.screen.item("sticker-message").wait_for()
    report = tmp_path / "report.pdf"
    report.write_bytes(small_pdf())
    await phone.attach("file", report)
    await desk.screen.item("file-message").wait_for()

    # An iPhone's picture and a film from the phone; a picture, a film and a sticker from the desk.
    film, heic = small_film(tmp_path), tmp_path / "IMG_0001.HEIC"
    pillow_heif.from_pillow(Image.open(picture).convert("RGB")).save(heic)
    for tool, path, kind in (("image", heic, "image"), ("video", film, "video")):
        await phone.attach(tool, path)
        await page.locator(bubble(kind)).first.wait_for()
    await desk.screen.item("image-message").wait_for()
    await desk.screen.item("video-message").wait_for()
    await desk.send_picture(picture)
    async with desk.screen.page.expect_file_chooser() as chooser:
        await desk.screen.tap("tool-file")
    await (await chooser.value).set_files(film)
    await desk.screen.tap("tool-sticker")
    choice = '[data-testid^="sticker-"]:not([data-testid="sticker-message"]):visible'
    await desk.screen.page.locator(choice).first.click()
    for kind, count in (("image", 2), ("video", 2), ("sticker", 2)):
        await expect(page.locator(bubble(kind))).to_have_count(count, timeout=30_000)

    # Places: where the phone is, and what the doctor types in.
    await page.context.grant_permissions(["geolocation"])
    await page.context.set_geolocation({"latitude": 30.274, "longitude": 120.155})
    await phone.screen.tap("toggle-more")
    await phone.screen.tap("attach-place")
    await expect(phone.screen.item("place-found")).to_have_text("30.274000°N, 120.155000°E")
    await phone.screen.fill("place-address", "示范市梧桐街1号")
    await phone.screen.tap("place-send")
    await expect(desk.screen.item("location-message")).to_contain_text("示范市梧桐街1号")
    await desk.screen.tap("tool-location")
    for name, text in (("lat", "30.25"), ("lng", "120.16"), ("name", "仁和示范医院门诊楼")):
        await desk.screen.enter(f"location-{name}", text)
    await desk.screen.tap("location-send")
    await expect(page.locator(bubble("location")).last).to_contain_text("仁和示范医院门诊楼")

    await doctor_answers_by_phone(screens, demo, phone, picture, family)

    # Read marks: what the doctor has on screen is read.
    await phone.say("已经吃药两天了。")
    await desk.hears("已经吃药两天了。")
    await page.locator('[data-testid="message"][data-state="read"]:visible').first.wait_for()
    await phone.screen.picture("chat-kinds-phone")
    await desk.screen.picture("chat-kinds-desk")

    # A wrong file behind a right name is refused, and nothing is sent.
    fake = tmp_path / "photo.png"
    fake.write_bytes(b"this is no picture at all" * 40)
    await phone.attach("image", fake)
    await phone.screen.item("message-failed").wait_for()

    # Recall: the doctor takes a message back, and it is gone on the phone.
    await desk.say("发错了，请忽略。")
    await phone.hears("发错了，请忽略。")
    await desk.messages("发错了，请忽略。").last.hover()
    await desk.screen.tap("recall")
    await phone.messages("发错了，请忽略。").wait_for(state="detached")
    await desk.screen.item("voice").hover()
    await desk.screen.tap("recall")
    await expect(page.locator(bubble("voice"))).to_have_count(1)
    await the_supervisor_looks_back(screens, demo, family)
    for screen in screens.screens:
        assert screen.complaints == [], screen.name


async def the_room_tells_who_the_patient_is(screen: Screen, card: str, family: Family) -> None:
    """【患者信息】 at the top left: who, what is wrong, the pictures, whether it is the first."""
    await screen.tap("patient-info")
    shown = screen.item(card)
    told = (family.child, "男", re.compile(r"\d岁"), "夜间明显，想请医生看看", "首次问诊")
    for words in told:
        await expect(shown).to_contain_text(words)
    await expect(shown.locator("img").first).not_to_have_js_property("naturalWidth", 0)
    await screen.picture(f"patient-info-{screen.name}")


async def a_phrase_is_found_by_a_part_of_it(desk: StaffDesk, phone: PatientPhone) -> None:
    """What is typed finds the template, and its text takes the place of it."""
    box = desk.screen.item("message-input")
    await box.press_sequentially("清淡")
    await expect(desk.screen.item("phrase")).to_contain_text("请按时服药，注意休息，清淡饮食。")
    await box.press("Tab")
    await expect(box).to_have_value("请按时服药，注意休息，清淡饮食。")
    await box.press("Enter")
    await phone.hears("请按时服药，注意休息，清淡饮食。")


async def the_supervisor_looks_back(screens: Browsers, demo: Demo, family: Family) -> None:
    """Found by patient and doctor together; everything that was exchanged is there, and opens."""
    watch = StaffDesk(await screens.desk("supervisor"), demo)
    await watch.log_in(SUPERVISOR_LOGIN)
    await watch.open("consultations")
    for name, text in (("patient", family.child), ("doctor", DOCTOR)):
        await watch.screen.enter(f"filter-{name}", text)
    rows = watch.screen.page.locator('[data-testid="consultation-row"]')
    await expect(rows).to_have_count(1)
    await rows.click()
    transcript = watch.screen.item("transcript")
    await expect(transcript).to_contain_text("已经吃药两天了。")
    await transcript.locator('[data-testid="image-message"] img').first.wait_for()
    for kind in ("video-message", "file-message", "sticker-message", "location-message"):
        await transcript.locator(f'[data-testid="{kind}"]').first.wait_for()
    await watch.screen.tap("voice")
    await expect(watch.screen.item("voice")).to_have_attribute("aria-label", re.compile("暂停"))
    await watch.screen.picture("look-back-desk")

    # What was taken back is heard as well, with a reason.
    await transcript.locator('[data-testid="recalled-original"]').first.click()
    await watch.screen.enter("recalled-reason", "投诉核查")
    await watch.screen.tap("recalled-read")
    heard = watch.screen.item("recalled-voice")
    await heard.evaluate("(audio) => audio.play()")
    await expect(heard).to_have_js_property("paused", False)
    assert await heard.evaluate("(audio) => audio.duration") > 1
    await watch.screen.picture("recalled-voice-desk")


async def doctor_answers_by_phone(
    screens: Browsers, demo: Demo, patient: PatientPhone, picture: Path, family: Family
) -> None:
    """Away from the desk: words, a picture, a photograph and a voice message."""
    doctor = PatientPhone(await screens.phone("doctor-phone"), demo)
    await doctor.open("/pages/login/index")
    await doctor.screen.tap("login-by-password")
    await doctor.screen.fill("account", DOCTOR_LOGIN)
    await doctor.screen.fill("password", PASSWORD)
    await doctor.screen.tap("agree")
    await doctor.screen.tap("login")
    await doctor.screen.page.wait_for_url("**/clinician/**")
    await doctor.open("/pages/room/index" + patient.screen.page.url.partition("room/index")[2])
    here, there = doctor.screen.page, patient.screen.page
    await the_room_tells_who_the_patient_is(doctor.screen, "intake-facts", family)
    await here.reload()
    await doctor.screen.item("message-input").fill("祝您早日")
    await doctor.screen.tap("phrase-offer")
    await expect(doctor.screen.item("message-input")).to_have_value(
        "本次问诊即将结束，祝您早日康复。"
    )
    await doctor.say("我在外面，看到图片了。")
    await patient.hears("我在外面，看到图片了。")
    for tool in ("image", "camera"):
        before = await there.locator(bubble("image")).count()
        await doctor.attach(tool, picture)
        await expect(there.locator(bubble("image"))).to_have_count(before + 1, timeout=30_000)
    await doctor.screen.tap("toggle-voice")
    await doctor.hold_to_talk(seconds=2)
    await expect(there.locator(bubble("voice"))).to_have_count(2, timeout=30_000)
    await doctor.screen.picture("chat-kinds-doctor-phone")
    await doctor.screen.tap("toggle-voice")
    await the_doctor_rings_from_his_phone(doctor, patient)


async def the_doctor_rings_from_his_phone(doctor: PatientPhone, patient: PatientPhone) -> None:
    """By voice, then by video, in what was booked in text; the patient agreed to no recording, and
    is asked before the first call is answered.
    """
    await patient.screen.tap("toggle-more")
    await patient.screen.item("attach-image").wait_for()
    for media in ("voice", "video"):
        assert await patient.screen.page.get_by_test_id(f"extra-{media}").count() == 0
    for media in ("voice", "video"):
        await doctor.screen.tap("toggle-more")
        await doctor.screen.picture(f"call-{media}-choice-doctor-phone")
        await doctor.screen.tap(f"extra-{media}")
        await patient.screen.item("incoming-call").wait_for()
        question = patient.screen.page.get_by_test_id("recording-question")
        if media == "voice":
            await expect(question).to_contain_text("您可以不同意录制")
        await expect(question).to_have_count(1 if media == "voice" else 0)
        await patient.screen.picture(f"call-{media}-ringing-phone")
        await doctor.screen.picture(f"call-{media}-ringing-doctor-phone")
        await patient.accept_call()
        if media == "video":
            await see_and_hear(doctor.screen, patient.screen)
        else:
            for screen in (doctor.screen, patient.screen):
                await screen.until_media(frames=0, energy=0.000001)
        await patient.screen.item("recording-mark").wait_for()
        await patient.screen.picture(f"call-{media}-phone")
        await doctor.screen.picture(f"call-{media}-doctor-phone")
        await doctor.screen.tap("call-hangup")
        for screen in (doctor.screen, patient.screen):
            await screen.item("call-screen").wait_for(state="hidden")


def small_film(folder: Path) -> Path:
    """Two seconds of moving grey, H.264 in MP4."""
    path = folder / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(20):
            picture = np.full((120, 160, 3), number * 12, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def small_pdf() -> bytes:
    """The smallest file that is a PDF."""
    return (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\n"
        b"trailer<</Root 1 0 R>>\n%%EOF\n"
    )


async def a_large_file_waits_for_the_network_goes_on_and_can_be_cancelled(
    phone: PatientPhone, desk: StaffDesk, tmp_path: Path
) -> None:
    page = phone.screen.page
    report = (
        tmp_path
        / "一份名字很长的检查报告（门诊、住院与影像检查结果汇总，含历次复查的对比说明）.pdf"
    )
    report.write_bytes(small_pdf().replace(b"%%EOF", os.urandom(9_000_000) + b"\n%%EOF"))
    sent = []
    page.on("request", lambda request: sent.append(request.method + " " + request.url[-60:]))
    wire = await page.context.new_cdp_session(page)
    await wire.send("Network.enable")

    async def network(*, offline: bool, bytes_a_second: int) -> None:
        given = {"latency": 5, "downloadThroughput": -1, "uploadThroughput": bytes_a_second}
        await wire.send("Network.emulateNetworkConditions", {"offline": offline, **given})

    state = phone.screen.item("message-state")
    await network(offline=False, bytes_a_second=700_000)
    await phone.attach("file", report)
    await expect(state).to_contain_text(re.compile(r"上传中 [1-8]\d%"), timeout=30_000)
    await network(offline=True, bytes_a_second=0)
    await expect(state).to_contain_text("网络已断开，恢复后继续")
    await phone.screen.picture("upload-waits")
    await network(offline=False, bytes_a_second=-1)
    await desk.screen.item("file-message").wait_for()
    assert len([one for one in sent if one.startswith("POST") and one.endswith("/uploads")]) == 1
    assert len([one for one in sent if one.startswith("PATCH")]) == 4, "one piece of three twice"

    await network(offline=False, bytes_a_second=400_000)
    await phone.attach("file", report)
    await expect(state).to_contain_text("上传中")
    async with page.expect_request(lambda request: request.method == "DELETE"):
        await phone.screen.tap("cancel-upload")
    await expect(page.locator(bubble("file"))).to_have_count(1)
    await network(offline=False, bytes_a_second=-1)
    await phone.say("发完了")
    await desk.hears("发完了")
    assert await desk.screen.page.locator('[data-testid="file-message"]').count() == 1


@pytest.mark.requirement("S0-P-148")
async def test_a_lost_connection_shows_heals_and_nothing_is_missing_or_twice(
    demo: Demo, screens: Browsers, tmp_path: Path
) -> None:
    family = Family(202, "谢安宁", "谢小安")
    phone, desk = await meet(screens, demo, family, photo(tmp_path))
    await a_large_file_waits_for_the_network_goes_on_and_can_be_cancelled(phone, desk, tmp_path)
    await phone.say("一")
    await desk.hears("一")
    network = phone.screen.page.context
    await network.set_offline(True)
    await phone.screen.item("connection-banner").wait_for()
    await phone.screen.item("message-input").fill("二")
    await phone.screen.tap("send")
    for number in range(30):
        await desk.say(f"医生第{number}句")
    await network.set_offline(False)
    await desk.hears("二")
    for text in ("一", "二", "医生第0句", "医生第29句"):
        await phone.hears(text)
        assert await phone.messages(text).count() == 1
    assert await desk.messages("二").count() == 1
    numbers = await phone.screen.page.eval_on_selector_all(
        '[data-testid="message"][data-seq], [data-testid="system-message"][data-seq]',
        "all => all.map(one => Number(one.dataset.seq)).filter(Boolean)",
    )
    assert numbers == sorted(set(numbers))

    # History, after a reload, on scroll.
    await phone.screen.page.reload()
    await phone.hears("医生第29句")
    await phone.screen.page.locator('[data-testid="message-list"]:visible').hover()
    for _ in range(30):
        if await phone.messages("一").count():
            break
        await phone.screen.page.mouse.wheel(0, -3000)
        await phone.screen.page.wait_for_timeout(200)
    await phone.hears("一")
    await phone.end_and_rate(4, "孩子好多了。")
