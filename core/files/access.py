"""Who may see an attachment: a table of checks, one for each thing that files hang on."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select

from core.files.models import File
from core.storage.owners import tell_owners, uuid_in

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork

Viewer = Callable[["UnitOfWork", "Caller", File], Awaitable[bool]]

_viewers: dict[str, Viewer] = {}


def register_viewer(scope: str, checker: Viewer) -> None:
    """Say who may see the files of a scope (`message`, `consultation`): called at import.

    `checker(uow, caller, file)` answers for `file.scope_id`; the hospital is checked before it is
    asked. Registering another function for a scope is a programming error.
    """
    known = _viewers.setdefault(scope, checker)
    if known.__qualname__ != checker.__qualname__ or known.__module__ != checker.__module__:
        raise ValueError(f"The scope '{scope}' has a viewer check already.")


async def may_see(uow: "UnitOfWork", caller: "Caller", file: File) -> bool:
    """Whether the caller may see the file at this moment.

    An unattached file shows to its uploader alone. An attached one shows to whom the check of its
    scope says, and to nobody when no module has registered one.
    """
    if file.hospital_id != caller.hospital_id:
        return False
    if file.scope is None:
        return file.uploader_id == caller.user_id
    checker = _viewers.get(file.scope)
    return checker is not None and await checker(uow, caller, file)


async def visible_files(
    uow: "UnitOfWork", caller: "Caller", file_ids: Sequence[UUID]
) -> list[File]:
    """Those of the files that the caller may see."""
    rows = await uow.session.scalars(
        select(File).where(File.id.in_(file_ids), File.hospital_id == caller.hospital_id)
    )
    return [file for file in rows.all() if await may_see(uow, caller, file)]


async def visible_file(uow: "UnitOfWork", caller: "Caller", file_id: UUID) -> File | None:
    """The file when the caller may see it, else None."""
    found = await visible_files(uow, caller, [file_id])
    return found[0] if found else None


async def _hospitals(uow: "UnitOfWork", keys: Sequence[str]) -> dict[str, UUID]:
    """Whose the stored objects are: `files/<year>/<month>/<file>/original`."""
    ids = {key: uuid_in(key, 3) for key in keys}
    rows = await uow.session.execute(
        select(File.id, File.hospital_id).where(File.id.in_(set(ids.values()) - {None}))
    )
    hospitals = {file_id: hospital_id for file_id, hospital_id in rows}
    return {key: hospitals[found] for key, found in ids.items() if found in hospitals}


tell_owners("files", _hospitals)
