"""The user's inbox: what concerns him outside the open room, stored with a cursor of its own.

An item is stored with the change that caused it and pushed to every socket of the user after the
commit. A client that was away asks for what lies above its cursor.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects.postgresql import insert

from core.identity.caller import Caller
from core.ids import new_id
from core.uow import UnitOfWork
from realtime import notices
from realtime.events import NoticeStored
from realtime.models import InboxItemRow, InboxRow
from realtime.schemas import InboxItem, InboxPage, InboxRef


async def notify(
    uow: UnitOfWork,
    user_ids: Iterable[UUID],
    *,
    hospital_id: UUID,
    type: str,
    title: str,
    text: str,
    ref: tuple[str, UUID | str] | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> None:
    """Put an item into the inbox of each user at this hospital.

    `type` is the code of a declared notice (`realtime.notices`), `title` and `text` are Chinese and
    stay behind the login, `ref` is what it is about (`("consultation", its id)`), `parameters` are
    what the notice declares. A notice that may leave the house announces `NoticeStored`. Everybody
    is locked in one order; call it once per transaction for many users rather than many times.
    Raises KeyError for an undeclared code and ValueError for a wrong parameter.
    """
    notice = notices.notice_of(type)
    values = notice.check(parameters or {})
    people = sorted(set(user_ids))
    words = await notices.wording(uow, hospital_id, notice, people, values)
    numbers = await _next_numbers(uow, people, hospital_id)
    reference = None if ref is None else InboxRef(type=ref[0], id=str(ref[1]))
    items: list[tuple[UUID, InboxItem]] = []
    for user_id, cursor in numbers.items():
        item = InboxItem(
            id=cursor,
            type=type,
            category=notice.category.value,
            title=words.title or title,
            text=words.text or text,
            ref=reference,
            at=uow.now,
            read=False,
            silent=user_id in words.silent,
        )
        uow.session.add(_row(user_id, hospital_id, item))
        items.append((user_id, item))
    await uow.session.flush()
    if items and notice.channels:
        _announce(uow, hospital_id, notice, items, values, reference)

    async def tell() -> None:
        for user_id, item in items:
            await uow.runtime.realtime.to_inbox(user_id, hospital_id, item)

    uow.after_commit(tell)


def _announce(
    uow: UnitOfWork,
    hospital_id: UUID,
    notice: notices.Notice,
    items: list[tuple[UUID, InboxItem]],
    values: Mapping[str, Any],
    ref: InboxRef | None,
) -> None:
    """Say with the commit that items were stored; what must stay inside does not go along."""
    uow.record(
        NoticeStored(
            hospital_id=hospital_id,
            # Of its own: a notice that cannot be handled holds back no other.
            aggregate_id=new_id(),
            occurred_at=uow.now,
            code=notice.code,
            items=tuple((user_id, item.id) for user_id, item in items),
            parameters={name: values[name] for name in values if name in notice.may_leave},
            ref_type=ref.type if ref else None,
            ref_id=ref.id if ref else None,
        )
    )


async def page(uow: UnitOfWork, caller: Caller, after: int, limit: int) -> InboxPage:
    """The caller's items above `after`, oldest first, and how many of all are unread."""
    mine = await uow.session.get(InboxRow, (caller.user_id, caller.hospital_id))
    read_up_to = mine.read_up_to if mine else 0
    rows = (
        await uow.session.scalars(
            select(InboxItemRow)
            .where(
                InboxItemRow.user_id == caller.user_id,
                InboxItemRow.hospital_id == caller.hospital_id,
                InboxItemRow.cursor > after,
            )
            .order_by(InboxItemRow.cursor)
            .limit(limit)
        )
    ).all()
    items = [item_of(row, read_up_to) for row in rows]
    return InboxPage(
        items=items,
        unread=await unread(uow, caller),
        cursor=items[-1].id if items else after,
    )


async def newest(uow: UnitOfWork, caller: Caller, limit: int) -> InboxPage:
    """The caller's newest items, oldest of them first; the cursor stands at the end."""
    mine = await uow.session.get(InboxRow, (caller.user_id, caller.hospital_id))
    return await page(uow, caller, max(0, (mine.last if mine else 0) - limit), limit)


async def unread(uow: UnitOfWork, caller: Caller) -> int:
    """How many of the caller's items are unread."""
    found = await uow.session.scalar(
        select(func.count())
        .select_from(InboxItemRow)
        .join(InboxRow, _same_inbox())
        .where(*of_caller(caller), InboxItemRow.cursor > InboxRow.read_up_to, UNREAD)
    )
    return found or 0


def of_caller(caller: Caller) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The conditions of the caller's own items."""
    return (
        InboxItemRow.user_id == caller.user_id,
        InboxItemRow.hospital_id == caller.hospital_id,
    )


#: Not read by itself; the watermark of the inbox comes on top.
UNREAD = InboxItemRow.read_at.is_(None)


def _same_inbox() -> ColumnElement[bool]:
    return (InboxRow.user_id == InboxItemRow.user_id) & (
        InboxRow.hospital_id == InboxItemRow.hospital_id
    )


async def mark_read(uow: UnitOfWork, caller: Caller, up_to: int) -> None:
    """Count everything up to this item as read; a mark never goes back."""
    await uow.session.execute(
        update(InboxRow)
        .where(InboxRow.user_id == caller.user_id, InboxRow.hospital_id == caller.hospital_id)
        .values(read_up_to=func.greatest(InboxRow.read_up_to, func.least(InboxRow.last, up_to)))
        .execution_options(synchronize_session=False)
    )


async def _next_numbers(
    uow: UnitOfWork, user_ids: list[UUID], hospital_id: UUID
) -> dict[UUID, int]:
    """Take the next number in each inbox. The row locks, taken in order, are held until the
    commit.
    """
    if not user_ids:
        return {}
    values = [
        {"user_id": user_id, "hospital_id": hospital_id, "last": 1, "read_up_to": 0}
        for user_id in user_ids
    ]
    statement = insert(InboxRow).values(values)
    found = await uow.session.execute(
        statement.on_conflict_do_update(
            index_elements=[InboxRow.user_id, InboxRow.hospital_id],
            set_={"last": InboxRow.last + 1},
        ).returning(InboxRow.user_id, InboxRow.last)
    )
    return {user_id: last for user_id, last in found}


def _row(user_id: UUID, hospital_id: UUID, item: InboxItem) -> InboxItemRow:
    return InboxItemRow(
        user_id=user_id,
        hospital_id=hospital_id,
        cursor=item.id,
        type=item.type,
        title=item.title,
        text=item.text,
        ref_type=item.ref.type if item.ref else None,
        ref_id=item.ref.id if item.ref else None,
        at=item.at,
    )


def item_of(row: InboxItemRow, read_up_to: int) -> InboxItem:
    """A stored item as its owner sees it."""
    ref = None
    if row.ref_type is not None and row.ref_id is not None:
        ref = InboxRef(type=row.ref_type, id=row.ref_id)
    notice = notices.find(row.type)
    return InboxItem(
        id=row.cursor,
        type=row.type,
        category=(notice.category if notice else notices.Category.HOSPITAL).value,
        title=row.title,
        text=row.text,
        ref=ref,
        at=row.at,
        read=row.cursor <= read_up_to or row.read_at is not None,
    )
