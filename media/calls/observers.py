"""Who listens to a call unseen: never on its list, never counted, never sending, always audited.

An observer has a hidden connection on the call's worker, which no other client is told of. His
coming and going are entries of the audit with the reason that he gave.
"""

from uuid import UUID

from sqlalchemy import select, update

from core import audit
from core.access import require
from core.errors import NotFound
from core.identity.caller import Caller
from core.ids import new_id
from core.uow import UnitOfWork
from media.calls import access
from media.calls.errors import NothingToObserve
from media.calls.models import CallObserverRow, CallRow
from media.calls.rules import CallState
from media.calls.schemas import CallView
from realtime import access as rooms
from realtime.veil import shown


async def begin(
    uow: UnitOfWork, caller: Caller, room_id: UUID, device: str, reason: str
) -> CallView:
    """Listen to the call in a room, or go on with it on this device.

    Raises NotPermitted, NotFound, NothingToObserve.
    """
    await require(uow, caller, access.CALL, "observe")
    room = await rooms.room_for(uow, caller, room_id)
    row = await uow.session.scalar(
        select(CallRow).where(CallRow.room_id == room_id, CallRow.state == CallState.ACTIVE)
    )
    if row is None or room.emergency:
        raise NothingToObserve
    for before in await _present(uow, row.id, caller.user_id):
        # Asked again, from another device or after a reload: the first look is over.
        await _end(uow, before, caller)
    uow.session.add(
        CallObserverRow(
            id=new_id(),
            hospital_id=row.hospital_id,
            call_id=row.id,
            user_id=caller.user_id,
            device=device,
            reason=reason,
            joined_at=uow.now,
            session=new_id().hex,
        )
    )
    await uow.session.flush()
    patient_id = await audit.patient_of(uow, room.row.ref_type, room.row.ref_id)
    await audit.record(uow, caller, "call.observe", "call", row.id, patient_id, reason=reason)
    return await seen(uow, caller, row.id)


async def end(uow: UnitOfWork, caller: Caller, call_id: UUID) -> list[str]:
    """Listen no longer; returns the connections that the worker may let go. Nothing happens to
    somebody who does not listen.
    """
    rows = await _present(uow, call_id, caller.user_id)
    for row in rows:
        await _end(uow, row, caller)
    return [peer_of(row) for row in rows]


async def end_all(uow: UnitOfWork, call: CallRow) -> None:
    """The call is over, for its observers too."""
    for row in await _present(uow, call.id):
        await _end(uow, row, None)


async def gone(uow: UnitOfWork, session: str) -> None:
    """The worker has lost an observer's connection; a newer session of his stays."""
    row = await uow.session.scalar(
        select(CallObserverRow).where(
            CallObserverRow.session == session, CallObserverRow.left_at.is_(None)
        )
    )
    if row is not None:
        await _end(uow, row, None)


async def seen(uow: UnitOfWork, caller: Caller, call_id: UUID) -> CallView:
    """The call as an observer sees it. Raises NotFound for somebody who never observed it."""
    known = await uow.session.scalar(
        select(CallObserverRow.id)
        .where(CallObserverRow.call_id == call_id, CallObserverRow.user_id == caller.user_id)
        .limit(1)
    )
    found = await access.stored(uow, call_id) if known is not None else None
    if found is None:
        raise NotFound
    return shown(await rooms.veil_for(uow, caller), access.view(found))


async def by_user(uow: UnitOfWork, call_id: UUID, user_id: UUID) -> CallObserverRow | None:
    """How this user observes the call at present."""
    return next(iter(await _present(uow, call_id, user_id)), None)


async def claim_offer(uow: UnitOfWork, session: str, version: int) -> CallObserverRow | None:
    """Claim the passing on of an offer, as `sessions.claim_offer` does for participants."""
    found: CallObserverRow | None = await uow.session.scalar(
        update(CallObserverRow)
        .where(
            CallObserverRow.session == session,
            CallObserverRow.left_at.is_(None),
            CallObserverRow.offer_version < version,
        )
        .values(offer_version=version)
        .returning(CallObserverRow)
        .execution_options(synchronize_session=False)
    )
    return found


async def fresh_sessions(uow: UnitOfWork, call_id: UUID) -> list[CallObserverRow]:
    """New sessions for everybody who observes a call that moves to another worker."""
    rows = await _present(uow, call_id)
    for row in rows:
        row.session, row.offer_version = new_id().hex, 0
    await uow.session.flush()
    return rows


async def users_of(uow: UnitOfWork, call_id: UUID) -> list[UUID]:
    """Who observes a call at present."""
    return [row.user_id for row in await _present(uow, call_id)]


def peer_of(row: CallObserverRow) -> str:
    """The name of an observer's connection on the worker: nothing of it tells who he is."""
    return f"observer-{row.id}"


async def _present(
    uow: UnitOfWork, call_id: UUID, user_id: UUID | None = None
) -> list[CallObserverRow]:
    query = select(CallObserverRow).where(
        CallObserverRow.call_id == call_id, CallObserverRow.left_at.is_(None)
    )
    if user_id is not None:
        query = query.where(CallObserverRow.user_id == user_id)
    return list(await uow.session.scalars(query.execution_options(populate_existing=True)))


async def _end(uow: UnitOfWork, row: CallObserverRow, caller: Caller | None) -> None:
    row.left_at = uow.now
    await uow.session.flush()
    seconds = int((uow.now - row.joined_at).total_seconds())
    await audit.record(
        uow,
        caller,
        "call.observe_end",
        "call",
        row.call_id,
        detail={"seconds": seconds},
        hospital_id=row.hospital_id,
        user_id=row.user_id,
    )
