"""How soon a picture is there: Chromium joins a call and shows what another Chromium sends.

From the request to the first decoded picture: negotiation, ICE, DTLS, the key frame that is asked
for, and the browser's own decoder.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from playwright.async_api import Browser, Error, async_playwright

from loadtests.bench_common import percentiles
from loadtests.bench_media_world import SECRET, NotPossible, Server
from media.control import MediaWorkers, WorkerLink

PAGE = Path(__file__).with_suffix(".html")
CALL = "picture"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-proxy-server",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)


class Desk:
    """The page, and its way to the worker's control channel."""

    def __init__(self, server: Server) -> None:
        self._workers = MediaWorkers(
            [f"ws://127.0.0.1:{server.control}/control"],
            SECRET,
            self._heard,
            self._nothing,
            self._nothing,
        )
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_post("/join", self._join)
        app.router.add_post("/answer", self._answer)
        self._runner = web.AppRunner(app)
        self.url = ""

    @property
    def _link(self) -> WorkerLink:
        return self._workers.links[0]

    async def open(self) -> None:
        await self._workers.start()
        await self._link.wait_up()
        await self._link.open_call(CALL, CALL, record=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"

    async def close(self) -> None:
        await self._runner.cleanup()
        await self._workers.close()

    async def _page(self, _: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGE)

    async def _join(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        session = uuid.uuid4().hex
        offer = await self._link.add_peer(
            CALL,
            peer=wanted["name"],
            session=session,
            user=wanted["name"],
            publish=wanted["publish"],
        )
        return web.json_response({"session": session, "version": offer.version, "sdp": offer.sdp})

    async def _answer(self, request: web.Request) -> web.Response:
        given = await request.json()
        await self._link.answer(
            CALL, given["name"], given["session"], given["version"], given["sdp"]
        )
        return web.json_response({})

    async def _heard(self, _: WorkerLink, event: dict[str, Any]) -> None:
        """Nobody is offered anything new: one sends, and each viewer hangs up before the next."""

    async def _nothing(self, _: WorkerLink) -> None:
        return


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A headless Chromium with a fake camera. Raises NotPossible where there is none."""
    async with async_playwright() as playwright:
        try:
            browser = await playwright.chromium.launch(
                executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=[*FLAGS]
            )
        except Error as error:
            raise NotPossible(f"Chromium does not start: {error.message.splitlines()[0]}") from None
        try:
            yield browser
        finally:
            await browser.close()


async def first_pictures(server: Server, joins: int) -> dict[str, Any]:
    """Join so many times, one after the other; milliseconds until the first picture.

    Raises NotPossible without a Chromium.
    """
    desk = Desk(server)
    await desk.open()
    try:
        async with chromium() as browser:
            sender, viewer = await browser.new_page(), await browser.new_page()
            for page in (sender, viewer):
                await page.goto(desk.url)
            await sender.evaluate("publish('camera')")
            # The first time a page decodes anything, it loads its decoder.
            await viewer.evaluate("watch('first')")
            took = [await viewer.evaluate(f"watch('viewer-{n}')") for n in range(joins)]
    finally:
        await desk.close()
    ordered = sorted(took)
    p95 = round(ordered[int((len(ordered) - 1) * 0.95)], 1)
    figures = {
        "joins": joins,
        "first_picture_ms": percentiles(each / 1000 for each in took) | {"p95": p95},
    }
    print(f"  {'zhenjian':18} Chromium's first picture {figures['first_picture_ms']}", flush=True)
    return figures
