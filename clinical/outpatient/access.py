"""Who may see and do what in the convenience clinic: every query made for a person.

As the policies stand by default, a patient sees what he or she ordered, pharmacists the orders of
drugs, doctors all others, administrators and supervisors everything; administrators keep the items.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from clinical.consent import access as consents
from clinical.consent.access import Matter, Standing
from clinical.consent.states import Kind as ConsentKind
from clinical.cursors import Moment
from clinical.days import business_day, zone_of
from clinical.outpatient import settings
from clinical.outpatient.errors import TimeFull
from clinical.outpatient.models import (
    SelfOrder,
    SelfOrderItem,
    SelfOrderLine,
    SelfOrderNumber,
    SelfOrderTime,
)
from clinical.outpatient.rules import Calendar
from clinical.outpatient.states import OVER, Desk, ItemKind, State
from clinical.people.access import PATIENT_FIELDS
from core import audit
from core import settings as core_settings
from core.access import READ, Action, Field, Grant, Scope, allow, declare, find_grant, grant
from core.errors import NotFound
from core.identity.caller import Caller
from core.identity.roles import Role
from core.uow import UnitOfWork, unit_of

OVERSEERS = (Role.ADMINISTRATOR, Role.SUPERVISOR)
REVIEWERS = (Role.DOCTOR, Role.PHARMACIST)
READERS = (Role.PATIENT, *REVIEWERS, *OVERSEERS)
_DESKS = {Role.DOCTOR: Desk.CLINIC, Role.PHARMACIST: Desk.PHARMACY}


def _in_use(caller: Caller) -> ColumnElement[bool]:
    """Not a closed order of somebody whose data is kept but no longer used (PIPL 47)."""
    return or_(
        SelfOrder.state.not_in(OVER),
        SelfOrder.patient_id.not_in(consents.restricted_patients(caller.hospital_id)),
    )


def _of_the_hospital(caller: Caller) -> ColumnElement[bool]:
    desk = _DESKS.get(caller.role)
    used = _in_use(caller)
    return used if desk is None else and_(SelfOrder.desk == desk, used)


SELF_ORDER = declare(
    "self_order",
    "便民门诊订单",
    area="诊疗",
    here=SelfOrder.hospital_id,
    actions={
        READ: Action("查看", READERS),
        "place": Action("下单与取消", (Role.PATIENT,)),
        "review": Action("审核", REVIEWERS),
        "fulfil": Action("确认完成", REVIEWERS),
        "export": Action("导出统计", OVERSEERS, delegable=True),
    },
    scopes={
        Scope.OWN: lambda caller: SelfOrder.payer_id == caller.user_id,
        Scope.HOSPITAL: _of_the_hospital,
    },
    only={Scope.OWN: (Role.PATIENT,), Scope.HOSPITAL: (*REVIEWERS, *OVERSEERS)},
    # Whoever ordered for himself is not the one to approve it.
    never={"review": lambda caller: SelfOrder.payer_id == caller.user_id},
    fields=[
        *(
            Field(f"patient.{each.path}", each.title, each.mask, f"patient:{each.path}")
            for each in PATIENT_FIELDS
        ),
        Field("purpose", "就诊目的"),
        Field("lines", "开单项目"),
        Field("review_words", "审核意见"),
    ],
    defaults=[
        allow(Role.PATIENT, Scope.OWN, READ, "place"),
        *(allow(role, Scope.HOSPITAL, READ, "review", "fulfil") for role in REVIEWERS),
        *(allow(role, Scope.HOSPITAL, READ, "export") for role in OVERSEERS),
    ],
    floors=[allow(Role.PATIENT, Scope.OWN, READ, "place")],
)
SELF_ORDER_ITEM = declare(
    "self_order_item",
    "便民门诊项目",
    area="诊疗",
    here=SelfOrderItem.hospital_id,
    actions={
        READ: Action("查看", (Role.ADMINISTRATOR,)),
        "keep": Action("维护", (Role.ADMINISTRATOR,), delegable=True),
        "export": Action("导出", (Role.ADMINISTRATOR,), delegable=True),
    },
    scopes={Scope.HOSPITAL: None},
    defaults=[allow(Role.ADMINISTRATOR, Scope.HOSPITAL, READ, "keep", "export")],
)


async def notice_standing(uow: UnitOfWork, caller: Caller) -> Standing:
    """Whether the caller has agreed to the notice (自助开单须知) in the version that counts."""
    matter = Matter(user_id=caller.user_id, kind=ConsentKind.SELF_ORDER)
    return await consents.standing(uow, caller.hospital_id, matter)


# --- items ---------------------------------------------------------------------------------------

Place = tuple[str, str, str, UUID]


def place_of(row: SelfOrderItem) -> Place:
    """Where an item stands in a list."""
    return (row.category, row.subcategory, row.code, row.id)


async def items(
    session: AsyncSession,
    allowed: ColumnElement[bool],
    *,
    words: str = "",
    kind: ItemKind | None = None,
    category: str | None = None,
    subcategory: str | None = None,
    active: bool | None = None,
    after: Place | None = None,
    limit: int | None = None,
) -> list[SelfOrderItem]:
    """Items by category and code; `words` is part of the name or of the code."""
    query = select(SelfOrderItem).where(allowed)
    if words.strip():
        text = words.strip()[:50]
        query = query.where(
            or_(
                SelfOrderItem.name.icontains(text, autoescape=True),
                SelfOrderItem.code.icontains(text, autoescape=True),
            )
        )
    exactly = (
        (SelfOrderItem.kind, kind),
        (SelfOrderItem.category, category),
        (SelfOrderItem.subcategory, subcategory),
        (SelfOrderItem.active, active),
    )
    for column, wanted in exactly:
        if wanted is not None:
            query = query.where(column == wanted)
    order = (
        SelfOrderItem.category,
        SelfOrderItem.subcategory,
        SelfOrderItem.code,
        SelfOrderItem.id,
    )
    if after is not None:
        query = query.where(tuple_(*order) > after)
    return list(await session.scalars(query.order_by(*order).limit(limit)))


def orderable(caller: Caller) -> ColumnElement[bool]:
    """What the patients of a hospital can order."""
    return and_(SelfOrderItem.hospital_id == caller.hospital_id, SelfOrderItem.active)


async def item_to_order(session: AsyncSession, caller: Caller, item_id: UUID) -> SelfOrderItem:
    """One item for a patient. Raises NotFound."""
    row = await session.scalar(
        select(SelfOrderItem).where(SelfOrderItem.id == item_id, orderable(caller))
    )
    if row is None:
        raise NotFound()
    return row


async def items_held(
    session: AsyncSession, caller: Caller, item_ids: Collection[UUID]
) -> dict[UUID, SelfOrderItem]:
    """Items that can be ordered, held so that nobody changes price or capacity meanwhile."""
    rows = await session.scalars(
        select(SelfOrderItem)
        .where(SelfOrderItem.id.in_(item_ids), orderable(caller))
        .order_by(SelfOrderItem.id)
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    )
    return {row.id: row for row in rows}


async def item(session: AsyncSession, caller: Caller, item_id: UUID) -> SelfOrderItem:
    """One item for whoever keeps them, locked. Raises NotFound, NotPermitted."""
    allowed = await grant(unit_of(session), caller, SELF_ORDER_ITEM, "keep")
    row = await session.scalar(
        select(SelfOrderItem)
        .where(SelfOrderItem.id == item_id, allowed.condition)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFound()
    return row


# --- times ---------------------------------------------------------------------------------------


async def calendar(uow: UnitOfWork, hospital_id: UUID) -> Calendar:
    """Whether and how far ahead times are chosen at a hospital."""
    return Calendar(
        asked=await core_settings.get(uow, settings.ASK_TIME, hospital_id=hospital_id),
        days=await core_settings.get(uow, settings.DAYS_AHEAD, hospital_id=hospital_id),
        zone=await zone_of(uow, hospital_id),
    )


async def taken(
    session: AsyncSession, item_id: UUID, moments: Sequence[datetime]
) -> dict[datetime, int]:
    """How many have taken each of these times of an item; a time that nobody took is missing."""
    if not moments:
        return {}
    rows = await session.execute(
        select(SelfOrderTime.starts_at, SelfOrderTime.taken).where(
            SelfOrderTime.item_id == item_id,
            SelfOrderTime.starts_at.between(moments[0], moments[-1]),
        )
    )
    return {starts_at: count for starts_at, count in rows}


async def take_time(session: AsyncSession, item: SelfOrderItem, starts_at: datetime) -> None:
    """One place of a time of an item, if there is one. Raises TimeFull.

    A single statement: whoever comes at the same moment waits for the row and counts what is true
    then. Callers take their times in the order of item and time, so that nobody deadlocks.
    """
    statement = (
        insert(SelfOrderTime)
        .values(item_id=item.id, starts_at=starts_at, taken=1)
        .on_conflict_do_update(
            index_elements=[SelfOrderTime.item_id, SelfOrderTime.starts_at],
            set_={"taken": SelfOrderTime.taken + 1},
            where=SelfOrderTime.taken < item.capacity,
        )
        .returning(SelfOrderTime.taken)
    )
    if await session.scalar(statement) is None:
        raise TimeFull(f"“{item.name}”所选时间已约满，请选择其他时间")


async def free_times(session: AsyncSession, self_order_id: UUID) -> None:
    """Give every time of an order back."""
    for line in (await lines_of(session, [self_order_id]))[self_order_id]:
        if line.starts_at is not None:
            await session.execute(
                update(SelfOrderTime)
                .where(
                    SelfOrderTime.item_id == line.item_id,
                    SelfOrderTime.starts_at == line.starts_at,
                )
                .values(taken=SelfOrderTime.taken - 1)
            )


# --- orders --------------------------------------------------------------------------------------


async def next_number(uow: UnitOfWork, hospital_id: UUID) -> str:
    """`BM20261122000042`: unique in the hospital, in order of time, gaps allowed.

    The row of the day stays locked until the transaction ends, so take the number last.
    """
    day = await business_day(uow, hospital_id)
    count = await uow.session.scalar(
        insert(SelfOrderNumber)
        .values(hospital_id=hospital_id, day=day, last=1)
        .on_conflict_do_update(
            index_elements=[SelfOrderNumber.hospital_id, SelfOrderNumber.day],
            set_={"last": SelfOrderNumber.last + 1},
        )
        .returning(SelfOrderNumber.last)
    )
    return f"BM{day:%Y%m%d}{count:06d}"


async def read_grant(session: AsyncSession, caller: Caller) -> Grant:
    """What is withheld in orders that the caller has been let to."""
    return await find_grant(unit_of(session), caller, SELF_ORDER)


async def find(
    session: AsyncSession,
    caller: Caller,
    self_order_id: UUID,
    action: str = READ,
    *,
    lock: bool = False,
) -> SelfOrder:
    """One order with which the caller may do this. Raises NotFound, NotPermitted."""
    allowed = await grant(unit_of(session), caller, SELF_ORDER, action)
    query = select(SelfOrder).where(SelfOrder.id == self_order_id, allowed.condition)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = await session.scalar(query)
    if row is None:
        raise NotFound()
    return row


async def find_by_system(
    session: AsyncSession, self_order_id: UUID, *, skip_locked: bool = False
) -> SelfOrder | None:
    """One order under its lock, for reactions and jobs; None if unknown or (then) busy."""
    return await session.scalar(
        select(SelfOrder)
        .where(SelfOrder.id == self_order_id)
        .with_for_update(skip_locked=skip_locked)
        .execution_options(populate_existing=True)
    )


async def orders(
    session: AsyncSession,
    caller: Caller,
    *,
    states: Collection[State],
    number: str,
    before: Moment | None,
    limit: int,
) -> list[SelfOrder]:
    """Orders that the caller may see, newest first. Raises NotPermitted."""
    allowed = await grant(unit_of(session), caller, SELF_ORDER)
    query = select(SelfOrder).where(allowed.condition)
    if states:
        query = query.where(SelfOrder.state.in_(states))
    if number.strip():
        query = query.where(SelfOrder.number.icontains(number.strip()[:50], autoescape=True))
    if before is not None:
        query = query.where(tuple_(SelfOrder.submitted_at, SelfOrder.id) < before)
    rows = await session.scalars(
        query.order_by(SelfOrder.submitted_at.desc(), SelfOrder.id.desc()).limit(limit)
    )
    return list(rows)


async def lines_of(
    session: AsyncSession, self_order_ids: Collection[UUID]
) -> dict[UUID, list[SelfOrderLine]]:
    """The lines of orders, in the order in which times are locked."""
    found: dict[UUID, list[SelfOrderLine]] = {each: [] for each in self_order_ids}
    rows = await session.scalars(
        select(SelfOrderLine)
        .where(SelfOrderLine.self_order_id.in_(self_order_ids))
        .order_by(SelfOrderLine.item_id, SelfOrderLine.starts_at)
    )
    for row in rows:
        found[row.self_order_id].append(row)
    return found


async def open_for_payer(session: AsyncSession, user_id: UUID) -> int:
    """How many orders of an account are not over, anywhere."""
    query = select(func.count()).where(SelfOrder.payer_id == user_id, SelfOrder.state.not_in(OVER))
    return await session.scalar(query) or 0


async def patients_with_orders(
    session: AsyncSession, patient_ids: Collection[UUID]
) -> frozenset[UUID]:
    """Those of the patients for whom something was ordered, at whichever hospital."""
    if not patient_ids:
        return frozenset()
    rows = await session.scalars(
        select(SelfOrder.patient_id).where(SelfOrder.patient_id.in_(patient_ids)).distinct()
    )
    return frozenset(rows)


async def patient_of(uow: UnitOfWork, self_order_id: UUID) -> UUID | None:
    """For the audit of what hangs on an order: the order of payments."""
    found: UUID | None = await uow.session.scalar(
        select(SelfOrder.patient_id).where(SelfOrder.id == self_order_id)
    )
    return found


audit.tells_patient("self_order", patient_of)
