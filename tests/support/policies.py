"""Policies put into force as two administrators would have put them there."""

from __future__ import annotations

from uuid import UUID

from core.access.book import changed
from core.access.models import EVERYWHERE, AccessPolicy
from core.identity.roles import Role
from core.ids import new_id
from core.runtime import Runtime


async def put_policy(
    runtime: Runtime,
    hospital_id: UUID,
    role: Role,
    permission: str,
    scope: str,
    *,
    hidden: list[str] | None = None,
    masked: list[str] | None = None,
) -> None:
    """Store one cell of the matrix (`consultation.read`) and tell every process."""
    resource, _, action = permission.partition(".")
    async with runtime.unit_of_work() as uow:
        uow.session.add(
            AccessPolicy(
                id=new_id(),
                hospital_id=hospital_id,
                role=role,
                role_id=EVERYWHERE,
                resource=resource,
                action=action,
                scope=scope,
                filters=[],
                hidden=hidden or [],
                masked=masked or [],
                changed_at=uow.now,
            )
        )
        changed(uow)
