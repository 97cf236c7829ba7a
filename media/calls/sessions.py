"""Offers and moves of a call, each claimed in the database by whichever process is quicker."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, update

from core.ids import new_id
from core.uow import UnitOfWork
from media.calls import access
from media.calls.access import StoredCall
from media.calls.models import CallParticipantRow, CallRow
from media.calls.rules import CallState, Place


async def renew(uow: UnitOfWork, call_id: UUID, user_id: UUID) -> None:
    """Give a participant a fresh session: offers and answers of the old one count no longer."""
    await uow.session.execute(
        update(CallParticipantRow)
        .where(CallParticipantRow.call_id == call_id, CallParticipantRow.user_id == user_id)
        .values(session=new_id().hex, offer_version=0)
    )


@dataclass(frozen=True)
class Destination:
    """Where an offer goes: to the sockets of one device of a user."""

    user_id: UUID
    device: str


async def claim_offer(
    uow: UnitOfWork, call_id: UUID, session: str, version: int
) -> Destination | None:
    """Claim the passing on of an offer; None when it is stale or another process has done it.

    Every process that is attached to a worker hears every offer; the row decides who sends it.
    """
    claimed = (
        await uow.session.execute(
            update(CallParticipantRow)
            .where(
                CallParticipantRow.call_id == call_id,
                CallParticipantRow.session == session,
                CallParticipantRow.place == Place.JOINED,
                CallParticipantRow.offer_version < version,
            )
            .values(offer_version=version)
            .returning(CallParticipantRow.user_id, CallParticipantRow.device)
            .execution_options(synchronize_session=False)
        )
    ).one_or_none()
    if claimed is None or claimed.device is None:
        return None
    return Destination(claimed.user_id, claimed.device)


async def move(uow: UnitOfWork, call_id: UUID, generation: int, worker: str) -> StoredCall | None:
    """Claim a call for a worker, with fresh sessions for everybody in it.

    None when somebody else has moved it meanwhile or it is over.
    """
    row = await uow.session.scalar(
        select(CallRow)
        .where(
            CallRow.id == call_id,
            CallRow.generation == generation,
            CallRow.state != CallState.ENDED,
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        return None
    row.worker, row.generation, row.assigned_at = worker, generation + 1, uow.now
    await uow.session.flush()
    found = await access.stored(uow, call_id)
    assert found is not None
    for each in found.people:
        if each.place == Place.JOINED:
            each.session, each.offer_version = new_id().hex, 0
    await uow.session.flush()
    return found
