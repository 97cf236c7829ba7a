"""Who may see the quarantine, and let something in it be tried again."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select, tuple_

from core.access import READ, Action, Scope, allow, condition, declare
from core.errors import NotFound
from core.files.scanning.models import QuarantinedUpload
from core.identity.roles import Role

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork

KEEPERS = (Role.ADMINISTRATOR, Role.OPERATOR)

QUARANTINE = declare(
    "quarantine",
    "隔离文件",
    area="安全",
    here=QuarantinedUpload.hospital_id,
    actions={READ: Action("查看", KEEPERS), "release": Action("解除隔离", KEEPERS)},
    scopes={Scope.HOSPITAL: None},
    defaults=[allow(role, Scope.HOSPITAL, READ, "release") for role in KEEPERS],
)


async def quarantined(
    uow: "UnitOfWork", caller: "Caller", after: tuple[datetime, UUID] | None, limit: int
) -> list[QuarantinedUpload]:
    """The hospital's entries, the latest attempts first. Raises NotPermitted."""
    query = select(QuarantinedUpload).where(await condition(uow, caller, QUARANTINE))
    if after is not None:
        query = query.where(tuple_(QuarantinedUpload.last_at, QuarantinedUpload.id) < after)
    order = (QuarantinedUpload.last_at.desc(), QuarantinedUpload.id.desc())
    return list(await uow.session.scalars(query.order_by(*order).limit(limit)))


async def quarantined_one(uow: "UnitOfWork", caller: "Caller", entry_id: UUID) -> QuarantinedUpload:
    """One entry to let go, locked. Raises NotFound, NotPermitted."""
    allowed = await condition(uow, caller, QUARANTINE, "release")
    row = await uow.session.scalar(
        select(QuarantinedUpload).where(QuarantinedUpload.id == entry_id, allowed).with_for_update()
    )
    if row is None:
        raise NotFound()
    return row
