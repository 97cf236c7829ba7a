"""What goes wrong with keys reaches the officers, once, and is cleared when it is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from core.alarms.models import Alarm
from core.alarms.service import CLEARED
from core.clock import FakeClock
from core.crypto.backup import make_backup
from core.crypto.kek import FileKek, Keks, KekVersion
from core.crypto.keys import KeyringError
from core.crypto.models import DataKey, KeyRun
from core.crypto.recovery import drill
from core.crypto.rotation import MARGIN, owners, start_rotation
from core.crypto.runs import Resealer
from core.crypto.vault import ACTIVATION, Vault
from core.crypto.watch import FIRST_BACKUP, STALLED, look
from core.outbox import OutboxEvent
from core.runtime import Runtime
from tests.core.crypto.conftest import give_keys
from tests.support.cast import Cast, hire_cast


@pytest.fixture
async def cast(keyed: Runtime) -> Cast:
    cast = await hire_cast(keyed)
    await give_keys(keyed, cast.hospital_id, period="before")
    return cast


async def alarms(runtime: Runtime, cast: Cast) -> list[tuple[str, str]]:
    """The hospital's alarms that are open, by title, each with its state."""
    async with runtime.unit_of_work() as uow:
        rows = await uow.session.scalars(
            select(Alarm).where(Alarm.hospital_id == cast.hospital_id).order_by(Alarm.id)
        )
        return [(row.title, row.state) for row in rows]


async def told(runtime: Runtime) -> int:
    """How often officers were told of a new alarm."""
    async with runtime.unit_of_work() as uow:
        rows = await uow.session.scalars(
            select(OutboxEvent.name).where(OutboxEvent.name == "alarms.alarm_raised")
        )
        return len(list(rows))


async def test_nothing_is_told_while_all_is_well(keyed: Runtime, cast: Cast) -> None:
    await look(keyed)
    assert await alarms(keyed, cast) == []


async def test_a_key_file_that_is_gone_is_told_once_and_cleared_when_it_is_back(
    keyed: Runtime, cast: Cast, key_file: Path
) -> None:
    aside = key_file.rename(key_file.with_name("aside"))
    for _ in range(3):
        await look(keyed)
    assert await alarms(keyed, cast) == [("主密钥无法访问", "open")]
    # Both hospitals of the cast, each of them once.
    assert await told(keyed) == 2
    aside.rename(key_file)
    await look(keyed)
    assert await alarms(keyed, cast) == [("主密钥无法访问", "resolved")]
    async with keyed.unit_of_work() as uow:
        assert set(await uow.session.scalars(select(Alarm.resolution))) == {CLEARED}


class Unplugged(FileKek):
    """A module that does not answer."""

    def versions(self) -> Sequence[KekVersion]:
        raise KeyringError("The module cannot list its keys: DeviceRemoved.")


async def test_a_module_that_does_not_answer_is_told(
    keyed: Runtime, cast: Cast, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = keyed.port(Vault)
    monkeypatch.setattr(vault, "keks", Keks(Unplugged(key_file)))
    await look(keyed)
    assert await alarms(keyed, cast) == [("主密钥无法访问", "open")]


async def test_a_data_key_that_does_not_open_is_told_to_its_own_hospital(
    keyed: Runtime, cast: Cast
) -> None:
    async with keyed.unit_of_work() as uow:
        row = await uow.session.scalar(
            select(DataKey).where(DataKey.hospital_id == cast.hospital_id).limit(1)
        )
        assert row is not None
        whole, row.wrapped = row.wrapped, b"\0" * 44
        name = (row.purpose, row.id)
    await look(keyed)
    async with keyed.unit_of_work() as uow:
        (alarm,) = await uow.session.scalars(select(Alarm))
        assert (alarm.hospital_id, alarm.title) == (cast.hospital_id, "数据密钥无法解开")
        assert name[1] in alarm.text
        (await uow.session.get_one(DataKey, name)).wrapped = whole
    await look(keyed)
    assert await alarms(keyed, cast) == [("数据密钥无法解开", "resolved")]


async def test_a_data_key_stays_told_while_nobody_can_look(
    keyed: Runtime, cast: Cast, key_file: Path
) -> None:
    async with keyed.unit_of_work() as uow:
        await uow.session.execute(
            update(DataKey)
            .where(DataKey.hospital_id == cast.hospital_id)
            .values(wrapped=b"\0" * 44)
        )
    await look(keyed)
    key_file.rename(key_file.with_name("aside"))
    await look(keyed)
    assert await alarms(keyed, cast) == [("数据密钥无法解开", "open"), ("主密钥无法访问", "open")]


async def test_a_re_encryption_that_stands_still_is_told_until_it_moves(
    keyed: Runtime, cast: Cast, clock: FakeClock
) -> None:
    async with keyed.unit_of_work() as uow:
        await start_rotation(uow, keyed.port(Vault), await owners(uow.session))
    clock.advance(ACTIVATION + MARGIN)
    await look(keyed)
    assert await alarms(keyed, cast) == []
    clock.advance(STALLED + timedelta(seconds=1))
    await look(keyed)
    assert await alarms(keyed, cast) == [("重新加密停滞", "open")]
    await Resealer(keyed).turn(60)
    async with keyed.unit_of_work() as uow:
        assert set(await uow.session.scalars(select(KeyRun.moved_at))) == {clock.now()}
    await look(keyed)
    assert await alarms(keyed, cast) == [("重新加密停滞", "resolved")]


async def test_a_re_encryption_that_left_something_behind_is_told(
    keyed: Runtime, cast: Cast, clock: FakeClock
) -> None:
    async with keyed.engine.begin() as connection:
        await connection.execute(
            text("UPDATE users SET phone = set_byte(phone, length(phone) - 1, 0) || '\\x00'")
        )
    async with keyed.unit_of_work() as uow:
        await start_rotation(uow, keyed.port(Vault), await owners(uow.session))
    clock.advance(ACTIVATION + MARGIN)
    await Resealer(keyed).turn(60)
    await look(keyed)
    assert await alarms(keyed, cast) == [("重新加密未完成", "open")]


async def test_backups_and_drills_that_are_overdue_are_told_and_cleared_by_doing_them(
    keyed: Runtime, cast: Cast, clock: FakeClock, tmp_path: Path
) -> None:
    clock.advance(FIRST_BACKUP + timedelta(hours=1))
    await look(keyed)
    assert await alarms(keyed, cast) == [("密钥备份逾期", "open")]
    folder = tmp_path / "backup"
    _, files = await make_backup(keyed, folder, officers=3, needed=2)
    await look(keyed)
    assert await alarms(keyed, cast) == [("密钥备份逾期", "resolved")]
    assert not (await drill(keyed, folder=folder, shares=[files[-1]])).ok
    await look(keyed)
    assert (await alarms(keyed, cast))[1:] == [("恢复演练未通过", "open")]
    assert (await drill(keyed, folder=folder, shares=files[-2:])).ok
    await look(keyed)
    clock.advance(timedelta(days=181))
    await look(keyed)
    assert (await alarms(keyed, cast))[1:] == [
        ("恢复演练未通过", "resolved"),
        ("密钥备份逾期", "open"),
        ("恢复演练逾期", "open"),
    ]


async def test_what_an_officer_resolved_is_told_anew_after_a_day(
    keyed: Runtime, cast: Cast, clock: FakeClock, key_file: Path
) -> None:
    key_file.rename(key_file.with_name("aside"))
    await look(keyed)
    async with keyed.unit_of_work() as uow:
        for row in await uow.session.scalars(select(Alarm)):
            row.resolved_at, row.resolved_by = uow.now, cast.administrator.user_id
    clock.advance(timedelta(hours=23))
    await look(keyed)
    assert await alarms(keyed, cast) == [("主密钥无法访问", "resolved")]
    clock.advance(timedelta(hours=2))
    await look(keyed)
    assert await alarms(keyed, cast) == [("主密钥无法访问", "resolved"), ("主密钥无法访问", "open")]
