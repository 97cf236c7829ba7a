"""A browser plays and seeks what was made: composed file, WebM side, H.264 side."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Page, async_playwright

from media.recording.compose import compose
from media.recording.remux import remux_side
from media.recording.take import read_take
from media.recording.timeline import lay_out
from tests.media.recording.senders import Caller, record, session

pytestmark = [pytest.mark.browser, pytest.mark.slow]

START = 1_795_000_000_000_000
SECOND = 1_000_000
FLASHES = (2.0, 5.0, 9.0)

LOOK = """async ([at, left, bright]) => {
  const video = document.querySelector("video");
  const done = new Promise((resolve) => video.addEventListener("seeked", resolve, {once: true}));
  video.currentTime = at;
  await done;
  const canvas = new OffscreenCanvas(8, 8);
  const context = canvas.getContext("2d", {willReadFrequently: true});
  const {videoWidth: width, videoHeight: height} = video;
  let level = 0;
  // The picture may be painted a moment after the event.
  for (let look = 0; look < 40; look++) {
    context.drawImage(video, left * width, height / 3, width / 8, height / 8, 0, 0, 8, 8);
    const data = context.getImageData(0, 0, 8, 8).data;
    level = data.filter((_, index) => index % 4 === 0).reduce((sum, value) => sum + value) / 64;
    if (level > 135 === bright) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return level;
}"""

HEAR = """async () => {
  const answer = await fetch(document.querySelector("video").src);
  const sound = await new AudioContext({sampleRate: 48000}).decodeAudioData(
    await answer.arrayBuffer());
  const data = sound.getChannelData(0);
  const onsets = [];
  let quiet = 0;
  for (let index = 0; index < data.length; index += 240) {
    let peak = 0;
    for (let place = index; place < index + 240; place++) {
      peak = Math.max(peak, Math.abs(data[place] ?? 0));
    }
    if (peak > 0.1) {
      if (index - quiet > 4800) onsets.push(index / 48000);
      quiet = index;
    }
  }
  return onsets;
}"""


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    """A page beside the files, served with ranges."""

    async def empty(_: web.Request) -> web.Response:
        return web.Response(text="<video></video>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", empty)
    app.router.add_static("/files", tmp_path)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
            args=["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"],
        )
        page = await browser.new_page()
        await page.goto(f"http://127.0.0.1:{runner.addresses[0][1]}/")
        yield page
        await browser.close()
    await runner.cleanup()


async def check(page: Page, name: str, left: float) -> None:
    await page.evaluate(
        """(source) => new Promise((resolve, reject) => {
          const video = document.querySelector("video");
          video.onloadeddata = resolve;
          video.onerror = () => reject(new Error(video.error.message));
          video.src = source;
        })""",
        f"/files/{name}",
    )
    duration = await page.evaluate("document.querySelector('video').duration")
    assert abs(duration - 12) < 0.2
    for flash in sorted(FLASHES, reverse=True):
        assert await page.evaluate(LOOK, [flash + 0.15, left, True]) > 150, (name, flash)
        assert await page.evaluate(LOOK, [flash + 0.6, left, False]) < 120, (name, flash)
    heard = await page.evaluate(HEAR)
    assert len(heard) == len(FLASHES)
    # The network's 25 ms, a packet of 20 ms and a window of 5 ms are no drift.
    assert all(-0.05 < beep - flash < 0.1 for beep, flash in zip(heard, FLASHES, strict=True))


@pytest.mark.parametrize("codec", ["vp8", "h264"])
async def test_chromium_plays_and_seeks_the_composed_file_and_the_sides(
    tmp_path: Path, page: Page, codec: str
) -> None:
    events = [START + round(flash * SECOND) for flash in FLASHES]
    doctor = Caller("doctor", 1000.0, events, codec=codec)
    patient = Caller("patient", 2300.0, [])
    end = START + 12 * SECOND
    sent = [(doctor, session(doctor, START, end)), (patient, session(patient, START, end))]
    record(tmp_path / "t1", "call", sent, START).seal("call_closed")
    take = read_take(tmp_path / "t1")
    timeline = lay_out([take])
    sides = [remux_side([take], user, tmp_path / user, timeline) for user in ("doctor", "patient")]
    whole = compose([take], sides, tmp_path / "call", {"doctor": "王医生", "patient": "李明"})
    await check(page, sides[0].path.name, 0.4)
    await check(page, whole.path.name, 0.2)
