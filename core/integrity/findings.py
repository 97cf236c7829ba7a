"""Keeping what was found: each thing once, until somebody explains it."""

from uuid import UUID

from sqlalchemy import literal_column, update
from sqlalchemy.dialects.postgresql import insert

from core.ids import new_id
from core.integrity.models import IntegrityFinding
from core.integrity.reporting import Found
from core.uow import UnitOfWork


async def keep(uow: UnitOfWork, check_id: UUID | None, found: list[Found]) -> list[Found]:
    """Store findings; returns those that nobody knew, or that look otherwise than explained."""
    new = []
    for item in found:
        same = (
            IntegrityFinding.kind == item.kind,
            IntegrityFinding.table_name == item.table,
            IntegrityFinding.row_id == item.row_id,
        )
        explained = await uow.session.scalar(
            update(IntegrityFinding)
            .where(
                *same,
                IntegrityFinding.explained_at.is_not(None),
                IntegrityFinding.fingerprint == item.fingerprint,
            )
            .values(last_seen_at=uow.now)
            .returning(IntegrityFinding.id)
        )
        if explained is not None:
            continue
        statement = insert(IntegrityFinding).values(
            id=new_id(),
            check_id=check_id,
            hospital_id=item.hospital_id,
            kind=item.kind,
            table_name=item.table,
            row_id=item.row_id,
            words=item.words,
            fingerprint=item.fingerprint,
            found_at=uow.now,
            last_seen_at=uow.now,
        )
        fresh = await uow.session.scalar(
            statement.on_conflict_do_update(
                index_elements=["kind", "table_name", "row_id"],
                index_where=IntegrityFinding.explained_at.is_(None),
                set_={
                    "last_seen_at": uow.now,
                    "check_id": check_id,
                    "words": statement.excluded.words,
                    "fingerprint": statement.excluded.fingerprint,
                },
            ).returning(literal_column("xmax = 0"))
        )
        if fresh:
            new.append(item)
    return new
