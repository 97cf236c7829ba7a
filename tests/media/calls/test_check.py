"""The trial of a connection before a call: a real worker, a real PeerConnection."""

import asyncio

import pytest
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from core.runtime import Runtime
from media.calls import check
from media.calls.controller import Controller
from tests.media.sfu.clients import Picture, Tone
from tests.support.cast import Cast
from tests.support.http import Client

VIDEO = {"media": "video"}


async def running(runtime: Runtime) -> int:
    controller = await Controller.of(runtime)
    return sum([len(await link.list_calls()) for link in controller.links])


async def over(runtime: Runtime) -> None:
    async with asyncio.timeout(5):
        while await running(runtime):
            await asyncio.sleep(0.1)


async def test_a_trial_connects_counts_packets_and_leaves_nothing_behind(
    client: Client, cast: Cast, runtime: Runtime
) -> None:
    token = cast.patient.token
    offer = (await client.post("/calls/check", token=token, json=VIDEO)).expect(200)
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
    try:
        await pc.setRemoteDescription(RTCSessionDescription(offer["sdp"], "offer"))
        for transceiver in pc.getTransceivers():
            transceiver.direction = "sendonly"
            transceiver.sender.replaceTrack(Tone() if transceiver.mid == "0" else Picture(60))
        await pc.setLocalDescription(await pc.createAnswer())
        answer = {
            "session": offer["session"],
            "version": offer["version"],
            "sdp": pc.localDescription.sdp,
        }
        other = await client.post("/calls/check/answer", token=cast.doctor.token, json=answer)
        assert other.code == "stale_answer"
        (await client.post("/calls/check/answer", token=token, json=answer)).expect(204)
        async with asyncio.timeout(15):
            while True:
                reports = await pc.getTransceivers()[0].sender.getStats()
                heard = [r for r in reports.values() if r.type == "remote-inbound-rtp"]
                if pc.connectionState == "connected" and heard:
                    break
                await asyncio.sleep(0.2)
        assert heard[0].packetsLost == 0
        assert await running(runtime) == 1
    finally:
        await pc.close()
    await over(runtime)
    late = await client.post("/calls/check/answer", token=token, json=answer)
    assert late.code == "stale_answer"


async def test_a_trial_that_nobody_ends_ends_itself(
    client: Client, cast: Cast, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "LIFE_SECONDS", 0.2)
    (await client.post("/calls/check", token=cast.doctor.token, json=VIDEO)).expect(200)
    assert await running(runtime) == 1
    await over(runtime)
    forbidden = await client.post("/calls/check", token=cast.supervisor.token, json=VIDEO)
    assert forbidden.code == "forbidden"
