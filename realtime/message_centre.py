"""The message centre: the inbox newest first, by category, searched, read one by one or at once."""

from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, update

from core.errors import NotFound
from core.identity.caller import Caller
from core.uow import UnitOfWork
from realtime import notices
from realtime.inbox import UNREAD, item_of, of_caller
from realtime.models import InboxItemRow, InboxRow
from realtime.notices import Category
from realtime.schemas import CategoryCount, InboxCounts, InboxItem

#: Items that one search looks through: they lie encrypted, so each is opened to be compared.
SEARCHED = 500


async def items(
    uow: UnitOfWork,
    caller: Caller,
    *,
    category: Category | None,
    unread: bool,
    text: str,
    before: int | None,
    limit: int,
) -> tuple[list[InboxItem], int | None]:
    """A page of the caller's items, newest first, and the cursor to go on from.

    A search ends after `SEARCHED` items with what it has and a cursor, so its cost is bounded.
    """
    mark = await _watermark(uow, caller)
    query = select(InboxItemRow).where(*of_caller(caller))
    if category is not None:
        query = query.where(_of(category))
    if unread:
        query = query.where(InboxItemRow.cursor > mark, UNREAD)
    wanted = text.strip().casefold()
    size = SEARCHED if wanted else limit
    rows = await _newest(uow, query, before, size + 1)
    more, found = len(rows) > size, []
    for row in rows[:size]:
        if wanted and wanted not in f"{row.title}\n{row.text}".casefold():
            continue
        found.append(item_of(row, mark))
        if len(found) == limit:
            return found, row.cursor if more or row is not rows[-1] else None
    return found, rows[size - 1].cursor if more else None


async def counts(uow: UnitOfWork, caller: Caller) -> InboxCounts:
    """How many items and unread ones the caller has, by category."""
    mark = await _watermark(uow, caller)
    fresh = func.count().filter((InboxItemRow.cursor > mark) & UNREAD)
    rows = await uow.session.execute(
        select(InboxItemRow.type, func.count(), fresh)
        .where(*of_caller(caller))
        .group_by(InboxItemRow.type)
    )
    totals: dict[Category, list[int]] = {}
    for code, count, unread in rows:
        notice = notices.find(code)
        total = totals.setdefault(notice.category if notice else Category.HOSPITAL, [0, 0])
        total[0] += count
        total[1] += unread
    return InboxCounts(
        unread=sum(unread for _, unread in totals.values()),
        categories=[
            CategoryCount(
                category=each, label=each.label, count=totals[each][0], unread=totals[each][1]
            )
            for each in Category
            if each in totals
        ],
    )


async def read_one(uow: UnitOfWork, caller: Caller, cursor: int) -> None:
    """Count one item as read, whatever lies below it. Raises NotFound."""
    found = await uow.session.scalar(
        update(InboxItemRow)
        .where(*of_caller(caller), InboxItemRow.cursor == cursor)
        .values(read_at=func.coalesce(InboxItemRow.read_at, uow.now))
        .returning(InboxItemRow.cursor)
        .execution_options(synchronize_session=False)
    )
    if found is None:
        raise NotFound()


async def read_all(uow: UnitOfWork, caller: Caller, category: Category | None) -> None:
    """Count everything that is there now as read, or everything of one category."""
    if category is None:
        await uow.session.execute(
            update(InboxRow)
            .where(InboxRow.user_id == caller.user_id, InboxRow.hospital_id == caller.hospital_id)
            .values(read_up_to=InboxRow.last)
            .execution_options(synchronize_session=False)
        )
        return
    await uow.session.execute(
        update(InboxItemRow)
        .where(*of_caller(caller), _of(category), UNREAD)
        .values(read_at=uow.now)
        .execution_options(synchronize_session=False)
    )


async def is_read(uow: UnitOfWork, user_id: UUID, hospital_id: UUID, cursor: int) -> bool:
    """Whether the owner has read an item, or it is gone."""
    found = await uow.session.scalar(
        select(InboxItemRow.cursor)
        .join(
            InboxRow,
            (InboxRow.user_id == InboxItemRow.user_id)
            & (InboxRow.hospital_id == InboxItemRow.hospital_id),
        )
        .where(
            InboxItemRow.user_id == user_id,
            InboxItemRow.hospital_id == hospital_id,
            InboxItemRow.cursor == cursor,
            InboxItemRow.cursor > InboxRow.read_up_to,
            UNREAD,
        )
    )
    return found is None


def _of(category: Category) -> ColumnElement[bool]:
    """Items of a category; what nobody declares any more belongs to the hospital's own."""
    if category is Category.HOSPITAL:
        others = [each.code for each in notices.declared() if each.category is not category]
        return InboxItemRow.type.not_in(others)
    return InboxItemRow.type.in_(notices.codes_of(category))


async def _newest(
    uow: UnitOfWork, query: Select[InboxItemRow], before: int | None, limit: int
) -> list[InboxItemRow]:
    if before is not None:
        query = query.where(InboxItemRow.cursor < before)
    query = query.order_by(InboxItemRow.cursor.desc()).limit(limit)
    return list(await uow.session.scalars(query))


async def _watermark(uow: UnitOfWork, caller: Caller) -> int:
    mine = await uow.session.get(InboxRow, (caller.user_id, caller.hospital_id))
    return mine.read_up_to if mine else 0
