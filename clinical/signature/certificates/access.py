"""Who may see and keep the certificates of a hospital."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from clinical.signature.certificates.models import StoredCertificate
from clinical.signature.certificates.states import Purpose, Standing
from clinical.signature.formats.verdicts import RevocationState
from clinical.signature.formats.x509 import Certificate, read_certificate
from core.access import READ, Action, Scope, allow, condition, declare
from core.errors import NotFound
from core.identity.caller import Caller
from core.identity.roles import Role
from core.uow import unit_of

KEEPERS: tuple[Role, ...] = (Role.ADMINISTRATOR,)
READERS: tuple[Role, ...] = (Role.ADMINISTRATOR, Role.SUPERVISOR)

CERTIFICATE = declare(
    "certificate",
    "证书库",
    area="签名",
    here=StoredCertificate.hospital_id,
    actions={READ: Action("查看证书", READERS), "manage": Action("导入、信任与删除证书", KEEPERS)},
    scopes={Scope.HOSPITAL: None},
    defaults=[
        allow(Role.ADMINISTRATOR, Scope.HOSPITAL, READ, "manage"),
        allow(Role.SUPERVISOR, Scope.HOSPITAL, READ),
    ],
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is searched for; None means everything. `text` is part of subject or note."""

    text: str | None = None
    issuer: str | None = None
    serial: str | None = None
    key_id: str | None = None
    fingerprint: str | None = None
    purpose: Purpose | None = None
    standing: Standing | None = None
    trusted: bool | None = None
    valid_at: datetime | None = None


async def certificate_for(
    session: AsyncSession,
    caller: Caller,
    certificate_id: UUID,
    action: str = READ,
    *,
    lock: bool = False,
) -> StoredCertificate:
    """A certificate of the caller's hospital. Raises NotPermitted, NotFound."""
    allowed = await condition(unit_of(session), caller, CERTIFICATE, action)
    query = select(StoredCertificate).where(StoredCertificate.id == certificate_id, allowed)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = await session.scalar(query)
    if row is None:
        raise NotFound()
    return row


async def certificates_for(
    session: AsyncSession,
    caller: Caller,
    wanted: Wanted,
    now: datetime,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[StoredCertificate]:
    """Certificates of the caller's hospital, the newest first. Raises NotPermitted."""
    allowed = await condition(unit_of(session), caller, CERTIFICATE)
    query = narrowed(select(StoredCertificate).where(allowed), wanted, now)
    if before is not None:
        place = tuple_(StoredCertificate.created_at, StoredCertificate.id)
        query = query.where(place < before)
    order = StoredCertificate.created_at.desc(), StoredCertificate.id.desc()
    return list(await session.scalars(query.order_by(*order).limit(limit)))


def narrowed(
    query: Select[StoredCertificate], wanted: Wanted, now: datetime
) -> Select[StoredCertificate]:
    """The query with the conditions of a search."""
    row = StoredCertificate
    exact = {
        row.serial: wanted.serial and wanted.serial.upper().replace(":", "").lstrip("0"),
        row.key_id: wanted.key_id and wanted.key_id.lower().replace(":", ""),
        row.fingerprint: wanted.fingerprint and wanted.fingerprint.lower().replace(":", ""),
    }
    for column, value in exact.items():
        if value:
            query = query.where(column == value)
    if wanted.text:
        query = query.where(
            row.subject.icontains(wanted.text, autoescape=True)
            | row.note.icontains(wanted.text, autoescape=True)
        )
    if wanted.issuer:
        query = query.where(row.issuer.icontains(wanted.issuer, autoescape=True))
    if wanted.purpose is not None:
        query = query.where(row.purposes.contains([wanted.purpose.value]))
    if wanted.trusted is not None:
        query = query.where(row.trusted == wanted.trusted)
    if wanted.valid_at is not None:
        query = query.where(row.not_before <= wanted.valid_at, row.not_after >= wanted.valid_at)
    if wanted.standing is not None:
        query = query.where(_stands(wanted.standing, now))
    return query


def _stands(standing: Standing, now: datetime) -> ColumnElement[bool]:
    row = StoredCertificate
    revoked = row.revocation == RevocationState.REVOKED
    return {
        Standing.REVOKED: revoked,
        Standing.EXPIRED: ~revoked & (row.not_after < now),
        Standing.NOT_YET: ~revoked & (row.not_before > now),
        Standing.GOOD: ~revoked & (row.not_before <= now) & (row.not_after >= now),
    }[standing]


def standing(row: StoredCertificate, now: datetime) -> Standing:
    """How a certificate stands, by what is known without asking anybody."""
    if row.revocation is RevocationState.REVOKED:
        return Standing.REVOKED
    if row.not_after < now:
        return Standing.EXPIRED
    return Standing.NOT_YET if row.not_before > now else Standing.GOOD


# --- for siblings, without a person ---------------------------------------------------------------


async def authorities(
    session: AsyncSession, hospital_id: UUID
) -> tuple[list[StoredCertificate], list[StoredCertificate]]:
    """The anchors of a hospital, and the other authorities in its store."""
    rows = await session.scalars(
        select(StoredCertificate)
        .where(StoredCertificate.hospital_id == hospital_id, StoredCertificate.is_authority)
        .order_by(StoredCertificate.created_at, StoredCertificate.id)
    )
    found = list(rows)
    return [row for row in found if row.trusted], [row for row in found if not row.trusted]


async def find(
    session: AsyncSession, hospital_id: UUID, wanted: Wanted, now: datetime, limit: int
) -> list[StoredCertificate]:
    """A search on behalf of a hospital's application."""
    query = select(StoredCertificate).where(StoredCertificate.hospital_id == hospital_id)
    order = StoredCertificate.created_at.desc(), StoredCertificate.id.desc()
    rows = await session.scalars(narrowed(query, wanted, now).order_by(*order).limit(limit))
    return list(rows)


async def by_ids(
    session: AsyncSession, hospital_id: UUID, ids: Sequence[UUID]
) -> list[StoredCertificate]:
    """Certificates of a hospital by their ids, in the order given; unknown ones are left out."""
    rows = await session.scalars(
        select(StoredCertificate).where(
            StoredCertificate.hospital_id == hospital_id, StoredCertificate.id.in_(ids)
        )
    )
    found = {row.id: row for row in rows}
    return [found[each] for each in ids if each in found]


async def count(session: AsyncSession, hospital_id: UUID) -> int:
    """How many certificates a hospital keeps."""
    query = select(func.count()).where(StoredCertificate.hospital_id == hospital_id)
    return await session.scalar(query) or 0


def plain(row: StoredCertificate) -> Certificate:
    """What the certificate says."""
    return read_certificate(row.der)
