"""Databases for tests: each test finds the newest schema and nothing in it.

Copying a migrated database costs a thousand files; emptying the one that the last test used costs a
few rows. A database whose schema a test has changed is dropped instead: an event trigger notes it.
"""

from __future__ import annotations

import asyncio
import uuid

import asyncpg

from core import migrate
from core.db import create_engine
from core.postgres import EmbeddedPostgres

TEMPLATE = "zhenjian_template"

# What migrations themselves put into tables is kept aside, and put back.
PREPARE = """
CREATE SCHEMA test_seeds;
CREATE TABLE test_seeds.schema_changes (tag text);
CREATE FUNCTION test_seeds.note_change() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN INSERT INTO test_seeds.schema_changes VALUES (tg_tag); END $$;
DO $$
DECLARE name text; filled bool;
BEGIN
    FOR name IN SELECT relname FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', name) INTO filled;
        IF filled THEN
            EXECUTE format('CREATE TABLE test_seeds.%I AS TABLE %I', 'seed_' || name, name);
        END IF;
    END LOOP;
END $$;
CREATE EVENT TRIGGER test_schema_changes ON ddl_command_end
EXECUTE FUNCTION test_seeds.note_change();
-- Tests that tamper with rows do so as a replica, which fires nothing else.
ALTER EVENT TRIGGER test_schema_changes ENABLE ALWAYS;
"""

# As a replica the session fires no triggers, so append-only tables are emptied too.
EMPTY = """
DO $$
DECLARE name text; found record; filled bool;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR name IN SELECT relname FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND pg_relation_size(oid) > 0 LOOP
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
    FOR name IN SELECT relname FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'test_seeds'::regnamespace
        AND relname LIKE 'seed\\_%' LOOP
        EXECUTE format('INSERT INTO %I SELECT * FROM test_seeds.%I', substr(name, 6), name);
    END LOOP;
    FOR found IN SELECT schemaname, sequencename, start_value FROM pg_sequences
        WHERE schemaname = 'public' AND last_value IS NOT NULL LOOP
        PERFORM setval(format('%I.%I', found.schemaname, found.sequencename)::regclass,
            found.start_value, false);
    END LOOP;
END $$;
"""

DISCONNECT = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


class Databases:
    """The databases of one test session on one private cluster."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self._postgres = postgres
        self._idle: list[str] = []

    def prepare(self) -> None:
        """Make the migrated database that others are copied from."""

        async def run() -> None:
            await self._do("postgres", f'CREATE DATABASE "{TEMPLATE}"')
            engine = create_engine(self._postgres.url(TEMPLATE))
            await migrate.upgrade(engine)
            await engine.dispose()
            await self._do(TEMPLATE, PREPARE)

        asyncio.run(run())

    async def take(self) -> str:
        """The name of a database with nothing in it."""
        if self._idle:
            return self._idle.pop()
        name = f"test_{uuid.uuid4().hex[:12]}"
        await self._do("postgres", f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}"')
        return name

    async def give_back(self, name: str) -> None:
        """End who is still connected, and empty the database or drop it."""
        if await self._emptied(name):
            self._idle.append(name)
        else:
            await self._do("postgres", f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def _emptied(self, name: str) -> bool:
        try:
            connection = await asyncpg.connect(self._postgres.url(name))
        except asyncpg.PostgresError:
            return False
        try:
            await connection.execute(DISCONNECT)
            if await connection.fetchval("SELECT EXISTS (SELECT 1 FROM test_seeds.schema_changes)"):
                return False
            await connection.execute(EMPTY)
        except asyncpg.PostgresError:
            return False
        finally:
            await connection.close()
        return True

    async def _do(self, database: str, statement: str) -> None:
        connection = await asyncpg.connect(self._postgres.url(database))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()
