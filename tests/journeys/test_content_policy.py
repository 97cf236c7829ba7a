"""What browsers enforce: every app is used in a real one, and nothing of ours is refused."""

from __future__ import annotations

import pytest

from tests.journeys.story import DOCTOR_LOGIN, OPERATOR_LOGIN
from tests.support.demo import Demo
from tests.support.patient_phone import PatientPhone
from tests.support.screens import Browsers
from tests.support.staff_desk import StaffDesk

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PATIENT_LOGIN = "13800000001"
# Injected markup: an inline handler, an inline script, a text that wants to become code.
ATTACK = """
() => {
  const seen = [];
  const note = (event) => seen.push(event.effectiveDirective);
  document.addEventListener('securitypolicyviolation', note);
  window.__attacked = 0;
  const image = '<img src="data:," onerror="window.__attacked = 1">';
  document.body.insertAdjacentHTML('beforeend', image);
  const script = document.createElement('script');
  script.textContent = 'window.__attacked = 2';
  document.body.append(script);
  const foreign = document.createElement('script');
  foreign.src = 'https://evil.test/x.js';
  document.body.append(foreign);
  const style = document.createElement('style');
  style.textContent = 'body { color: red }';
  document.body.append(style);
  // The browser's own tools may evaluate text; a timer of the page may not.
  setTimeout('window.__attacked = 3', 0);
  return new Promise((done) => setTimeout(() => done({ seen, attacked: window.__attacked }), 500));
}
"""


@pytest.mark.requirement("S4-074")
async def test_no_app_needs_what_the_content_policy_forbids(demo: Demo, screens: Browsers) -> None:
    desk = StaffDesk(await screens.desk("doctor"), demo)
    await desk.log_in(DOCTOR_LOGIN)
    await desk.open("reception")
    await desk.screen.item("queue-row").wait_for()
    await desk.screen.item("queue-row").click()
    await desk.screen.item("conversation").wait_for()

    keeper = StaffDesk(await screens.desk("operator"), demo)
    await keeper.log_in(OPERATOR_LOGIN)
    await keeper.open("system")
    await keeper.screen.item("outside-systems").wait_for()
    await keeper.screen.picture("policy-system-desk")

    phone = PatientPhone(await screens.phone("patient"), demo)
    await phone.log_in(PATIENT_LOGIN)
    mine = demo.call("GET", "/consultations?state=active", await phone.screen.token())["items"]
    await phone.open(f"/pages/room/index?id={mine[0]['id']}")
    await phone.screen.item("message").wait_for()
    await phone.screen.picture("policy-room-phone")

    other = await screens.desk("visitor")
    for path in ("/", "/api/docs"):
        await other.page.goto(demo.url + path, wait_until="networkidle")
    await other.page.locator(".opblock").first.wait_for()
    for screen in screens.screens:
        assert screen.complaints == [], screen.name


async def test_injected_markup_runs_in_no_app(demo: Demo, screens: Browsers) -> None:
    screen = await screens.desk("attacked")
    for path in ("/console/", "/m/", "/"):
        await screen.page.goto(demo.url + path, wait_until="networkidle")
        found = await screen.page.evaluate(ATTACK)
        assert found["attacked"] == 0, path
        assert {"script-src-attr", "script-src-elem", "style-src-elem"} <= set(found["seen"]), path
