"""What announcements look like to those who keep them and those whom they are for."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from clinical.notifications.announcements import access, rules
from clinical.notifications.announcements.models import (
    Announcement,
    AnnouncementRead,
    AnnouncementVersion,
)
from clinical.notifications.announcements.schemas import (
    AnnouncementItem,
    AnnouncementView,
    BlockView,
    KeptAnnouncement,
    KeptItem,
    NamedPerson,
    ReaderView,
    SpanView,
    VersionView,
)
from clinical.notifications.announcements.service import FIELDS
from clinical.notifications.announcements.states import Reading
from core.access.access import names
from core.files.schemas import FileRef
from core.files.service import file_refs
from core.identity.caller import Caller
from core.identity.models import Department, RoleAssignment, User
from core.identity.roles import Role
from core.uow import UnitOfWork


def block_views(text: str) -> list[BlockView]:
    """A text as clients draw it."""
    return [
        BlockView(
            kind=block.kind,
            spans=[SpanView(text=span.text, href=span.href) for span in block.spans],
        )
        for block in rules.blocks(text)
    ]


# --- for those who keep them ---------------------------------------------------------------------


async def kept_items(uow: UnitOfWork, rows: Sequence[Announcement]) -> list[KeptItem]:
    """Rows of the list."""
    counts = await access.read_counts(uow, [row.id for row in rows])
    people = await names(uow, [row.created_by for row in rows])
    return [_kept_item(row, counts, people, uow.now) for row in rows]


def _kept_item(
    row: Announcement,
    counts: dict[UUID, tuple[int, int]],
    people: dict[UUID, str],
    now: datetime,
) -> KeptItem:
    phase = rules.phase(row.state, row.published_at, row.until, now)
    read, confirmed = counts.get(row.id, (0, 0))
    return KeptItem(
        id=row.id,
        kind=row.kind,
        kind_label=row.kind.label,
        title=row.title,
        phase=phase,
        phase_label=phase.label,
        pinned=row.pinned,
        confirm=row.confirm,
        published_at=row.published_at,
        until=row.until,
        starts_at=row.starts_at,
        place=row.place,
        version=row.version,
        changed_at=row.changed_at,
        created_by=people.get(row.created_by, ""),
        read=read,
        confirmed=confirmed,
    )


async def kept_view(uow: UnitOfWork, row: Announcement) -> KeptAnnouncement:
    """An announcement with all that can be edited."""
    item = (await kept_items(uow, [row]))[0]
    people = await names(uow, row.people)
    staff = await uow.session.scalar(
        select(func.count()).select_from(access.staff_of(row).subquery())
    )
    return KeptAnnouncement(
        **item.model_dump(),
        text=row.text,
        blocks=block_views(row.text),
        cover=await _cover(uow, row),
        files=await file_refs(uow, row.file_ids),
        roles=[Role(each) for each in row.roles],
        department_ids=row.department_ids,
        people=[NamedPerson(user_id=each, name=people.get(each, "")) for each in row.people],
        ends_at=row.ends_at,
        remind_minutes=row.remind_minutes,
        announced_at=row.announced_at,
        reminded_at=row.reminded_at,
        staff=staff or 0,
    )


async def version_views(uow: UnitOfWork, rows: Sequence[AnnouncementVersion]) -> list[VersionView]:
    """The history, the newest first: what each changed."""
    people = await names(uow, [row.changed_by for row in rows])
    older = [*(row.content for row in rows[1:]), {}]
    return [
        VersionView(
            version=row.version,
            changed_at=row.changed_at,
            changed_by=people.get(row.changed_by, ""),
            changed=[
                label
                for name, label in FIELDS.items()
                if before and before.get(name) != row.content.get(name)
            ],
            title=row.content["title"],
            text=row.content["text"],
        )
        for row, before in zip(rows, older, strict=True)
    ]


async def readers(
    uow: UnitOfWork,
    row: Announcement,
    *,
    reading: Reading,
    words: str,
    before: tuple[str, UUID] | None,
    limit: int,
) -> list[ReaderView]:
    """The staff whom it is for, by name, with what they did; the caller may know."""
    query = (
        select(User.id, User.name, AnnouncementRead)
        .outerjoin(
            AnnouncementRead,
            (AnnouncementRead.user_id == User.id) & (AnnouncementRead.announcement_id == row.id),
        )
        .where(User.id.in_(access.staff_of(row)))
        .order_by(User.name, User.id)
        .limit(limit)
    )
    match reading:
        case Reading.READ:
            query = query.where(AnnouncementRead.read_at.is_not(None))
        case Reading.UNREAD:
            query = query.where(AnnouncementRead.read_at.is_(None))
        case Reading.UNCONFIRMED:
            query = query.where(AnnouncementRead.confirmed_at.is_(None))
        case Reading.ALL:
            pass
    if words:
        query = query.where(User.name.icontains(words, autoescape=True))
    if before is not None:
        name, last = before
        query = query.where((User.name > name) | ((User.name == name) & (User.id > last)))
    found = (await uow.session.execute(query)).all()
    departments = await _departments(uow, row.hospital_id, [user_id for user_id, _, _ in found])
    return [
        ReaderView(
            user_id=user_id,
            name=name,
            departments=departments.get(user_id, []),
            read_at=mark.read_at if mark else None,
            confirmed_at=mark.confirmed_at if mark else None,
            outdated=mark is not None and mark.version < row.version,
        )
        for user_id, name, mark in found
    ]


async def _departments(
    uow: UnitOfWork, hospital_id: UUID, user_ids: Sequence[UUID]
) -> dict[UUID, list[str]]:
    rows = await uow.session.execute(
        select(RoleAssignment.user_id, Department.name)
        .join(Department, Department.id == RoleAssignment.department_id)
        .where(RoleAssignment.hospital_id == hospital_id, RoleAssignment.user_id.in_(user_ids))
        .distinct()
        .order_by(Department.name)
    )
    found: dict[UUID, list[str]] = {}
    for user_id, name in rows:
        found.setdefault(user_id, []).append(name)
    return found


# --- for those whom they are for -----------------------------------------------------------------


async def items(
    uow: UnitOfWork, rows: Sequence[tuple[Announcement, AnnouncementRead | None]]
) -> list[AnnouncementItem]:
    """Rows of somebody's list."""
    ids = list({row.cover_id for row, _ in rows if row.cover_id is not None})
    covers = {ref.id: ref for ref in await file_refs(uow, ids)}
    return [_item(row, mark, covers, uow.now) for row, mark in rows]


def _item(
    row: Announcement,
    mark: AnnouncementRead | None,
    covers: dict[UUID, FileRef],
    now: datetime,
) -> AnnouncementItem:
    assert row.published_at is not None
    new = mark is None and row.published_at > now - rules.FRESH
    confirmed_at = mark.confirmed_at if mark else None
    return AnnouncementItem(
        id=row.id,
        kind=row.kind,
        kind_label=row.kind.label,
        title=row.title,
        summary=rules.summary(row.text),
        cover=covers.get(row.cover_id) if row.cover_id else None,
        pinned=row.pinned,
        published_at=row.published_at,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        place=row.place,
        read=mark is not None,
        fresh=new or (row.confirm and confirmed_at is None),
        confirm=row.confirm,
        confirmed_at=confirmed_at,
    )


async def view(uow: UnitOfWork, caller: Caller, announcement_id: UUID) -> AnnouncementView:
    """An announcement in full, for somebody whom it is for. Raises NotFound."""
    row, mark = await access.shown_for(uow, caller, announcement_id)
    item = (await items(uow, [(row, mark)]))[0]
    last = await uow.session.scalar(
        select(func.max(AnnouncementVersion.changed_at)).where(
            AnnouncementVersion.announcement_id == row.id
        )
    )
    return AnnouncementView(
        **item.model_dump(),
        blocks=block_views(row.text),
        files=await file_refs(uow, row.file_ids),
        changed_at=last if last is not None and last > item.published_at else None,
    )


async def _cover(uow: UnitOfWork, row: Announcement) -> FileRef | None:
    found = await file_refs(uow, [row.cover_id] if row.cover_id else [])
    return found[0] if found else None
