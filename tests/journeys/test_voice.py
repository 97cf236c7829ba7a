"""A consultation by voice, at a desk and by phone; a nurse who answers with a photo."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect

from admin.demo.accounts import SECOND_NURSE
from tests.journeys.story import DOCTOR_LOGIN, Family, log_in_as_staff, meet, photo
from tests.support.demo import Demo
from tests.support.patient_phone import PatientPhone
from tests.support.screens import Browsers, Screen

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


async def hear(*screens: Screen) -> None:
    """Wait until every screen decodes sound that goes on, and no picture."""
    for screen in screens:
        await screen.until_media(frames=0, energy=0.000001)
        before = await screen.media()
        await screen.until_media(frames=0, energy=before["energy"] + 1e-7)
        assert (await screen.media())["frames"] == 0, screen.name


@pytest.mark.requirement("S1-095")
async def test_doctor_and_patient_of_a_booked_voice_consultation_talk_at_the_desk_and_by_phone(
    demo: Demo, screens: Browsers, tmp_path: Path
) -> None:
    family = Family(301, "沈知微", "沈小禾")
    phone, desk = await meet(screens, demo, family, photo(tmp_path), mode="voice")
    # By voice and not by video is what was booked.
    assert await desk.screen.page.get_by_test_id("call-video").count() == 0
    await desk.screen.tap("call-voice")
    await desk.screen.item("call-window").wait_for()
    await phone.screen.item("incoming-call").wait_for()
    await phone.screen.picture("voice-ringing-phone")
    await phone.accept_call()
    await hear(phone.screen, desk.screen)
    await phone.screen.picture("voice-call-phone")
    await desk.screen.picture("voice-call-desk")
    await desk.hang_up()
    await phone.screen.item("call-screen").wait_for(state="hidden")

    # The same consultation on the doctor's phone.
    doctor = PatientPhone(await screens.phone("doctor-phone"), demo)
    await log_in_as_staff(doctor.screen, demo, DOCTOR_LOGIN)
    await doctor.open(f"/pages/room/index?id={desk.consultation}")
    await doctor.screen.tap("toggle-more")
    assert await doctor.screen.page.get_by_test_id("extra-video").count() == 0
    await doctor.screen.tap("extra-voice")
    await phone.screen.item("incoming-call").wait_for()
    await phone.accept_call()
    await hear(phone.screen, doctor.screen)
    await doctor.screen.tap("call-hangup")
    for screen in (phone.screen, doctor.screen):
        await screen.item("call-screen").wait_for(state="hidden")
    await phone.screen.sees("语音通话已结束")
    for screen in screens.screens:
        assert screen.complaints == [], screen.name


@pytest.mark.requirement("S0-C-143")
async def test_a_nurse_answers_with_a_photo_that_she_takes_and_a_picture_that_she_has(
    demo: Demo, screens: Browsers, tmp_path: Path
) -> None:
    picture = photo(tmp_path)
    nurse = PatientPhone(await screens.phone("nurse"), demo)
    await log_in_as_staff(nurse.screen, demo, SECOND_NURSE.phone)
    token = await nurse.screen.token()
    [waiting, *_] = demo.call("GET", "/consultations?state=waiting&kind=nursing", token)["items"]
    demo.call("POST", f"/consultations/{waiting['id']}/accept", token)
    await nurse.open(f"/pages/room/index?id={waiting['id']}")
    await nurse.screen.item("composer").wait_for()
    arrived = [
        f'[data-testid="message"][data-kind="image"][data-state="{state}"]:visible'
        for state in ("sent", "delivered", "read")
    ]
    pictures = nurse.screen.page.locator(", ".join(arrived))
    before = await pictures.count()

    # 拍照: a phone's browser opens the camera behind, and no album, for such an input.
    async with nurse.screen.page.expect_file_chooser() as chooser:
        await nurse.screen.tap("toggle-more")
        await nurse.screen.item("attach-camera").wait_for()
        await nurse.screen.picture("nurse-attach-phone")
        await nurse.screen.tap("attach-camera")
    asked = await chooser.value
    assert await asked.element.get_attribute("capture") == "environment"
    assert await asked.element.get_attribute("accept") == "image/*"
    assert not asked.is_multiple()
    await asked.set_files(picture)
    await expect(pictures).to_have_count(before + 1, timeout=30_000)

    # 图片: out of the album, without the camera.
    async with nurse.screen.page.expect_file_chooser() as chooser:
        if not await nurse.screen.page.locator('[data-testid="attach-image"]:visible').count():
            await nurse.screen.tap("toggle-more")
        await nurse.screen.tap("attach-image")
    asked = await chooser.value
    assert await asked.element.get_attribute("capture") is None
    await asked.set_files(picture)
    await expect(pictures).to_have_count(before + 2, timeout=30_000)
    # The room keeps both for the patient.
    room = demo.call("GET", f"/consultations/{waiting['id']}", token)["room_id"]
    found = demo.call("GET", f"/rooms/{room}/messages?after=0&limit=100", token)["messages"]
    sent = [each for each in found if each["kind"] == "image"]
    assert len(sent) == before + 2
    assert nurse.screen.complaints == []
