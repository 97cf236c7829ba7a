"""Who may read the audit: supervisors and administrators that of their hospital, operators the work
of the group, without what concerns a patient.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, tuple_

from core.access import READ, Action, Grant, Scope, allow, declare
from core.audit.categories import Category, within
from core.audit.models import AuditEntry
from core.crypto.keyring import Keyring
from core.errors import NotFound
from core.identity.access import phone_key
from core.identity.models import Hospital, User
from core.identity.roles import Role
from core.integrity.models import AnchorMark, LedgerRow, SealBlock
from core.uow import UnitOfWork

OFFICERS = (Role.ADMINISTRATOR, Role.SUPERVISOR)
READERS = (*OFFICERS, Role.OPERATOR)
_CHUNK = 500

AUDIT = declare(
    "audit",
    "审计日志",
    area="安全",
    here=AuditEntry.hospital_id,
    actions={
        READ: Action("查看", READERS),
        "export": Action("导出", READERS),
        "export_whole": Action("导出未遮盖的内容", OFFICERS, on_request=Scope.HOSPITAL),
        "check": Action("核验完整性", OFFICERS),
    },
    scopes={Scope.HOSPITAL: None, Scope.GROUP: lambda caller: AuditEntry.patient_id.is_(None)},
    only={Scope.HOSPITAL: OFFICERS, Scope.GROUP: (Role.OPERATOR,)},
    defaults=[
        *(allow(role, Scope.HOSPITAL, READ, "export", "check") for role in OFFICERS),
        allow(Role.OPERATOR, Scope.GROUP, READ, "export"),
    ],
)


@dataclass(frozen=True, kw_only=True)
class AuditFilter:
    """What to list; `until` is exclusive. `person` is a name, a login or a whole phone number."""

    hospital_id: UUID | None = None
    person: str | None = None
    user_id: UUID | None = None
    patient_id: UUID | None = None
    action: str | None = None
    category: Category | None = None
    object_type: str | None = None
    object_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def words(self) -> dict[str, Any]:
        """What was asked for, for the audit of the asking."""
        given = {name: getattr(self, name) for name in self.__dataclass_fields__}
        if self.person:
            # Whom somebody searched for is told by the entries that he got, not by a phone number.
            given["person"] = f"{self.person[:1]}***"
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class Listed:
    """An entry with the name of who did it, and that of the hospital."""

    entry: AuditEntry
    name: str | None
    hospital: str | None


@dataclass(frozen=True)
class Sealing:
    """Where an entry stands in the chain: block number, and whether that block is anchored."""

    block: int
    sealed_at: datetime
    anchored: bool


async def entries(
    uow: UnitOfWork,
    allowed: Grant,
    wanted: AuditFilter,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Listed]:
    """Entries that the caller may read with the user's name, newest first."""
    query = (
        _listed()
        .where(allowed.condition, *_conditions(uow.runtime.keyring, wanted))
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(tuple_(AuditEntry.at, AuditEntry.id) < before)
    return [Listed(*row) for row in await uow.session.execute(query)]


def _listed() -> Select[AuditEntry, str, str]:
    return (
        select(AuditEntry, User.name, Hospital.name)
        .outerjoin(User, User.id == AuditEntry.user_id)
        .outerjoin(Hospital, Hospital.id == AuditEntry.hospital_id)
    )


async def entry_for(uow: UnitOfWork, allowed: Grant, entry_id: UUID) -> Listed:
    """One entry. Raises NotFound."""
    found = await uow.session.execute(_listed().where(allowed.condition, AuditEntry.id == entry_id))
    row = found.first()
    if row is None:
        raise NotFound()
    return Listed(*row)


async def pages(
    uow: UnitOfWork, allowed: Grant, wanted: AuditFilter
) -> AsyncIterator[Sequence[Listed]]:
    """All entries, newest first, a page at a time."""
    before: tuple[datetime, UUID] | None = None
    while True:
        page = await entries(uow, allowed, wanted, before, _CHUNK)
        yield page
        if len(page) < _CHUNK:
            return
        before = (page[-1].entry.at, page[-1].entry.id)
        uow.session.expunge_all()


async def per_day(
    uow: UnitOfWork, allowed: Grant, wanted: AuditFilter, zone: ZoneInfo
) -> list[tuple[date, Category, int]]:
    """How many entries of each heading there are on each day of the hospital's calendar."""
    day = func.date(func.timezone(zone.key, AuditEntry.at))
    found: list[tuple[date, Category, int]] = []
    for category in Category:
        if wanted.category not in (None, category):
            continue
        query: Select[Any] = (
            select(day, func.count())
            .where(allowed.condition, within(category), *_conditions(uow.runtime.keyring, wanted))
            .group_by(day)
            .order_by(day)
        )
        found += [(on, category, count) for on, count in await uow.session.execute(query)]
    return found


async def sealing_of(uow: UnitOfWork, entry_ids: Sequence[UUID]) -> dict[UUID, Sealing]:
    """Where entries that the caller has been shown stand in the chain; unsealed ones are absent."""
    anchored = await uow.session.scalar(select(func.min(AnchorMark.block))) or 0
    rows = await uow.session.execute(
        select(LedgerRow.row_id, SealBlock)
        .join(
            SealBlock,
            and_(
                SealBlock.last_seq
                == select(func.min(SealBlock.last_seq))
                .where(SealBlock.last_seq >= LedgerRow.seal_seq)
                .correlate(LedgerRow)
                .scalar_subquery(),
            ),
        )
        .where(
            LedgerRow.table_name == AuditEntry.__tablename__,
            LedgerRow.row_id.in_([str(each) for each in entry_ids]),
            LedgerRow.version == 1,
        )
    )
    return {
        UUID(row_id): Sealing(block.number, block.sealed_at, block.number <= anchored)
        for row_id, block in rows
    }


async def zone_of(uow: UnitOfWork, hospital_id: UUID) -> ZoneInfo:
    """The hospital's time zone."""
    name = await uow.session.scalar(select(Hospital.time_zone).where(Hospital.id == hospital_id))
    return ZoneInfo(name or "Asia/Shanghai")


def _conditions(keyring: Keyring, wanted: AuditFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [
        getattr(AuditEntry, name) == value
        for name in ("hospital_id", "user_id", "patient_id", "action", "object_type", "object_id")
        if (value := getattr(wanted, name)) is not None
    ]
    if wanted.person:
        found.append(AuditEntry.user_id.in_(_people(keyring, wanted.person.strip())))
    if wanted.category is not None:
        found.append(within(wanted.category))
    if wanted.since is not None:
        found.append(AuditEntry.at >= wanted.since)
    if wanted.until is not None:
        found.append(AuditEntry.at < wanted.until)
    return found


def _people(keyring: Keyring, words: str) -> Select[Any]:
    return select(User.id).where(
        or_(
            User.name.contains(words, autoescape=True),
            User.login == words,
            User.phone_index == phone_key(keyring, words.removeprefix("+86")),
        )
    )
