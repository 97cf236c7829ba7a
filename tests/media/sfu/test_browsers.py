"""Headless Chromium pairs, with fake cameras, through a worker process."""

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import av
import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from media.recording import take as recorded
from media.recording.journal import read_take
from media.recording.remux import remux_side
from media.sfu.sdp import USUAL
from tests.media.sfu.clients import Relay
from tests.media.sfu.support import (
    CALL,
    ROOM,
    SEAL,
    Controls,
    PageServer,
    WorkerProcess,
    fetched,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]

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
Report = dict[str, Any]


@pytest.fixture
def codecs() -> Sequence[str]:
    return USUAL


@pytest.fixture
async def process(tmp_path: Path, codecs: Sequence[str]) -> AsyncIterator[WorkerProcess]:
    process = WorkerProcess(tmp_path, codecs)
    await process.start()
    yield process
    assert await process.stop() == 0


@pytest.fixture
async def controls(process: WorkerProcess) -> AsyncIterator[Controls]:
    controls = Controls(process.url)
    await controls.start()
    await controls.link.open_call(CALL, ROOM, record=True, seal=SEAL)
    yield controls
    await controls.workers.close()


@pytest.fixture
async def server(controls: Controls) -> AsyncIterator[PageServer]:
    server = PageServer(controls)
    await server.start()
    yield server
    await server.close()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=FLAGS
        )
        yield browser
        await browser.close()


class Seat:
    """One page of one user."""

    def __init__(self, browser: Browser, server: PageServer, user: str, **options: str) -> None:
        self.user = user
        self._browser = browser
        self._url = server.url(user, **options)
        self._context: BrowserContext | None = None
        self.page: Page

    async def open(self) -> "Seat":
        self._context = await self._browser.new_context()
        self.page = await self._context.new_page()
        await self.page.goto(self._url)
        return self

    async def leave(self) -> None:
        assert self._context is not None
        await self._context.close()

    async def report(self) -> Report:
        report: Report = await self.page.evaluate("report()")
        return report

    async def until(self, met: Callable[[Report], bool], timeout: float = 40) -> Report:
        """Poll the page's own statistics: they are not announced by any event."""
        got_there, report = await self.gets(met, timeout)
        if not got_there:
            pytest.fail(f"{self.user} never got there: {report}")
        return report

    async def gets(self, met: Callable[[Report], bool], timeout: float) -> tuple[bool, Report]:
        """Whether it comes true in time, and the last report."""
        report: Report = {}
        try:
            async with asyncio.timeout(timeout):
                while not met(report := await self.report()):
                    await asyncio.sleep(0.2)
        except TimeoutError:
            return False, report
        return True, report

    async def perceives(self, *users: str, frames: int = 20, energy: float = 0.02) -> None:
        """Return once this many more frames were decoded and energy heard of every user."""
        before = (await self.report())["users"]

        def progressed(report: Report) -> bool:
            return all(_progress(report, before, user, frames, energy) for user in users)

        await self.until(progressed)


def _progress(report: Report, before: Report, user: str, frames: int, energy: float) -> bool:
    now, then = report["users"].get(user, {}), before.get(user, {})
    if "audio" not in now or "video" not in now:
        return False
    # A new stream on the same line counts from zero again.
    old_frames = then.get("video", {}).get("frames", 0)
    old_energy = then.get("audio", {}).get("energy", 0.0)
    seen, heard = now["video"]["frames"], now["audio"]["energy"]
    seen -= old_frames if seen >= old_frames else 0
    heard -= old_energy if heard >= old_energy else 0
    return bool(seen >= frames and heard >= energy)


def _playout(report: Report, user: str) -> tuple[float, float]:
    """The publisher's time of the sound and picture that play now, in ms; 0 while unknown."""
    streams = report["users"][user]
    return streams["audio"]["playout"], streams["video"]["playout"]


async def both(one: Seat, other: Seat) -> None:
    await asyncio.gather(one.perceives(other.user), other.perceives(one.user))


async def metrics(process: WorkerProcess) -> dict[str, float]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{process.control}/metrics") as response,
    ):
        rows = (await response.text()).splitlines()
    pairs = (row.split() for row in rows if not row.startswith("#"))
    return {name.removeprefix("zhenjian_media_"): float(value) for name, value in pairs}


async def spray(port: int, until: asyncio.Event) -> int:
    """Every kind of garbage at the media port until told to stop; returns how much."""
    dice = random.Random(9)
    heads = [b"", b"\0\1\0\0\x21\x12\xa4\x42", b"\x16\xfe\xfd", b"\x80\x60", b"\x80\xc8", b"\xff"]
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        while not until.is_set():
            for _ in range(20):
                data = dice.choice(heads) + dice.randbytes(dice.randrange(200))
                probe.sendto(data, ("127.0.0.1", port))
                sent += 1
            await asyncio.sleep(0.02)
    return sent


@pytest.mark.requirement("S4-080")
async def test_two_browsers_see_and_hear_each_other_while_garbage_rains_on_the_port(
    browser: Browser, server: PageServer, controls: Controls, process: WorkerProcess
) -> None:
    done = asyncio.Event()
    rain = asyncio.create_task(spray(process.udp, done))
    anna = await Seat(browser, server, "anna").open()
    bert = await Seat(browser, server, "bert").open()
    await both(anna, bert)
    await both(anna, bert)
    done.set()
    sent = await rain
    # A browser that is short of processor time sends a smaller picture for a while.
    report = await anna.until(
        lambda r: min(_playout(r, "bert")) > 0 and r["users"]["bert"]["video"]["width"] >= 320
    )
    audio, video = _playout(report, "bert")
    assert abs(audio - video) < 500  # Milliseconds of the publisher's clock: lips match words.
    assert report["sent"]["audio"]["loss"] < 0.05
    assert report["log"] == []
    counted = await metrics(process)
    refused = sum(
        counted[f"{name}_total"]
        for name in (
            "garbage",
            "stun_malformed",
            "stun_unknown_user",
            "stun_ignored",
            "dtls_unknown_address",
            "rtp_unknown_address",
            "rtp_malformed",
        )
    )
    assert refused == sent
    assert server.refused == []
    quality = await controls.event("peer.quality", peer="anna:page")
    assert quality["level"] >= 2


async def three_sizes(browser: Browser, server: PageServer) -> int:
    """Anna comes and sends three sizes; returns how often she came.

    Chromium tries how much the network bears in its first seconds. On a machine that is too busy
    for that it finds little, and while little is enough for what it shows it does not try again.
    """
    sizes = {"q": 320, "h": 640, "f": 1280}
    for times in (1, 2, 3, 4):
        anna = await Seat(browser, server, "anna", large="1").open()
        found, report = await anna.gets(lambda r: r.get("layers") == sizes, 15)
        if found:
            return times
        await anna.leave()
    pytest.fail(f"Chromium found no room for three sizes: {report}")


@pytest.mark.paced
async def test_a_viewer_gets_the_size_that_it_shows_and_the_recording_the_largest(
    browser: Browser, server: PageServer, controls: Controls, process: WorkerProcess
) -> None:
    came = await three_sizes(browser, server)
    bert = await Seat(browser, server, "bert").open()

    def width(report: Report) -> int:
        return int(report["users"].get("anna", {}).get("video", {}).get("width", 0))

    await bert.until(lambda r: width(r) == 1280)
    for height, expected in ((150, 320), (360, 640), (0, 640), (150, 320), (1080, 1280)):
        await controls.link.set_view(CALL, "bert:page", {"u_anna": height})
        await bert.until(lambda r, expected=expected: width(r) == expected)  # type: ignore[misc]
        if height:
            await bert.perceives("anna")
    report = await bert.report()
    assert report["users"]["anna"]["video"]["freezes"] <= 4  # Hidden once, and resized.
    await controls.link.close_call(CALL, "ended")
    sealed = await controls.event("recording.sealed")
    take = read_take(await fetched(process.folder / "storage", sealed["manifest_key"]))
    pictures = [t for t in take.tracks if (t.user, t.kind) == ("anna", "video")]
    assert len(pictures) <= 3 * came


@pytest.mark.paced
async def test_a_narrow_network_gets_smaller_pictures_then_sound_only_and_everything_again(
    browser: Browser, server: PageServer, controls: Controls, process: WorkerProcess
) -> None:
    relay = Relay(process.udp)
    await relay.start()
    server.relays["bert:page"] = relay.port
    anna = await Seat(browser, server, "anna", large="1").open()
    bert = await Seat(browser, server, "bert").open()

    def width(report: Report) -> int:
        return int(report["users"].get("anna", {}).get("video", {}).get("width", 0))

    await bert.until(lambda r: width(r) >= 640)
    relay.narrow = 330_000
    await bert.until(lambda r: width(r) == 320)
    relay.narrow = 70_000
    told = await controls.event("peer.paused", peer="bert:page")
    assert told["streams"] == ["u_anna"]
    before = (await bert.report())["users"]["anna"]["audio"]["packets"]
    await bert.until(lambda r: r["users"]["anna"]["audio"]["packets"] > before + 100)
    relay.narrow = 0
    await controls.event("peer.paused", peer="bert:page", streams=[])
    await bert.until(lambda r: width(r) == 1280, 90)
    await both(anna, bert)
    relay.close()


@pytest.mark.paced
@pytest.mark.parametrize("codecs", [("opus", "vp9", "vp8"), ("opus", "av1", "vp8")])
async def test_a_codec_that_a_hospital_turned_on_is_sent_seen_and_recorded(
    browser: Browser,
    server: PageServer,
    controls: Controls,
    process: WorkerProcess,
    tmp_path: Path,
    codecs: Sequence[str],
) -> None:
    anna = await Seat(browser, server, "anna").open()
    bert = await Seat(browser, server, "bert").open()
    await both(anna, bert)
    await both(anna, bert)
    await controls.link.close_call(CALL, "ended")
    sealed = await controls.event("recording.sealed")
    folder = await fetched(process.folder / "storage", sealed["manifest_key"])
    assert {track.codec for track in read_take(folder).tracks} == {"opus", codecs[1]}
    side = remux_side([recorded.read_take(folder)], "anna", tmp_path / "anna")
    with av.open(str(side.path)) as container:
        shown = sum(1 for _ in container.decode(video=0))
    assert shown >= 40


async def test_a_muted_side_is_neither_heard_nor_seen_until_it_unmutes(
    browser: Browser, server: PageServer, controls: Controls
) -> None:
    anna = await Seat(browser, server, "anna").open()
    bert = await Seat(browser, server, "bert").open()
    await both(anna, bert)
    await controls.link.set_media(CALL, "anna:page", audio=False, video=False)
    await bert.until(lambda r: True)
    before = (await bert.report())["users"]["anna"]
    await anna.perceives("bert", frames=40)
    after = (await bert.report())["users"]["anna"]
    # What was on its way when the mute was ordered may still have come.
    assert after["video"]["packets"] - before["video"]["packets"] < 10
    assert after["audio"]["packets"] - before["audio"]["packets"] < 10
    await controls.link.set_media(CALL, "anna:page", audio=True, video=True)
    await both(anna, bert)
    report = await bert.report()
    assert report["users"]["anna"]["video"]["lost"] <= 5  # The pause left no gap.


async def test_who_leaves_and_comes_back_is_seen_on_the_same_line(
    browser: Browser, server: PageServer, controls: Controls
) -> None:
    anna = await Seat(browser, server, "anna").open()
    bert = await Seat(browser, server, "bert").open()
    await both(anna, bert)
    await bert.leave()
    await controls.event("peer.gone", peer="bert:page", timeout=20)
    carl = await Seat(browser, server, "carl").open()
    await both(anna, carl)
    assert (await anna.report())["users"]["carl"]["video"]["mid"] == "3"
    again = await Seat(browser, server, "bert").open()
    await asyncio.gather(
        anna.perceives("bert", "carl"), carl.perceives("anna", "bert"), both(again, carl)
    )
    assert (await anna.report())["users"]["bert"]["video"]["mid"] == "5"
    assert (await anna.report())["log"] == []


async def test_a_reload_rejoins_with_a_fresh_session_and_the_other_side_never_stops(
    browser: Browser, server: PageServer
) -> None:
    anna = await Seat(browser, server, "anna").open()
    bert = await Seat(browser, server, "bert").open()
    await both(anna, bert)
    for _ in range(2):
        await bert.page.reload()
        await both(anna, bert)
    assert (await anna.report())["users"]["bert"]["video"]["mid"] == "3"


async def test_a_hidden_watcher_sees_both_and_neither_is_told(
    browser: Browser, server: PageServer
) -> None:
    anna = await Seat(browser, server, "anna").open()
    bert = await Seat(browser, server, "bert").open()
    await both(anna, bert)
    answered = [(await seat.report())["answered"] for seat in (anna, bert)]
    watcher = await Seat(browser, server, "supervisor", watch="1").open()
    await watcher.perceives("anna", "bert")
    await both(anna, bert)
    assert [(await seat.report())["answered"] for seat in (anna, bert)] == answered
    assert set((await anna.report())["users"]) == {"bert"}


async def test_a_killed_worker_comes_back_with_fresh_sessions_and_its_recording_survives(
    browser: Browser, server: PageServer, controls: Controls, process: WorkerProcess
) -> None:
    anna = await Seat(browser, server, "anna").open()
    bert = await Seat(browser, server, "bert").open()
    await both(anna, bert)
    first_take = (await controls.event("recording.started"))["take"]
    await process.kill()
    await controls.until(lambda: controls.losses == 1)
    assert not controls.link.alive
    await process.start()
    await controls.until(lambda: controls.ups == 2)
    await controls.link.open_call(CALL, ROOM, record=True, seal=SEAL)
    await asyncio.gather(server.join("anna:page"), server.join("bert:page"))
    await both(anna, bert)
    # The take of the killed life was repaired, stored and sealed by the new one.
    await controls.event("recording.sealed", take=first_take)
    await controls.link.close_call(CALL, "ended")
    sealed = controls.having("recording.sealed")
    await controls.until(lambda: len({e["take"] for e in sealed()}) == 2)
    for key in {event["manifest_key"] for event in sealed()}:
        take = read_take(await fetched(process.folder / "storage", key))
        assert take.damage == []
        assert {(track.user, track.kind) for track in take.tracks} == {
            (user, kind) for user in ("anna", "bert") for kind in ("audio", "video")
        }
        assert take.packets > 100
        manifest = take.manifest
        assert manifest is not None
        assert manifest.reason == ("recovered" if take.take == first_take else "ended")


async def test_a_browser_goes_on_over_losses_a_new_address_and_another_network(
    browser: Browser, server: PageServer, controls: Controls, process: WorkerProcess
) -> None:
    relay = Relay(process.udp)
    await relay.start()
    server.relays["anna:page"] = relay.port
    anna = await Seat(browser, server, "anna").open()
    bert = await Seat(browser, server, "bert").open()
    await both(anna, bert)
    relay.loss_up = relay.loss_down = 0.05
    # On a slow machine few packets come, and none of a few may be lost.
    for _ in range(20):
        await both(anna, bert)
        counted = await metrics(process)
        repaired = (await anna.report())["users"]["bert"]["video"]["retransmitted"]
        if counted["nacks_sent_total"] > 0 and repaired > 0:
            break
    assert counted["nacks_sent_total"] > 0
    assert counted["retransmitted_total"] > 0
    assert repaired > 0
    relay.loss_up = relay.loss_down = 0.0
    await relay.rebind()
    for _ in range(2):
        await both(anna, bert)
    assert (await metrics(process))["address_changes_total"] > counted["address_changes_total"]
    # Wi-Fi is gone for good; the worker is reached another way, over the same session.
    mobile = Relay(process.udp)
    await mobile.start()
    server.relays["anna:page"] = mobile.port
    relay.cut = True
    await server.restart("anna:page")
    await asyncio.wait_for(both(anna, bert), 10)
    assert (await anna.report())["state"] == "connected"
    assert controls.having("peer.gone")() == []
    assert server.refused == []
    relay.close()
    mobile.close()
