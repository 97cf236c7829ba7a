"""Who may see and keep the signing service of a hospital, and who reads its log."""

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
from core.access import READ, Action, Scope, allow, declare, require
from core.errors import NotFound
from core.identity.caller import Caller
from core.identity.roles import Role
from core.uow import unit_of

KEEPERS: tuple[Role, ...] = (Role.ADMINISTRATOR,)
LOG_READERS: tuple[Role, ...] = (Role.ADMINISTRATOR, Role.SUPERVISOR)

#: Applications, their server keys and the log are one thing to decide about; the queries below
#: keep each to the caller's hospital.
SIGNING_SERVICE = declare(
    "signing_service",
    "签名服务",
    area="签名",
    actions={
        READ: Action("查看业务系统与密钥", KEEPERS),
        "manage": Action("管理业务系统与密钥", KEEPERS),
        "log": Action("查看与导出签名日志", LOG_READERS),
    },
    scopes={Scope.HOSPITAL: None},
    defaults=[
        allow(Role.ADMINISTRATOR, Scope.HOSPITAL, READ, "manage", "log"),
        allow(Role.SUPERVISOR, Scope.HOSPITAL, "log"),
    ],
)


async def application_for(
    session: AsyncSession, caller: Caller, application_id: UUID, *, lock: bool = False
) -> Application:
    """An application of the caller's hospital; locked, to change it.

    Raises NotPermitted, NotFound.
    """
    await require(unit_of(session), caller, SIGNING_SERVICE, "manage" if lock else READ)
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
    """Every application of the caller's hospital, the oldest first. Raises NotPermitted."""
    await require(unit_of(session), caller, SIGNING_SERVICE)
    return await _applications(session, caller.hospital_id)


async def application_names(session: AsyncSession, hospital_id: UUID) -> dict[UUID, str]:
    """What the applications in a log are called, for somebody who may read it."""
    return {row.id: row.name for row in await _applications(session, hospital_id)}


async def _applications(session: AsyncSession, hospital_id: UUID) -> list[Application]:
    rows = await session.scalars(
        select(Application)
        .where(Application.hospital_id == hospital_id)
        .order_by(Application.created_at, Application.id)
    )
    return list(rows)


async def server_key_for(
    session: AsyncSession, caller: Caller, key_id: UUID, *, lock: bool = False
) -> ServerKey:
    """A server key of the caller's hospital; locked, to change it.

    Raises NotPermitted, NotFound.
    """
    await require(unit_of(session), caller, SIGNING_SERVICE, "manage" if lock else READ)
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
    """Every server key of the caller's hospital, the newest first. Raises NotPermitted."""
    await require(unit_of(session), caller, SIGNING_SERVICE)
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
    """Lines of the log, the newest first. `text` is a digest, serial number or reference.

    Raises NotPermitted.
    """
    await require(unit_of(session), caller, SIGNING_SERVICE, "log")
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
