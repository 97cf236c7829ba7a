"""The migrations and the models describe one schema."""

from __future__ import annotations

from sqlalchemy import text

from core import migrate
from core.runtime import Runtime

TRIGGERS = text(
    "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
    "WHERE NOT t.tgisinternal ORDER BY 1, 2"
)


GUARDS = {
    ("audit_entries", "audit_entries_append_only"),
    ("audit_entries", "audit_entries_no_truncate"),
    ("consent_records", "consent_records_append_only"),
    ("consent_texts", "consent_texts_published_stay"),
    ("signature_log", "signature_log_append_only"),
    ("signature_log", "signature_log_no_truncate"),
}


async def test_the_migrated_schema_is_what_the_models_say(runtime: Runtime) -> None:
    assert await migrate.differences(runtime.engine) == []


async def test_what_must_not_change_is_guarded_by_the_database(runtime: Runtime) -> None:
    async with runtime.engine.connect() as connection:
        found = [tuple(row) for row in await connection.execute(TRIGGERS)]
    assert set(found) >= GUARDS


async def test_the_schema_knows_its_version(runtime: Runtime) -> None:
    present, newest = await migrate.current(runtime.engine)
    assert present == newest
    assert newest is not None
