"""Who may see the signing service: the administrators of its hospital, and supervisors the log."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from clinical.signature.applications.models import (
    Application,
    ServerKey,
    SignatureCount,
    SignatureLogEntry,
)
from core.errors import NotFound
from core.identity.caller import Caller
from core.identity.roles import Role

KEEPERS: tuple[Role, ...] = (Role.ADMINISTRATOR,)
LOG_READERS: tuple[Role, ...] = (Role.ADMINISTRATOR, Role.SUPERVISOR)


async def application_for(
    session: AsyncSession, caller: Caller, application_id: UUID, *, lock: bool = False
) -> Application:
    """An application of the caller's hospital. Raises NotFound."""
    query = select(Application).where(
        Application.id == application_id, Application.hospital_id == caller.hospital_id
    )
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = await session.scalar(query)
    if row is None:
        raise NotFound()
    return row


async def applications_for(session: AsyncSession, caller: Caller) -> list[Application]:
    """Every application of the caller's hospital, the oldest first."""
    rows = await session.scalars(
        select(Application)
        .where(Application.hospital_id == caller.hospital_id)
        .order_by(Application.created_at, Application.id)
    )
    return list(rows)


async def server_key_for(
    session: AsyncSession, caller: Caller, key_id: UUID, *, lock: bool = False
) -> ServerKey:
    """A server key of the caller's hospital. Raises NotFound."""
    query = select(ServerKey).where(
        ServerKey.id == key_id, ServerKey.hospital_id == caller.hospital_id
    )
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = await session.scalar(query)
    if row is None:
        raise NotFound()
    return row


async def server_key_of(session: AsyncSession, hospital_id: UUID, key_id: UUID) -> ServerKey | None:
    """A server key of a hospital, on behalf of its policies."""
    return await session.scalar(
        select(ServerKey).where(ServerKey.id == key_id, ServerKey.hospital_id == hospital_id)
    )


async def server_keys_for(session: AsyncSession, caller: Caller) -> list[ServerKey]:
    """Every server key of the caller's hospital, the newest first."""
    rows = await session.scalars(
        select(ServerKey)
        .where(ServerKey.hospital_id == caller.hospital_id)
        .order_by(ServerKey.created_at.desc(), ServerKey.id)
    )
    return list(rows)


async def log_for(
    session: AsyncSession,
    caller: Caller,
    *,
    application_id: UUID | None = None,
    text: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[SignatureLogEntry]:
    """Lines of the log, the newest first. `text` is a digest, serial number or reference."""
    row = SignatureLogEntry
    query = select(row).where(row.hospital_id == caller.hospital_id)
    conditions: list[ColumnElement[bool]] = []
    if application_id is not None:
        conditions.append(row.application_id == application_id)
    if text:
        wanted = text.strip()
        conditions.append(
            (row.digest == wanted.lower())
            | (row.certificate_serial == wanted.upper().lstrip("0"))
            | (row.reference == wanted)
        )
    if since is not None:
        conditions.append(row.at >= since)
    if until is not None:
        conditions.append(row.at < until)
    if before is not None:
        conditions.append(tuple_(row.at, row.id) < before)
    query = query.where(*conditions).order_by(row.at.desc(), row.id.desc()).limit(limit)
    return list(await session.scalars(query))


async def counts_by_day(
    session: AsyncSession, hospital_id: UUID, since: date
) -> list[tuple[date, int]]:
    """Signatures for applications on each day that had any, from `since` on."""
    rows = await session.execute(
        select(SignatureCount.day, func.sum(SignatureCount.count))
        .where(SignatureCount.hospital_id == hospital_id, SignatureCount.day >= since)
        .group_by(SignatureCount.day)
        .order_by(SignatureCount.day)
    )
    return [(day, int(number)) for day, number in rows]


async def signatures_since(session: AsyncSession, hospital_id: UUID, since: date) -> int:
    """How many signatures were made for applications from a day on."""
    return sum(number for _, number in await counts_by_day(session, hospital_id, since))
