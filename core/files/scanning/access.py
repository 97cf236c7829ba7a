"""Who may see the quarantine: administrators and operators of the hospital."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select, tuple_

from core.errors import NotFound
from core.files.scanning.models import QuarantinedUpload

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork


async def quarantined(
    uow: "UnitOfWork", caller: "Caller", after: tuple[datetime, UUID] | None, limit: int
) -> list[QuarantinedUpload]:
    """The hospital's entries, the latest attempts first."""
    query = select(QuarantinedUpload).where(QuarantinedUpload.hospital_id == caller.hospital_id)
    if after is not None:
        query = query.where(tuple_(QuarantinedUpload.last_at, QuarantinedUpload.id) < after)
    order = (QuarantinedUpload.last_at.desc(), QuarantinedUpload.id.desc())
    return list(await uow.session.scalars(query.order_by(*order).limit(limit)))


async def quarantined_one(uow: "UnitOfWork", caller: "Caller", entry_id: UUID) -> QuarantinedUpload:
    """One entry, locked. Raises NotFound."""
    row = await uow.session.scalar(
        select(QuarantinedUpload)
        .where(
            QuarantinedUpload.id == entry_id,
            QuarantinedUpload.hospital_id == caller.hospital_id,
        )
        .with_for_update()
    )
    if row is None:
        raise NotFound()
    return row
