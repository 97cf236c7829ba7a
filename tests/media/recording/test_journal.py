"""The journal loses nothing that was flushed, and knows when bytes are not what was written."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media.recording import disk
from media.recording import journal as journal_module
from media.recording.frames import (
    MANIFEST_NAME,
    PACKET,
    JournalError,
    Packet,
    SenderReport,
    frame,
)
from media.recording.journal import (
    FLUSH_BYTES,
    MAX_BUFFER_BYTES,
    JournalWriter,
    read_take,
    recover_take,
    wall_us,
)
from media.sfu.recorder import Tap
from media.sfu.sdp import CODECS

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
START_US = int(START.timestamp() * 1e6)


def write_take(
    folder: Path, packets: int = 40, *, step_us: int = 20_000, call: str = "call-1"
) -> JournalWriter:
    """A take with one audio track and ``packets`` packets, flushed, not sealed."""
    writer = JournalWriter(folder, call, folder.name, START)
    number = writer.add_track("a1", "user-1", "audio", "opus", 48000, 111, 0x1234, START_US)
    for index in range(packets):
        at = START_US + index * step_us
        writer.waiting.put(number, at, b"\x80\x6f" + index.to_bytes(2, "big") + b"x" * (index % 60))
        writer.roll_if_due(at)
    writer.sender_report(number, START_US, 0x1122334455667788, 96000)
    writer.mark("mute", START_US + 5, {"user": "user-1", "audio": False, "video": True})
    writer.flush()
    return writer


def packets_of(folder: Path) -> list[Packet]:
    return [item for item in read_take(folder).records() if isinstance(item, Packet)]


def test_a_packet_given_in_two_parts_is_the_packet(tmp_path: Path) -> None:
    writer = write_take(tmp_path / "t1", 1)
    writer.waiting.put(1, START_US + 20_000, b"\x80\x6f\x00\x01 the head", b" and the payload")
    writer.seal("call_closed")
    assert packets_of(tmp_path / "t1")[1] == Packet(
        1, START_US + 20_000, b"\x80\x6f\x00\x01 the head and the payload"
    )


def test_a_sealed_take_reads_back_exactly_what_was_written(tmp_path: Path) -> None:
    writer = write_take(tmp_path / "t1")
    manifest = writer.seal("call_closed")
    take = read_take(tmp_path / "t1")
    assert take.manifest == manifest == writer.seal("again")
    assert [track.user for track in take.tracks] == ["user-1"]
    packets = packets_of(tmp_path / "t1")
    assert [packet.rtp[2:4] for packet in packets] == [n.to_bytes(2, "big") for n in range(40)]
    assert packets[3].arrival_us == START_US + 60_000
    reports = [item for item in take.records() if isinstance(item, SenderReport)]
    assert reports == [SenderReport(1, START_US, 0x1122334455667788, 96000)]
    assert take.marks[0].data == {"user": "user-1", "audio": False, "video": True}
    assert (take.damage, take.missing) == ([], [])
    assert manifest.packets == take.packets == 40


def test_segments_roll_by_age_and_carry_the_tracks_known_so_far(tmp_path: Path) -> None:
    writer = write_take(tmp_path / "t1", packets=1600)
    manifest = writer.seal("call_closed")
    assert [item.name for item in manifest.segments] == [f"{n:05d}.zjr" for n in (1, 2, 3, 4)]
    for segment in manifest.segments:
        data = (tmp_path / "t1" / segment.name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (segment.size, segment.sha256)
    (tmp_path / "t1" / "00001.zjr").unlink()
    (tmp_path / "t1" / MANIFEST_NAME).unlink()
    take = read_take(tmp_path / "t1")
    assert take.missing == ["00001.zjr"]
    assert [track.ssrc for track in take.tracks] == [0x1234]
    assert 0 < take.packets < 1600


def test_a_silent_call_does_not_roll_empty_segments(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "t1", "call-1", "t1", START)
    for second in range(60):
        assert writer.roll_if_due(START_US + second * 1_000_000) is None
    assert writer.seal("call_closed").segments == ()


def test_times_that_are_not_unix_time_are_refused(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "t1", "call-1", "t1", START)
    with pytest.raises(ValueError, match="Unix time"):
        writer.add_track("a1", "user-1", "audio", "opus", 48000, 111, 1, 12_345)


def test_packets_after_the_seal_are_dropped_and_do_not_raise(tmp_path: Path) -> None:
    writer = write_take(tmp_path / "t1")
    writer.seal("call_closed")
    writer.waiting.put(1, START_US, b"late")
    writer.flush()
    assert writer.roll_if_due(START_US + 60_000_000) is None
    assert writer.dropped == 1
    assert len(packets_of(tmp_path / "t1")) == 40


def test_a_full_disk_keeps_packets_in_memory_and_writes_them_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = write_take(tmp_path / "t1", packets=3)
    real_write = os.write
    calls = 0

    def refusing(file: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            return real_write(file, bytes(data[:7]))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal_module.os, "write", refusing)
    writer.waiting.put(1, START_US + 60_000, b"while the disk is full")
    writer.flush()
    assert isinstance(writer.failed, OSError)
    with pytest.raises(OSError, match="No space"):
        writer.seal("call_closed")
    monkeypatch.undo()
    writer.flush()
    assert writer.failed is None
    writer.seal("call_closed")
    assert packets_of(tmp_path / "t1")[-1].rtp == b"while the disk is full"


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_truncation_of_the_last_segment_loses_only_the_torn_tail(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("takes") / "t1"
    write_take(folder, packets=30)
    whole = packets_of(folder)
    path = folder / "00001.zjr"
    raw = path.read_bytes()
    ends = [raw.index(packet.rtp[:4], 8) + len(packet.rtp) for packet in whole]
    size = data.draw(st.integers(min_value=ends[0], max_value=len(raw)), label="kept bytes")
    path.write_bytes(raw[:size])
    survivors = packets_of(folder)
    assert survivors == whole[: sum(1 for end in ends if end <= size)]
    manifest = recover_take(folder)
    assert manifest.reason == "recovered"
    assert packets_of(folder) == survivors
    assert read_take(folder).damage == []
    assert recover_take(folder) == manifest


@pytest.mark.parametrize("size", [0, 1, 8, 30, 120])
def test_a_last_segment_torn_in_its_header_costs_nothing_before_it(
    tmp_path: Path, size: int
) -> None:
    folder = tmp_path / "t1"
    write_take(folder, packets=600)
    whole = packets_of(folder)
    last = folder / "00002.zjr"
    in_first = [item for item in whole if item.arrival_us < START_US + 10_000_000]
    last.write_bytes(last.read_bytes()[:size])
    recover_take(folder)
    survivors = packets_of(folder)
    assert survivors[: len(in_first)] == in_first
    assert all(item in whole for item in survivors)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_flipped_byte_is_detected_and_costs_at_most_one_record(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("takes") / "t1"
    write_take(folder, packets=30)
    whole = packets_of(folder)
    path = folder / "00001.zjr"
    raw = bytearray(path.read_bytes())
    position = data.draw(st.integers(min_value=0, max_value=len(raw) - 1), label="position")
    raw[position] ^= data.draw(st.integers(min_value=1, max_value=255), label="mask")
    path.write_bytes(raw)
    take = read_take(folder)
    assert len(take.damage) == 1
    hole = take.damage[0]
    assert hole.offset <= position < hole.offset + hole.size
    survivors = [item for item in take.records() if isinstance(item, Packet)]
    assert all(item in whole for item in survivors)
    assert len(survivors) >= len(whole) - 1


def test_packets_of_one_flush_are_one_record_and_are_lost_together(tmp_path: Path) -> None:
    writer = write_take(tmp_path / "t1", 0)
    for flush in range(3):
        for index in range(10):
            at = START_US + flush * 100_000 + index
            writer.waiting.put(1, at, b"\x80\x6f head of ", b"%d in %d" % (index, flush))
        writer.flush()
    path = tmp_path / "t1" / "00001.zjr"
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"3 in 1", b"3 is 1"))
    take = read_take(tmp_path / "t1")
    assert [(hole.segment, hole.torn_tail) for hole in take.damage] == [("00001.zjr", False)]
    assert [packet.rtp[-1:] for packet in packets_of(tmp_path / "t1")] == [b"0"] * 10 + [b"2"] * 10
    path.write_bytes(raw[:-1])
    survivors = packets_of(tmp_path / "t1")
    assert survivors[-1] == Packet(1, START_US + 100_009, b"\x80\x6f head of 9 in 1")


def test_reports_and_marks_stand_between_the_packets_where_they_came(tmp_path: Path) -> None:
    writer = write_take(tmp_path / "t1", 1)
    writer.sender_report(1, START_US + 30, 1, 2)
    writer.waiting.put(1, START_US + 40, b"\x80\x6f\x00\x01")
    writer.mark("unmute", START_US + 50, {"user": "user-1"})
    writer.seal("call_closed")
    kinds = [type(item).__name__ for item in read_take(tmp_path / "t1").records()]
    assert kinds[-5:] == ["SenderReport", "Mark", "SenderReport", "Packet", "Mark"]


def test_a_journal_of_single_packets_is_still_read(tmp_path: Path) -> None:
    writer = write_take(tmp_path / "t1", 1)
    writer.flush()
    path = tmp_path / "t1" / "00001.zjr"
    body = (1).to_bytes(2, "big") + START_US.to_bytes(8, "big") + b"\x80\x6f of the first kind"
    path.write_bytes(path.read_bytes() + frame(PACKET, body))
    manifest = recover_take(tmp_path / "t1")
    assert manifest.packets == 2
    assert packets_of(tmp_path / "t1")[-1] == Packet(1, START_US, b"\x80\x6f of the first kind")


def test_when_many_packets_wait_they_are_written_before_the_timer_comes(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "t1", "call-1", "t1", START)
    tap = Tap(writer, "user-1", "a1", START_US)
    codec = next(codec for codec in CODECS if codec.name == "opus")
    for _ in range(FLUSH_BYTES // 1000 + 1):
        tap.packet(codec, 7, b"\x80\x6f", b"x" * 1000, 1.0)
    assert writer.waiting.size < FLUSH_BYTES
    assert writer.path.stat().st_size > FLUSH_BYTES


def test_what_a_full_disk_does_not_take_and_memory_does_not_hold_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = write_take(tmp_path / "t1", packets=3)

    def refusing(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(journal_module.os, "write", refusing)
        for _ in range(2 * MAX_BUFFER_BYTES // 60_000):
            writer.waiting.put(1, START_US + 60_000, b"x" * 60_000)
            writer.flush()
    assert 0 < writer.dropped < 2 * MAX_BUFFER_BYTES // 60_000
    manifest = writer.seal("call_closed")
    assert (manifest.packets + manifest.dropped) == 3 + 2 * MAX_BUFFER_BYTES // 60_000
    assert len(packets_of(tmp_path / "t1")) == manifest.packets


def test_a_flipped_byte_in_a_sealed_take_is_detected_by_its_digest_too(tmp_path: Path) -> None:
    folder = tmp_path / "t1"
    write_take(folder, packets=600).seal("call_closed")
    first = folder / "00001.zjr"
    raw = bytearray(first.read_bytes())
    raw[500] ^= 1
    first.write_bytes(raw)
    assert [item.segment for item in read_take(folder).damage] == ["00001.zjr"]


def test_a_folder_without_a_readable_record_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "00001.zjr").write_bytes(os.urandom(5000))
    with pytest.raises(JournalError):
        read_take(tmp_path)


WRITE_FOR_EVER = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from media.recording.journal import JournalWriter, wall_us

writer = JournalWriter(Path(sys.argv[1]), "call-1", "t1", datetime.now(UTC))
number = writer.add_track("a1", "user-1", "audio", "opus", 48000, 111, 1, wall_us())
written = 0
while True:
    now = wall_us()
    writer.waiting.put(number, now, now.to_bytes(8, "big") * 20)
    written += 1
    if written % 50 == 0:
        writer.roll_if_due(now)
    print(now, flush=True)
    time.sleep(0.002)
"""


@pytest.mark.timeout(60)
def test_a_killed_writer_loses_at_most_one_second(tmp_path: Path) -> None:
    folder = tmp_path / "t1"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE_FOR_EVER, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(700)]
    process.send_signal(signal.SIGKILL)
    said += process.stdout.readlines()
    last_said = int(said[-1])
    process.wait()
    recover_take(folder)
    packets = packets_of(folder)
    lost_us = last_said - packets[-1].arrival_us
    assert lost_us <= 1_000_000
    assert len(packets) >= 10
    assert all(item.rtp[:8] == item.arrival_us.to_bytes(8, "big") for item in packets)


def test_a_disk_without_room_for_another_segment_keeps_the_one_that_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = write_take(tmp_path / "t1")

    def refuse(path: Path) -> int:
        raise OSError(errno.ENOSPC, "no space left", str(path))

    late = START_US + 60_000_000
    with monkeypatch.context() as patched:
        patched.setattr(journal_module, "_create", refuse)
        assert writer.roll_if_due(late) is None
        assert writer.failed is not None
        writer.waiting.put(1, late, b"\x80\x6f\x00\x28late")
    rolled = writer.roll_if_due(late + 1)
    assert rolled == tmp_path / "t1" / "00001.zjr"
    assert writer.failed is None
    writer.waiting.put(1, late + 2, b"\x80\x6f\x00\x29later")
    manifest = writer.seal("call_closed")
    assert (manifest.packets, manifest.dropped, len(manifest.segments)) == (42, 0, 2)
    assert packets_of(tmp_path / "t1")[-1].rtp.endswith(b"later")


def test_writing_a_packet_never_waits_for_fsync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main_thread_syncs: list[int] = []
    real = os.fsync

    def counting(file: int) -> None:
        if threading.current_thread() is threading.main_thread():
            main_thread_syncs.append(file)
        real(file)

    monkeypatch.setattr(disk.os, "fsync", counting)
    writer = JournalWriter(tmp_path / "t1", "call-1", "t1", START)
    number = writer.add_track("a1", "user-1", "audio", "opus", 48000, 111, 1, START_US)
    for index in range(5000):
        writer.waiting.put(number, START_US + index * 20_000, b"x" * 1000)
        writer.roll_if_due(START_US + index * 20_000)
    assert main_thread_syncs == []


def test_the_journal_clock_is_unix_time_and_never_runs_backwards() -> None:
    first, second = wall_us(), wall_us()
    assert first <= second
    assert abs(second / 1e6 - time.time()) < 60
