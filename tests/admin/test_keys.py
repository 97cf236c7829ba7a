"""The keys page: what administrators and operators see of the keys, and how they change them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import app as zhenjian
from core.audit.models import AuditEntry
from core.clock import FakeClock
from core.config import Config
from core.crypto.backup import make_backup
from core.crypto.kek import FileKek
from core.crypto.keyring import Keyring, install_keyring
from core.crypto.recovery import drill
from core.crypto.rotation import MARGIN, make_due_keys
from core.crypto.runs import Resealer
from core.crypto.vault import ACTIVATION, Vault
from core.modules import Modules
from core.runtime import Runtime
from tests.core.crypto.conftest import opened
from tests.support.cast import Cast, Person, hire_cast
from tests.support.http import Client


@pytest.fixture
async def house(
    config: Config, modules: Modules, clock: FakeClock, keyring: Keyring
) -> AsyncIterator[Runtime]:
    """A process whose keys are in the database."""
    FileKek.create_file(config.keys, clock.now())
    async with opened(config, modules, clock) as runtime:
        yield runtime
    install_keyring(keyring)


@pytest.fixture
async def staff(house: Runtime) -> Cast:
    cast = await hire_cast(house)
    async with house.unit_of_work() as uow:
        await make_due_keys(uow, house.port(Vault), at_once=True)
    await house.port(Vault).refresh(house.keyring)
    return cast


@pytest.fixture
def desk(house: Runtime, modules: Modules) -> Client:
    return Client(zhenjian.build_asgi(house, modules))


async def state(desk: Client, who: Person) -> dict[str, Any]:
    answer = await desk.get("/keys", token=who.token)
    assert answer.status == 200, answer.json
    return dict(answer.json)


async def test_the_page_tells_the_state_of_the_keys_and_what_is_missing(
    desk: Client, staff: Cast, clock: FakeClock
) -> None:
    clock.advance(timedelta(minutes=1))
    seen = await state(desk, staff.administrator)
    assert seen["kek"]["provider"] == "file"
    assert seen["warnings"] == ["no_backup", "no_drill"]
    assert (seen["may_rotate"], seen["may_rotate_all"]) == (True, False)
    assert (await state(desk, staff.operator))["may_rotate_all"] is True


async def test_a_drill_that_failed_says_why_in_the_readers_language(
    house: Runtime, staff: Cast, desk: Client, tmp_path: Path
) -> None:
    _, files = await make_backup(house, tmp_path / "backup", officers=3, needed=2)
    await drill(house, folder=tmp_path / "backup", shares=files[1:2])
    seen = await state(desk, staff.administrator)
    assert seen["drill"]["ok"] is False
    assert seen["drill"]["problem"] == "份额或备份文件无法读取，或份额数量不足"
    assert "drill_failed" in seen["warnings"]


async def test_backup_and_drill_are_shown_with_their_dates(
    desk: Client, staff: Cast, house: Runtime, tmp_path: Path, clock: FakeClock
) -> None:
    _, files = await make_backup(house, tmp_path / "backup", officers=3, needed=2)
    await drill(house, folder=tmp_path / "backup", shares=files[1:3])
    seen = await state(desk, staff.administrator)
    assert seen["warnings"] == []
    assert (seen["backup"]["officers"], seen["backup"]["needed"]) == (3, 2)
    assert seen["backup"]["uncovered"] == 0
    assert seen["drill"]["ok"] is True
    assert seen["drill"]["samples"] > 0


async def test_an_administrator_sees_the_hospitals_and_the_groups_keys_and_no_secret(
    desk: Client, staff: Cast, house: Runtime
) -> None:
    answer = await desk.get("/keys/data", token=staff.administrator.token)
    assert answer.status == 200
    assert {line["hospital"] for line in answer.json} == {None, "仁和示范医院"}
    assert {line["stage"] for line in answer.json} == {"current"}
    text = str(answer.json)
    for _, key in house.keyring.all_keys():
        assert key.secret.hex() not in text
    everywhere = await desk.get("/keys/data?retired=true", token=staff.operator.token)
    assert len({line["hospital"] for line in everywhere.json}) == 3
    assert {line["stage"] for line in everywhere.json} == {"current", "retired"}


async def test_a_rotation_is_started_followed_and_audited(
    desk: Client, staff: Cast, house: Runtime, clock: FakeClock
) -> None:
    answer = await desk.post(
        "/keys/rotations", json={"scope": "own"}, token=staff.administrator.token, key="r1"
    )
    assert answer.status == 201, answer.json
    assert (answer.json["state"], answer.json["hospital"]) == ("running", "仁和示范医院")
    again = await desk.post(
        "/keys/rotations", json={"scope": "own"}, token=staff.administrator.token, key="r2"
    )
    assert (again.status, again.json["code"]) == (409, "key_run_under_way")
    [run] = (await state(desk, staff.administrator))["runs"]
    assert (run["done"], run["started_by"]) == (0.0, staff.administrator.name)
    clock.advance(ACTIVATION + MARGIN)
    await Resealer(house).turn(60)
    [run] = (await state(desk, staff.administrator))["runs"]
    assert (run["state"], run["done"], run["failed"]) == ("done", 1.0, 0)
    assert (await state(desk, staff.foreign_administrator))["runs"] == []
    async with house.unit_of_work() as uow:
        actions = set(await uow.session.scalars(select(AuditEntry.action)))
    assert {"keys.rotate", "keys.resealed"} <= actions


async def test_only_an_operator_changes_the_keys_of_everybody(desk: Client, staff: Cast) -> None:
    answer = await desk.post(
        "/keys/rotations", json={"scope": "all"}, token=staff.administrator.token, key="r1"
    )
    assert answer.status == 403
    answer = await desk.post(
        "/keys/rotations", json={"scope": "all"}, token=staff.operator.token, key="r2"
    )
    assert (answer.status, answer.json["hospital"]) == (201, None)


async def test_without_keys_in_the_database_there_is_nothing_to_change(
    client: Client, cast: Cast
) -> None:
    answer = await client.post(
        "/keys/rotations", json={"scope": "own"}, token=cast.administrator.token, key="r1"
    )
    assert (answer.status, answer.json["code"]) == (409, "keys_elsewhere")
