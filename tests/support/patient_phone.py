"""What a patient does on the phone, one verb a line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Locator, expect

from tests.support.demo import Demo, fetch
from tests.support.screens import Screen


@dataclass
class PatientPhone:
    """The patients' app in somebody's hand."""

    screen: Screen
    demo: Demo

    async def open(self, page: str) -> None:
        """Go to a page of the app by its address."""
        await self.screen.page.goto(f"{self.demo.url}/m/#{page}")

    async def log_in(self, phone: str) -> None:
        """By SMS code, agreeing to the terms."""
        await self.open("/pages/login/index")
        await self.screen.fill("phone", phone)
        await self.screen.tap("send-code")
        await self.screen.sees("验证码已发送")
        await self.screen.fill("code", self.code_for(phone))
        await self.screen.tap("agree")
        await self.screen.tap("login")
        await self.screen.sees("按科室找医生")

    def code_for(self, phone: str) -> str:
        """The newest login code that the SMS simulator has delivered to a phone."""
        messages = fetch(f"{self.demo.sandbox}/_sandbox/sms")["messages"]
        codes = (m for m in messages if m["phone"] == phone and m["template"] == "login_code")
        return str(next(codes)["params"]["code"])

    async def prove_real_name(self, name: str, number: str) -> None:
        await self.open("/pages/me/real-name")
        await self.screen.fill("real-name", name)
        await self.screen.fill("id-number", number)
        await self.tick_consents(beside="verify")
        await self.screen.tap("verify")
        await self.screen.item("real-name-done").wait_for()

    async def tick_consents(self, *, beside: str) -> None:
        """Every box of every consent on the page; none of them is ticked beforehand."""
        await self.screen.item(beside).wait_for()
        boxes = self.screen.page.locator('[data-testid^="consent-tick-"]:visible')
        for place in range(await boxes.count()):
            await expect(boxes.nth(place)).to_have_attribute("aria-checked", "false")
            await boxes.nth(place).click()
            await expect(boxes.nth(place)).to_have_attribute("aria-checked", "true")

    async def add_myself(self, name: str, number: str, phone: str) -> None:
        """After the own real name was proved: the consent given there counts for oneself."""
        await self.open("/pages/patients/index")
        await self.screen.press("添加就诊人")
        await self.screen.tap("relation-self")
        await self.screen.fill("name", name)
        await self.screen.fill("id-number", number)
        await self.screen.fill("phone", phone)
        await self.screen.fill("address", "示范市梧桐街1号")
        await self._save_patient(name)

    async def add_child(
        self, name: str, number: str, *, guardian: str, guardian_number: str, phone: str
    ) -> None:
        """Somebody under fourteen, by the guardian whose account this is."""
        await self.open("/pages/patients/index")
        await self.screen.press("添加就诊人")
        await self.screen.tap("kind-child")
        await self.screen.fill("name", name)
        await self.screen.fill("id-number", number)
        await self.screen.fill("guardian-name", guardian)
        await self.screen.fill("guardian-id-number", guardian_number)
        await self.screen.fill("guardian-phone", phone)
        await self.screen.fill("guardian-address", "示范市梧桐街1号")
        await self.screen.item("consent-guardian").wait_for()
        await self.tick_consents(beside="save-patient")
        await self._save_patient(name)

    async def _save_patient(self, name: str) -> None:
        await self.screen.tap("save-patient")
        await self.screen.page.wait_for_url("**/pages/patients/index**")
        await self.screen.sees(name)

    async def choose_doctor(self, name: str, mode: str) -> None:
        """Find a doctor by name and begin a revisit, ``text`` or ``video``."""
        await self.open("/pages/doctors/index")
        await self.screen.page.get_by_role("searchbox").first.fill(name)
        await self.screen.page.keyboard.press("Enter")
        card = self.screen.page.locator('[data-testid^="doctor-"]', has_text=name)
        await card.first.click()
        await self.screen.tap(f"start-{mode}")

    async def step(self, name: str) -> None:
        """Wait until the application has come to this step."""
        label = self.screen.page.locator('[data-testid="intake-step"]:visible', has_text=name)
        await label.wait_for()

    async def choose_person(self, name: str) -> None:
        person = self.screen.page.locator('[data-testid^="choose-patient-"]', has_text=name)
        await person.first.click()
        await self.next_step()

    async def next_step(self) -> None:
        await self.screen.tap("next-step")

    async def add_photo(self, path: Path) -> None:
        async with self.screen.page.expect_file_chooser() as chooser:
            await self.screen.tap("add-photo")
        await (await chooser.value).set_files(path)
        await self.screen.item("photo").wait_for()

    async def describe(self, text: str, onset: str, photo: Path) -> None:
        await self.screen.fill("description", text)
        await self.screen.tap(f"onset-{onset}")
        await self.add_photo(photo)

    async def answer_all_no(self) -> None:
        """No red flag, and no to every other question."""
        await self.screen.tap("no-red-flags")
        choices = self.screen.page.locator('[data-testid^="question-"][data-testid$="-no"]:visible')
        for place in range(await choices.count()):
            await choices.nth(place).click()
            await expect(choices.nth(place)).to_have_attribute("aria-checked", "true")

    async def agree_to_notice(self, *, recording: str = "yes") -> None:
        await self.tick_consents(beside="agree-notice")
        await self.screen.tap(f"recording-{recording}")
        await self.screen.tap("agree-notice")
        await self.next_step()

    async def submit_and_pay(self) -> None:
        """Through the simulated cashier and back to the hospital's page."""
        await self.screen.tap("submit-intake")
        await self.screen.tap("pay")
        await self.screen.page.wait_for_url(f"{self.demo.sandbox}/**")
        await self.screen.page.get_by_role("button", name="支付").first.click()
        await self.screen.page.wait_for_url(f"{self.demo.url}/m/**")
        await self.screen.page.locator('[data-testid="pay-result"][data-state="paid"]').wait_for()

    async def is_led_into_the_room(self) -> None:
        """The waiting page opens the room by itself once the doctor has accepted."""
        await self.screen.item("composer").wait_for()

    async def say(self, text: str) -> None:
        await self.screen.item("message-input").fill(text)
        await self.screen.tap("send")
        await self.hears(text)

    async def hears(self, text: str) -> None:
        """Wait until a message with this text is in the room."""
        await self.messages(text).first.wait_for()

    def messages(self, text: str) -> Locator:
        messages = self.screen.page.locator('[data-testid="message-list"]:visible')
        return messages.get_by_text(text, exact=True)

    async def attach(self, tool: str, path: Path) -> None:
        """Send a file with one of the tools beside the field: image, camera, video, file."""
        async with self.screen.page.expect_file_chooser() as chooser:
            await self.screen.tap("toggle-more")
            await self.screen.tap(f"attach-{tool}")
        await (await chooser.value).set_files(path)

    async def hold_to_talk(self, seconds: float) -> None:
        """Press the button, speak, and let go."""
        box = await self.screen.item("hold-to-talk").bounding_box()
        assert box is not None
        mouse = self.screen.page.mouse
        await mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        await mouse.down()
        await self.screen.item("recording-overlay").wait_for()
        await self.screen.page.wait_for_timeout(seconds * 1000)
        await mouse.up()

    async def send_past_prescription(self) -> None:
        """One that the hospital has, from the list."""
        await self.screen.tap("toggle-more")
        await self.screen.tap("extra-prescriptions")
        await self.screen.item("prescription-row").wait_for()
        await self.screen.picture("walk-prescriptions-phone")
        await self.screen.tap("prescription-send")
        await self.screen.page.locator('[data-kind="card"]:visible').last.wait_for()

    async def end_and_rate(self, stars: int, comment: str) -> None:
        """End the consultation on one's own initiative; the rating comes by itself."""
        await self.screen.tap("end-consultation")
        await self.screen.tap("dialog-confirm")
        await self.rate(stars, comment)
        await self.screen.sees("感谢")

    async def accept_call(self) -> None:
        await self.screen.tap("call-accept")
        await self.screen.item("call-screen").wait_for()

    async def rate(self, stars: int, comment: str) -> None:
        await self.screen.tap(f"star-{stars}")
        await self.screen.fill("comment", comment)
        await self.screen.tap("submit-rating")
