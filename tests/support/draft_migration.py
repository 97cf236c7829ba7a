"""Drafts a migration from the difference between the newest schema and the models."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import app as zhenjian
from core import migrate
from core.config import Config
from core.db import create_engine
from core.postgres import EmbeddedPostgres


async def draft(url: str, message: str) -> None:
    engine = create_engine(url)
    if any(migrate.FOLDER.glob("versions/*.py")):
        await migrate.upgrade(engine)
    number = len(list(migrate.FOLDER.glob("versions/*.py"))) + 1
    await migrate.draft(engine, message, f"{number:04d}")
    await engine.dispose()


def main() -> None:
    if len(sys.argv) != 2 or not sys.argv[1]:
        raise SystemExit("usage: make migration NAME=what_changes")
    zhenjian.all_modules(Config(_env_file=None))
    with tempfile.TemporaryDirectory() as folder:
        postgres = EmbeddedPostgres(Path(folder) / "pg", throwaway=True)
        postgres.start()
        try:
            asyncio.run(draft(postgres.url(), sys.argv[1]))
        finally:
            postgres.remove()


if __name__ == "__main__":
    main()
