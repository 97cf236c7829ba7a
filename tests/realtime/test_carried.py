"""Entries between processes: sealed, bound to their place, opened only where they are wanted."""

from __future__ import annotations

import uuid
from base64 import b64decode

import pytest

from core.crypto.keyring import Keyring, Purpose, install_keyring
from core.crypto.sealing import sealed_with
from core.crypto.sm import DecryptionError
from realtime import carried
from realtime.carried import opened, opened_payload, packed, sealed_payload, unpacked
from realtime.groups import Entry
from realtime.rules import MessageKind


@pytest.fixture(autouse=True)
def _keys(keyring: Keyring) -> None:
    install_keyring(keyring)


def entry(seq: int, words: str = "胸口疼") -> Entry:
    return Entry(uuid.uuid4(), seq, MessageKind.TEXT, f'{{"text":"{words}"}}'.encode())


def test_entries_come_out_as_they_went_in_and_in_their_order() -> None:
    entries = [entry(seq) for seq in (1, 2**40, 7)]
    [frame] = packed(entries)
    assert [opened(*each) for each in unpacked(frame)] == entries


def test_on_the_bus_nothing_can_be_read_and_the_key_is_that_of_data_at_rest(
    keyring: Keyring,
) -> None:
    [frame] = packed([entry(1)])
    assert "胸口疼".encode() not in frame
    assert b"text" not in frame
    [(_, _, sealed)] = unpacked(frame)
    assert sealed_with(sealed) == keyring.current(Purpose.DATA).id


def test_an_entry_cannot_be_moved_or_changed() -> None:
    [frame] = packed([entry(5)])
    [(room, seq, sealed)] = unpacked(frame)
    changed = bytes([*sealed[:-1], sealed[-1] ^ 1])
    for place in ((uuid.uuid4(), seq, sealed), (room, 6, sealed), (room, seq, changed)):
        with pytest.raises(DecryptionError):
            opened(*place)


def test_frames_stay_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carried, "FRAME_BYTES", 1000)
    entries = [entry(seq, "字" * 100) for seq in range(1, 8)]
    frames = list(packed(entries))
    assert len(frames) == 3
    assert [opened(*each) for frame in frames for each in unpacked(frame)] == entries
    assert list(packed([])) == []


@pytest.mark.parametrize("cut", [b"", b"\x02", 20, -1])
def test_what_is_no_frame_is_refused(cut: bytes | int) -> None:
    [frame] = packed([entry(1)])
    with pytest.raises(ValueError, match="frame"):
        list(unpacked(cut if isinstance(cut, bytes) else frame[:cut]))


def test_the_words_of_an_event_are_sealed_for_its_sockets_alone() -> None:
    notice = {"title": "报告已出", "text": "请张三查看"}
    sealed = sealed_payload("user:1", "inbox", notice)
    assert "张三".encode() not in b64decode(sealed)
    assert opened_payload("user:1", "inbox", sealed) == notice
    for topic, event in (("user:2", "inbox"), ("user:1", "unread")):
        with pytest.raises(DecryptionError):
            opened_payload(topic, event, sealed)
