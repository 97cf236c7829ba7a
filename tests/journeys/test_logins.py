"""Coming in: a second factor, the hospital's own login, a desk that was left alone."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator

from tests.journeys.story import DOCTOR_LOGIN, OPERATOR_LOGIN
from tests.support.demo import Demo
from tests.support.screens import Browsers, Screen
from tests.support.staff_desk import PASSWORD, StaffDesk

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

IDLE_MINUTES = 31
# The page's own clock runs ahead or back; timers of the page keep their pace.
SHIFT_CLOCK = """(minutes) => {
  const now = Date.now;
  Date.now = () => now() + minutes * 60000;
  localStorage.removeItem('zhenjian.touched');
}"""


# The operator's last code is long past; the supervisor's would have to wait for a minute.
async def test_an_operator_shows_a_second_factor_and_gets_in(demo: Demo, screens: Browsers) -> None:
    desk = StaffDesk(await screens.desk("operator"), demo)
    await desk.log_in(OPERATOR_LOGIN)
    await desk.open("system")
    assert desk.screen.complaints == []


@pytest.mark.requirement("S3-040")
async def test_a_doctor_comes_in_through_the_hospitals_own_login(
    demo: Demo, screens: Browsers
) -> None:
    screen = await screens.desk("doctor")
    await screen.tap("login-sso")
    await screen.page.wait_for_url("**/oidc/authorize**")
    await screen.tap("sso-doctor")
    await screen.item("profile-menu").wait_for()


@pytest.mark.requirement("S4-016")
async def test_a_desk_left_alone_is_locked_and_nothing_typed_is_lost(
    demo: Demo, screens: Browsers
) -> None:
    desk = StaffDesk(await screens.desk("doctor"), demo)
    await desk.log_in(DOCTOR_LOGIN)
    await desk.open("phrases")
    await desk.screen.tap("add-phrase")
    await _draft(desk.screen).fill("还没有写完的话")
    await desk.screen.page.evaluate(SHIFT_CLOCK, IDLE_MINUTES)
    await desk.screen.item("lock-screen").wait_for()
    await desk.screen.picture("login-locked")
    await desk.screen.page.evaluate(SHIFT_CLOCK, -IDLE_MINUTES)
    await desk.screen.item("lock-login").fill(DOCTOR_LOGIN)
    await desk.screen.item("lock-password").fill(PASSWORD)
    await desk.screen.tap("lock-submit")
    await desk.screen.item("lock-screen").wait_for(state="hidden")
    assert await _draft(desk.screen).input_value() == "还没有写完的话"
    await desk.screen.tap("save-phrase")
    await desk.screen.sees("已保存")


def _draft(screen: Screen) -> Locator:
    return screen.page.locator("textarea:visible").last
