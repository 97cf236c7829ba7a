"""The verbs of announcements: draft, edit, publish, withdraw, read, confirm."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from clinical.notifications.announcements import access, errors, notices, rules
from clinical.notifications.announcements.events import AnnouncementsChanged
from clinical.notifications.announcements.models import (
    Announcement,
    AnnouncementRead,
    AnnouncementVersion,
)
from clinical.notifications.announcements.states import Phase, State
from core import audit
from core.access import require
from core.errors import FieldProblem, InvalidRequest
from core.files.models import Purpose
from core.files.schemas import FileKind
from core.files.service import attach, give_up
from core.identity.caller import Caller
from core.identity.models import Department, RoleAssignment
from core.identity.roles import STAFF_ROLES
from core.ids import new_id
from core.uow import UnitOfWork

if TYPE_CHECKING:
    from clinical.notifications.announcements.schemas import (
        AnnouncementChange,
        AnnouncementInput,
    )

#: What a wording consists of, with the labels that its history shows.
FIELDS: dict[str, str] = {
    "kind": "类别",
    "title": "标题",
    "text": "正文",
    "cover_id": "封面",
    "file_ids": "附件",
    "roles": "对象",
    "department_ids": "科室",
    "people": "人员",
    "pinned": "置顶",
    "confirm": "要求确认",
    "starts_at": "开始时间",
    "ends_at": "结束时间",
    "place": "地点",
    "remind_minutes": "提前提醒",
    "until": "展示截止",
}


async def draft(uow: UnitOfWork, caller: Caller, wanted: "AnnouncementInput") -> Announcement:
    """Begin an announcement. Raises InvalidRequest, FileNotAttachable."""
    await require(uow, caller, access.ANNOUNCEMENT, "manage")
    row = Announcement(
        id=new_id(),
        hospital_id=caller.hospital_id,
        state=State.DRAFT,
        version=0,
        created_at=uow.now,
        created_by=caller.user_id,
        cover_id=None,
        file_ids=[],
    )
    await _write(uow, caller, row, wanted)
    uow.session.add(row)
    await _keep_version(uow, caller, row)
    await _audit(uow, caller, row, "draft")
    return row


async def edit(
    uow: UnitOfWork, caller: Caller, announcement_id: UUID, wanted: "AnnouncementChange"
) -> Announcement:
    """Put a new wording in the place of the old one, which stays in the history.

    Who was told of an appointment of work hears when its time or place is another. Raises NotFound,
    AnnouncementOutdated, InvalidRequest.
    """
    row = await _to_change(uow, caller, announcement_id, wanted.base_version)
    before = (row.starts_at, row.place)
    await _write(uow, caller, row, wanted)
    await _keep_version(uow, caller, row)
    await _audit(uow, caller, row, "change")
    if (row.starts_at, row.place) != before:
        row.reminded_at = None
        if row.kind.is_work and row.announced_at is not None and _is_shown(row, uow.now):
            await notices.tell_changed(uow, row, "时间或地点有变")
    if _is_shown(row, uow.now):
        _announce(uow, row)
    return row


async def discard(uow: UnitOfWork, caller: Caller, announcement_id: UUID) -> None:
    """Throw a draft away with its files. Raises NotFound, AnnouncementNotDraft."""
    row = await access.announcement_for(uow, caller, announcement_id, lock=True)
    if row.state is not State.DRAFT:
        raise errors.AnnouncementNotDraft()
    await _audit(uow, caller, row, "discard")
    await give_up(uow, access.SCOPE, [row.id])
    await uow.session.delete(row)


async def publish(
    uow: UnitOfWork, caller: Caller, announcement_id: UUID, base_version: int, at: datetime | None
) -> Announcement:
    """Let an announcement appear, at once or at a set time.

    One that was withdrawn appears again, with who has read it, and nobody is told a second time.
    Raises NotFound, AnnouncementOutdated, AnnouncementPublished, InvalidRequest.
    """
    row = await _to_change(uow, caller, announcement_id, base_version)
    if row.state is State.PUBLISHED:
        raise errors.AnnouncementPublished()
    appears = max(at or uow.now, uow.now)
    _check_publishing(row, appears)
    again = row.announced_at is not None and at is None and row.published_at is not None
    row.published_at = row.published_at if again else appears
    row.state, row.changed_at = State.PUBLISHED, uow.now
    await _audit(uow, caller, row, "publish")
    await appear(uow, row)
    return row


def _check_publishing(row: Announcement, appears: datetime) -> None:
    if not rules.blocks(row.text) and not row.file_ids and not row.kind.is_work:
        raise InvalidRequest(fields=[FieldProblem("text", "请填写正文")])
    if row.until is not None and row.until <= appears:
        raise InvalidRequest(fields=[FieldProblem("until", "展示截止应晚于发布时间")])
    if row.starts_at is not None and row.starts_at <= appears:
        raise InvalidRequest(fields=[FieldProblem("starts_at", "开始时间已过")])


async def appear(uow: UnitOfWork, row: Announcement) -> None:
    """Tell people of an announcement if its time has come; once for good."""
    if not _is_shown(row, uow.now):
        return
    fresh = row.announced_at is None
    if fresh:
        row.announced_at = uow.now
        await notices.tell_new(uow, row)
    _announce(uow, row, fresh=fresh)


async def withdraw(
    uow: UnitOfWork, caller: Caller, announcement_id: UUID, reason: str
) -> Announcement:
    """Show it no longer; one whose time had not come is a draft again.

    Who was told of an appointment of work that has not begun hears that it falls out. Raises
    NotFound, AnnouncementNotPublished.
    """
    row = await access.announcement_for(uow, caller, announcement_id, lock=True)
    if row.state is not State.PUBLISHED:
        raise errors.AnnouncementNotPublished()
    shown = _is_shown(row, uow.now)
    row.state = State.WITHDRAWN if row.announced_at is not None else State.DRAFT
    row.changed_at = uow.now
    await _audit(uow, caller, row, "withdraw", reason)
    if shown and row.kind.is_work and row.starts_at is not None and row.starts_at > uow.now:
        await notices.tell_changed(uow, row, "安排已取消")
    if shown:
        _announce(uow, row)
    return row


async def mark_read(uow: UnitOfWork, caller: Caller, announcement_id: UUID) -> None:
    """The caller has opened it. Raises NotFound."""
    row, mark = await access.shown_for(uow, caller, announcement_id)
    if mark is None:
        await _mark(uow, caller, row, confirmed=False)


async def confirm(uow: UnitOfWork, caller: Caller, announcement_id: UUID) -> None:
    """The caller confirms that he knows; once. Raises NotFound, NothingToConfirm."""
    row, mark = await access.shown_for(uow, caller, announcement_id)
    if not row.confirm:
        raise errors.NothingToConfirm()
    if mark is None or mark.confirmed_at is None:
        await _mark(uow, caller, row, confirmed=True)


async def _mark(uow: UnitOfWork, caller: Caller, row: Announcement, *, confirmed: bool) -> None:
    statement = insert(AnnouncementRead).values(
        announcement_id=row.id,
        user_id=caller.user_id,
        version=row.version,
        read_at=uow.now,
        confirmed_at=uow.now if confirmed else None,
    )
    known = AnnouncementRead
    statement = statement.on_conflict_do_update(
        index_elements=[known.announcement_id, known.user_id],
        set_={
            # What was confirmed first counts; a read mark never goes back.
            "confirmed_at": func.coalesce(known.confirmed_at, statement.excluded.confirmed_at),
        },
    )
    await uow.session.execute(statement)
    uow.session.expire_all()


# --- the shared steps ----------------------------------------------------------------------------


async def _to_change(
    uow: UnitOfWork, caller: Caller, announcement_id: UUID, base_version: int
) -> Announcement:
    row = await access.announcement_for(uow, caller, announcement_id, lock=True)
    if row.version != base_version:
        raise errors.AnnouncementOutdated()
    return row


async def _write(
    uow: UnitOfWork, caller: Caller, row: Announcement, wanted: "AnnouncementInput"
) -> None:
    """Take the wanted wording over. Raises InvalidRequest, FileNotAttachable."""
    found = list(
        rules.problems(
            kind=wanted.kind,
            roles=frozenset(wanted.roles),
            departments=bool(wanted.department_ids),
            people=bool(wanted.people),
            confirm=wanted.confirm,
            starts_at=wanted.starts_at if wanted.kind.is_work else None,
            ends_at=wanted.ends_at if wanted.kind.is_work else None,
            place=wanted.place,
            until=wanted.until,
        )
    )
    found += await _unknown(uow, caller, wanted)
    if found:
        raise InvalidRequest(fields=[FieldProblem(field, text) for field, text in found])
    await _hang_up(uow, caller, row, wanted)
    work = wanted.kind.is_work
    row.kind, row.title, row.text = wanted.kind, rules.clean(wanted.title), rules.clean(wanted.text)
    row.roles = sorted({role.value for role in wanted.roles})
    row.department_ids = sorted(set(wanted.department_ids))
    row.people = sorted(set(wanted.people))
    row.pinned, row.confirm, row.until = wanted.pinned, wanted.confirm, wanted.until
    row.starts_at = wanted.starts_at if work else None
    row.ends_at = wanted.ends_at if work else None
    row.place = rules.clean(wanted.place) if work else ""
    row.remind_minutes = wanted.remind_minutes if work else None
    row.version += 1
    row.changed_at = uow.now


async def _unknown(
    uow: UnitOfWork, caller: Caller, wanted: "AnnouncementInput"
) -> list[tuple[str, str]]:
    """Departments and people who are not of this hospital."""
    found = []
    if wanted.department_ids:
        known = await uow.session.scalars(
            select(Department.id).where(
                Department.hospital_id == caller.hospital_id,
                Department.id.in_(wanted.department_ids),
            )
        )
        if set(wanted.department_ids) - set(known):
            found.append(("department_ids", "科室不存在"))
    if wanted.people:
        staff = await uow.session.scalars(
            select(RoleAssignment.user_id).where(
                RoleAssignment.hospital_id == caller.hospital_id,
                RoleAssignment.role.in_(STAFF_ROLES),
                RoleAssignment.user_id.in_(wanted.people),
            )
        )
        if set(wanted.people) - set(staff):
            found.append(("people", "人员不在本院"))
    return found


async def _hang_up(
    uow: UnitOfWork, caller: Caller, row: Announcement, wanted: "AnnouncementInput"
) -> None:
    """Attach what is new. Earlier wordings keep their files: the history shows them."""
    kept = {*row.file_ids, *([row.cover_id] if row.cover_id else [])}
    await _attach(uow, caller, row, [each for each in wanted.file_ids if each not in kept])
    if wanted.cover_id is not None and wanted.cover_id not in kept:
        await _attach(uow, caller, row, [wanted.cover_id], kinds=[FileKind.IMAGE])
    row.file_ids, row.cover_id = list(dict.fromkeys(wanted.file_ids)), wanted.cover_id


async def _attach(
    uow: UnitOfWork,
    caller: Caller,
    row: Announcement,
    ids: Sequence[UUID],
    kinds: Sequence[FileKind] | None = None,
) -> None:
    await attach(
        uow, ids, access.SCOPE, row.id, caller, purposes=[Purpose.ANNOUNCEMENT], kinds=kinds
    )


def content_of(row: Announcement) -> dict[str, Any]:
    """A wording as the history keeps it: JSON-ready."""
    return {name: _plain(getattr(row, name)) for name in FIELDS}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    return [_plain(each) for each in value] if isinstance(value, list) else value


async def _keep_version(uow: UnitOfWork, caller: Caller, row: Announcement) -> None:
    await uow.session.flush()
    uow.session.add(
        AnnouncementVersion(
            announcement_id=row.id,
            version=row.version,
            content=content_of(row),
            changed_by=caller.user_id,
            changed_at=uow.now,
        )
    )
    await uow.session.flush()


def _is_shown(row: Announcement, now: datetime) -> bool:
    return rules.phase(row.state, row.published_at, row.until, now) is Phase.SHOWN


def _announce(uow: UnitOfWork, row: Announcement, *, fresh: bool = False) -> None:
    uow.record(
        AnnouncementsChanged(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            kind=row.kind.value,
            title=row.title,
            fresh=fresh,
        )
    )


async def _audit(
    uow: UnitOfWork, caller: Caller, row: Announcement, verb: str, reason: str = ""
) -> None:
    await audit.record(
        uow,
        caller,
        f"announcement.{verb}",
        "announcement",
        row.id,
        detail={"title": row.title, "kind": row.kind.value, "version": row.version},
        reason=reason or None,
    )
