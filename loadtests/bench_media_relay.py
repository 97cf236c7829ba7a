"""A call server as aiortc's documentation shows one: peer connections joined by a MediaRelay.

It decodes and encodes every picture, for that is what aiortc's tracks are. Usage:
`python -m loadtests.bench_media_relay <port>`; `POST /room {"offers": [sdp, sdp]}` joins two.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.contrib.media import MediaRelay

ROOMS: web.AppKey[list[RTCPeerConnection]] = web.AppKey("rooms", list)


async def join(request: web.Request) -> web.Response:
    """Connect the two who offer, each with the other's tracks."""
    offers = (await request.json())["offers"]
    relay = MediaRelay()
    settings = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
    peers = [RTCPeerConnection(settings) for _ in offers]
    tracks: list[list[MediaStreamTrack]] = [[] for _ in offers]
    request.app[ROOMS].extend(peers)
    for peer, found, offer in zip(peers, tracks, offers, strict=True):
        peer.on("track", found.append)
        await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
    answers = []
    for peer, others in zip(peers, reversed(tracks), strict=True):
        for track in others:
            peer.addTrack(relay.subscribe(track))
        await peer.setLocalDescription(await peer.createAnswer())
        answers.append(peer.localDescription.sdp)
    return web.json_response({"answers": answers})


async def main(port: int) -> None:
    app = web.Application()
    app[ROOMS] = []
    app.router.add_post("/room", join)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(main(int(sys.argv[1])))
