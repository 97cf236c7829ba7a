"""News that finds people: a pop-up at the desk, the message centre on the phone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.story import DOCTOR_LOGIN, Family, meet, photo
from tests.support.demo import Demo
from tests.support.screens import Browsers
from tests.support.staff_desk import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.mark.requirement("S1-094", "S4-033", "S3-058", "S3-110")
async def test_a_new_word_pops_up_at_the_desk_and_news_is_read_on_the_phone(
    demo: Demo, screens: Browsers, tmp_path: Path
) -> None:
    family = Family(241, "邵晴", "邵小宝")
    phone, desk = await meet(screens, demo, family, photo(tmp_path))

    # The doctor is on another page when the patient writes: it pops up once and leads there. His
    # phone tells of it too.
    await desk.open("home")
    board = desk.screen.item("home-announcements")
    for kind in ("院内通知", "医院新闻", "公共信息"):
        await board.get_by_text(kind).first.wait_for()
    await desk.open("messages")
    pocket = await screens.phone("doctor-phone", "/m/#/pages/login/index")
    await pocket.tap("login-by-password")
    await pocket.fill("account", DOCTOR_LOGIN)
    await pocket.fill("password", PASSWORD)
    await pocket.tap("agree")
    await pocket.tap("login")
    await pocket.item("tab-active").wait_for()
    # His home pages, in the pocket and at the desk, show what the hospital tells its people.
    await pocket.item("announcement-strip").wait_for()
    for title in ("规范互联网复诊病历书写", "系统维护安排"):
        await pocket.sees(title)
    await phone.say("医生，您还在吗？")
    await phone.say("我想再问一句。")
    toast = desk.screen.page.locator(".notice-toast", has_text="发来新消息")
    await pocket.sees(f"{family.child}发来新消息")
    await toast.first.wait_for()
    assert await toast.count() == 1
    await desk.screen.picture("notices-popup")
    await toast.first.click()
    await desk.hears("我想再问一句。")

    # The message centre: by category, one read by a tap that opens what it is about.
    await phone.open("/pages/messages/index")
    page = phone.screen.page
    await phone.screen.tap("kind-consultation")
    accepted = page.locator('[data-testid="inbox-item"]:visible', has_text="医生已接诊").first
    await accepted.wait_for()
    await phone.screen.picture("notices-phone")
    await accepted.click()
    await phone.hears("我想再问一句。")
    await phone.open("/pages/messages/index")
    await phone.screen.tap("only-unread")
    await page.locator('[data-testid="inbox-item"]:visible', has_text="预约成功").first.wait_for()
    assert await page.locator('[data-testid="inbox-item"]', has_text="医生已接诊").count() == 0
    await phone.screen.tap("read-all")
    await phone.screen.sees("没有符合的消息")
    for screen in screens.screens:
        assert screen.complaints == [], screen.name
