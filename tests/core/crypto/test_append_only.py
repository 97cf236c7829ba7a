"""A change of keys reaches the cells of rows that nobody may change, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError

from clinical.consent.models import ConsentRecord, ConsentText
from clinical.consent.states import Act, Kind, Method, TextState
from core import audit
from core.audit.alarming import report
from core.clock import FakeClock
from core.crypto.cells import EncryptedTable, encrypted_table, encrypted_tables
from core.crypto.models import KeyRunPart
from core.crypto.reseal import RESEALING, keys_in_use
from core.crypto.rotation import MARGIN, owners, start_rotation
from core.crypto.runs import Resealer
from core.crypto.vault import ACTIVATION, Vault
from core.ids import new_id
from core.integrity import checker
from core.integrity.models import CheckOrigin, IntegrityCheck
from core.runtime import Runtime
from tests.core.crypto.conftest import give_keys
from tests.support.cast import Cast, hire_cast

GUARDED = text(
    "SELECT DISTINCT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
    # Row triggers that fire before an update.
    "WHERE NOT t.tgisinternal AND t.tgtype & 19 = 19"
)
#: Tables with encrypted cells whose rows stay as they are.
APPEND_ONLY = ("audit_entries", "consent_records")


def place(name: str) -> EncryptedTable:
    found = encrypted_table(name)
    assert found is not None
    return found


@pytest.fixture
async def cast(keyed: Runtime) -> Cast:
    """A hospital with a signed consent and an audit in which every cell is filled."""
    cast = await hire_cast(keyed)
    await give_keys(keyed, cast.hospital_id, period="before")
    async with keyed.unit_of_work() as uow:
        shown = ConsentText(
            id=new_id(), hospital_id=cast.hospital_id, kind=Kind.NOTICE, version="试1",
            title="知情同意", body="正文", state=TextState.PUBLISHED, effective_at=uow.now,
            created_at=uow.now, changed_at=uow.now,
        )  # fmt: skip
        uow.session.add(shown)
        await uow.session.flush()
        uow.session.add(
            ConsentRecord(
                id=new_id(),
                hospital_id=cast.hospital_id,
                user_id=cast.patient.user_id,
                kind=Kind.NOTICE,
                text_id=shown.id,
                version="试1",
                digest="00",
                act=Act.GIVEN,
                method=Method.SIGNATURE,
                signature="手写签名",
                signature_digest="00",
                at=uow.now,
            )
        )
        await audit.record(
            uow, cast.doctor.caller, "user.edit", "user", "1",
            detail={"what": "甲"}, reason="更正", changes={"name": ["甲", "乙"]},
        )  # fmt: skip
    return cast


async def rotate(runtime: Runtime, clock: FakeClock) -> dict[str, KeyRunPart]:
    """Change every data key and seal everything anew; the parts by their tables."""
    async with runtime.unit_of_work() as uow:
        await start_rotation(uow, runtime.port(Vault), await owners(uow.session))
    clock.advance(ACTIVATION + MARGIN)
    assert not await Resealer(runtime).turn(60)
    async with runtime.unit_of_work() as uow:
        return {part.target: part for part in await uow.session.scalars(select(KeyRunPart))}


async def test_these_are_all_the_guarded_tables_with_encrypted_cells(keyed: Runtime) -> None:
    async with keyed.engine.connect() as connection:
        guarded = set(await connection.scalars(GUARDED))
    assert tuple(sorted(guarded & {each.name for each in encrypted_tables()})) == APPEND_ONLY


@pytest.mark.requirement("S1-217", "S1-218")
async def test_a_rotation_seals_the_cells_of_append_only_rows_anew_and_their_macs_stay_good(
    keyed: Runtime, cast: Cast, clock: FakeClock
) -> None:
    before = {name: set(await keys_in_use(keyed.engine, place(name))) for name in APPEND_ONLY}
    parts = await rotate(keyed, clock)
    for name in APPEND_ONLY:
        assert before[name]
        assert not before[name] & set(await keys_in_use(keyed.engine, place(name)))
        assert parts[name].changed > 0
        assert (parts[name].failed, parts[name].error) == (0, None)
    async with keyed.unit_of_work() as uow:
        check, _ = await checker.begin(uow, CheckOrigin.COMMAND)
    while await checker.advance(keyed, report):
        pass
    async with keyed.unit_of_work() as uow:
        done = await uow.session.get_one(IntegrityCheck, check.id)
        assert done.done > 0
        assert done.found == 0


@pytest.mark.parametrize("name", APPEND_ONLY)
async def test_an_ordinary_update_is_refused_cell_by_cell(
    keyed: Runtime, cast: Cast, name: str
) -> None:
    for column in place(name).columns:
        with pytest.raises(DBAPIError, match="append-only"):
            async with keyed.engine.begin() as connection:
                await connection.execute(text(f"UPDATE {name} SET {column.name} = '\\x00'"))


@pytest.mark.parametrize("name", APPEND_ONLY)
async def test_sealing_anew_opens_the_encrypted_cells_alone(
    keyed: Runtime, cast: Cast, name: str
) -> None:
    table = place(name).table
    plain = [
        column.name
        for column in table.columns
        if column not in place(name).columns and not column.name.startswith("integrity_")
    ]

    def try_each(connection: Connection) -> None:
        connection.execute(RESEALING)
        for column in plain:
            other = f"CASE WHEN {column} IS NULL THEN {_OTHER[_kind(table, column)]} END"
            with (
                pytest.raises(DBAPIError, match="append-only"),
                connection.begin_nested(),
            ):
                connection.execute(text(f"UPDATE {name} SET {column} = {other}"))

    async with keyed.engine.begin() as connection:
        await connection.run_sync(try_each)


_OTHER = {
    "UUID": "gen_random_uuid()",
    "JSONB": "'{}'::jsonb",
    "TIMESTAMP": "now()",
    "BIGINT": "1",
    "INTEGER": "1",
    "BOOLEAN": "true",
    "TEXT": "'x'",
}


def _kind(table: Any, column: str) -> str:
    kind = table.c[column].type.compile(postgresql.dialect())  # type: ignore[no-untyped-call]
    return next((name for name in _OTHER if kind.startswith(name)), "TEXT")


async def test_the_permission_to_seal_anew_ends_with_its_transaction(
    keyed: Runtime, cast: Cast
) -> None:
    async with keyed.engine.connect() as connection:
        await connection.execute(RESEALING)
        await connection.commit()
        with pytest.raises(DBAPIError, match="append-only"):
            await connection.execute(text("UPDATE audit_entries SET reason = '\\x00'"))
