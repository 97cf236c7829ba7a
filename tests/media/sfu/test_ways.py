"""The short way of known streams: it leads where the long way leads, and ends when that changes."""

import random
from collections.abc import Iterator

import pytest

from media.sfu.ice import Address
from media.sfu.sdp import CODECS
from tests.media.sfu.test_engine import HOME, check_from
from tests.media.sfu.test_fuzz import Stage, media, stage

__all__ = ["stage"]
SOUND, PICTURE = 111, 96
LEVEL = b"\xbe\xde\0\1" + bytes([6 << 4, 0x85, 0, 0])


@pytest.fixture
def short_only(stage: Stage) -> Iterator[Stage]:
    """A stage whose streams are known, and whose long way is closed."""
    # A new stream makes all ways forgotten: the sound is heard once more.
    for payload_type, ssrc in ((SOUND, 1001), (PICTURE, 1002), (SOUND, 1001)):
        stage.engine.receive(media(payload_type, 1, ssrc, LEVEL), HOME, 9.0)
    del stage.sent[:]

    def closed(place: int, size: int, source: Address, now: float) -> None:
        raise AssertionError("the long way was taken")

    long_way, stage.engine._ways._arrived = stage.engine._ways._arrived, closed
    yield stage
    stage.engine._ways._arrived = long_way


async def test_known_streams_are_forwarded_counted_and_watched(short_only: Stage) -> None:
    stage = short_only
    for number in range(2, 12):
        stage.engine.receive(media(PICTURE, number, 1002, LEVEL), HOME, 9.0 + number / 10)
        stage.engine.receive(media(SOUND, number, 1001), HOME, 9.0 + number / 10)
    assert len(stage.sent) == 20
    picture, sound = (stage.anna.tracks[kind] for kind in ("video", "audio"))
    assert picture.layers[0].reception.received == sound.layers[0].reception.received == 11
    assert stage.anna.heard == picture.layers[0].heard == 10.1
    sound.set_enabled(False, 10.2)
    stage.engine.receive(media(SOUND, 12, 1001), HOME, 10.2)
    assert (len(stage.sent), stage.counted["rtp_muted"]) == (20, 1)
    # An extension longer than the packet.
    broken = bytearray(media(PICTURE, 12, 1002, LEVEL))
    broken[14:16] = b"\xff\xff"
    stage.engine.receive(bytes(broken), HOME, 10.3)
    assert (len(stage.sent), stage.counted["rtp_malformed"]) == (20, 1)


async def test_an_address_that_changes_hands_takes_its_streams_along(stage: Stage) -> None:
    stage.engine.receive(media(SOUND, 1, 1001), HOME, 9.0)
    heard = stage.anna.tracks["audio"].octets
    check_from(stage.engine, "bert:phone", HOME)
    stage.engine.receive(media(SOUND, 2, 1001), HOME, 9.1)
    assert stage.anna.tracks["audio"].octets == heard
    assert stage.bert.tracks["audio"].octets > 0


async def test_who_left_is_heard_no_longer(stage: Stage) -> None:
    stage.engine.receive(media(SOUND, 1, 1001), HOME, 9.0)
    stage.engine.remove_peer("call", "anna:phone")
    stage.engine.receive(media(SOUND, 2, 1001), HOME, 9.1)
    assert stage.counted["rtp_unknown_address"] == 1


async def test_a_stream_that_was_replaced_has_no_way(stage: Stage) -> None:
    layer = stage.anna.tracks["audio"].layers[0]
    stage.engine.receive(media(SOUND, 1, 1001), HOME, 9.0)
    stage.engine.receive(media(SOUND, 1, 1003), HOME, 20.0)
    assert layer.ssrc == 1003
    stage.engine.receive(media(SOUND, 2, 1001), HOME, 20.1)
    assert layer.reception.received == 1
    assert stage.counted["rtp_unknown_stream"] == 1


async def test_both_ways_send_the_same(stage: Stage) -> None:
    """The same packets, some lost and some late, once with and once without short ways."""
    dice = random.Random(7)
    numbers = [n for n in range(1, 200) if dice.random() > 0.1]
    for at in range(0, len(numbers) - 1, 9):
        numbers[at], numbers[at + 1] = numbers[at + 1], numbers[at]
    found: list[list[bytes]] = []
    for forgetful in (False, True):
        other = Stage()
        other.watch()
        for subscription in other.bert.sent.values():
            subscription.ssrc, subscription._highest, subscription._floor = 7, 70000, 70001
            subscription.accept(
                {codec.name: codec.payload_type for codec in CODECS}, {}, list(CODECS)
            )
        for number in numbers:
            if forgetful:
                other.engine._ways.forget()
            kind, ssrc = ((SOUND, 1001), (PICTURE, 1002))[number % 2]
            other.engine.receive(media(kind, number // 2, ssrc, LEVEL), HOME, 9.0 + number / 100)
        found.append(other.sent)
        await other.engine.close()
    assert found[0] == found[1]
    assert len(found[0]) > 150
