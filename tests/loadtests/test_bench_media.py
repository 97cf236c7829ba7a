"""The pieces of `make bench-media`, in a tiny run against our own worker on loopback."""

from pathlib import Path
from typing import Any

import pytest

from loadtests import bench_media_world
from loadtests.bench_media_floor import TICKS, floor
from loadtests.bench_media_loss import Heard, loss, told
from loadtests.bench_media_network import Network
from loadtests.bench_media_plan import Budget, Plan
from loadtests.bench_media_report import headline
from loadtests.bench_media_scene import measure_by_turns, measure_together, storm
from loadtests.bench_media_world import NotPossible, enter_namespace, janus_version, write_janus

TINY = Plan(
    warm=0.5,
    seconds=1.0,
    turns=2,
    recorded=1.0,
    pairs=1,
    bad=1.0,
    rooms=(1,),
    viewers=(1,),
    joins=2,
    pictures=1,
    minutes=1.0,
)
LOOPBACK = "127.0.0.1"


async def test_every_packet_of_a_tiny_run_reaches_every_viewer_and_is_read_there(
    tmp_path: Path,
) -> None:
    kinds = ["zhenjian", "zhenjian-interpreted"]
    found = await measure_by_turns(tmp_path, kinds, (1, 2, 1), TINY, Budget(1.0), host=LOOPBACK)
    assert list(found) == kinds
    for runs in found.values():
        assert len(runs) == TINY.turns
        for figures in runs:
            _all_arrived(figures)


async def test_what_recording_costs_is_measured_beside_rooms_without(tmp_path: Path) -> None:
    both = await measure_together(tmp_path, (1, 2, 1), TINY, ["no", "stored"], host=LOOPBACK)
    assert len(both) == 2
    for figures in both:
        _all_arrived(figures)


def _all_arrived(figures: dict[str, Any]) -> None:
    # Two publish for each other and for one who only watches; 210 packets a second each.
    assert figures["sent"] > 300
    # More than all, when the callers were held up before the second that counts.
    assert figures["delivered_share"] > 0.5
    assert figures["fewest_per_viewer"] > 100
    assert figures["refused_or_wrong"] == 0
    assert 0 < figures["delay_ms"]["p50"] < 1000
    assert figures["us_per_packet"] > 0


async def test_the_floor_sends_back_what_comes_and_costs_processor_time(tmp_path: Path) -> None:
    found = await floor(tmp_path, (1,), 1.0, host=LOOPBACK)
    assert [each["look_every_ms"] for each in found] == list(TICKS)
    for figures in found:
        assert figures["datagrams_per_s"] == 420
        assert 300 < figures["arrived"] <= 420


async def test_without_a_compiler_the_floor_is_not_possible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(NotPossible, match="C compiler"):
        await floor(tmp_path, (1,), 1.0, host=LOOPBACK)


async def test_a_storm_tells_when_the_first_packet_reached_each_who_joined(tmp_path: Path) -> None:
    figures = await storm(tmp_path, "zhenjian", TINY, host=LOOPBACK, rooms=2)
    assert figures["failed"] == []
    assert 0 < figures["first_rtp_ms"]["p50"] < 10_000


async def test_a_talk_over_a_bad_network_is_counted_at_eye_and_ear(tmp_path: Path) -> None:
    figures = await loss(tmp_path, warm=0.0, seconds=2.0, host=LOOPBACK)
    assert len(figures["each"]) == 2
    for one in figures["each"]:
        assert 0 < one["pictures_per_s"] < 60
        assert 20 <= one["gap_spoken_ms"] < 2000
    assert figures["gap_ms"] == max(
        max(one["gap_heard_ms"], one["gap_spoken_ms"]) for one in figures["each"]
    )
    assert "5% loss each way, 80 ms round trip" in told(figures)


def test_pictures_are_counted_by_the_second_and_gaps_from_the_beginning_to_the_end() -> None:
    heard = Heard(
        pictures=[100.1, 100.5, 101.2, 103.0],
        sound=[100.3, 100.5, 101.0],
        spoken=[7.04, 7.0, 7.1],
    )
    figures = heard.figures(100.0, 2.5)
    assert (figures["pictures_per_s"], figures["worst_second"]) == (1.5, 1)
    assert (figures["gap_heard_ms"], figures["gap_spoken_ms"]) == (1500.0, 60.0)


async def test_the_bad_network_loses_media_alone() -> None:
    network = Network(("127.0.0.1", 9))
    media, report, handshake = bytes([0x80, 96]), bytes([0x80, 200]), bytes([22, 254])
    lost = sum(network.is_lost(media) for _ in range(2000))
    assert 60 < lost < 140
    assert not any(network.is_lost(each) for each in (report, handshake) for _ in range(2000))


def test_what_was_not_measured_is_none_in_the_headline() -> None:
    told = headline({"rooms": {}, "fanout": {}, "storm": {}})
    assert set(told.values()) == {None}


def test_a_ratio_is_ours_over_theirs_turn_by_turn() -> None:
    def runs(p99: float, *per_cpu: int) -> dict[str, object]:
        found = [
            {"forwarded_per_cpu_s": each, "kb_per_participant": 200.0, "delay_ms": {"p99": p99}}
            for each in per_cpu
        ]
        return {**found[0], "runs": found}

    # A slow minute, an unlike one and a quick one of the machine's.
    full = {
        "zhenjian": runs(9.0, 30_000, 60_000, 90_000),
        "janus": runs(4.0, 10_000, 60_000, 30_000),
    }
    half = {"zhenjian": runs(2.0, 30_000), "janus": runs(4.0, 20_000)}
    rooms = {20: full, 10: half}
    told = headline({"rooms": rooms, "fanout": {}, "storm": {}})
    assert told["packets_per_cpu_vs_janus"] == 3.0
    assert told["latency_p99_vs_janus"] == 0.5
    assert told["latency_p99_ms_at_full_load"] == 9.0
    assert told["kb_per_participant"] == 200.0


def test_when_the_time_is_over_nothing_more_is_begun_and_that_is_told() -> None:
    assert Budget(1.0).allows("rooms")
    spent = Budget(0.0)
    assert not spent.allows("rooms")
    assert not spent.allows("rooms")
    assert not spent.allows("fanout")
    assert spent.left_out == ["rooms", "fanout"]


def test_what_is_missing_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(bench_media_world.INSIDE, raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NotPossible, match="apt-get install janus"):
        janus_version()
    with pytest.raises(NotPossible, match="unshare"):
        enter_namespace("loadtests.bench_media", [])


def test_janus_is_configured_with_one_address_and_the_video_room_alone(tmp_path: Path) -> None:
    write_janus(tmp_path, 8188, "198.18.0.1", event_loops=1)
    text = (tmp_path / "janus.jcfg").read_text()
    assert 'ice_enforce_list = "198.18.0.1"' in text
    assert "event_loops = 1" in text
    assert "libjanus_videoroom.so" not in text
