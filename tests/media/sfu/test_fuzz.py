"""Thousands of mutated STUN, RTP and RTCP packets: nothing dies, what is refused is counted.

RTP and RTCP are mutated below the encryption, as a caller with valid keys could: without them a
packet ends at its first check.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiortc.rtp import RtcpPsfbPacket, RtcpReceiverInfo

from media.sfu import rtcp, rtp
from media.sfu.dtls import Link
from media.sfu.engine import Engine, EngineSettings
from media.sfu.peer import Peer
from media.sfu.sdp import CODECS
from media.sfu.wire import ROOM, octets
from tests.media.sfu.test_engine import HOME, check_from, spec
from tests.media.sfu.test_ice import request

ROUNDS = 3000
AWAY = ("192.0.2.8", 4000)
EXTREMES = (0, 1, 0x7F, 0x80, 0xC0, 0xFF)


def mutated(seeds: list[bytes], dice: random.Random) -> Iterator[bytes]:
    """Every seed again and again, changed in one to four places, cut, stretched or joined."""
    for turn in range(ROUNDS):
        data = bytearray(seeds[turn % len(seeds)])
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(data)) if data else 0
            kind = dice.randrange(6)
            if kind == 0 and data:
                data[at] ^= 1 << dice.randrange(8)
            elif kind == 1 and data:
                data[at] = dice.choice(EXTREMES)
            elif kind == 2:
                del data[at:]
            elif kind == 3:
                data[at:at] = dice.randbytes(dice.randrange(1, 40))
            elif kind == 4 and len(data) > at + 1:
                data[at : at + 2] = dice.choice((b"\0\0", b"\xff\xff", b"\x7f\xff"))
            else:
                other = dice.choice(seeds)
                data[at:] = other[dice.randrange(len(other)) :]
        yield bytes(data[:1400])


class Open:
    """Stands for DTLS: everything is authentic, nothing is encrypted."""

    connected = True

    def __init__(self, link: Link) -> None:
        self.link = link

    def unprotect(self, place: int, size: int) -> bytes:
        return bytes(octets[ROOM * place : ROOM * place + size])

    def protect(self, place: int, data: bytes) -> int:
        octets[ROOM * place : ROOM * place + len(data)] = data
        return len(data)

    unprotect_rtcp, protect_rtcp = unprotect, protect

    def stop(self) -> asyncio.Task[None]:
        return asyncio.create_task(asyncio.sleep(0))


class Sent:
    """Stands for the wire of one peer: keeps what is posted."""

    free = 0

    def __init__(self, sent: list[bytes]) -> None:
        self._sent = sent

    def post(self, size: int, address: tuple[str, int]) -> None:
        assert address == AWAY
        self._sent.append(octets[:size])


class Stage:
    """Anna publishes, Bert watches, their keys are agreed; ``sent`` is what went to Bert."""

    def __init__(self) -> None:
        self.engine = Engine(EngineSettings(), lambda _: None)
        # The tests say what time it is: by the engine's own clock everybody was silent for hours.
        self.engine._ticker.cancel()
        self.sent: list[bytes] = []
        self.engine.open_call("call", "room")
        self.anna, self.bert = (self.join(name) for name in ("anna", "bert"))

    def join(self, name: str) -> Peer:
        self.engine.add_peer("call", spec(name))
        peer = self.engine.calls["call"].peers[f"{name}:phone"]
        check_from(self.engine, f"{name}:phone", HOME if name == "anna" else AWAY)
        replaced: Any = Open(peer.dtls.link)
        peer.dtls = replaced
        return peer

    def watch(self) -> None:
        """Bert takes all that Anna publishes."""

        for subscription in self.bert.sent.values():
            codecs = [codec for codec in CODECS if codec.kind == subscription.track.kind]
            chosen = {codec.name: codec.payload_type for codec in codecs}
            subscription.accept(chosen, {96: 97, 102: 103}, codecs)
            subscription.live = True
        wire: Any = Sent(self.sent)
        self.bert._wire = wire

    @property
    def counted(self) -> dict[str, int]:
        return self.engine.counters.as_dict()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    stage.watch()
    yield stage
    await stage.engine.close()


def media(payload_type: int, sequence: int, ssrc: int, extension: bytes = b"") -> bytes:
    first = 0x90 if extension else 0x80
    head = rtp.HEADER.pack(first, payload_type, sequence, sequence * 900, ssrc)
    return head + extension + b"\x90\xe0\x81\x02\x03\x20\x00picture" + bytes(30)


async def test_mutated_checks_are_refused_and_counted(stage: Stage) -> None:
    ours = stage.anna.identity.current
    seeds = [
        request(f"{ours.ufrag}:x", ours.password, ICE_CONTROLLING=1, PRIORITY=7),
        request(f"{ours.ufrag}:x", ours.password, ICE_CONTROLLED=1),
        request(f"{ours.ufrag}:x", "another password"),
        request("nobody:x"),
    ]
    before = stage.counted["datagrams_out"]
    for data in mutated(seeds, random.Random(1)):
        stage.engine.receive(data, ("203.0.113.9", 9), 2.0)
    counted = stage.counted
    assert counted["stun_malformed"] > 500
    assert counted["stun_unknown_user"] > 10
    assert counted["stun_wrong_integrity"] > 10
    # Who sent it gets an answer to what was whole, and to nothing else.
    assert counted["datagrams_out"] - before <= (
        counted["stun_checks"] + counted["stun_role_conflicts"]
    )
    assert stage.anna.path.selected in (HOME, ("203.0.113.9", 9))


async def test_mutated_media_is_forwarded_or_counted_and_good_media_goes_on(stage: Stage) -> None:
    level = b"\xbe\xde\0\1" + bytes([6 << 4, 0x85, 0, 0])
    names = b"\xbe\xde\0\2" + bytes([4 << 4 | 2]) + b"low" + bytes([5 << 4 | 1]) + b"hi\0"
    seeds = [
        media(111, 10, 1001, level),
        media(96, 20, 1002, names),
        media(102, 30, 1003),
        media(97, 40, 1004),
        media(96, 20, 1002, b"\x10\0\0\1abcd"),
    ]
    dice = random.Random(2)
    for turn, data in enumerate(mutated(seeds, dice)):
        stage.engine.receive(data, HOME, 10.0 + turn / 100)
        if turn % 100 == 0:
            for track in stage.anna.tracks.values():
                stage.anna.tend(track, 10.0 + turn / 100)
            stage.anna.tick(10.0 + turn / 100)
            stage.anna.report(lambda _: (0.0, None), 10.0 + turn / 100)
    counted = stage.counted
    assert counted["rtp_malformed"] > 100
    assert counted["rtp_unknown_stream"] > 100
    # A stream of its own, long after: it is taken and sent on.
    at = 10.0 + ROUNDS / 100 + 5
    del stage.sent[:]
    for sequence in range(10):
        stage.engine.receive(media(111, sequence, 77), HOME, at + sequence / 50)
    assert len(stage.sent) >= 9
    assert all(data[12:14] == b"\xbe\xde" for data in stage.sent)


async def test_mutated_reports_are_refused_and_counted(stage: Stage) -> None:
    stage.engine.receive(media(111, 1, 1001), HOME, 9.0)
    streams = list(stage.bert.sent)
    block = RtcpReceiverInfo(streams[0], 1, 2, 3, 4, 5, 6)
    fir = bytes(RtcpPsfbPacket(fmt=4, ssrc=1, media_ssrc=0, fci=bytes(8)))
    seeds = [
        rtcp.write_sender_report(1001, 1 << 63, 3, 4, 5, "u_anna"),
        rtcp.write_receiver_report(1, [block, block], (1_000_000, streams), "worker"),
        rtcp.write_pli(1, streams[-1]),
        rtcp.write_nack(1, streams[0], [1, 2, 17, 500, 65535]),
        fir,
    ]
    for turn, data in enumerate(mutated(seeds, random.Random(3))):
        for source in (HOME, AWAY):
            stage.engine.receive(data, source, 10.0 + turn / 100)
    counted = stage.counted
    assert counted["rtcp_malformed"] > 500
    assert counted["nacks_received"] > 0
    assert stage.bert.downlink.estimate is not None
    judged = stage.bert.judge(99.0)
    assert judged["level"] in (1, 2, 3, 4)
