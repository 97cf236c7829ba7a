"""Finding entries that somebody changed behind the application's back."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import orjson
from sqlalchemy import LargeBinary, select, type_coerce
from sqlalchemy.orm import defer
from sqlalchemy.orm.attributes import set_committed_value

from core.audit.models import AuditEntry
from core.audit.row import entry_is_genuine
from core.crypto.keyring import Keyring
from core.crypto.sealing import unseal
from core.crypto.sm import DecryptionError

if TYPE_CHECKING:
    from core.uow import UnitOfWork

BATCH = 500
_DETAIL_CONTEXT = "audit_entries.detail"


@dataclass(frozen=True, slots=True)
class Verification:
    """How many entries were read and which of them are not as they were written."""

    checked: int
    changed: list[UUID]


async def verify(
    uow: "UnitOfWork", since: datetime | None = None, until: datetime | None = None
) -> Verification:
    """Recompute the MAC of every entry from `since` (inclusive) to `until` (exclusive).

    Finds changed and forged rows. A row that was removed together with its MAC leaves no trace
    here; the sealed chain over the rows shows those.
    """
    checked, changed, last = 0, list[UUID](), UUID(int=0)
    while True:
        query = (
            select(AuditEntry, type_coerce(AuditEntry.__table__.c.detail, LargeBinary))
            .options(defer(AuditEntry.detail))
            .where(AuditEntry.id > last)
            .order_by(AuditEntry.id)
            .limit(BATCH)
        )
        if since is not None:
            query = query.where(AuditEntry.at >= since)
        if until is not None:
            query = query.where(AuditEntry.at < until)
        rows = (await uow.session.execute(query)).all()
        for entry, sealed in rows:
            checked += 1
            last = entry.id
            if not _genuine(uow.runtime.keyring, entry, sealed):
                changed.append(entry.id)
            uow.session.expunge(entry)
        if len(rows) < BATCH:
            return Verification(checked, changed)


def _genuine(keyring: Keyring, entry: AuditEntry, sealed: bytes) -> bool:
    """Decrypts by hand: a damaged cell is a finding here, not an error."""
    try:
        set_committed_value(entry, "detail", orjson.loads(unseal(keyring, _DETAIL_CONTEXT, sealed)))
    except (DecryptionError, orjson.JSONDecodeError):
        return False
    return entry_is_genuine(keyring, entry)
