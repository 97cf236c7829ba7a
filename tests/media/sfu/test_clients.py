"""Two aiortc PeerConnections through a real worker over loopback UDP."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aioice.ice import get_host_addresses

from media.control import Offer
from media.sfu.engine import EngineSettings
from media.worker import Worker
from tests.media.sfu.clients import Client, Relay
from tests.media.sfu.support import CALL, Controls

Join = Callable[..., Awaitable[Client]]


@pytest.fixture
def engine_settings() -> EngineSettings:
    return EngineSettings(consent=3.0)


@pytest.fixture
async def join(controls: Controls) -> AsyncIterator[Join]:
    clients: list[Client] = []

    async def follow(event: dict[str, Any]) -> None:
        await asyncio.gather(*(client.follow(event) for client in clients))

    async def join(
        user: str, relay: Relay | None = None, kind: type[Client] = Client, **spec: Any
    ) -> Client:
        client = kind(controls, user, relay.port if relay else 0, **spec)
        clients.append(client)
        await client.join()
        return client

    controls.on_event = follow
    yield join
    for client in clients:
        await client.close()


@pytest.fixture
async def relay(worker: Worker) -> AsyncIterator[Relay]:
    relay = Relay(worker.engine.port.number)
    await relay.start()
    yield relay
    relay.close()


async def test_both_sides_hear_and_see_the_other(join: Join, controls: Controls) -> None:
    anna = await join("anna")
    bert = await join("bert")
    await asyncio.gather(anna.receives(60, 20), bert.receives(60, 20))
    (heard,) = anna.energy.values()
    assert heard > 5000  # The tone's is about 8,500.
    (seen_by_anna,), (seen_by_bert,) = anna.brightness.values(), bert.brightness.values()
    assert seen_by_bert < 100 < seen_by_anna
    assert anna.versions == [1, 2]
    assert bert.versions == [1]
    quality = await controls.event("peer.quality", peer="anna:test")
    assert quality["level"] in (1, 2, 3, 4)
    assert quality["loss"] < 0.05
    assert quality["bitrate"] > 10_000


async def test_h264_is_forwarded_as_well(join: Join, worker: Worker) -> None:
    anna = await join("anna", codec="H264")
    bert = await join("bert", codec="H264")
    await asyncio.gather(anna.receives(20, 10), bert.receives(20, 10))
    codec = worker.engine.calls[CALL].peers["anna:test"].tracks["video"].layers[0].codec
    assert codec is not None
    assert codec.name == "h264"


async def test_muted_media_is_not_forwarded_and_comes_back(
    join: Join, controls: Controls, worker: Worker
) -> None:
    anna = await join("anna")
    bert = await join("bert")
    await bert.receives(20, 10)
    await controls.link.set_media(CALL, anna.peer, audio=False, video=False)
    forwarded = [s.packets for s in worker.engine.calls[CALL].peers["bert:test"].sent.values()]
    before = worker.engine.counters.rtp_muted
    await anna.receives(20, 10)  # Bert is still heard and seen.
    assert worker.engine.counters.rtp_muted > before
    peer = worker.engine.calls[CALL].peers["bert:test"]
    assert [s.packets for s in peer.sent.values()] == forwarded
    await controls.link.set_media(CALL, anna.peer, audio=True, video=True)
    await bert.receives(20, 10)


async def test_lost_packets_are_retransmitted_in_both_directions_over_a_long_way(
    join: Join, worker: Worker, relay: Relay
) -> None:
    anna = await join("anna", relay)
    bert = await join("bert")
    await asyncio.gather(anna.receives(20, 10), bert.receives(20, 10))
    relay.loss_up = relay.loss_down = 0.05
    relay.delay = 0.05
    await asyncio.gather(anna.receives(150, 80), bert.receives(150, 80))
    counters = worker.engine.counters
    assert relay.dropped > 10
    assert counters.nacks_sent > 0
    assert counters.nacks_received > 0
    assert counters.retransmitted > 0
    round_trip = worker.engine.calls[CALL].peers["anna:test"].round_trip
    assert round_trip is not None
    assert round_trip > 0.09
    video = worker.engine.calls[CALL].peers["anna:test"].tracks["video"]
    assert video.layers[0].reception.recovered > 0


@pytest.mark.parametrize("engine_settings", [EngineSettings(consent=15.0)])
async def test_a_rebound_nat_is_followed_without_a_new_session(
    join: Join, worker: Worker, relay: Relay, controls: Controls
) -> None:
    anna = await join("anna", relay)
    bert = await join("bert")
    await asyncio.gather(anna.receives(20, 10), bert.receives(20, 10))
    await relay.rebind()
    await asyncio.gather(anna.receives(60, 20), bert.receives(60, 20))
    assert worker.engine.counters.address_changes >= 1
    assert [event for event in controls.events if event["event"] == "peer.gone"] == []


class OverIPv6(Client):
    """Takes nothing but the IPv6 addresses of an offer."""

    async def answer(self, offer: Offer) -> None:
        rows = offer.sdp.splitlines(keepends=True)
        kept = [row for row in rows if "candidate:" not in row or ":" in row.split()[4]]
        await super().answer(Offer(offer.version, "".join(kept)))


#: This machine in both families, one address each.
OWN = (*get_host_addresses(True, False)[:1], *get_host_addresses(False, True)[:1])


@pytest.mark.skipif(len(OWN) < 2, reason="this machine has not both families")
@pytest.mark.parametrize("engine_settings", [EngineSettings(host="::", announced=OWN)])
async def test_one_port_serves_both_families_under_several_addresses(
    join: Join, worker: Worker
) -> None:
    anna = await join("anna", kind=OverIPv6)
    bert = await join("bert")
    await asyncio.gather(anna.receives(40, 20), bert.receives(40, 20))
    peers = worker.engine.calls[CALL].peers
    hosts = {user: peers[f"{user}:test"].path.selected[0] for user in ("anna", "bert")}  # type: ignore[index]
    assert not hosts["anna"].startswith("::ffff:")
    assert hosts["bert"].startswith("::ffff:")


async def test_a_silent_peer_loses_consent_and_the_others_go_on(
    join: Join, relay: Relay, controls: Controls
) -> None:
    await join("anna", relay)
    bert = await join("bert")
    carl = await join("carl")
    await bert.receives(20, 10)
    relay.cut = True
    gone = await controls.event("peer.gone", peer="anna:test")
    assert gone["reason"] == "consent_lost"
    await asyncio.gather(bert.receives(20, 10), carl.receives(20, 10))


async def test_a_closed_peerconnection_is_noticed_at_once(join: Join, controls: Controls) -> None:
    anna = await join("anna")
    bert = await join("bert")
    await bert.receives(5, 2)
    await anna.close()
    gone = await controls.event("peer.gone", peer="anna:test", timeout=2)
    assert gone["reason"] == "closed"
    offer = await controls.event("offer", peer="bert:test", version=2)
    assert "u_anna" not in offer["sdp"]


async def test_who_leaves_gives_everything_back_and_waits_for_no_collection(
    join: Join, worker: Worker, controls: Controls
) -> None:
    anna = await join("anna")
    bert = await join("bert")
    await asyncio.gather(anna.receives(5, 2), bert.receives(5, 2))
    peer = worker.engine.calls[CALL].peers["anna:test"]
    transport = peer.dtls._transport
    layers = [layer for track in peer.tracks.values() for layer in track.layers]
    held = [peer, peer.dtls, peer.dtls.link, transport, transport._rx_srtp, transport._ssl]
    held += [*peer.tracks.values(), *layers, *peer.sent.values(), peer.negotiation]
    kept = [weakref.ref(each) for each in held]
    assert len(kept) == 13
    gc.disable()  # The collector of a worker runs once in a thousand sessions.
    try:
        del peer, transport, layers, held
        await controls.link.remove_peer(CALL, "anna:test", "left")
        async with asyncio.timeout(5):
            while any(each() is not None for each in kept):
                await asyncio.sleep(0.05)
    finally:
        gc.enable()
    await controls.event("offer", peer="bert:test", version=2)


async def test_a_hidden_peer_sees_everybody_and_nobody_is_told(
    join: Join, worker: Worker, controls: Controls
) -> None:
    anna = await join("anna")
    bert = await join("bert")
    await asyncio.gather(anna.receives(5, 2), bert.receives(5, 2))
    offers = [event for event in controls.events if event["event"] == "offer"]
    watcher = await join("supervisor", hidden=True, publish=False)
    await watcher.receives(40, 20)
    assert len(watcher.brightness) == 2
    assert [event for event in controls.events if event["event"] == "offer"] == offers
    await controls.link.remove_peer(CALL, watcher.peer, "left")
    await asyncio.gather(anna.receives(10, 5), bert.receives(10, 5))
    assert [event for event in controls.events if event["event"] == "offer"] == offers
    told = {e["peer"] for e in controls.events if e["event"] == "peer.quality"}
    assert watcher.peer not in told


async def test_the_newest_device_of_a_user_replaces_the_older(
    join: Join, controls: Controls, worker: Worker
) -> None:
    anna = await join("anna")
    bert = await join("bert")
    await bert.receives(5, 2)
    old = anna.session
    again = await join("anna")
    await asyncio.gather(again.receives(20, 10), bert.receives(20, 10))
    gone = await controls.event("peer.gone", session=old)
    assert gone["reason"] == "closed"
    assert len(worker.engine.calls[CALL].peers) == 2
