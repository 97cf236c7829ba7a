"""Collecting uploads that were never finished, were given up, or have served."""

from datetime import timedelta

from sqlalchemy import delete, or_, select, update

from core.files.resumable.finishing import remove_pieces
from core.files.resumable.models import Upload, UploadState
from core.jobs import Job
from core.runtime import Runtime

BATCH = 200


async def remove_expired(runtime: Runtime) -> None:
    """Claim what is over, delete its pieces, then its row; resumes after a crash."""
    while True:
        async with runtime.unit_of_work() as uow:
            over = (
                select(Upload.id)
                .where(or_(Upload.expires_at <= uow.now, Upload.state == UploadState.REMOVED))
                .limit(BATCH)
                .with_for_update(skip_locked=True)
            )
            claimed = await uow.session.scalars(
                update(Upload)
                .where(Upload.id.in_(over))
                # Whoever still converts it notices that its claim is gone, and keeps nothing.
                .values(state=UploadState.REMOVED, claim=None)
                .returning(Upload.id)
            )
            ids = list(claimed)
        for upload_id in ids:
            await remove_pieces(runtime, upload_id)
        async with runtime.unit_of_work() as uow:
            await uow.session.execute(delete(Upload).where(Upload.id.in_(ids)))
        if len(ids) < BATCH:
            return


JOBS = [Job("files.remove_expired_uploads", timedelta(hours=1), remove_expired)]
