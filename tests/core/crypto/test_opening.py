"""How an installation comes to its keys: new, from an old key file, and after a crash anywhere."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select, text

from core.clock import FakeClock
from core.config import Config
from core.crypto import kek, opening
from core.crypto.follow import KeyFollower
from core.crypto.kek import FileKek, is_kek_file, kept_path, pending_path
from core.crypto.keyring import Keyring
from core.crypto.keys import KeyringError, Purpose, UnknownKeyError
from core.crypto.models import DataKey, KeyRun, RunKind
from core.crypto.runs import Resealer
from core.crypto.sealing import seal, sealed_with, unseal
from core.crypto.vault import ACTIVATION, NewKey, Vault
from core.modules import Modules
from core.runtime import Runtime
from tests.core.crypto.conftest import opened
from tests.support.cast import hire_cast


class PowerCut(Exception):
    """The process ends here."""


@pytest.fixture
def old_file(config: Config, keyring: Keyring) -> Path:
    """The key file of an earlier version, whose keys the session's keyring holds."""
    keyring.save(config.keys)
    return config.keys


async def key_rows(runtime: Runtime) -> list[DataKey]:
    async with runtime.unit_of_work() as uow:
        return list(await uow.session.scalars(select(DataKey)))


async def test_a_new_installation_gets_one_key_of_the_group_per_purpose(keyed: Runtime) -> None:
    rows = await key_rows(keyed)
    assert sorted(row.purpose for row in rows) == sorted(Purpose)
    assert {row.hospital_id for row in rows} == {None}
    for row in rows:
        assert row.wrapped is not None
        secret = keyed.keyring.find(Purpose(row.purpose), row.id).secret
        assert secret not in row.wrapped


async def test_every_start_finds_the_same_keys(
    keyed: Runtime, config: Config, modules: Modules, clock: FakeClock
) -> None:
    token = seal(keyed.keyring, "users.phone", b"13800000001")
    async with opened(config, modules, clock) as again:
        assert unseal(again.keyring, "users.phone", token) == b"13800000001"
        assert len(await key_rows(again)) == len(Purpose)


async def test_an_old_key_file_is_taken_in_and_its_cells_read_on(
    old_file: Path, keyring: Keyring, config: Config, modules: Modules, clock: FakeClock
) -> None:
    before = old_file.read_bytes()
    token = seal(keyring, "users.phone", b"13800000001")
    async with opened(config, modules, clock) as runtime:
        assert unseal(runtime.keyring, "users.phone", token) == b"13800000001"
        for purpose in Purpose:
            assert runtime.keyring.current(purpose).id == keyring.current(purpose).id
        async with runtime.unit_of_work() as uow:
            run = (await uow.session.scalars(select(KeyRun))).one()
        assert run.kind == RunKind.CONVERT
    assert is_kek_file(old_file)
    assert kept_path(old_file).read_bytes() == before
    assert not pending_path(old_file).exists()
    async with opened(config, modules, clock) as runtime:
        assert unseal(runtime.keyring, "users.phone", token) == b"13800000001"


async def test_a_file_without_a_key_for_files_gets_one(
    old_file: Path, config: Config, modules: Modules, clock: FakeClock
) -> None:
    ring = Keyring.load(old_file)
    del ring._held.keys[Purpose.FILE]  # type: ignore[attr-defined]
    document = ring._document()
    old_file.unlink()
    kek.write_private_json(old_file, document, exclusive=True)
    async with opened(config, modules, clock) as runtime:
        assert runtime.keyring.current(Purpose.FILE).hospital_id is None


STEPS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {}


def step(function: Callable[[pytest.MonkeyPatch], None]) -> Callable[[pytest.MonkeyPatch], None]:
    STEPS[function.__name__] = function
    return function


def _cut(*args: object, **kwargs: object) -> None:
    raise PowerCut


@step
def before_the_new_key_is_written(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(opening, "_waiting_kek", _cut)


@step
def before_the_keys_are_stored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Vault, "put", _cut)


@step
def before_the_commit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(opening, "plan", _cut)


@step
def before_the_old_file_is_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(os, "link", _cut)


@step
def before_the_files_change_places(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(os, "replace", _cut)


@pytest.mark.parametrize("name", list(STEPS))
async def test_a_crash_while_an_old_file_is_taken_in_loses_nothing(
    name: str, old_file: Path, keyring: Keyring, config: Config, modules: Modules, clock: FakeClock
) -> None:
    token = seal(keyring, "users.phone", b"13800000001")
    before = old_file.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        if name != "before_the_new_key_is_written":
            # This step itself uses what the others cut.
            opening._waiting_kek(pending_path(config.keys), clock.now())
        STEPS[name](patch)
        with pytest.raises(PowerCut):
            async with opened(config, modules, clock):
                pass
    assert old_file.read_bytes() == before
    async with opened(config, modules, clock) as runtime:
        assert unseal(runtime.keyring, "users.phone", token) == b"13800000001"
        assert len(await key_rows(runtime)) == sum(1 for _ in keyring.all_keys())
    assert is_kek_file(old_file)
    assert kept_path(old_file).read_bytes() == before


async def test_processes_that_start_at_once_take_the_file_in_once(
    old_file: Path, config: Config, modules: Modules, clock: FakeClock
) -> None:
    async def start() -> set[str]:
        async with opened(config, modules, clock) as runtime:
            return {key.id for _, key in runtime.keyring.all_keys()}

    found = await asyncio.gather(*(start() for _ in range(4)))
    assert all(ids == found[0] for ids in found)
    assert is_kek_file(old_file)


async def test_another_machine_with_the_old_file_is_told_to_fetch_the_new_one(
    old_file: Path, config: Config, modules: Modules, clock: FakeClock
) -> None:
    before = old_file.read_bytes()
    async with opened(config, modules, clock):
        pass
    old_file.write_bytes(before)
    kept_path(old_file).unlink()
    with pytest.raises(KeyringError, match="copy the key file"):
        async with opened(config, modules, clock):
            pass


async def test_keys_of_another_installation_are_refused(
    keyed: Runtime, config: Config, modules: Modules, clock: FakeClock, keyring: Keyring
) -> None:
    keyring.save(config.keys)
    with pytest.raises(KeyringError, match="not the one of this database"):
        async with opened(config, modules, clock):
            pass


async def test_data_without_keys_is_never_given_new_ones(
    runtime: Runtime, key_file: Path, config: Config, modules: Modules, clock: FakeClock
) -> None:
    await hire_cast(runtime)
    with pytest.raises(KeyringError, match="holds data but no keys"):
        async with opened(config, modules, clock):
            pass


async def test_a_lost_key_file_is_named_with_the_remedy(
    keyed: Runtime, config: Config, modules: Modules, clock: FakeClock
) -> None:
    config.keys.unlink()
    with pytest.raises(KeyringError, match="zhenjian keys restore"):
        async with opened(config, modules, clock):
            pass


async def test_a_wrapped_key_cannot_be_passed_off_as_another(
    keyed: Runtime, config: Config, modules: Modules, clock: FakeClock
) -> None:
    async with keyed.engine.begin() as connection:
        await connection.execute(
            text(
                "UPDATE data_keys SET wrapped = (SELECT wrapped FROM data_keys "
                "WHERE purpose = 'row') WHERE purpose = 'index'"
            )
        )
    with pytest.raises(KeyringError, match="does not open"):
        async with opened(config, modules, clock):
            pass


async def test_a_key_writes_from_its_time_on_and_reads_before(
    keyed: Runtime, clock: FakeClock
) -> None:
    vault = keyed.port(Vault)
    async with keyed.unit_of_work() as uow:
        [row] = await vault.make(
            uow.session,
            [NewKey(Purpose.DATA, None, "2026Q4", clock.now() + ACTIVATION)],
        )
    await vault.refresh(keyed.keyring)
    assert keyed.keyring.find(Purpose.DATA, row.id)
    assert keyed.keyring.current(Purpose.DATA).id != row.id
    clock.advance(ACTIVATION)
    assert keyed.keyring.current(Purpose.DATA).id == row.id


async def test_a_cell_sealed_by_one_process_opens_in_another_that_has_heard_nothing(
    keyed: Runtime, config: Config, modules: Modules, clock: FakeClock
) -> None:
    async with opened(config, modules, clock) as other:
        KeyFollower(other, other.port(Vault))
        vault = keyed.port(Vault)
        async with keyed.unit_of_work() as uow:
            [row] = await vault.make(
                uow.session, [NewKey(Purpose.DATA, None, "2026Q4", clock.now())]
            )
        await vault.refresh(keyed.keyring)
        token = seal(keyed.keyring, "users.phone", b"1")
        assert sealed_with(token) == row.id
        assert row.id not in other.keyring.key_ids(Purpose.DATA)
        assert unseal(other.keyring, "users.phone", token) == b"1"


async def test_an_unknown_key_is_looked_for_once_and_then_refused(
    keyed: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = KeyFollower(keyed, keyed.port(Vault))
    looks: list[str] = []
    look = follower.look

    def counted(key_id: str) -> bool:
        found = look(key_id)
        looks.append(f"{key_id}:{found}")
        return found

    keyed.keyring.when_missing(counted)
    for _ in range(3):
        with pytest.raises(UnknownKeyError):
            keyed.keyring.find(Purpose.DATA, "d0-00")
    assert looks == ["d0-00:True", "d0-00:False", "d0-00:False"]
    # Who sends tokens can make up key ids: for those nobody asks the database.
    with pytest.raises(UnknownKeyError):
        keyed.keyring.find(Purpose.TOKEN, "t0-00")
    assert len(looks) == 3


async def test_files_from_before_are_converted_and_then_nothing_in_the_clear_is_read(
    old_file: Path, config: Config, modules: Modules, clock: FakeClock
) -> None:
    from core.crypto.follow import look_at_storage
    from core.storage import ObjectDamaged
    from core.storage.reseal import all_paths

    async with opened(config, modules, clock) as runtime:
        await runtime.storage.store.put_async("bills/wechat/a.csv", b"from before")
        await runtime.storage.store.put_async("bills/wechat/empty.csv", b"")
        await look_at_storage(runtime)
        assert await runtime.storage.get("bills/wechat/a.csv") == b"from before"
        assert not await Resealer(runtime).turn()
        assert await all_paths(runtime.storage) == [
            "bills/wechat/a.csv.sealed",
            "bills/wechat/empty.csv.sealed",
        ]
        await look_at_storage(runtime)
        assert await runtime.storage.get("bills/wechat/a.csv") == b"from before"
        assert await runtime.storage.get("bills/wechat/empty.csv") == b""
        await runtime.storage.store.put_async("bills/wechat/planted.csv", b"x")
        with pytest.raises(ObjectDamaged):
            await runtime.storage.get("bills/wechat/planted.csv")


def test_a_key_encryption_key_that_others_may_read_is_refused(
    key_file: Path,
) -> None:
    key_file.chmod(0o644)
    with pytest.raises(KeyringError, match="chmod 600"):
        FileKek.load(key_file)
