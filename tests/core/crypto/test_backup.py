"""A lost key is a lost hospital: the backup, the rehearsal of a restore, and the restore."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from core.audit.models import AuditEntry
from core.clock import FakeClock
from core.config import Config
from core.crypto import sm2
from core.crypto.backup import make_backup, refresh_backup
from core.crypto.destruction import destroy
from core.crypto.errors import KeyInUse
from core.crypto.kek import FileKek
from core.crypto.keys import KeyringError, Purpose
from core.crypto.models import DataKey, KekState, KeyDrill, KeyEncryptionKey, KeyState
from core.crypto.overview import Warning, overview
from core.crypto.recovery import drill, restore
from core.crypto.rotation import retire_superseded
from core.crypto.runs import Resealer
from core.crypto.shares import BackupError, BackupFile, Share, opener_of
from core.crypto.vault import ACTIVATION, Vault
from core.db import create_engine
from core.identity.models import User
from core.modules import Modules
from core.runtime import Runtime
from tests.core.crypto.conftest import give_keys, opened
from tests.core.crypto.test_rotation import rotate
from tests.core.crypto.test_scope import open_room, upload
from tests.support.cast import Cast, hire_cast


@pytest.fixture
async def staff(keyed: Runtime) -> Cast:
    cast = await hire_cast(keyed)
    await give_keys(keyed, cast.hospital_id)
    await open_room(keyed, cast.doctor, cast.patient)
    async with keyed.unit_of_work() as uow:
        uow.session.add(upload(cast.doctor, "检查报告", keyed))
    await keyed.storage.put("files/2026/11/a/original", b"picture", cast.hospital_id)
    return cast


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backup"


async def backed_up(
    runtime: Runtime, folder: Path, officers: int = 5, needed: int = 3
) -> list[Path]:
    """Make a backup; returns the shares."""
    _, files = await make_backup(runtime, folder, officers=officers, needed=needed)
    return files[1:]


# --- Backup ------------------------------------------------------------------------------------


async def test_a_backup_is_one_private_file_of_sealed_keys_and_one_share_for_each_officer(
    keyed: Runtime, staff: Cast, folder: Path
) -> None:
    shares = await backed_up(keyed, folder)
    assert [path.name for path in shares] == [f"share-{n}-of-5.json" for n in range(1, 6)]
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    raw = b"".join(path.read_bytes() for path in folder.iterdir())
    for _, key in keyed.keyring.all_keys():
        assert key.secret not in raw
        assert key.secret.hex().encode() not in raw
    assert len(BackupFile.read(folder).keys) == sum(1 for _ in keyed.keyring.all_keys())


async def test_a_folder_with_something_in_it_and_senseless_numbers_are_refused(
    keyed: Runtime, folder: Path
) -> None:
    folder.mkdir()
    with pytest.raises(BackupError, match="At least two"):
        await make_backup(keyed, folder, officers=3, needed=1)
    (folder / "something").write_text("else")
    with pytest.raises(BackupError, match="not empty"):
        await make_backup(keyed, folder, officers=3, needed=2)


async def test_a_mistyped_or_foreign_share_is_named(
    keyed: Runtime, folder: Path, tmp_path: Path
) -> None:
    shares = await backed_up(keyed, folder, 3, 2)
    others = await backed_up(keyed, tmp_path / "other", 3, 2)
    with pytest.raises(BackupError, match="different backups"):
        opener_of([Share.read(shares[0]), Share.read(others[1])])
    with pytest.raises(BackupError, match="2 different shares are needed, 1"):
        opener_of([Share.read(shares[0]), Share.read(shares[0])])
    document = json.loads(shares[0].read_text())
    first, rest = document["share"][0], document["share"][1:]
    document["share"] = ("1" if first == "0" else "0") + rest
    shares[0].write_text(json.dumps(document))
    with pytest.raises(BackupError, match="changed"):
        Share.read(shares[0])


async def test_keys_made_later_are_sealed_for_the_same_officers(
    keyed: Runtime, staff: Cast, folder: Path
) -> None:
    shares = await backed_up(keyed, folder)
    await give_keys(keyed, staff.other_hospital_id)
    async with keyed.unit_of_work() as uow:
        assert (await overview(uow)).uncovered == 0
    done = await drill(keyed, folder=folder, shares=shares[1:4])
    assert done.ok, done.detail
    assert await refresh_backup(keyed, folder) == sum(1 for _ in keyed.keyring.all_keys())
    assert len(BackupFile.read(folder).keys) == sum(1 for _ in keyed.keyring.all_keys())


async def test_a_public_key_that_somebody_slips_in_is_never_used(
    keyed: Runtime, staff: Cast, folder: Path
) -> None:
    await backed_up(keyed, folder)
    async with keyed.engine.begin() as connection:
        await connection.execute(
            text("UPDATE key_backups SET public_key = :theirs"),
            {"theirs": sm2.generate().public_key.point},
        )
    with pytest.raises(KeyringError, match="was changed in the database"):
        await give_keys(keyed, staff.other_hospital_id)


# --- Drill -------------------------------------------------------------------------------------


async def test_a_drill_proves_the_restore_and_leaves_a_record(
    keyed: Runtime, staff: Cast, folder: Path, clock: FakeClock
) -> None:
    shares = await backed_up(keyed, folder)
    done = await drill(keyed, folder=folder, shares=[shares[0], shares[2], shares[4]])
    assert done.ok, done.detail
    assert done.detail["cells"] > 10
    assert done.detail["files"] == 1
    async with keyed.unit_of_work() as uow:
        kept = (await uow.session.scalars(select(KeyDrill))).one()
        assert (kept.ok, kept.at) == (True, clock.now())
        entry = (
            await uow.session.scalars(select(AuditEntry).where(AuditEntry.action == "keys.drill"))
        ).one()
        assert entry.detail["ok"] is True
        assert (await overview(uow)).warnings == []
    clock.advance(timedelta(days=181))
    async with keyed.unit_of_work() as uow:
        found = await overview(uow)
    assert found.warnings == [Warning.BACKUP_OLD, Warning.DRILL_OLD]


async def test_a_drill_that_fails_says_why_and_is_recorded_too(
    keyed: Runtime, staff: Cast, folder: Path
) -> None:
    shares = await backed_up(keyed, folder)
    done = await drill(keyed, folder=folder, shares=shares[:2])
    assert not done.ok
    assert "3 different shares are needed" in done.detail["problem"]
    async with keyed.unit_of_work() as uow:
        assert (await overview(uow)).warnings == [Warning.DRILL_FAILED]


async def test_a_backup_in_which_a_key_was_exchanged_fails_the_drill(
    keyed: Runtime, staff: Cast, folder: Path
) -> None:
    shares = await backed_up(keyed, folder)
    path = folder / "backup.json"
    document = json.loads(path.read_text())
    first, second = document["keys"][:2]
    first["sealed"], second["sealed"] = second["sealed"], first["sealed"]
    path.write_text(json.dumps(document))
    done = await drill(keyed, folder=folder, shares=shares[:3])
    assert not done.ok
    assert "does not open" in done.detail["problem"]


async def test_without_backup_and_drill_the_overview_warns(keyed: Runtime) -> None:
    async with keyed.unit_of_work() as uow:
        assert (await overview(uow)).warnings == [Warning.NO_BACKUP, Warning.NO_DRILL]


# --- Restore -----------------------------------------------------------------------------------


@pytest.mark.requirement("S1-217")
async def test_a_hospital_comes_back_after_its_key_encryption_key_was_destroyed(
    keyed: Runtime,
    staff: Cast,
    folder: Path,
    config: Config,
    modules: Modules,
    clock: FakeClock,
) -> None:
    shares = await backed_up(keyed, folder)
    # A hospital that joined after the backup.
    await give_keys(keyed, staff.other_hospital_id)
    async with keyed.unit_of_work() as uow:
        uow.session.add(upload(staff.foreign_doctor, "后来的报告", keyed))
    config.keys.unlink()
    with pytest.raises(KeyringError, match="is missing"):
        async with opened(config, modules, clock):
            pass
    engine = create_engine(config.require_database())
    done = await restore(config, engine, clock, folder=folder, shares=shares[2:])
    await engine.dispose()
    assert (done.keys, done.lost) == (sum(1 for _ in keyed.keyring.all_keys()), 0)
    async with opened(config, modules, clock) as runtime:
        async with runtime.unit_of_work() as uow:
            user = await uow.session.get(User, staff.doctor.user_id)
            assert user is not None
            assert user.phone == staff.doctor.phone
            states = list(await uow.session.scalars(select(KeyEncryptionKey.state)))
        assert sorted(states) == [KekState.CURRENT, KekState.RETIRED]
        assert await runtime.storage.get("files/2026/11/a/original") == b"picture"


async def test_a_restore_that_would_lose_keys_says_so_first(
    keyed: Runtime,
    staff: Cast,
    folder: Path,
    tmp_path: Path,
    config: Config,
    clock: FakeClock,
    modules: Modules,
) -> None:
    shares = await backed_up(keyed, folder, 3, 2)
    await backed_up(keyed, tmp_path / "newer", 3, 2)
    await give_keys(keyed, staff.other_hospital_id)
    config.keys.unlink()
    engine = create_engine(config.require_database())
    with pytest.raises(BackupError, match="3 keys are not in this backup"):
        await restore(config, engine, clock, folder=folder, shares=shares[:2])
    async with keyed.unit_of_work() as uow:
        assert len(list(await uow.session.scalars(select(KeyEncryptionKey)))) == 1
    done = await restore(config, engine, clock, folder=folder, shares=shares[:2], accept_loss=True)
    await engine.dispose()
    assert done.lost == 3
    async with opened(config, modules, clock) as runtime:
        lost = [row for row in await _rows(runtime) if row.state == KeyState.DESTROYED]
        assert {row.hospital_id for row in lost} == {staff.other_hospital_id}


async def _rows(runtime: Runtime) -> list[DataKey]:
    async with runtime.unit_of_work() as uow:
        return list(await uow.session.scalars(select(DataKey)))


async def test_a_crash_in_the_middle_of_a_restore_changes_nothing(
    keyed: Runtime,
    staff: Cast,
    folder: Path,
    config: Config,
    clock: FakeClock,
    modules: Modules,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shares = await backed_up(keyed, folder)
    config.keys.unlink()
    engine = create_engine(config.require_database())
    wrapped = {row.id: row.wrapped for row in await _rows(keyed)}

    def cut(*_: object) -> bytes:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(FileKek, "wrap", cut)
        with pytest.raises(RuntimeError):
            await restore(config, engine, clock, folder=folder, shares=shares[:3])
    assert {row.id: row.wrapped for row in await _rows(keyed)} == wrapped
    await restore(config, engine, clock, folder=folder, shares=shares[:3])
    await engine.dispose()
    async with opened(config, modules, clock) as runtime:
        assert await runtime.storage.get("files/2026/11/a/original") == b"picture"


# --- Destruction -------------------------------------------------------------------------------


async def test_a_key_is_destroyed_only_when_it_is_retired_long_enough_and_unused(
    keyed: Runtime, staff: Cast, clock: FakeClock
) -> None:
    vault = keyed.port(Vault)
    old = keyed.keyring.current(Purpose.DATA, staff.hospital_id).id
    old_file = keyed.keyring.current(Purpose.FILE, staff.hospital_id).id
    with pytest.raises(KeyringError, match="still writes"):
        await destroy(keyed, Purpose.DATA, old)
    await rotate(keyed, clock)
    clock.advance(ACTIVATION)
    async with keyed.unit_of_work() as uow:
        await retire_superseded(uow.session, uow.now)
    with pytest.raises(KeyringError, match="less than 7 days"):
        await destroy(keyed, Purpose.DATA, old)
    clock.advance(timedelta(days=8))
    for purpose, key_id in ((Purpose.DATA, old), (Purpose.FILE, old_file)):
        with pytest.raises(KeyInUse):
            await destroy(keyed, purpose, key_id)
    await Resealer(keyed).turn(60)
    await destroy(keyed, Purpose.DATA, old)
    await destroy(keyed, Purpose.FILE, old_file)
    async with keyed.unit_of_work() as uow:
        row = await uow.session.get(DataKey, (Purpose.DATA.value, old))
        assert row is not None
        assert (row.state, row.wrapped, row.escrow) == (KeyState.DESTROYED, None, None)
    await vault.refresh(keyed.keyring)
    assert old not in keyed.keyring.key_ids(Purpose.DATA)
    assert await keyed.storage.get("files/2026/11/a/original") == b"picture"
    row_key = keyed.keyring.key_ids(Purpose.ROW)[0]
    with pytest.raises(KeyringError, match="are not destroyed"):
        await destroy(keyed, Purpose.ROW, row_key)
