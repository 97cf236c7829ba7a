"""Encrypted columns as the database sees them."""

import pytest
from sqlalchemy import Column, MetaData, Table, select, text
from sqlalchemy.exc import StatementError

from core.crypto.columns import EncryptedBytes, EncryptedJSON, EncryptedText
from core.crypto.keyring import Keyring, KeyringError, Purpose, install_keyring
from core.crypto.sm import DecryptionError
from core.db import Base
from core.identity.models import User
from core.ids import new_id
from core.runtime import Runtime

NOTES = Table(
    "test_notes",
    MetaData(),
    Column("title", EncryptedText()),
    Column("body", EncryptedJSON()),
    Column("photo", EncryptedBytes()),
    Column("old", EncryptedText("test_notes.title")),
)


@pytest.fixture
async def notes(runtime: Runtime) -> Runtime:
    async with runtime.engine.begin() as connection:
        await connection.run_sync(NOTES.metadata.create_all)
    return runtime


def test_every_column_has_a_context_of_its_own() -> None:
    contexts = [column.type.context for column in NOTES.columns]
    assert contexts == [
        "test_notes.title",
        "test_notes.body",
        "test_notes.photo",
        "test_notes.title",
    ]
    encrypted = [
        (column.type.context, f"{table.name}.{column.name}")
        for table in Base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, EncryptedText | EncryptedJSON | EncryptedBytes)
    ]
    assert encrypted
    assert all(context == place for context, place in encrypted)


async def test_values_come_back_and_null_stays_null(notes: Runtime) -> None:
    values = {"title": "头痛三天", "body": {"体温": [38.5, None]}, "photo": b"\0\xff", "old": None}
    async with notes.engine.begin() as connection:
        await connection.execute(NOTES.insert(), values)
        row = (await connection.execute(select(NOTES))).one()
        assert dict(row._mapping) == values
        stored = (await connection.execute(text("SELECT title, old FROM test_notes"))).one()
        assert stored.old is None
        assert "头痛".encode() not in stored.title


async def test_equal_values_look_different_in_the_database(notes: Runtime) -> None:
    async with notes.engine.begin() as connection:
        await connection.execute(NOTES.insert(), [{"title": "同样"}, {"title": "同样"}])
        distinct = await connection.scalar(text("SELECT count(DISTINCT title) FROM test_notes"))
    assert distinct == 2


@pytest.mark.parametrize(
    "change",
    [
        "title = set_byte(title, length(title) - 1, get_byte(title, length(title) - 1) # 1)",
        "title = body",
        "title = '\\x'",
        "title = substring(title for 20)",
    ],
)
async def test_a_cell_that_was_changed_or_moved_does_not_read(notes: Runtime, change: str) -> None:
    async with notes.engine.begin() as connection:
        await connection.execute(NOTES.insert(), {"title": "头痛", "body": "头痛"})
        await connection.execute(text(f"UPDATE test_notes SET {change}"))
        with pytest.raises(DecryptionError):
            (await connection.execute(select(NOTES.c.title))).scalar_one()


async def test_a_renamed_column_reads_on_with_its_old_context(notes: Runtime) -> None:
    async with notes.engine.begin() as connection:
        await connection.execute(NOTES.insert(), {"title": "头痛"})
        await connection.execute(text("UPDATE test_notes SET old = title"))
        assert await connection.scalar(select(NOTES.c.old)) == "头痛"


async def test_cells_written_before_a_rotation_read_on(notes: Runtime, keyring: Keyring) -> None:
    async with notes.engine.begin() as connection:
        await connection.execute(NOTES.insert(), {"title": "头痛"})
        install_keyring(keyring.with_new_key(Purpose.DATA, notes.clock.now()))
        try:
            assert await connection.scalar(select(NOTES.c.title)) == "头痛"
        finally:
            install_keyring(keyring)


async def test_wrong_types_are_refused_before_anything_is_written(notes: Runtime) -> None:
    async with notes.engine.begin() as connection:
        for values in ({"title": 5}, {"photo": "text"}, {"body": {1: object()}}):
            with pytest.raises((StatementError, TypeError)):
                await connection.execute(NOTES.insert(), values)


async def test_an_account_moved_to_another_column_does_not_read(runtime: Runtime) -> None:
    async with runtime.unit_of_work() as uow:
        user_id = new_id()
        user = User(id=user_id, name="a", phone="13800000001", created_at=uow.now)
        uow.session.add(user)
    async with runtime.engine.begin() as connection:
        await connection.execute(text("UPDATE users SET real_name = phone"))
    async with runtime.unit_of_work() as uow:
        with pytest.raises(DecryptionError):
            await uow.session.get(User, user_id)


def test_without_a_keyring_nothing_is_written_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.crypto.keyring._installed", None)
    with pytest.raises(KeyringError):
        NOTES.c.title.type.process_bind_param("x", None)
