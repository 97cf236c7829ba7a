"""The demultiplexer and its patience with whatever arrives on the port."""

import asyncio
import itertools
import random
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.errors import BadAnswer, CallUnknown, PeerUnknown, StaleAnswer, WorkerFull
from media.sfu.engine import Engine, EngineSettings
from media.sfu.peer import PeerSpec
from media.worker import Worker
from tests.media.sfu.clients import Client
from tests.media.sfu.support import CALL, Controls
from tests.media.sfu.test_ice import request
from tests.media.sfu.test_sdp import ANSWER

HOME, AWAY = ("192.0.2.7", 4000), ("198.51.100.9", 5000)


def spec(user: str, session: str = "s1", **fields: Any) -> PeerSpec:
    return PeerSpec(peer=f"{user}:phone", session=session, user=user, **fields)


@pytest.fixture
async def events() -> list[dict[str, Any]]:
    return []


@pytest.fixture
async def engine(events: list[dict[str, Any]]) -> AsyncIterator[Engine]:
    engine = Engine(EngineSettings(max_peers=3, max_peers_per_call=2), events.append)
    engine.open_call("call", "room")
    yield engine
    await engine.close()


def check_from(engine: Engine, peer: str, source: tuple[str, int]) -> None:
    credentials = engine.calls["call"].peers[peer].identity.current
    data = request(f"{credentials.ufrag}:x", credentials.password, ICE_CONTROLLING=1)
    engine.receive(data, source, 1.0)


datagrams = st.one_of(
    st.binary(max_size=80),
    st.builds(
        lambda head, tail: head + tail,
        st.sampled_from([b"\0\1\0\0\x21\x12\xa4\x42", b"\x16\xfe\xfd", b"\x80\x60", b"\x90\xc8"]),
        st.binary(max_size=80),
    ),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(datagrams, st.booleans()), max_size=60))
def test_no_datagram_raises_from_a_known_or_an_unknown_address(
    items: list[tuple[bytes, bool]],
) -> None:
    async def run() -> None:
        engine = Engine(EngineSettings(), lambda _: None)
        engine.open_call("call", "room")
        engine.add_peer("call", spec("anna"))
        check_from(engine, "anna:phone", HOME)
        for data, known in items:
            engine.receive(data, HOME if known else ("203.0.113.9", 9), 1.0)
        await engine.close()

    asyncio.run(run())


async def test_each_kind_of_refused_datagram_is_counted(engine: Engine) -> None:
    cases = {
        b"": "garbage",
        b"\xff\xff": "garbage",
        b"\x05hello": "garbage",
        b"\0\1\0": "garbage",
        b"\0\1\0\x04\x21\x12\xa4\x42" + b"t" * 12: "stun_malformed",
        request("nobody:x"): "stun_unknown_user",
        b"\x16\xfe\xfd" + bytes(50): "dtls_unknown_address",
        b"\x80\x60" + bytes(50): "rtp_unknown_address",
        b"\x80\xc8" + bytes(50): "rtp_unknown_address",
    }
    for data, counter in cases.items():
        before = engine.counters.as_dict()[counter]
        engine.receive(data, HOME, 1.0)
        assert engine.counters.as_dict()[counter] == before + 1, counter


async def test_a_wrong_password_opens_no_address(engine: Engine) -> None:
    engine.add_peer("call", spec("anna"))
    peer = engine.calls["call"].peers["anna:phone"]
    ufrag = peer.identity.current.ufrag
    engine.receive(request(f"{ufrag}:x", "wrong password"), HOME, 1.0)
    assert engine.counters.stun_wrong_integrity == 1
    engine.receive(b"\x16\xfe\xfd" + bytes(50), HOME, 1.0)
    assert engine.counters.dtls_unknown_address == 1
    assert peer.path.selected is None


async def test_a_flood_of_handshake_garbage_from_a_known_address_is_bounded(
    engine: Engine,
) -> None:
    engine.add_peer("call", spec("anna"))
    check_from(engine, "anna:phone", HOME)
    for _ in range(500):
        engine.receive(b"\x16\xfe\xfd" + bytes(50), HOME, 1.0)
    assert engine.counters.dtls_overflow > 400


async def test_calls_peers_and_sessions_are_named_in_errors(engine: Engine) -> None:
    with pytest.raises(CallUnknown):
        engine.add_peer("other", spec("anna"))
    version, _ = engine.add_peer("call", spec("anna"))
    with pytest.raises(PeerUnknown):
        engine.answer("call", "bert:phone", "s1", version, ANSWER)
    with pytest.raises(PeerUnknown):
        engine.answer("call", "anna:phone", "older session", version, ANSWER)
    with pytest.raises(StaleAnswer):
        engine.answer("call", "anna:phone", "s1", version + 1, ANSWER)
    with pytest.raises(BadAnswer):
        engine.answer("call", "anna:phone", "s1", version, "rubbish")
    engine.answer("call", "anna:phone", "s1", version, ANSWER)  # Nothing was spoiled.
    with pytest.raises(StaleAnswer):
        engine.answer("call", "anna:phone", "s1", version, ANSWER)


async def test_a_session_keeps_its_certificate(engine: Engine) -> None:
    engine.add_peer("call", spec("anna"))
    engine.answer("call", "anna:phone", "s1", 1, ANSWER)
    version, _ = engine.add_peer("call", spec("anna"))
    with pytest.raises(BadAnswer, match="certificate"):
        engine.answer("call", "anna:phone", "s1", version, ANSWER.replace("aa:bb", "aa:cc"))


async def test_asking_again_repeats_the_outstanding_offer(engine: Engine) -> None:
    first = engine.add_peer("call", spec("anna"))
    assert engine.add_peer("call", spec("anna")) == first
    engine.answer("call", "anna:phone", "s1", first[0], ANSWER)
    again = engine.add_peer("call", spec("anna"))
    assert again[0] == first[0] + 1


async def test_changes_during_an_outstanding_offer_are_merged(
    engine: Engine, events: list[dict[str, Any]]
) -> None:
    engine.add_peer("call", spec("anna"))
    engine.add_peer("call", spec("bert"))
    engine.remove_peer("call", "bert:phone")
    engine.add_peer("call", spec("carl"))
    assert [e for e in events if e["event"] == "offer"] == []
    engine.answer("call", "anna:phone", "s1", 1, ANSWER)
    (offer,) = [e for e in events if e["event"] == "offer"]
    assert offer["version"] == 2
    assert "u_carl" in offer["sdp"]
    assert "u_bert" not in offer["sdp"]


async def test_an_ice_restart_replaces_the_outstanding_offer_and_keeps_the_path(
    engine: Engine,
) -> None:
    engine.add_peer("call", spec("anna"))
    check_from(engine, "anna:phone", HOME)
    peer = engine.calls["call"].peers["anna:phone"]
    before = peer.identity.current
    version, offer = engine.restart("call", "anna:phone", "s1")
    assert version == 2
    assert before.ufrag not in offer
    assert peer.identity.current.ufrag in offer
    assert peer.path.selected == HOME
    with pytest.raises(StaleAnswer):
        engine.answer("call", "anna:phone", "s1", 1, ANSWER)
    engine.answer("call", "anna:phone", "s1", version, ANSWER)
    assert engine.peers == 1


async def test_the_old_credentials_hold_until_the_new_ones_are_used(engine: Engine) -> None:
    engine.add_peer("call", spec("anna"))
    check_from(engine, "anna:phone", HOME)
    old = engine.calls["call"].peers["anna:phone"].identity.current
    engine.restart("call", "anna:phone", "s1")
    engine.restart("call", "anna:phone", "s1")  # Whoever is impatient keeps his path as well.
    keep_alive = request(f"{old.ufrag}:x", old.password, ICE_CONTROLLING=1)
    engine.receive(keep_alive, HOME, 2.0)
    assert engine.counters.stun_checks == 2
    check_from(engine, "anna:phone", AWAY)
    engine.receive(keep_alive, HOME, 3.0)
    assert (engine.counters.stun_checks, engine.counters.stun_unknown_user) == (3, 1)
    engine.remove_peer("call", "anna:phone")
    check = request(f"{old.ufrag}:x", old.password, ICE_CONTROLLING=1)
    engine.receive(check, HOME, 4.0)
    assert (engine.peers, engine.counters.stun_unknown_user) == (0, 2)


async def test_only_a_session_that_is_there_is_restarted(engine: Engine) -> None:
    engine.add_peer("call", spec("anna"))
    with pytest.raises(PeerUnknown):
        engine.restart("call", "anna:phone", "older session")
    with pytest.raises(CallUnknown):
        engine.restart("other", "anna:phone", "s1")


async def test_a_peer_that_answers_nothing_is_let_go_after_thirty_seconds(
    controls: Controls, worker: Worker
) -> None:
    anna = Client(controls, "anna", quiet=True)
    await anna.join()
    await controls.event("peer.connected", peer=anna.peer)
    engine = worker.engine
    heard = engine.calls[CALL].peers[anna.peer].heard
    engine.look_after(heard + 29.9)
    assert anna.peer in engine.calls[CALL].peers
    engine.look_after(heard + 30.1)
    assert anna.peer not in engine.calls[CALL].peers
    gone = await controls.event("peer.gone", peer=anna.peer)
    assert gone["reason"] == "consent_lost"
    await anna.close()


async def test_calls_are_looked_after_by_turns_few_at_a_time_and_each_in_a_round(
    events: list[dict[str, Any]],
) -> None:
    engine = Engine(EngineSettings(), events.append)
    for number in range(25):
        engine.open_call(f"call {number}", "room")
        engine.add_peer(f"call {number}", spec("anna"))
    never_connected = time.monotonic() + engine.settings.setup + 1
    left = [engine.peers]
    for part in range(10):
        engine.look_after(never_connected, part)
        left.append(engine.peers)
    assert left[-1] == 0
    assert {before - after for before, after in itertools.pairwise(left)} == {2, 3}
    await engine.close()


async def test_the_engine_looks_after_calls_by_itself(events: list[dict[str, Any]]) -> None:
    engine = Engine(EngineSettings(setup=0.0), events.append)
    for number in range(12):
        engine.open_call(f"call {number}", "room")
        engine.add_peer(f"call {number}", spec("anna"))
    async with asyncio.timeout(10):
        while engine.peers:
            await asyncio.sleep(0.01)
    await engine.close()


async def test_a_full_worker_says_so_but_lets_people_replace_themselves(engine: Engine) -> None:
    engine.add_peer("call", spec("anna"))
    engine.add_peer("call", spec("bert"))
    with pytest.raises(WorkerFull):
        engine.add_peer("call", spec("carl"))
    engine.add_peer("call", spec("bert", session="s2"))
    engine.open_call("other", "room")
    engine.add_peer("other", spec("carl"))
    with pytest.raises(WorkerFull):
        engine.add_peer("other", spec("dora"))
    assert engine.peers == 3


async def test_closing_a_call_forgets_its_peers_and_addresses(
    engine: Engine, events: list[dict[str, Any]]
) -> None:
    engine.add_peer("call", spec("anna"))
    check_from(engine, "anna:phone", HOME)
    engine.close_call("call")
    assert engine.peers == 0
    assert events[-1] == {
        "event": "peer.gone",
        "call": "call",
        "peer": "anna:phone",
        "session": "s1",
        "reason": "closed",
    }
    engine.receive(b"\x80\x60" + bytes(50), HOME, 1.0)
    assert engine.counters.rtp_unknown_address == 1


async def test_a_peer_that_never_connects_is_given_up(events: list[dict[str, Any]]) -> None:
    engine = Engine(EngineSettings(setup=0.2), events.append)
    engine.open_call("call", "room")
    engine.add_peer("call", spec("anna"))
    async with asyncio.timeout(5):
        while not events:
            await asyncio.sleep(0.05)
    assert events[0]["reason"] == "consent_lost"
    await engine.close()


async def test_a_port_in_use_is_an_error_at_start() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="in use"):
            Engine(EngineSettings(port=holder.getsockname()[1]), lambda _: None)


async def test_malformed_media_of_an_authenticated_peer_disturbs_nobody(
    controls: Controls, worker: Worker
) -> None:
    anna, bert = Client(controls, "anna"), Client(controls, "bert")

    async def follow(event: dict[str, Any]) -> None:
        await asyncio.gather(anna.follow(event), bert.follow(event))

    controls.on_event = follow
    await anna.join()
    await bert.join()
    mallory = Client(controls, "mallory", quiet=True)
    await mallory.join()
    await controls.event("peer.connected", peer=mallory.peer)
    assert mallory.pc is not None
    transport = mallory.pc.getTransceivers()[0].receiver.transport
    dice = random.Random(4)
    for turn in range(400):
        if turn % 20 == 0:
            await asyncio.sleep(0.01)  # The kernel's buffer is small.
        body = dice.randbytes(dice.randrange(40))
        # An element that claims more than its block has, in a block that fits the packet.
        extension = b"\xbe\xde\0\1" + bytes([0x2F]) + dice.randbytes(3)
        sequence = turn.to_bytes(2, "big")
        for head in (b"\x90\x6f", b"\x90\x60", b"\xb0\x61"):  # Audio, video, retransmission.
            ssrc = bytes([1, 2, 3, head[1]])
            await transport._send_rtp(head + sequence + bytes(4) + ssrc + extension + body)
        stranger = turn.to_bytes(4, "big")
        await transport._send_rtp(b"\x80\x60" + sequence + bytes(4) + stranger + body)
        await transport._send_rtp(b"\x8f\xce" + dice.randbytes(2) + body.ljust(8, b"\0"))
        await transport.transport._send(bytes([dice.randrange(20, 64)]) + body)
        await transport.transport._send(b"\x80\x60" + body)
    await asyncio.gather(anna.receives(30, 20), bert.receives(30, 20))
    counters = worker.engine.counters
    assert counters.rtp_unauthentic > 0
    assert counters.rtp_unknown_stream > 300
    assert counters.rtcp_malformed > 0
    tracks = worker.engine.calls[CALL].peers[mallory.peer].tracks
    received = {kind: track.layers[0].reception.received for kind, track in tracks.items()}
    assert min(received.values()) > 300, received
    assert not [e for e in controls.events if e["event"] == "peer.gone"]
    await asyncio.gather(anna.close(), bert.close(), mallory.close())
