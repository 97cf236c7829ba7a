"""A nurse's first day: a preset account, the profile on the phone, the review, an active one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.story import log_in_as_staff, photo
from tests.support.demo import Demo
from tests.support.screens import Browsers, Screen
from tests.support.staff_desk import StaffDesk

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

NURSE, ADMINISTRATOR = "13800000005", "13800000006"


async def add_certificate(phone: Screen, picture: Path) -> None:
    """A licence with its photo."""
    await phone.tap("add-certificate")
    await phone.fill("certificate-number", "201299990012345")
    await phone.fill("issued_on", "2012-07-01")
    async with phone.page.expect_file_chooser() as chooser:
        await phone.tap("add-photo")
    await (await chooser.value).set_files(picture)
    await phone.item("photo").wait_for()
    await phone.tap("save-certificate")
    await phone.sees("待审核")


@pytest.mark.requirement("S0-C-100", "S1-130", "S1-131")
async def test_a_preset_nurse_account_becomes_active(
    demo: Demo, screens: Browsers, tmp_path: Path
) -> None:
    phone = await screens.phone("nurse")
    await log_in_as_staff(phone, demo, NURSE)
    await phone.page.goto(f"{demo.url}/m/#/clinician/practice/index")
    await phone.sees("账号尚未激活")

    await phone.tap("practice-submit")
    await phone.sees("请选择从业时间")
    await phone.fill("practice_start", "2012-07-01")
    await phone.fill("expertise", "伤口护理、压疮护理")
    await phone.tap("add-work")
    await phone.fill("work-place", "仁和示范互联网医院")
    await phone.fill("work-role", "主管护师")
    await phone.fill("work-since", "2012-07-01")
    await phone.tap("keep-work")
    await phone.tap("practice-submit")
    await phone.sees("资料正在审核")
    await add_certificate(phone, photo(tmp_path))
    await phone.picture("nurse-profile")

    desk = StaffDesk(await screens.desk("administrator"), demo)
    await desk.log_in(ADMINISTRATOR)
    await desk.open("reviews")
    await desk.screen.tap("review-open")
    await desk.screen.sees("主管护师")
    await desk.screen.picture("nurse-review")
    await desk.screen.tap("review-approve")
    await desk.screen.sees("没有待处理的资料")

    await phone.page.reload()
    await phone.item("practice-submit").wait_for()
    assert await phone.page.get_by_text("账号尚未激活").count() == 0
    assert phone.complaints == desk.screen.complaints == []
