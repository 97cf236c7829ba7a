"""Changing keys while everybody works, killed at any line, with nothing unreadable in between."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text, update

from clinical.people.models import Clinician
from core import audit
from core.audit.alarming import report
from core.audit.models import AuditEntry
from core.clock import FakeClock
from core.config import Config
from core.crypto import reseal as resealing
from core.crypto.cells import encrypted_table, encrypted_tables
from core.crypto.errors import RunUnderWay
from core.crypto.kek import FileKek
from core.crypto.keys import KeyringError, Purpose
from core.crypto.models import (
    DataKey,
    KekState,
    KeyEncryptionKey,
    KeyRun,
    KeyRunPart,
    KeyState,
    RunState,
)
from core.crypto.periods import Period, keys_to_make
from core.crypto.reseal import keys_in_use
from core.crypto.rotation import (
    FILES,
    MARGIN,
    forget_kek,
    make_due_keys,
    owners,
    retire_superseded,
    rotate_kek,
    start_rotation,
)
from core.crypto.runs import Resealer
from core.crypto.sealing import seal, sealed_with, unseal
from core.crypto.vault import ACTIVATION, Vault
from core.identity.models import User
from core.integrity import checker
from core.integrity.models import CheckOrigin, IntegrityCheck
from core.modules import Modules
from core.runtime import Runtime
from core.storage.reseal import all_paths, header_of
from tests.core.crypto.conftest import give_keys, opened
from tests.core.crypto.test_scope import open_room, upload
from tests.support.cast import Cast, hire_cast


class PowerCut(Exception):
    """The process ends here."""


def _cut(*args: object, **kwargs: object) -> None:
    raise PowerCut


@pytest.fixture
async def staff(keyed: Runtime) -> Cast:
    """A hospital at work: rooms, files and an audit, sealed with the first keys."""
    cast = await hire_cast(keyed)
    await give_keys(keyed, cast.hospital_id, period="before")
    await open_room(keyed, cast.doctor, cast.patient)
    async with keyed.unit_of_work() as uow:
        uow.session.add(upload(cast.doctor, "检查报告", keyed))
        await audit.record(uow, cast.doctor.caller, "file.add", "file", "1", detail={"name": "甲"})
    await keyed.storage.put("files/2026/11/a/original", b"picture", cast.hospital_id)
    await keyed.storage.put("bills/wechat/a.csv", b"bill")
    return cast


async def rotate(runtime: Runtime, clock: FakeClock, *scope: UUID | None) -> KeyRun:
    """Publish new keys and let the time pass until they write."""
    vault = runtime.port(Vault)
    async with runtime.unit_of_work() as uow:
        chosen = list(scope) or await owners(uow.session)
        run = await start_rotation(uow, vault, chosen)
    clock.advance(ACTIVATION + MARGIN)
    return run


async def in_use(runtime: Runtime) -> set[str]:
    """The ids of all data keys that seal some cell."""
    found: set[str] = set()
    for place in encrypted_tables():
        found |= set(await keys_in_use(runtime.engine, place))
    return found


# --- The key-encryption key --------------------------------------------------------------------


async def test_rotating_the_key_encryption_key_wraps_every_key_anew_at_once(
    keyed: Runtime, staff: Cast, config: Config, modules: Modules, clock: FakeClock
) -> None:
    vault = keyed.port(Vault)
    token = seal(keyed.keyring, "users.phone", b"1", staff.hospital_id)
    async with keyed.unit_of_work() as uow:
        old = (await vault.current_kek(uow.session)).id
        new = (await rotate_kek(uow.session, vault)).id
    async with keyed.unit_of_work() as uow:
        assert set(await uow.session.scalars(select(DataKey.kek_id))) == {new}
        states = {row.id: row.state for row in await uow.session.scalars(select(KeyEncryptionKey))}
    assert states == {old: KekState.RETIRED, new: KekState.CURRENT}
    async with opened(config, modules, clock) as again:
        assert unseal(again.keyring, "users.phone", token) == b"1"


async def test_an_old_version_goes_only_when_it_wraps_nothing(
    keyed: Runtime, config: Config
) -> None:
    vault = keyed.port(Vault)
    async with keyed.unit_of_work() as uow:
        old = (await vault.current_kek(uow.session)).id
        with pytest.raises(KeyringError, match="in use"):
            await forget_kek(uow.session, vault, old)
        new = (await rotate_kek(uow.session, vault)).id
    async with keyed.unit_of_work() as uow:
        await forget_kek(uow.session, vault, old)
    assert [version.id for version in FileKek.load(config.keys).versions()] == [new]


async def test_a_crash_between_the_new_version_and_the_commit_leaves_everything_readable(
    keyed: Runtime,
    staff: Cast,
    config: Config,
    modules: Modules,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vault = keyed.port(Vault)
    token = seal(keyed.keyring, "users.phone", b"1")
    with monkeypatch.context() as patch:
        patch.setattr(Vault, "open", _cut)
        with pytest.raises(PowerCut):
            async with keyed.unit_of_work() as uow:
                await rotate_kek(uow.session, vault)
    assert len(FileKek.load(config.keys).versions()) == 2
    async with opened(config, modules, clock) as again:
        assert unseal(again.keyring, "users.phone", token) == b"1"
        async with again.unit_of_work() as uow:
            await rotate_kek(uow.session, again.port(Vault))
    # The version that was left behind is the one that was taken.
    assert len(FileKek.load(config.keys).versions()) == 2


# --- Data keys ---------------------------------------------------------------------------------


@pytest.mark.requirement("S1-217")
async def test_after_a_rotation_everything_is_sealed_with_the_new_keys_and_reads_the_same(
    keyed: Runtime, staff: Cast, clock: FakeClock
) -> None:
    before = await in_use(keyed)
    run = await rotate(keyed, clock)
    assert not await Resealer(keyed).turn(60)
    async with keyed.unit_of_work() as uow:
        fresh = {
            row.id: row.hospital_id
            for row in await uow.session.scalars(
                select(DataKey).where(DataKey.created_at >= run.started_at)
            )
        }
        parts = list(await uow.session.scalars(select(KeyRunPart)))
        assert all(part.finished_at is not None and part.error is None for part in parts)
        assert sum(part.failed for part in parts) == 0
        assert (await uow.session.get(KeyRun, run.id)).state == RunState.DONE  # type: ignore[union-attr]
        people = {each.user_id for each in vars(staff).values() if hasattr(each, "user_id")}
        phones = {
            user.id: user.phone
            for user in await uow.session.scalars(select(User).where(User.id.in_(people)))
        }
        assert phones[staff.doctor.user_id] == staff.doctor.phone
    used = await in_use(keyed)
    assert used <= set(fresh)
    assert not used & before
    assert await keyed.storage.get("files/2026/11/a/original") == b"picture"
    headers = [await header_of(keyed.storage, path) for path in await all_paths(keyed.storage)]
    assert [fresh[header.key_id] for header in headers if header] == [None, staff.hospital_id]


async def test_row_macs_and_the_append_only_audit_stay_good(
    keyed: Runtime, staff: Cast, clock: FakeClock
) -> None:
    await rotate(keyed, clock)
    await Resealer(keyed).turn(60)
    async with keyed.unit_of_work() as uow:
        check, _ = await checker.begin(uow, CheckOrigin.COMMAND)
    while await checker.advance(keyed, report):
        pass
    async with keyed.unit_of_work() as uow:
        done = await uow.session.get(IntegrityCheck, check.id)
        assert done is not None
        assert done.done > 0
        assert done.found == 0
    async with keyed.engine.connect() as connection:
        with pytest.raises(Exception, match="append-only"):
            await connection.execute(update(AuditEntry.__table__).values(action="other"))  # type: ignore[arg-type]
    async with keyed.engine.connect() as connection:
        await connection.execute(resealing.RESEALING)
        with pytest.raises(Exception, match="append-only"):
            await connection.execute(update(AuditEntry.__table__).values(action="other"))  # type: ignore[arg-type]


async def test_one_hospital_can_change_its_keys_alone(
    keyed: Runtime, staff: Cast, clock: FakeClock
) -> None:
    await give_keys(keyed, staff.other_hospital_id, period="before")
    async with keyed.unit_of_work() as uow:
        uow.session.add(upload(staff.foreign_doctor, "乙", keyed))
    place = encrypted_table("files")
    assert place is not None
    before = await keys_in_use(keyed.engine, place)
    await rotate(keyed, clock, staff.hospital_id)
    await Resealer(keyed).turn(60)
    after = await keys_in_use(keyed.engine, place)
    kept = set(before) & set(after)
    assert {keyed.keyring.find(Purpose.DATA, key).hospital_id for key in kept} == {
        staff.other_hospital_id
    }
    header = await header_of(keyed.storage, "bills/wechat/a.csv.sealed")
    assert header is not None
    assert keyed.keyring.find(Purpose.FILE, header.key_id).hospital_id is None


async def test_two_rotations_at_once_are_refused(keyed: Runtime, staff: Cast) -> None:
    vault = keyed.port(Vault)
    async with keyed.unit_of_work() as uow:
        await start_rotation(uow, vault, [None])
    async with keyed.unit_of_work() as uow:
        with pytest.raises(RunUnderWay):
            await start_rotation(uow, vault, [None])


async def test_nothing_is_sealed_anew_before_the_new_keys_write(
    keyed: Runtime, staff: Cast
) -> None:
    async with keyed.unit_of_work() as uow:
        await start_rotation(uow, keyed.port(Vault), [None])
    assert not await Resealer(keyed).turn()
    async with keyed.unit_of_work() as uow:
        assert set(await uow.session.scalars(select(KeyRunPart.seen))) == {0}


async def test_a_run_that_is_killed_goes_on_where_it_was(
    keyed: Runtime, staff: Cast, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "BATCH", 2)
    run = await rotate(keyed, clock)
    with monkeypatch.context() as patch:
        # The batch is written, its place is not: it is done again and changes nothing.
        patch.setattr(Resealer, "_note", _cut)
        for _ in range(2):
            with pytest.raises(PowerCut):
                await Resealer(keyed).turn(60)
    before = await in_use(keyed)
    assert not await Resealer(keyed).turn(60)
    assert before != await in_use(keyed)
    async with keyed.unit_of_work() as uow:
        found = await uow.session.get(KeyRun, run.id)
        assert found is not None
        assert found.state == RunState.DONE
        seen = {part.target: part for part in await uow.session.scalars(select(KeyRunPart))}
    assert seen["users"].seen == seen["users"].total > 2
    assert seen[FILES].seen == 2


async def test_two_workers_at_one_run_count_every_row_once(
    keyed: Runtime, staff: Cast, clock: FakeClock, config: Config, modules: Modules
) -> None:
    await rotate(keyed, clock)
    async with opened(config, modules, clock) as other:
        await asyncio.gather(Resealer(keyed).turn(60), Resealer(other).turn(60))
        assert not await Resealer(other).turn(60)
    async with keyed.unit_of_work() as uow:
        parts = list(await uow.session.scalars(select(KeyRunPart)))
    assert all(part.seen == part.total for part in parts if part.target != "audit_entries")


async def test_a_change_that_comes_between_is_never_overwritten(
    keyed: Runtime, staff: Cast, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rotate(keyed, clock)
    await keyed.port(Vault).refresh(keyed.keyring)
    place = encrypted_table("clinicians")
    assert place is not None
    write = resealing._write

    async def late(*args: object) -> int:
        # Somebody changes the very row after it was read for sealing anew.
        async with keyed.unit_of_work() as uow:
            clinician = await uow.session.get(Clinician, staff.doctor.clinician_id)
            assert clinician is not None
            clinician.licence_number = "110000000077777"
        return await write(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(resealing, "_write", late)
    await resealing.reseal_batch(keyed.engine, keyed.keyring, place, None, None)
    async with keyed.unit_of_work() as uow:
        clinician = await uow.session.get(Clinician, staff.doctor.clinician_id)
        assert clinician is not None
        assert clinician.licence_number == "110000000077777"


async def test_a_row_that_somebody_has_locked_is_waited_for_alone(
    keyed: Runtime, staff: Cast, clock: FakeClock
) -> None:
    place = encrypted_table("clinicians")
    assert place is not None
    retired = set(await keys_in_use(keyed.engine, place))
    await rotate(keyed, clock)
    await keyed.port(Vault).refresh(keyed.keyring)
    async with keyed.engine.connect() as connection:
        await connection.execute(
            select(Clinician.id).where(Clinician.id == staff.doctor.clinician_id).with_for_update()
        )
        work = asyncio.create_task(
            resealing.reseal_batch(keyed.engine, keyed.keyring, place, None, None)
        )
        # Rows of the other hospital are done; the locked row keeps its hospital's old key in use.
        while len(retired & set(await keys_in_use(keyed.engine, place))) > 1:
            await asyncio.sleep(0.01)
        assert not work.done()
        await connection.rollback()
        outcome = await work
    assert outcome.failed == 0
    used = await keys_in_use(keyed.engine, place)
    assert set(used) <= {
        keyed.keyring.current(Purpose.DATA, owner).id
        for owner in (None, staff.hospital_id, staff.other_hospital_id)
    }


async def test_a_damaged_cell_is_counted_and_holds_its_key(
    keyed: Runtime, staff: Cast, clock: FakeClock
) -> None:
    async with keyed.engine.begin() as connection:
        await connection.execute(
            text("UPDATE files SET name = set_byte(name, length(name) - 1, 0) || '\\x00'")
        )
    await rotate(keyed, clock)
    await Resealer(keyed).turn(60)
    async with keyed.unit_of_work() as uow:
        parts = {part.target: part for part in await uow.session.scalars(select(KeyRunPart))}
    assert parts["files"].failed == 1
    assert parts["files"].finished_at is not None


# --- Periods -----------------------------------------------------------------------------------


async def test_keys_of_new_hospitals_and_of_the_next_period_are_made_in_time(
    keyed: Runtime, clock: FakeClock
) -> None:
    cast = await hire_cast(keyed)
    vault = keyed.port(Vault)
    async with keyed.unit_of_work() as uow:
        # Three purposes for the group and two hospitals; the next quarter is 41 days away.
        assert await make_due_keys(uow, vault) == 9
    async with keyed.unit_of_work() as uow:
        assert await make_due_keys(uow, vault) == 0
    await vault.refresh(keyed.keyring)
    assert keyed.keyring.current(Purpose.DATA, cast.hospital_id).hospital_id is None
    clock.advance(ACTIVATION)
    current = keyed.keyring.current(Purpose.DATA, cast.hospital_id)
    assert current.hospital_id == cast.hospital_id
    clock.advance(timedelta(days=20))
    async with keyed.unit_of_work() as uow:
        assert await make_due_keys(uow, vault) == 9
    await vault.refresh(keyed.keyring)
    assert keyed.keyring.current(Purpose.DATA, cast.hospital_id) == current
    clock.advance(timedelta(days=30))
    assert keyed.keyring.current(Purpose.DATA, cast.hospital_id) != current
    async with keyed.unit_of_work() as uow:
        # The first keys of the group and the keys of the old quarter.
        assert await retire_superseded(uow.session, uow.now) == 12
        states = {row.id: row.state for row in await uow.session.scalars(select(DataKey))}
    assert states[current.id] == KeyState.RETIRED
    await vault.refresh(keyed.keyring)
    assert keyed.keyring.find(Purpose.DATA, current.id).secret == current.secret


@pytest.mark.parametrize(
    ("period", "day", "label", "following"),
    [
        (Period.QUARTER, (2026, 11, 20), "2026Q4", (2027, 1, 1)),
        (Period.QUARTER, (2026, 3, 31), "2026Q1", (2026, 4, 1)),
        (Period.MONTH, (2026, 12, 1), "2026-12", (2027, 1, 1)),
        (Period.YEAR, (2026, 1, 1), "2026", (2027, 1, 1)),
    ],
)
def test_periods_begin_with_their_calendar(
    period: Period, day: tuple[int, int, int], label: str, following: tuple[int, int, int]
) -> None:
    moment = datetime(*day, 5, tzinfo=UTC)
    assert period.label(moment) == label
    assert period.following(moment) == datetime(*following, tzinfo=UTC)
    made = keys_to_make([None], frozenset(), period, moment, ACTIVATION)
    assert {each.purpose for each in made} == {Purpose.DATA, Purpose.ROW, Purpose.FILE}
    assert all(each.active_from and each.active_from >= moment + ACTIVATION for each in made)


def test_a_cell_names_the_key_that_sealed_it(keyed: Runtime) -> None:
    token = seal(keyed.keyring, "users.phone", b"1")
    assert sealed_with(token) == keyed.keyring.current(Purpose.DATA).id
