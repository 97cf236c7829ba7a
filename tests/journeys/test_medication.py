"""Asked without a revisit: a pharmacist at an appointed time, then a department by its name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Locator, expect

from admin.demo.accounts import PATIENT, PHARMACIST
from tests.journeys.story import DOCTOR_LOGIN, see_and_hear
from tests.support.demo import Demo
from tests.support.patient_phone import PatientPhone
from tests.support.screens import Browsers
from tests.support.staff_desk import StaffDesk

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

TEMPLATE = "两种药间隔两小时服用，饭后半小时最好。"


def plan(demo: Demo, token: str, kind: str, mode: str, starts_in: timedelta) -> None:
    """A session planned by whoever holds it."""
    starts = datetime.now(UTC) + starts_in
    wish = {
        "doctor_id": demo.call("GET", "/me", token)["user"]["id"],
        "kind": kind,
        "mode": mode,
        "starts_at": starts.isoformat(),
        "ends_at": (starts + timedelta(hours=1)).isoformat(),
        "places": 5,
    }
    demo.call("POST", "/shifts", token, wish)


async def fill_in(phone: PatientPhone, words: str, *, direction: str = "") -> None:
    """From the choice of a person to the paid order."""
    await phone.choose_person(PATIENT.name)
    if direction:
        await phone.screen.tap(f"direction-{direction}")
    await phone.answer_all_no()
    await phone.screen.fill("description", words)
    await phone.next_step()
    await phone.agree_to_notice()
    await phone.submit_and_pay()
    await phone.screen.tap("to-waiting")


async def enter_by_a_press(doctor: StaffDesk, row: Locator) -> None:
    """Whoever is pressed in the list is met in the room at once."""
    wanted = await row.get_attribute("data-id")
    await row.click()
    await doctor.screen.page.wait_for_url(f"**/{wanted}")
    await doctor.screen.item("composer").wait_for()


async def own_lists_hold_everything(phone: PatientPhone) -> None:
    """我的: bookings, consultations, advice and orders of the convenience clinic."""
    page = phone.screen.page
    for entry, row in (
        ("to-bookings", "booking-"),
        ("to-records", "consultation-"),
        ("to-advice-records", "consultation-"),
        ("to-clinic-orders", "self-order-"),
    ):
        await phone.open("/pages/me/index")
        await phone.screen.tap(entry)
        if entry == "to-advice-records":
            await phone.screen.tap("tab-active")
            await phone.screen.tap("kind-department")
        await page.locator(f'[data-testid^="{row}"]:visible').first.wait_for()


@pytest.mark.requirement("S0-P-153", "S0-P-163", "S0-P-166")
@pytest.mark.requirement("S0-A-055", "S0-C-018", "S0-C-020", "S0-C-022", "S0-C-033", "S4-043")
async def test_a_pharmacist_is_asked_at_an_appointed_time_and_then_a_department(
    demo: Demo, screens: Browsers
) -> None:
    desk = StaffDesk(await screens.desk("pharmacist"), demo)
    await desk.log_in(PHARMACIST.phone)
    token = await desk.screen.token()
    plan(demo, token, "medication", "video", -timedelta(minutes=5))
    demo.call("POST", "/phrases", token, {"category": "用法", "text": TEMPLATE})
    await desk.open("reception")

    # From the home page to the list, through its filters, to the pharmacist's page.
    phone = PatientPhone(await screens.phone("patient"), demo)
    await phone.log_in(PATIENT.phone)
    await phone.screen.tap("service-medication")
    for sheet, choice in (("field", "呼吸与过敏用药"), ("title", "主管药师"), ("mode", "视频问药")):
        await phone.screen.tap(f"filter-{sheet}")
        await phone.screen.page.get_by_role("radio", name=choice, exact=True).click()
    cards = phone.screen.item("pharmacists").locator('[data-testid^="doctor-"]')
    await cards.filter(has_text=PHARMACIST.name).wait_for()
    assert await cards.count() == 1
    await phone.screen.picture("medication-list-phone")
    await cards.first.click()
    await phone.screen.tap("book-medication-video")
    await phone.screen.tap("pick-shift")
    await fill_in(phone, "降压药和复方感冒药能一起吃吗？", direction="interaction")
    await phone.screen.tap("enter-booking")

    # Booked and accepted for the pharmacist: a press on it enters the room.
    await desk.screen.tap("tab-booked")
    await desk.waiting(PATIENT.name).click()
    await desk.screen.item("composer").wait_for()
    await phone.is_led_into_the_room()
    await desk.screen.sees("联合用药与相互作用")
    await desk.say("您好，我是方药师。")
    await phone.hears("您好，我是方药师。")
    await desk.screen.item("message-input").fill("间隔两小时")
    await desk.screen.item("phrase").filter(has_text=TEMPLATE).click()
    assert await desk.screen.item("message-input").input_value() == TEMPLATE
    await desk.screen.tap("send")
    await phone.hears(TEMPLATE)
    await desk.screen.tap("patient-info")
    for words in (PATIENT.name, "降压药和复方感冒药"):
        await expect(desk.screen.item("patient-info-card")).to_contain_text(words)
    await desk.screen.page.keyboard.press("Escape")
    await desk.leaf_through_records()
    await desk.screen.picture("medication-records-desk")
    await desk.start_video()
    await phone.accept_call()
    await see_and_hear(phone.screen, desk.screen)
    await desk.screen.picture("medication-call-desk")
    await desk.hang_up()
    await phone.screen.item("call-screen").wait_for(state="hidden")
    await desk.screen.page.get_by_role("tab", name="小结").click()
    await desk.screen.item("note-advice").fill(TEMPLATE)
    await desk.end()
    await phone.screen.item("room-closed").wait_for()
    await phone.screen.picture("medication-closed-phone")

    # At a doctor's page a type and a time lead to the application of that type.
    doctor = StaffDesk(await screens.desk("doctor"), demo)
    await doctor.log_in(DOCTOR_LOGIN)
    token = await doctor.screen.token()
    plan(demo, token, "first", "text", timedelta(hours=4))
    me = demo.call("GET", "/me", token)["user"]["id"]
    for kind, mode in (("revisit", "text"), ("revisit", "video"), ("first", "text")):
        await phone.open(f"/pages/doctor/index?id={me}")
        await phone.screen.tap(f"book-{kind}-{mode}")
        await phone.screen.tap("pick-shift")
        wanted = f"**/intake/index?doctor={me}&kind={kind}&mode={mode}&shift=*"
        await phone.screen.page.wait_for_url(wanted)
        await phone.screen.item("next-step").wait_for()

    # The department is chosen and asked at once, no doctor in between.
    await phone.open("/pages/home/index")
    await phone.screen.tap("service-consult_department")
    await phone.screen.page.get_by_role("button", name="呼吸内科，立即问诊").click()
    await phone.screen.page.wait_for_url("**/pages/intake/index?department=*")
    await fill_in(phone, "夜里咳嗽，想知道平时要注意什么。")
    await doctor.open("reception")
    source = doctor.screen.page.get_by_role("radiogroup", name="来源")
    await source.get_by_text("科室订单").click()
    await doctor.choose_from_queue(PATIENT.name)
    await doctor.accept()

    await own_lists_hold_everything(phone)

    # What was accepted, by tab: online or from the department; a press enters its room.
    rows = doctor.screen.page.locator('[data-testid="queue-row"]:visible')
    await source.get_by_text("科室咨询").click()
    await expect(rows).to_have_count(1)
    await expect(rows).to_have_attribute("data-id", doctor.consultation)
    await doctor.screen.picture("reception-department-desk")
    await source.get_by_text("在线问诊").click()
    await expect(rows.first).not_to_have_attribute("data-id", doctor.consultation)
    await enter_by_a_press(doctor, rows.first)
    await doctor.screen.tap("tab-booked")
    await enter_by_a_press(doctor, rows.filter(has_text="视频复诊").first)
    for screen in screens.screens:
        assert screen.complaints == [], screen.name
