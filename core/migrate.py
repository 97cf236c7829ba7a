"""Schema migrations with alembic, run by ``zhenjian migrate`` and by the demo at its start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from core.db import Base

FOLDER = Path(__file__).parent / "migrations"


def _config(connection: Connection | None = None) -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    return config


async def upgrade(engine: AsyncEngine) -> None:
    """Bring the schema to the newest version; does nothing when it is there already."""
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(_config(sync), "head"))


async def current(engine: AsyncEngine) -> tuple[str | None, str | None]:
    """The version in the database and the newest one."""
    async with engine.connect() as connection:
        present = await connection.run_sync(
            lambda sync: MigrationContext.configure(sync).get_current_revision()
        )
    return present, ScriptDirectory.from_config(_config()).get_current_head()


async def differences(engine: AsyncEngine) -> list[Any]:
    """What the models say that the migrated schema does not, for the test that keeps them equal."""
    async with engine.connect() as connection:
        return await connection.run_sync(_compare)


def _compare(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, Base.metadata))


async def draft(engine: AsyncEngine, message: str, revision: str) -> None:
    """Write a new migration from the difference between schema and models, to be read and edited."""

    def write(connection: Connection) -> None:
        command.revision(
            _config(connection), message, autogenerate=True, rev_id=revision, sql=False
        )

    async with engine.begin() as connection:
        await connection.run_sync(write)
