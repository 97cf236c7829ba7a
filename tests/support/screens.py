"""Browsers for the journeys: phones and desks with fake cameras, and what people do on them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    async_playwright,
)

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
]
PATIENCE_MS = 30_000
PICTURES = Path(__file__).resolve().parents[2] / "var" / "screens"

# Notes every PeerConnection of a page, so that a test can ask what was really decoded.
NOTE_CONNECTIONS = """
(() => {
  const Real = window.RTCPeerConnection;
  if (!Real) return;
  window.__connections = [];
  window.RTCPeerConnection = class extends Real {
    constructor(...args) { super(...args); window.__connections.push(this); }
  };
})();
"""

READ_MEDIA = """
async () => {
  const sum = { frames: 0, energy: 0, audioPackets: 0, width: 0, open: 0 };
  for (const connection of window.__connections ?? []) {
    if (connection.connectionState !== 'connected') continue;
    sum.open += 1;
    for (const report of (await connection.getStats()).values()) {
      if (report.type !== 'inbound-rtp') continue;
      if (report.kind === 'video') {
        sum.frames += report.framesDecoded ?? 0;
        sum.width = Math.max(sum.width, report.frameWidth ?? 0);
      } else {
        sum.energy += report.totalAudioEnergy ?? 0;
        sum.audioPackets += report.packetsReceived ?? 0;
      }
    }
  }
  return sum;
}
"""


@dataclass
class Screen:
    """One person's browser with one page of the hospital open."""

    name: str
    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Collect what the page complains about; a journey ends with none."""
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._heard)

    def _heard(self, message: ConsoleMessage) -> None:
        """A refusal by the content policy is written to the console and breaks nothing aloud."""
        if "Content Security Policy" in message.text:
            self.complaints.append(message.text)

    def item(self, testid: str) -> Locator:
        """The newest visible element with this test id."""
        return self.page.locator(f'[data-testid="{testid}"]:visible').last

    async def tap(self, testid: str) -> None:
        await self.item(testid).click()

    async def press(self, label: str) -> None:
        """Press the visible button of this label."""
        button = self.page.get_by_role("button", name=label).locator("visible=true")
        await button.last.click()

    async def fill(self, name: str, text: str) -> None:
        """Fill in the field of this name."""
        await self.item(f"field-{name}").fill(text)

    async def enter(self, testid: str, text: str) -> None:
        """Fill in the field of this test id, which the console's components wrap or are."""
        box = self.item(testid)
        await box.locator("input, textarea").or_(box).last.fill(text)

    async def sees(self, text: str) -> None:
        """Wait until the text can be read."""
        await self.page.get_by_text(text).locator("visible=true").first.wait_for()

    async def picture(self, name: str) -> None:
        """A picture of the screen as it is now, for people to look at."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=str(PICTURES / f"{name}.png"))

    async def media(self) -> dict[str, float]:
        """What all connections of the page have received and decoded so far."""
        result: dict[str, float] = await self.page.evaluate(READ_MEDIA)
        return result

    async def until_media(self, *, frames: float, energy: float) -> None:
        """Wait until this many frames and this much sound have been received."""
        async with asyncio.timeout(PATIENCE_MS * 2 / 1000):
            while True:
                now = await self.media()
                if now["frames"] >= frames and now["energy"] >= energy:
                    return
                await asyncio.sleep(0.25)

    async def connections(self) -> int:
        """How many PeerConnections the page has made so far."""
        made: int = await self.page.evaluate("window.__connections.length")
        return made

    async def until_reconnected(self, known: int) -> None:
        """Wait until a PeerConnection newer than the first ``known`` ones is connected."""
        script = f"""() => window.__connections.slice({known})
            .some((connection) => connection.connectionState === 'connected')"""
        await self.page.wait_for_function(script, timeout=PATIENCE_MS * 2)

    async def token(self) -> str:
        """The access token that the page uses now."""
        async with self.page.expect_request("**/api/v1/**") as asked:
            await self.page.reload()
        header = (await asked.value).headers.get("authorization", "")
        return header.removeprefix("Bearer ")


class Browsers:
    """Opens screens in one headless Chromium."""

    def __init__(self, browser: Browser, base: str) -> None:
        self._browser = browser
        self.base = base
        self.screens: list[Screen] = []

    async def phone(self, name: str, path: str = "/m/") -> Screen:
        """A phone, 375 points wide."""
        return await self._open(name, path, width=375, height=812, mobile=True)

    async def desk(self, name: str, path: str = "/console/") -> Screen:
        """A desk, 1440 pixels wide."""
        return await self._open(name, path, width=1440, height=900, mobile=False)

    async def _open(self, name: str, path: str, *, width: int, height: int, mobile: bool) -> Screen:
        context = await self._browser.new_context(
            viewport={"width": width, "height": height},
            is_mobile=mobile,
            has_touch=mobile,
            locale="zh-CN",
            timezone_id="Asia/Shanghai",
            permissions=["camera", "microphone"],
        )
        context.set_default_timeout(PATIENCE_MS)
        await context.add_init_script(NOTE_CONNECTIONS)
        page = await context.new_page()
        screen = Screen(name, page, self.base)
        screen.listen()
        self.screens.append(screen)
        await page.goto(self.base + path)
        return screen

    async def contexts(self) -> list[BrowserContext]:
        return list(self._browser.contexts)

    async def last_pictures(self, story: str) -> None:
        """What everybody saw when a story went wrong."""
        for screen in self.screens:
            await screen.picture(f"failed-{story}-{screen.name}")


@contextlib.asynccontextmanager
async def browsers(base: str) -> AsyncIterator[Browsers]:
    """Chromium for one story."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield Browsers(browser, base)
        finally:
            await browser.close()
