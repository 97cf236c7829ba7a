"""Everything that can be said in a room, on a phone and on a desk at once."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from playwright.async_api import expect

from tests.journeys.story import Family, meet, photo
from tests.support.demo import Demo
from tests.support.patient_phone import PatientPhone
from tests.support.screens import Browsers

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def bubble(kind: str) -> str:
    return f'[data-testid="message"][data-kind="{kind}"]:visible'


@pytest.mark.requirement("S1-043", "S2-038")
async def test_text_pictures_voice_files_and_stickers_go_both_ways(
    demo: Demo, screens: Browsers, tmp_path: Path
) -> None:
    family = Family(201, "韩笑", "韩小宝")
    picture = photo(tmp_path)
    phone, desk = await meet(screens, demo, family, picture)
    page = phone.screen.page

    # Voice: hold to talk, then play it on both sides.
    await phone.screen.tap("toggle-voice")
    await hold_to_talk(phone, seconds=2.5)
    await page.locator(bubble("voice")).first.wait_for()
    await desk.screen.item("voice").wait_for()
    await phone.screen.tap("voice-message")
    await page.locator('[data-testid="voice-message"][data-playing="true"]').wait_for()
    await phone.screen.tap("toggle-voice")

    # A sticker and a file from the phone.
    await phone.screen.tap("toggle-stickers")
    await page.locator('[data-testid^="sticker-"]:visible').first.click()
    await desk.screen.item("sticker-message").wait_for()
    report = tmp_path / "report.pdf"
    report.write_bytes(small_pdf())
    await phone.screen.tap("toggle-more")
    async with page.expect_file_chooser() as chooser:
        await phone.screen.tap("attach-file")
    await (await chooser.value).set_files(report)
    await desk.screen.item("file-message").wait_for()

    # A picture and a film from the phone; a picture, a film and a sticker from the desk.
    film = small_film(tmp_path)
    for tool, path, kind in (("image", picture, "image"), ("video", film, "video")):
        async with page.expect_file_chooser() as chooser:
            await phone.screen.tap("toggle-more")
            await phone.screen.tap(f"attach-{tool}")
        await (await chooser.value).set_files(path)
        await page.locator(bubble(kind)).first.wait_for()
    await desk.screen.item("image-message").wait_for()
    await desk.screen.item("video-message").wait_for()
    await desk.send_picture(picture)
    async with desk.screen.page.expect_file_chooser() as chooser:
        await desk.screen.tap("tool-file")
    await (await chooser.value).set_files(film)
    await desk.screen.tap("tool-sticker")
    choice = '[data-testid^="sticker-"]:not([data-testid="sticker-message"]):visible'
    await desk.screen.page.locator(choice).first.click()
    for kind, count in (("image", 2), ("video", 2), ("sticker", 2)):
        await expect(page.locator(bubble(kind))).to_have_count(count, timeout=30_000)

    # Read marks: what the doctor has on screen is read.
    await phone.say("已经吃药两天了。")
    await desk.hears("已经吃药两天了。")
    await page.locator('[data-testid="message"][data-state="read"]:visible').first.wait_for()
    await phone.screen.picture("chat-kinds-phone")
    await desk.screen.picture("chat-kinds-desk")

    # A wrong file behind a right name is refused, and nothing is sent.
    fake = tmp_path / "photo.png"
    fake.write_bytes(b"this is no picture at all" * 40)
    await phone.screen.tap("toggle-more")
    async with page.expect_file_chooser() as chooser:
        await phone.screen.tap("attach-image")
    await (await chooser.value).set_files(fake)
    await phone.screen.item("message-failed").wait_for()

    # Recall: the doctor takes a message back, and it is gone on the phone.
    await desk.say("发错了，请忽略。")
    await phone.hears("发错了，请忽略。")
    await desk.messages("发错了，请忽略。").last.hover()
    await desk.screen.tap("recall")
    await phone.messages("发错了，请忽略。").wait_for(state="detached")
    for screen in screens.screens:
        assert screen.complaints == [], screen.name


async def hold_to_talk(phone: PatientPhone, seconds: float) -> None:
    """Press the button, speak, and let go."""
    box = await phone.screen.item("hold-to-talk").bounding_box()
    assert box is not None
    mouse = phone.screen.page.mouse
    await mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await mouse.down()
    await phone.screen.item("recording-overlay").wait_for()
    await phone.screen.page.wait_for_timeout(seconds * 1000)
    await mouse.up()


def small_film(folder: Path) -> Path:
    """Two seconds of moving grey, H.264 in MP4."""
    path = folder / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(20):
            picture = np.full((120, 160, 3), number * 12, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def small_pdf() -> bytes:
    """The smallest file that is a PDF."""
    return (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\n"
        b"trailer<</Root 1 0 R>>\n%%EOF\n"
    )


async def test_a_lost_connection_shows_heals_and_nothing_is_missing_or_twice(
    demo: Demo, screens: Browsers, tmp_path: Path
) -> None:
    family = Family(202, "谢安宁", "谢小安")
    phone, desk = await meet(screens, demo, family, photo(tmp_path))
    await phone.say("一")
    await desk.hears("一")
    network = phone.screen.page.context
    await network.set_offline(True)
    await phone.screen.item("connection-banner").wait_for()
    await phone.screen.item("message-input").fill("二")
    await phone.screen.tap("send")
    for number in range(30):
        await desk.say(f"医生第{number}句")
    await network.set_offline(False)
    await desk.hears("二")
    for text in ("一", "二", "医生第0句", "医生第29句"):
        await phone.hears(text)
        assert await phone.messages(text).count() == 1
    assert await desk.messages("二").count() == 1
    numbers = await phone.screen.page.eval_on_selector_all(
        '[data-testid="message"][data-seq], [data-testid="system-message"][data-seq]',
        "all => all.map(one => Number(one.dataset.seq)).filter(Boolean)",
    )
    assert numbers == sorted(set(numbers))

    # History, after a reload, on scroll.
    await phone.screen.page.reload()
    await phone.hears("医生第29句")
    await phone.screen.page.locator('[data-testid="message-list"]:visible').hover()
    for _ in range(30):
        if await phone.messages("一").count():
            break
        await phone.screen.page.mouse.wheel(0, -3000)
        await phone.screen.page.wait_for_timeout(200)
    await phone.hears("一")
