"""Schema migrations with alembic, run by ``zhenjian migrate`` and by the demo at its start.

Revisions are numbered ``0001_…``, ``0002_…`` in one line, so the newest is the last file. Alembic
itself is imported only when something has to be done: asking for the version happens at every
start.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from core.db import Base

if TYPE_CHECKING:
    from alembic.config import Config as AlembicConfig

FOLDER = Path(__file__).parent / "migrations"


def alembic_config(connection: Connection) -> AlembicConfig:
    """What alembic's commands need to work on a connection."""
    from alembic.config import Config as AlembicConfig

    config = AlembicConfig()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    return config


async def upgrade(engine: AsyncEngine) -> None:
    """Bring the schema to the newest version; does nothing when it is there already."""
    from alembic import command

    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "head"))


async def current(engine: AsyncEngine) -> tuple[str | None, str | None]:
    """The version in the database and the newest one."""
    async with engine.connect() as connection:
        return await connection.run_sync(_version), newest()


def newest() -> str | None:
    """The number of the last migration."""
    files = sorted(FOLDER.glob("versions/[0-9]*.py"))
    return files[-1].name.partition("_")[0] if files else None


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return version


async def differences(engine: AsyncEngine) -> list[Any]:
    """What the models say that the migrated schema does not, for the test that keeps them equal."""
    async with engine.connect() as connection:
        return await connection.run_sync(_compare)


def _compare(connection: Connection) -> list[Any]:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, Base.metadata))


async def draft(engine: AsyncEngine, message: str, revision: str) -> None:
    """Write a migration from the difference between schema and models, to be edited."""
    from alembic import command

    def write(connection: Connection) -> None:
        command.revision(alembic_config(connection), message, autogenerate=True, rev_id=revision)

    async with engine.begin() as connection:
        await connection.run_sync(write)
