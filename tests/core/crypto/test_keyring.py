"""The key file: created once, kept private, and clear about what is wrong with it."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.crypto.blind_index import blind_index
from core.crypto.keyring import Keyring, KeyringError, Purpose, UnknownKeyError
from core.crypto.row_mac import canonical, row_mac, row_mac_matches
from core.crypto.sealing import seal, sealed_with, unseal
from core.crypto.sm import DecryptionError

NOW = datetime(2026, 11, 21, 1, 2, 3, tzinfo=UTC)


def test_a_created_key_file_is_private_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "keyring.json"
    created = Keyring.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    loaded = Keyring.load(path)
    for purpose in Purpose:
        assert loaded.current(purpose) == created.current(purpose)
    assert [item.name for item in path.parent.iterdir()] == ["keyring.json"]


def test_an_existing_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    Keyring.create(path)
    before = path.read_bytes()
    with pytest.raises(KeyringError, match="exists already"):
        Keyring.create(path)
    assert path.read_bytes() == before


def test_a_missing_file_is_an_error_in_production_and_made_in_the_demo(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    with pytest.raises(KeyringError, match="is missing"):
        Keyring.load_or_create(path, may_create=False)
    made = Keyring.load_or_create(path, may_create=True)
    again = Keyring.load_or_create(path, may_create=True)
    assert made.current(Purpose.DATA) == again.current(Purpose.DATA)


def test_a_file_that_others_may_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    Keyring.create(path)
    path.chmod(0o640)
    with pytest.raises(KeyringError, match="chmod 600"):
        Keyring.load(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": "other"}',
        '{"format": "zhenjian-keyring-1", "purposes": {}}',
        '{"format": "zhenjian-keyring-1", "purposes": {"data": {"current": "d1", "keys": '
        '{"d1": {"created_at": "2026-01-01T00:00:00+00:00", "key": "c2hvcnQ="}}}}}',
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keyring.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(KeyringError):
        Keyring.load(path)


def test_secrets_never_show_in_a_repr(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    keyring = Keyring.create(path)
    document = json.loads(path.read_text())
    for purpose in document["purposes"].values():
        for key in purpose["keys"].values():
            assert key["key"] not in repr(keyring)
    assert str(keyring.current(Purpose.DATA).secret) not in repr(keyring.current(Purpose.DATA))


def test_old_ciphertexts_stay_readable_after_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    old = Keyring.create(path)
    token = seal(old, "users.phone", b"13800000001")
    old.with_new_key(Purpose.DATA, NOW).save(path)
    new = Keyring.load(path)
    assert unseal(new, "users.phone", token) == b"13800000001"
    fresh = seal(new, "users.phone", b"13800000001")
    assert sealed_with(fresh) == new.current(Purpose.DATA).id != sealed_with(token)
    with pytest.raises(DecryptionError):
        unseal(old, "users.phone", fresh)
    with pytest.raises(UnknownKeyError):
        old.find(Purpose.DATA, sealed_with(fresh))


def test_a_cell_moved_to_another_column_does_not_decrypt() -> None:
    keyring = Keyring.generate()
    with pytest.raises(DecryptionError):
        unseal(keyring, "users.email", seal(keyring, "users.phone", b"1"))


@pytest.mark.parametrize("token", [b"", b"\x01", b"\x02\x01a", b"\x01\xff" + b"a" * 40])
def test_garbage_in_an_encrypted_cell_is_a_named_error(token: bytes) -> None:
    with pytest.raises(DecryptionError):
        unseal(Keyring.generate(), "users.phone", token)


def test_blind_indexes_meet_for_equal_text_and_part_by_purpose() -> None:
    keyring = Keyring.generate()
    plain = blind_index(keyring, "users.phone", "13800000001")
    assert plain == blind_index(keyring, "users.phone", " １３８-0000-0001")
    assert plain != blind_index(keyring, "patients.phone", "13800000001")
    assert plain != blind_index(Keyring.generate(), "users.phone", "13800000001")


def test_a_row_mac_fits_its_row_its_table_and_no_other() -> None:
    keyring = Keyring.generate()
    row = {"b": 1, "a": NOW, "c": None, "d": {"y": [b"\x01", True]}}
    mac = row_mac(keyring, "audit_entries", row)
    assert row_mac_matches(keyring, "audit_entries", dict(reversed(row.items())), mac)
    assert not row_mac_matches(keyring, "audit_entries", {**row, "b": 2}, mac)
    assert not row_mac_matches(keyring, "other", row, mac)
    assert not row_mac_matches(keyring, "audit_entries", row, "x9:00")
    assert not row_mac_matches(keyring, "audit_entries", row, "")
    rotated = keyring.with_new_key(Purpose.ROW, NOW)
    assert row_mac_matches(rotated, "audit_entries", row, mac)


def test_the_canonical_form_refuses_what_has_no_stable_form() -> None:
    with pytest.raises(TypeError):
        canonical({"a": object()})
    with pytest.raises(TypeError):
        canonical({"a": datetime(2026, 1, 1)})  # noqa: DTZ001
