"""Removing uploads that were never used."""

from datetime import timedelta

from sqlalchemy import delete, or_, select, update

from core.files.models import File
from core.jobs import Job
from core.runtime import Runtime

#: A form may lie open for a day before its attachments count as forgotten.
ORPHAN_AGE = timedelta(hours=24)
BATCH = 200
#: Nothing attaches a file in this scope, and no viewer check exists for it.
REMOVED = "removed"


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
                update(File)
                .where(File.id.in_(forgotten))
                .values(scope=REMOVED)
                .returning(File.id, File.storage_key, File.thumbnail_key)
            )
            rows = claimed.all()
        for _, key, thumbnail_key in rows:
            await runtime.storage.delete(key)
            if thumbnail_key is not None:
                await runtime.storage.delete(thumbnail_key)
        async with runtime.unit_of_work() as uow:
            ids = [row[0] for row in rows]
            await uow.session.execute(delete(File).where(File.id.in_(ids)))
        if len(rows) < BATCH:
            return


JOBS = [Job("files.remove_orphans", timedelta(hours=1), remove_orphans)]
