"""Asked without a revisit: a pharmacist and a doctor at an appointed time, then a department."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Locator, expect

from admin.demo.accounts import PATIENT, PHARMACIST
from tests.journeys.story import DOCTOR_LOGIN, photo, see_and_hear
from tests.support.demo import Demo
from tests.support.patient_phone import PatientPhone
from tests.support.screens import Browsers
from tests.support.staff_desk import StaffDesk

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

#: What each service is to cost, as its clinician sets it.
DOCTORS = {"图文复诊": 26, "视频复诊": 58, "首诊咨询": 19}
PHARMACISTS = {"图文问药": 16, "视频问药": 41}
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


async def set_services(desk: StaffDesk, prices: dict[str, int]) -> None:
    """服务与排班: the own prices, each service off and on again, a session with its places."""
    page = desk.screen.page
    table = desk.screen.item("own-services")
    await desk.open("my-services")
    for number, (label, yuan) in enumerate(prices.items()):
        row = table.locator("tr", has_text=label)
        await row.get_by_label(f"{label}价格").fill(str(yuan))
        switch = row.get_by_role("switch")
        if not await switch.is_checked():
            await row.locator(".el-switch").click()
        for checked in (False, True):
            await row.locator(".el-switch").click()
            await desk.screen.sees(f"{label}已保存")
            await expect(switch).to_be_checked(checked=checked)
        day = (datetime.now(UTC) + timedelta(days=40 + number)).date()
        await page.goto(f"{desk.demo.url}/console/#/my-services?week={day}")
        await desk.screen.tap(f"plan-{day}")
        dialog = page.get_by_role("dialog").filter(has_text="号源")
        await dialog.locator(".el-form-item", has_text="服务").locator(".el-select").click()
        await page.get_by_role("option", name=label, exact=True).click()
        await dialog.get_by_role("spinbutton").fill("6")
        await desk.screen.tap("save-shift")
        shift = page.locator('[data-testid="own-shift"]:visible', has_text=label)
        await expect(shift).to_contain_text("0/6")
        await shift.click()
        await desk.screen.tap("switch-shift")
        await expect(shift).to_contain_text("停用 · 0/6")
    await desk.screen.picture(f"services-{desk.screen.name}")


async def sees_prices(phone: PatientPhone, prices: dict[str, int]) -> None:
    """On the clinician's own page, each as it was set."""
    for yuan in prices.values():
        price = phone.screen.page.get_by_text(f"¥{yuan}", exact=True).locator("visible=true")
        await price.first.wait_for()


async def exchange(phone: PatientPhone, desk: StaffDesk, picture: Path) -> None:
    """Words, a picture and a voice message, from the patient and to the patient."""
    here, there = phone.screen.page, desk.screen
    await phone.say("想再问得仔细一些。")
    await desk.hears("想再问得仔细一些。")
    await phone.attach("image", picture)
    await there.item("image-message").wait_for()
    await phone.screen.tap("toggle-voice")
    await phone.hold_to_talk(seconds=2.5)
    await there.item("voice").click()
    await expect(there.item("voice")).to_have_attribute("aria-label", re.compile("暂停"))
    await phone.screen.tap("toggle-voice")
    await desk.say("我看过了。")
    await phone.hears("我看过了。")
    await desk.send_picture(picture)
    await there.tap("tool-voice")
    await here.wait_for_timeout(1500)
    await there.tap("voice-send")
    for kind in ("image", "voice"):
        sent = here.locator(f'[data-testid="message"][data-kind="{kind}"]:visible')
        await expect(sent).to_have_count(2, timeout=30_000)


async def order_by_oneself(phone: PatientPhone) -> None:
    """便民门诊: the notice first, then lists by kind and two levels, nucleic acid tests apart."""
    screen = phone.screen
    cards = screen.page.locator('[data-testid^="item-"]:visible')
    await phone.open("/pages/clinic/notice")
    await screen.sees("自助开单须知")
    await screen.sees("注意事项")
    await screen.tap("enter-clinic")
    for kind, category, below, code, told in (
        ("examination", "超声", "浅表", "US-02", ("甲状腺彩超", "¥98", "请穿低领衣物")),
        ("laboratory", "生化", "糖代谢", "LB-03", ("空腹血糖", "¥8", "检查前空腹8小时")),
        ("nucleic_acid", "", "", "NA-02", ("流感病毒核酸", "¥68", "采样前30分钟")),
        ("drug", "非处方药", "抗过敏", "YP-02", ("氯雷他定片", "¥22.60", "服药期间不要开车")),
    ):
        await screen.tap(f"tab-{kind}")
        for chip in filter(None, (category, below)):
            await screen.page.get_by_role("button", name=chip, exact=True).click()
        for words in told:
            await expect(screen.item(f"item-{code}")).to_contain_text(words)
        if kind == "laboratory":
            await expect(cards.filter(has_text="核酸")).to_have_count(0)
        await screen.picture(f"clinic-{kind}-phone")


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


@pytest.mark.requirement("S0-P-153", "S0-P-163", "S0-P-165", "S0-P-166", "S0-P-146", "S0-P-221")
@pytest.mark.requirement("S0-P-078", "S0-P-081", "S0-P-148", "S0-C-007", "S0-C-012")
@pytest.mark.requirement("S0-A-055", "S0-C-018", "S0-C-020", "S0-C-022", "S0-C-033", "S4-043")
async def test_a_pharmacist_is_asked_at_an_appointed_time_and_then_a_department(
    demo: Demo, screens: Browsers, tmp_path: Path
) -> None:
    picture = photo(tmp_path)
    desk = StaffDesk(await screens.desk("pharmacist"), demo)
    await desk.log_in(PHARMACIST.phone)
    await set_services(desk, PHARMACISTS)
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
    await sees_prices(phone, PHARMACISTS)
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
    await exchange(phone, desk, picture)
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
    await phone.end_and_rate(5, "讲得很清楚。")

    # At a doctor's page a type and a time lead to the application of that type.
    doctor = StaffDesk(await screens.desk("doctor"), demo)
    await doctor.log_in(DOCTOR_LOGIN)
    await set_services(doctor, DOCTORS)
    token = await doctor.screen.token()
    plan(demo, token, "first", "text", timedelta(hours=4))
    me = demo.call("GET", "/me", token)["user"]["id"]
    for kind, mode in (("revisit", "text"), ("revisit", "video"), ("first", "text")):
        await phone.open(f"/pages/doctor/index?id={me}")
        await sees_prices(phone, DOCTORS)
        await phone.screen.tap(f"book-{kind}-{mode}")
        await phone.screen.tap("pick-shift")
        wanted = f"**/intake/index?doctor={me}&kind={kind}&mode={mode}&shift=*"
        await phone.screen.page.wait_for_url(wanted)
        await phone.screen.item("next-step").wait_for()

    # A first consultation at once: they talk, and the patient ends and rates it.
    await phone.open(f"/pages/doctor/index?id={me}")
    await phone.screen.tap("start-first")
    await fill_in(phone, "想先问问需不需要去医院。")
    await doctor.open("reception")
    await doctor.choose_from_queue("首诊咨询")
    await doctor.accept()
    await phone.is_led_into_the_room()
    await exchange(phone, doctor, picture)
    await phone.end_and_rate(5, "医生很耐心。")

    # The department is chosen and asked at once, no doctor in between.
    await phone.open("/pages/home/index")
    await phone.screen.tap("service-consult_department")
    await phone.screen.page.get_by_role("button", name="呼吸内科，立即问诊").click()
    await phone.screen.page.wait_for_url("**/pages/intake/index?department=*")
    await fill_in(phone, "夜里咳嗽，想知道平时要注意什么。")
    await doctor.open("reception")
    await doctor.screen.tap("tab-waiting")
    source = doctor.screen.page.get_by_role("radiogroup", name="来源")
    await source.get_by_text("科室订单").click()
    await doctor.choose_from_queue(PATIENT.name)
    await doctor.accept()

    await order_by_oneself(phone)
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
