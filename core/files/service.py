"""The verbs of attachments that other modules use."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select, update

from core.files.errors import FileNotAttachable, FileTypeNotAllowed
from core.files.models import REMOVED, File, Purpose
from core.files.schemas import FileKind, FileRef

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork


async def attach(
    uow: "UnitOfWork",
    file_ids: Sequence[UUID],
    scope: str,
    scope_id: UUID,
    caller: "Caller",
    *,
    purposes: Sequence[Purpose] | None = None,
    kinds: Sequence[FileKind] | None = None,
) -> list[FileRef]:
    """Hang the caller's own uploads on one thing, in the given order.

    A file belongs to one scope for good; attaching it to the same one again changes nothing. Raises
    `FileNotAttachable` for unknown, foreign or otherwise used files, `FileTypeNotAllowed` for other
    purposes or kinds than asked for; nothing is attached then.
    """
    if not file_ids:
        return []
    # Locked in one order, so that two requests with the same files cannot deadlock.
    rows = await uow.session.scalars(
        select(File)
        .where(
            File.id.in_(file_ids),
            File.hospital_id == caller.hospital_id,
            File.uploader_id == caller.user_id,
        )
        .order_by(File.id)
        .with_for_update()
    )
    files = {file.id: file for file in rows}
    for file_id in file_ids:
        file = files.get(file_id)
        if file is None or (file.scope, file.scope_id) not in ((None, None), (scope, scope_id)):
            raise FileNotAttachable()
        if (purposes and file.purpose not in purposes) or (kinds and file.kind not in kinds):
            raise FileTypeNotAllowed()
    for file in files.values():
        file.scope, file.scope_id = scope, scope_id
    return [files[file_id].ref() for file_id in dict.fromkeys(file_ids)]


async def detach(
    uow: "UnitOfWork", file_ids: Sequence[UUID], scope: str, scope_id: UUID, caller: "Caller"
) -> None:
    """Take the caller's own files off a thing again; the orphan job removes them later."""
    rows = await uow.session.scalars(
        select(File).where(
            File.id.in_(file_ids),
            File.uploader_id == caller.user_id,
            File.scope == scope,
            File.scope_id == scope_id,
        )
    )
    for file in rows:
        # The age of an orphan counts from here.
        file.scope, file.scope_id, file.created_at = None, None, uow.now


async def give_up(uow: "UnitOfWork", scope: str, scope_ids: Sequence[UUID]) -> int:
    """Let go of everything that hangs on these things; returns how many files.

    Nobody opens them from now on, and the job that removes orphans deletes them.
    """
    if not scope_ids:
        return 0
    gone = await uow.session.execute(
        update(File)
        .where(File.scope == scope, File.scope_id.in_(scope_ids))
        .values(scope=REMOVED)
        .returning(File.id)
        .execution_options(synchronize_session=False)
    )
    return len(gone.all())


async def file_refs(uow: "UnitOfWork", file_ids: Sequence[UUID]) -> list[FileRef]:
    """References in the given order, for a module that has checked access to what they hang on."""
    if not file_ids:
        return []
    rows = await uow.session.scalars(select(File).where(File.id.in_(file_ids)))
    files = {file.id: file for file in rows}
    return [files[file_id].ref() for file_id in file_ids if file_id in files]
