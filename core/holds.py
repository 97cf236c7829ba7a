"""Legal holds, as far as those need them who remove what has run out.

Holds are placed by a module above; whoever removes anything asks here first, in the transaction in
which it goes. A lock orders the two: what is being removed goes before a hold is placed, or not.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import text

if TYPE_CHECKING:
    from core.uow import UnitOfWork

#: Takes ids of people, patients, consultations and rooms; gives those under a hold in force.
HeldLookup = Callable[["UnitOfWork", UUID, set[UUID]], Awaitable[set[UUID]]]
_lookups: list[HeldLookup] = []

_SHARED = text("SELECT pg_advisory_xact_lock_shared(hashtextextended(:name, 0))")
_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


def tells_holds(lookup: HeldLookup) -> None:
    """Have `lookup` asked before anything is removed; its owner registers it once, at import."""
    if lookup not in _lookups:
        _lookups.append(lookup)


async def held_of(uow: "UnitOfWork", hospital_id: UUID, ids: Iterable[UUID | None]) -> set[UUID]:
    """Those of the ids that lie under a legal hold; none can be placed until the commit."""
    await uow.session.execute(_SHARED, {"name": _name(hospital_id)})
    asked = {each for each in ids if each is not None}
    found: set[UUID] = set()
    for lookup in _lookups:
        found |= await lookup(uow, hospital_id, asked)
    return found


async def placing(uow: "UnitOfWork", hospital_id: UUID) -> None:
    """Wait until nothing is being removed; until the commit nothing will be."""
    await uow.session.execute(_ALONE, {"name": _name(hospital_id)})


def _name(hospital_id: UUID) -> str:
    return f"holds:{hospital_id}"
