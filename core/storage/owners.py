"""Whose a stored file is: told by the module that stores it.

Needed where the file itself does not say: for objects of the time before files were encrypted, and
for those that were sealed before their hospital had keys.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from core.uow import UnitOfWork

#: Takes keys of stored objects and gives the hospitals of those that it knows.
OwnerLookup = Callable[["UnitOfWork", Sequence[str]], Awaitable[dict[str, UUID]]]
_lookups: dict[str, OwnerLookup] = {}


def tell_owners(folder: str, lookup: OwnerLookup) -> None:
    """Have `lookup` asked for everything below `folder` (the first part of the key)."""
    _lookups[folder] = lookup


async def owners_of(uow: "UnitOfWork", keys: Sequence[str]) -> dict[str, UUID]:
    """The hospitals of these objects; what belongs to the group is absent."""
    found: dict[str, UUID] = {}
    for folder, lookup in _lookups.items():
        mine = [key for key in keys if key.partition("/")[0] == folder]
        if mine:
            found |= await lookup(uow, mine)
    return found


def uuid_in(key: str, place: int) -> UUID | None:
    """The UUID that is part number `place` (from 0) of a key."""
    parts = key.split("/")
    try:
        return UUID(parts[place])
    except (IndexError, ValueError):
        return None
