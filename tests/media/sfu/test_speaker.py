"""Who speaks: told by the audio levels that clients send beside their sound."""

from types import SimpleNamespace
from typing import Any

from media.sfu.call import Call
from media.sfu.counters import Counters
from media.sfu.track import Track
from tests.media.sfu.test_rtp import block, packet


class Table:
    """Some people who speak at levels in dB below full scale."""

    def __init__(self, *users: str) -> None:
        self.call = Call("call", "room", 0)
        self.now = 10.0
        self.sequence = 0
        self.tracks = {u: Track("audio", u, print, print, Counters(), 1) for u in users}
        for user, track in self.tracks.items():
            track.announce(5, 0)
            peer: Any = SimpleNamespace(spec=SimpleNamespace(user=user), tracks={"audio": track})
            self.call.peers[user] = peer

    def half_a_second(self, **levels: int) -> bool:
        for _ in range(26):
            self.now += 0.02
            self.sequence += 1
            for user, level in levels.items():
                extension = block((6, bytes([0x80 | level])))
                data = packet(b"opus", extension, payload_type=111, sequence=self.sequence, ssrc=5)
                track = self.tracks[user]
                track.receive(track.layers[0], data, 12 + len(extension), self.now)
        return self.call.listen(self.now + 0.01)


def test_who_is_loud_for_long_enough_is_the_speaker_until_somebody_else_is() -> None:
    table = Table("anna", "bert", "carl")
    assert not table.half_a_second(anna=127, bert=90, carl=127)
    assert table.call.speaker is None
    assert table.half_a_second(anna=127, bert=20, carl=60)
    assert table.call.speaker == "bert"
    assert not table.half_a_second(anna=127, bert=127, carl=127)  # A pause changes nothing.
    assert not table.half_a_second(anna=25, bert=20, carl=127)  # Both at once: who had the word.
    assert table.half_a_second(anna=25, bert=70, carl=127)
    assert table.call.speaker == "anna"


def test_a_muted_one_is_never_the_speaker() -> None:
    table = Table("anna", "bert")
    table.tracks["anna"].set_enabled(False, table.now)
    assert not table.half_a_second(anna=5, bert=100)
    assert table.call.speaker is None
