"""Removing uploads that were never used."""

import shutil
import time
from datetime import timedelta
from pathlib import Path

from anyio import to_thread
from sqlalchemy import delete, or_, select, update

from core.files.models import REMOVED, File
from core.files.upload import FOLDER
from core.jobs import Job
from core.runtime import Runtime

#: A form may lie open for a day before its attachments count as forgotten.
ORPHAN_AGE = timedelta(hours=24)
BATCH = 200


async def remove_orphans(runtime: Runtime) -> None:
    """Claim forgotten uploads, delete their objects, then their rows; resumes after a crash."""
    while True:
        async with runtime.unit_of_work() as uow:
            forgotten = (
                select(File.id)
                .where(
                    or_(
                        File.scope.is_(None) & (File.created_at < uow.now - ORPHAN_AGE),
                        File.scope == REMOVED,
                    )
                )
                .limit(BATCH)
                .with_for_update(skip_locked=True)
            )
            claimed = await uow.session.execute(
                update(File).where(File.id.in_(forgotten)).values(scope=REMOVED).returning(File)
            )
            rows = claimed.scalars().all()
        for file in rows:
            for key in (file.storage_key, *file.thumbnails().values()):
                await runtime.storage.delete(key)
        async with runtime.unit_of_work() as uow:
            ids = [file.id for file in rows]
            await uow.session.execute(delete(File).where(File.id.in_(ids)))
        if len(rows) < BATCH:
            return


async def remove_leftovers(runtime: Runtime) -> None:
    """Delete the working folders of uploads whose process died in the middle."""
    await to_thread.run_sync(_remove_old_folders, runtime.config.data_dir / FOLDER)


def _remove_old_folders(parent: Path) -> None:
    limit = time.time() - ORPHAN_AGE.total_seconds()
    for folder in parent.glob("*"):
        if folder.stat().st_mtime < limit:
            shutil.rmtree(folder, ignore_errors=True)


JOBS = [
    Job("files.remove_orphans", timedelta(hours=1), remove_orphans),
    Job("files.remove_leftovers", timedelta(hours=6), remove_leftovers),
]
