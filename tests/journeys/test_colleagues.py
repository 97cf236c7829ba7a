"""Two doctors find each other, talk, show pictures and call, each at a desk of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.journeys.story import DOCTOR, DOCTOR_LOGIN, photo, see_and_hear
from tests.support.demo import Demo
from tests.support.screens import Browsers
from tests.support.staff_desk import StaffDesk

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

OTHER_LOGIN, OTHER, OTHER_INITIALS = "13800000003", "沈若水", "srs"


@pytest.mark.requirement("S4-025", "S4-034")
async def test_a_colleague_is_found_by_initials_written_to_and_called(
    demo: Demo, screens: Browsers, tmp_path: Path
) -> None:
    desk = StaffDesk(await screens.desk("doctor"), demo)
    await desk.log_in(DOCTOR_LOGIN)
    await desk.open("talks")
    await find_and_open(desk)
    # Nobody has to reach for the mouse.
    await expect(desk.screen.item("message-input")).to_be_focused()
    await desk.screen.page.keyboard.type("沈医生，有位患儿的血象想请您看看。")
    await desk.screen.page.keyboard.press("Enter")
    await desk.hears("沈医生，有位患儿的血象想请您看看。")

    other = StaffDesk(await screens.desk("colleague"), demo)
    await other.log_in(OTHER_LOGIN)
    await other.open("talks")
    talk = other.screen.page.locator('[data-testid="talk"]:visible', has_text=DOCTOR)
    await expect(talk).to_contain_text("有位患儿的血象")
    await talk.click()
    await other.hears("沈医生，有位患儿的血象想请您看看。")
    await other.say("好的，请发给我。")
    await desk.hears("好的，请发给我。")
    await desk.send_picture(photo(tmp_path))
    await other.screen.item("image-message").wait_for()

    for media in ("voice", "video"):
        await call_and_hang_up(desk, other, media)
    for each in (desk, other):
        await each.screen.picture(f"colleagues-{each.screen.name}")
        assert each.screen.complaints == [], each.screen.name


async def find_and_open(desk: StaffDesk) -> None:
    """Typed initials leave the one colleague who is meant."""
    await desk.screen.tap("new-talk")
    await desk.screen.enter("colleague-q", OTHER_INITIALS)
    found = desk.screen.page.locator('[data-testid="colleague"]:visible')
    await expect(found).to_have_count(1)
    await expect(found).to_contain_text(OTHER)
    await desk.screen.picture("colleague-found-desk")
    await found.click()
    await desk.screen.tap("colleague-go")
    await desk.screen.item("colleague-picker").wait_for(state="hidden")
    await desk.screen.item("talk-room").wait_for()


async def call_and_hang_up(desk: StaffDesk, other: StaffDesk, media: str) -> None:
    """The other rings, answers, and both hear, or also see, each other."""
    await desk.screen.tap("start-meeting")
    words = {"voice": "只用语音", "video": "视频"}[media]
    await desk.screen.item("meeting-dialog").get_by_text(words, exact=True).click()
    await desk.screen.tap("meeting-start")
    await other.screen.tap("call-accept")
    if media == "video":
        await see_and_hear(desk.screen, other.screen)
    else:
        for each in (desk, other):
            await each.screen.until_media(frames=0, energy=0.000001)
    await other.screen.picture(f"colleague-{media}-desk")
    await desk.hang_up()
    for each in (desk, other):
        await each.screen.item("call-window").wait_for(state="hidden")
