"""What clinicians and supervisors do at their desk, one verb a line."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Locator

from tests.support.demo import Demo, fetch
from tests.support.screens import Screen

PASSWORD = "Renhe-2026"


#: The parts of 患者病历, and where each is shown.
RECORDS = {
    "既往问诊": "past-consultations",
    "院内病历": "hospital-records",
    "历史处方": "prescriptions",
    "检查": "exam-reports",
    "检验": "lab-reports",
}


@dataclass
class StaffDesk:
    """The console on somebody's desk."""

    screen: Screen
    demo: Demo

    async def log_in(self, login: str) -> None:
        await self.screen.item("login-name").fill(login)
        await self.screen.item("login-password").fill(PASSWORD)
        await self.screen.tap("login-submit")
        inside, owed = self.screen.item("profile-menu"), self.screen.item("factor-send")
        await inside.or_(owed).first.wait_for()
        if await owed.count():
            await self.prove_by_sms(login)
        await inside.wait_for()

    async def prove_by_sms(self, phone: str) -> None:
        """The second factor of a role that needs one: a code from the SMS simulator.

        Whoever asked for a code less than a minute ago waits for the next one like anybody.
        """
        send, before = self.screen.item("factor-send"), len(self._factor_codes(phone))
        await send.click()
        async with asyncio.timeout(90):
            while len(codes := self._factor_codes(phone)) == before:
                await asyncio.sleep(0.5)
                if await send.is_enabled():
                    await send.click()
        await self.screen.item("factor-code").fill(codes[0])
        await self.screen.tap("factor-submit")

    def _factor_codes(self, phone: str) -> list[str]:
        """The second-factor codes that the SMS simulator has delivered to a phone, newest first."""
        messages = fetch(f"{self.demo.sandbox}/_sandbox/sms")["messages"]
        return [
            str(message["params"]["code"])
            for message in messages
            if message["phone"] == phone and message["template"] == "second_factor_code"
        ]

    async def open(self, page: str) -> None:
        """Go to a page by its entry in the menu."""
        await self.screen.tap(f"menu-{page}")

    def waiting(self, name: str) -> Locator:
        """The line of a patient in the queue."""
        return self.screen.page.locator('[data-testid="queue-row"]:visible', has_text=name).first

    async def choose_from_queue(self, name: str) -> None:
        await self.waiting(name).click()
        await self.screen.item("conversation").wait_for()

    @property
    def consultation(self) -> str:
        """The consultation that is open at the reception, by the address."""
        return self.screen.page.url.rsplit("/", 1)[1]

    async def confirm_proof(self) -> None:
        await self.screen.tap("proof-accept")

    async def accept(self) -> None:
        await self.screen.tap("accept")
        await self.screen.item("composer").wait_for()

    async def say(self, text: str) -> None:
        await self.screen.item("message-input").fill(text)
        await self.screen.page.keyboard.press("Enter")
        await self.hears(text)

    async def hears(self, text: str) -> None:
        """Wait until a message with this text is in the conversation."""
        await self.messages(text).first.wait_for()

    def messages(self, text: str) -> Locator:
        return self.screen.page.locator('[data-testid="message-list"]').get_by_text(
            text, exact=True
        )

    async def send_picture(self, path: Path) -> None:
        async with self.screen.page.expect_file_chooser() as chooser:
            await self.screen.tap("tool-image")
        await (await chooser.value).set_files(path)

    async def read_records(self, part: str, text: str) -> None:
        """Open a part of 患者病历 and wait until it says this."""
        await self.screen.page.get_by_role("tab", name="患者病历").click()
        records = self.screen.item("patient-records")
        await records.get_by_text(part, exact=True).click()
        await records.get_by_text(text).first.wait_for()

    async def leaf_through_records(self) -> None:
        """Open 患者病历 and wait until each of its parts shows something."""
        await self.screen.page.get_by_role("tab", name="患者病历").click()
        records = self.screen.item("patient-records")
        for part, shown in RECORDS.items():
            await records.get_by_text(part, exact=True).click()
            await self.screen.item(shown).locator(".el-collapse-item, li").first.wait_for()

    async def open_report(self, title: str) -> dict[str, str]:
        """Each result of a report with its mark, by name."""
        await self.screen.page.locator('[data-testid="report-row"]:visible', has_text=title).click()
        rows = self.screen.item("report").locator("tbody tr")
        await rows.first.wait_for()
        found = {}
        for row in await rows.all():
            value = await row.locator("td").first.inner_text()
            found[await row.locator("th").inner_text()] = " ".join(value.split())
        await self.screen.page.keyboard.press("Escape")
        await self.screen.item("report").wait_for(state="hidden")
        return found

    async def open_past_prescription(self, day: str) -> str:
        """What the prescription says whose card arrived in the room."""
        cards = self.screen.page.locator('[data-testid="card-message"]:visible')
        await cards.filter(has_text=f"历史处方 {day}").first.click()
        paper = self.screen.item("prescription")
        await paper.locator("tbody tr").first.wait_for()
        words = await paper.inner_text()
        await self.screen.picture("walk-prescription-desk")
        await self.screen.page.keyboard.press("Escape")
        await paper.wait_for(state="hidden")
        return words

    async def start_video(self) -> None:
        await self.screen.tap("call-video")
        await self.screen.item("call-window").wait_for()

    async def hang_up(self) -> None:
        await self.screen.tap("call-hangup")

    async def write_note(self, diagnosis: str, advice: str) -> None:
        await self.screen.page.get_by_role("tab", name="小结").click()
        await self.screen.item("note-diagnosis").fill(diagnosis)
        await self.screen.item("note-advice").fill(advice)

    async def end(self) -> None:
        await self.screen.tap("end")
        await self.screen.tap("end-confirm")

    async def sign_note(self, pin: str, phone: str) -> None:
        """Sign the closing note in the dialog that the end leads to; proves a second factor."""
        await self.screen.item("shown-digest").wait_for()
        await self.screen.item("sign-pin").locator("input").fill(pin)
        await self.screen.tap("sign-confirm")
        await self.prove_by_sms(phone)
        await self.screen.page.locator(
            '[data-testid="signature-mark"][data-state="signed"]'
        ).first.wait_for()

    async def verify_signature(self) -> str:
        """Open the verification of the signature on screen; returns its verdict."""
        await self.screen.tap("verify-link")
        page = self.screen.item("verification")
        await page.wait_for()
        return str(await page.get_attribute("data-verdict"))

    async def look_up(self, name: str) -> None:
        """Open the newest consultation of a patient from the list of consultations."""
        await self.open("consultations")
        await self.screen.page.locator(
            '[data-testid="filter-q"] input, input[data-testid="filter-q"]'
        ).first.fill(name)
        row = self.screen.page.locator('tr:has([data-testid="consultation-row"])', has_text=name)
        await row.first.click()
        await self.screen.item("transcript").wait_for()

    async def play_recording(self) -> None:
        """Wait until the recording is composed, then play it."""
        await self.screen.item("play-recording").click(timeout=180_000)
        await self.screen.item("recording-player").wait_for()

    async def until_playing(self) -> dict[str, float]:
        """Wait until the player knows the length and shows a picture."""
        await self.screen.page.wait_for_function(
            """() => {
              const video = document.querySelector('[data-testid="recording-player"]');
              return video && video.readyState >= 3 && video.currentTime > 0.2;
            }"""
        )
        return await self.player()

    async def player(self) -> dict[str, float]:
        """Where the player is and what it knows: seconds, picture size, whether it could seek."""
        state: dict[str, float] = await self.screen.page.evaluate(READ_PLAYER)
        return state

    async def seek(self, seconds: float) -> dict[str, float]:
        """Move the player and return its state once it shows the new place."""
        state: dict[str, float] = await self.screen.page.evaluate(SEEK_PLAYER, seconds)
        return state


READ_PLAYER = """
() => {
  const video = document.querySelector('[data-testid="recording-player"]');
  return {
    time: video.currentTime, duration: video.duration, width: video.videoWidth,
    height: video.videoHeight, ready: video.readyState, url: video.currentSrc,
  };
}
"""

SEEK_PLAYER = """
async (seconds) => {
  const video = document.querySelector('[data-testid="recording-player"]');
  video.pause();
  const done = new Promise((resolve) => video.addEventListener('seeked', resolve, { once: true }));
  video.currentTime = seconds;
  await done;
  return { time: video.currentTime, ready: video.readyState };
}
"""
