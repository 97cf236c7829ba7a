"""Who may keep announcements, and who is shown which."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, tuple_

from clinical.notifications.announcements import rules
from clinical.notifications.announcements.models import (
    Announcement,
    AnnouncementRead,
    AnnouncementVersion,
)
from clinical.notifications.announcements.states import Kind, Phase, State
from core.access import READ, Action, NotPermitted, Scope, allow, condition, declare
from core.errors import NotFound
from core.files.access import register_viewer
from core.files.models import File
from core.identity.caller import Caller
from core.identity.models import RoleAssignment, User
from core.identity.roles import STAFF_ROLES, Role
from core.uow import UnitOfWork

SCOPE = "announcement"
KEEPERS: tuple[Role, ...] = (Role.ADMINISTRATOR,)
EVERYBODY = tuple(Role)


def _for_caller(caller: Caller) -> ColumnElement[bool]:
    """What is for somebody in this role, in these departments, or by name."""
    by_role: ColumnElement[bool] = Announcement.roles.contains([caller.role.value])
    if caller.is_staff:
        by_role = and_(
            by_role,
            or_(
                func.cardinality(Announcement.department_ids) == 0,
                Announcement.department_ids.overlap(list(caller.department_ids)),
            ),
        )
        return or_(by_role, Announcement.people.contains([caller.user_id]))
    return by_role


ANNOUNCEMENT = declare(
    "announcement",
    "公告",
    area="管理",
    here=Announcement.hospital_id,
    actions={
        READ: Action("查看发给自己的", EVERYBODY),
        "manage": Action("起草、发布与撤下", KEEPERS),
    },
    scopes={Scope.OWN: _for_caller, Scope.HOSPITAL: None},
    only={Scope.HOSPITAL: KEEPERS},
    defaults=[
        *(allow(role, Scope.OWN, READ) for role in EVERYBODY),
        allow(Role.ADMINISTRATOR, Scope.HOSPITAL, "manage"),
    ],
)


# --- keepers -------------------------------------------------------------------------------------


async def kept(
    uow: UnitOfWork,
    caller: Caller,
    *,
    kind: Kind | None,
    phase: Phase | None,
    words: str,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Announcement]:
    """Announcements of the caller's hospital, the last changed first."""
    query = select(Announcement).where(await condition(uow, caller, ANNOUNCEMENT, "manage"))
    if kind is not None:
        query = query.where(Announcement.kind == kind)
    if phase is not None:
        query = query.where(_in_phase(phase, uow.now))
    if words:
        query = query.where(_says(words))
    if before is not None:
        query = query.where(tuple_(Announcement.changed_at, Announcement.id) < tuple_(*before))
    query = query.order_by(Announcement.changed_at.desc(), Announcement.id.desc()).limit(limit)
    return (await uow.session.scalars(query)).all()


async def announcement_for(
    uow: UnitOfWork, caller: Caller, announcement_id: UUID, *, lock: bool = False
) -> Announcement:
    """An announcement that the caller keeps; locked, to change it. Raises NotFound."""
    query = select(Announcement).where(
        Announcement.id == announcement_id,
        await condition(uow, caller, ANNOUNCEMENT, "manage"),
    )
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = await uow.session.scalar(query)
    if row is None:
        raise NotFound()
    return row


async def versions(
    uow: UnitOfWork, caller: Caller, announcement_id: UUID
) -> Sequence[AnnouncementVersion]:
    """Every wording, the newest first. Raises NotFound."""
    await announcement_for(uow, caller, announcement_id)
    rows = await uow.session.scalars(
        select(AnnouncementVersion)
        .where(AnnouncementVersion.announcement_id == announcement_id)
        .order_by(AnnouncementVersion.version.desc())
    )
    return rows.all()


async def read_counts(uow: UnitOfWork, ids: Sequence[UUID]) -> dict[UUID, tuple[int, int]]:
    """How many have read each and how many confirmed; the caller has checked who may know."""
    rows = await uow.session.execute(
        select(
            AnnouncementRead.announcement_id,
            func.count(),
            func.count(AnnouncementRead.confirmed_at),
        )
        .where(AnnouncementRead.announcement_id.in_(ids))
        .group_by(AnnouncementRead.announcement_id)
    )
    return {found: (read, confirmed) for found, read, confirmed in rows}


# --- whom it is for ------------------------------------------------------------------------------


def staff_of(row: Announcement) -> Select[UUID]:
    """The staff whom an announcement is for."""
    roles = sorted(set(row.roles) - {Role.PATIENT.value})
    by_role: ColumnElement[bool] = RoleAssignment.role.in_(roles)
    if row.department_ids:
        by_role = and_(by_role, RoleAssignment.department_id.in_(row.department_ids))
    return (
        select(User.id)
        .join(RoleAssignment, RoleAssignment.user_id == User.id)
        .where(
            RoleAssignment.hospital_id == row.hospital_id,
            RoleAssignment.role.in_(STAFF_ROLES),
            User.enabled,
            or_(by_role, User.id.in_(row.people)),
        )
        .distinct()
    )


# --- readers -------------------------------------------------------------------------------------


async def _shown(uow: UnitOfWork, caller: Caller) -> ColumnElement[bool]:
    return and_(
        await condition(uow, caller, ANNOUNCEMENT),
        _in_phase(Phase.SHOWN, uow.now),
    )


async def shown(
    uow: UnitOfWork,
    caller: Caller,
    *,
    kinds: Sequence[Kind],
    words: str,
    unread: bool,
    before: tuple[bool, datetime, UUID] | None,
    limit: int,
) -> list[tuple[Announcement, AnnouncementRead | None]]:
    """What the caller is shown with whether he has read it: the pinned first, then the newest."""
    query = _with_mark(caller).where(await _shown(uow, caller))
    if kinds:
        query = query.where(Announcement.kind.in_(kinds))
    if words:
        query = query.where(_says(words))
    if unread:
        query = query.where(_open(uow.now))
    place = tuple_(Announcement.pinned, Announcement.published_at, Announcement.id)
    if before is not None:
        query = query.where(place < tuple_(*before))
    query = query.order_by(
        Announcement.pinned.desc(), Announcement.published_at.desc(), Announcement.id.desc()
    ).limit(limit)
    return [(row, mark) for row, mark in await uow.session.execute(query)]


async def shown_for(
    uow: UnitOfWork, caller: Caller, announcement_id: UUID
) -> tuple[Announcement, AnnouncementRead | None]:
    """An announcement that the caller is shown now. Raises NotFound."""
    query = _with_mark(caller).where(Announcement.id == announcement_id, await _shown(uow, caller))
    found = (await uow.session.execute(query)).one_or_none()
    if found is None:
        raise NotFound()
    return found[0], found[1]


async def count_open(uow: UnitOfWork, caller: Caller) -> int:
    """How many new ones the caller has not read, or not confirmed."""
    query = (
        select(func.count())
        .select_from(Announcement)
        .outerjoin(AnnouncementRead, _mark_of(caller))
        .where(await _shown(uow, caller), _open(uow.now))
    )
    return await uow.session.scalar(query) or 0


def _with_mark(caller: Caller) -> Select[Announcement, AnnouncementRead]:
    return select(Announcement, AnnouncementRead).outerjoin(AnnouncementRead, _mark_of(caller))


def _mark_of(caller: Caller) -> ColumnElement[bool]:
    return and_(
        AnnouncementRead.announcement_id == Announcement.id,
        AnnouncementRead.user_id == caller.user_id,
    )


def _open(now: datetime) -> ColumnElement[bool]:
    return or_(
        and_(
            AnnouncementRead.read_at.is_(None),
            Announcement.published_at > now - rules.FRESH,
        ),
        and_(Announcement.confirm, AnnouncementRead.confirmed_at.is_(None)),
    )


def _in_phase(phase: Phase, now: datetime) -> ColumnElement[bool]:
    published = Announcement.state == State.PUBLISHED
    begun, over = Announcement.published_at <= now, Announcement.until <= now
    match phase:
        case Phase.DRAFT:
            return Announcement.state == State.DRAFT
        case Phase.WITHDRAWN:
            return Announcement.state == State.WITHDRAWN
        case Phase.SCHEDULED:
            return and_(published, Announcement.published_at > now)
        case Phase.OVER:
            return and_(published, begun, over)
        case Phase.SHOWN:
            return and_(published, begun, or_(Announcement.until.is_(None), ~over))


def _says(words: str) -> ColumnElement[bool]:
    return and_(
        *(
            or_(
                Announcement.title.icontains(word, autoescape=True),
                Announcement.text.icontains(word, autoescape=True),
            )
            for word in words.split()
        )
    )


async def _may_see_file(uow: UnitOfWork, caller: Caller, file: File) -> bool:
    """Files are seen by whoever is shown the announcement, and by who keeps it."""
    if file.scope_id is None:
        return False
    for look in (shown_for, announcement_for):
        try:
            await look(uow, caller, file.scope_id)
        except (NotFound, NotPermitted):
            continue
        return True
    return False


register_viewer(SCOPE, _may_see_file)
