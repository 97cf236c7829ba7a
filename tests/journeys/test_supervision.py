"""A supervisor watches a room, listens to its call unseen, gives it away, ends it, and writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Locator, expect

from tests.journeys.story import DOCTOR, SUPERVISOR_LOGIN, Family, meet, photo, see_and_hear
from tests.support.demo import Demo
from tests.support.screens import Browsers, Screen
from tests.support.staff_desk import StaffDesk

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.mark.requirement("S1-197")
async def test_a_supervisor_listens_unseen_mutes_reassigns_ends_and_writes(
    demo: Demo, screens: Browsers, tmp_path: Path
) -> None:
    family = Family(231, "苗青", "苗小禾")
    phone, desk = await meet(screens, demo, family, photo(tmp_path))
    await phone.say("夜里咳得睡不着。")
    await desk.start_video()
    await phone.accept_call()
    await see_and_hear(desk.screen, phone.screen)

    watch = StaffDesk(await screens.desk("supervisor"), demo)
    await watch.log_in(SUPERVISOR_LOGIN)
    await watch.open("monitor")
    row = await find_row(watch.screen, family.child)
    await expect(row).to_contain_text(DOCTOR)
    await expect(row.locator(".call")).to_contain_text("良好", timeout=30_000)

    # Into the room and its call, and nobody there sees it.
    await row.click()
    drawer = watch.screen.item("monitor-drawer")
    await expect(drawer.get_by_text("夜里咳得睡不着。", exact=True)).to_be_visible()
    await watch.screen.tap("monitor-observe")
    await give_reason(watch.screen)
    await watch.screen.item("call-observing").wait_for()
    await watch.screen.until_media(frames=20, energy=0.000001)
    await watch.screen.picture("supervision-observing")
    await desk.screen.tap("open-members")
    await expect(desk.screen.page.locator('[data-testid="member"]:visible')).to_have_count(2)
    await desk.screen.page.keyboard.press("Escape")
    for screen in (desk.screen, phone.screen):
        assert "督明远" not in await screen.page.inner_text("body"), screen.name
    await watch.screen.press(f"静音 {DOCTOR}")
    people = watch.screen.item("call-people")
    await expect(people.get_by_label("已静音", exact=True)).to_have_count(1)
    await watch.hang_up()
    await desk.hang_up()

    # To a colleague of the department; the patient is told, the doctor's desk lets go of it.
    await watch.screen.item("call-window").wait_for(state="hidden")
    await row.dblclick()
    await watch.screen.picture("supervision-drawer")
    await watch.screen.tap("monitor-reassign")
    name = await choose_colleague(watch.screen)
    assert name != DOCTOR
    await expect(row).to_contain_text(name)
    await phone.screen.sees(f"转交{name}医生继续接诊")
    await expect(desk.waiting(family.child)).to_have_count(0)
    await phone.say("新医生好。")
    await expect(drawer.get_by_text("新医生好。", exact=True)).to_be_visible()

    await watch.screen.tap("monitor-end")
    await give_reason(watch.screen)
    await phone.screen.item("composer").wait_for(state="hidden")
    await row.wait_for(state="detached")
    await phone.screen.picture("supervision-ended-phone")
    await a_word_to_the_doctor(watch, desk)
    for screen in screens.screens:
        assert screen.complaints == [], screen.name


async def a_word_to_the_doctor(watch: StaffDesk, desk: StaffDesk) -> None:
    """Of another room of his; he finds it among the talks, and the two write there alone."""
    await watch.screen.enter("monitor-q", DOCTOR)
    await watch.screen.page.locator('[data-testid="monitor-row"]', has_text=DOCTOR).first.click()
    await watch.screen.tap("monitor-word")
    await watch.screen.item("talk-room").wait_for()
    await watch.say("请留意夜间患者的回复时间。")
    await desk.open("talks")
    talk = desk.screen.page.locator('[data-testid="talk"]:visible', has_text="督导")
    await talk.first.click()
    await desk.hears("请留意夜间患者的回复时间。")
    await desk.say("收到。")
    await watch.hears("收到。")
    await watch.screen.picture("supervision-word")


async def find_row(screen: Screen, patient: str) -> Locator:
    """The one line of the monitor that a patient's name leaves."""
    await screen.enter("monitor-q", patient)
    row = screen.page.locator('[data-testid="monitor-row"]', has_text=patient)
    await expect(row).to_have_count(1)
    await expect(screen.item("monitor-shown")).to_contain_text("1")
    return row


async def give_reason(screen: Screen) -> None:
    await screen.page.locator('[data-testid="reason-preset"]:visible').first.click()
    await screen.tap("reason-confirm")
    await screen.item("reason-dialog").wait_for(state="hidden")


async def choose_colleague(screen: Screen) -> str:
    """Take the first who is not there already; returns the name."""
    free = screen.page.locator('[data-testid="colleague"]:visible:enabled').first
    name = await free.locator("strong").inner_text()
    await free.click()
    await screen.picture("supervision-reassign")
    await screen.tap("colleague-go")
    await screen.item("colleague-picker").wait_for(state="hidden")
    return name
