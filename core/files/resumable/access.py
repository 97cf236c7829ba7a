"""Whose a resumable upload is: nobody but its uploader, in the hospital where it began."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select

from core.errors import NotFound
from core.files.resumable.models import Upload, UploadState
from core.storage.owners import tell_owners, uuid_in

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork

#: The folder of the pieces in the object storage.
FOLDER = "uploads"


async def own_upload(
    uow: "UnitOfWork", caller: "Caller", upload_id: UUID, *, lock: bool = False
) -> Upload:
    """The caller's own upload while it lives; raises NotFound, whatever the reason."""
    query = select(Upload).where(
        Upload.id == upload_id,
        Upload.uploader_id == caller.user_id,
        Upload.hospital_id == caller.hospital_id,
        Upload.state != UploadState.REMOVED,
        Upload.expires_at > uow.now,
    )
    found = await uow.session.scalar(query.with_for_update() if lock else query)
    if found is None:
        raise NotFound("上传已过期或不存在，请重新选择文件")
    return found


async def _hospitals(uow: "UnitOfWork", keys: Sequence[str]) -> dict[str, UUID]:
    """Whose the stored pieces are: `uploads/<upload>/<object>`."""
    ids = {key: uuid_in(key, 1) for key in keys}
    rows = await uow.session.execute(
        select(Upload.id, Upload.hospital_id).where(Upload.id.in_(set(ids.values()) - {None}))
    )
    hospitals = {upload_id: hospital_id for upload_id, hospital_id in rows}
    return {key: hospitals[found] for key, found in ids.items() if found in hospitals}


tell_owners(FOLDER, _hospitals)
