"""Items and orders as they are shown, many at a time with few queries."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import select

from clinical.days import business_day
from clinical.outpatient import access
from clinical.outpatient.models import SelfOrder, SelfOrderItem, SelfOrderLine
from clinical.outpatient.schemas import (
    CategoryView,
    ItemView,
    KeptItem,
    LineView,
    SelfOrderView,
)
from clinical.outpatient.states import (
    DESK_TEXT,
    ITEM_TEXT,
    close_text,
    desk_of,
    state_text,
)
from clinical.people import access as people
from clinical.people.access import PatientRelation
from clinical.people.schemas import patient_view
from core.identity.caller import Caller
from core.identity.models import User
from core.identity.roles import Role
from core.uow import UnitOfWork


def item_view(row: SelfOrderItem) -> ItemView:
    """An item for patients."""
    return ItemView(
        kind_text=ITEM_TEXT[row.kind],
        desk=desk_of(row.kind),
        **{name: getattr(row, name) for name in _ITEM_FIELDS},
    )


_ITEM_FIELDS = ItemView.model_fields.keys() - {"kind_text", "desk"}


def kept_item(row: SelfOrderItem) -> KeptItem:
    """An item for whoever keeps it."""
    return KeptItem(
        times=row.times,
        capacity=row.capacity,
        active=row.active,
        version=row.version,
        changed_at=row.changed_at,
        **item_view(row).model_dump(),
    )


def categories(rows: Sequence[SelfOrderItem]) -> list[CategoryView]:
    """The two levels of categories, in the order of the items."""
    found: dict[str, list[str]] = {}
    for row in rows:
        below = found.setdefault(row.category, [])
        if row.subcategory and row.subcategory not in below:
            below.append(row.subcategory)
    return [CategoryView(name=name, subcategories=below) for name, below in found.items()]


async def order_views(
    uow: UnitOfWork, caller: Caller, rows: Sequence[SelfOrder]
) -> list[SelfOrderView]:
    """Orders that the caller may see, in the same order."""
    if not rows:
        return []
    allowed = await access.read_grant(uow.session, caller)
    relations = await people.relations_by_id(
        uow.session, caller.hospital_id, {row.relation_id for row in rows}
    )
    lines = await access.lines_of(uow.session, [row.id for row in rows])
    precautions = await _precautions(
        uow, {line.item_id for each in lines.values() for line in each}
    )
    names = await names_of(uow, {row.reviewer_id for row in rows if row.reviewer_id})
    today = await business_day(uow, caller.hospital_id)
    return [
        allowed.shown(
            _view(
                row,
                relations[row.relation_id],
                lines[row.id],
                precautions,
                names,
                today,
                staff=caller.role is not Role.PATIENT,
            )
        )
        for row in rows
    ]


async def order_view(uow: UnitOfWork, caller: Caller, row: SelfOrder) -> SelfOrderView:
    """One order."""
    return (await order_views(uow, caller, [row]))[0]


def _view(
    row: SelfOrder,
    relation: PatientRelation,
    lines: Sequence[SelfOrderLine],
    precautions: Mapping[UUID, str],
    names: Mapping[UUID, str],
    today: date,
    *,
    staff: bool,
) -> SelfOrderView:
    return SelfOrderView(
        id=row.id,
        number=row.number,
        desk=row.desk,
        desk_text=DESK_TEXT[row.desk],
        state=row.state,
        state_text=state_text(row.state, row.desk),
        close_reason=row.close_reason,
        close_text=close_text(row.close_reason, staff=staff) if row.close_reason else None,
        patient=patient_view(relation, today),
        purpose=row.purpose,
        lines=[_line(line, precautions.get(line.item_id, "")) for line in lines],
        total_fen=row.total_fen,
        order_id=row.order_id,
        reviewer_name=names.get(row.reviewer_id) if row.reviewer_id else None,
        reviewed_at=row.reviewed_at,
        review_words=row.review_words,
        submitted_at=row.submitted_at,
        review_by=row.review_by,
        pay_by=row.pay_by,
        paid_at=row.paid_at,
        done_at=row.done_at,
        refund_requested_at=row.refund_requested_at,
    )


def _line(line: SelfOrderLine, precautions: str) -> LineView:
    return LineView(
        item_id=line.item_id,
        kind=line.kind,
        kind_text=ITEM_TEXT[line.kind],
        name=line.name,
        price_fen=line.price_fen,
        quantity=line.quantity,
        starts_at=line.starts_at,
        precautions=precautions,
    )


async def _precautions(uow: UnitOfWork, item_ids: set[UUID]) -> dict[UUID, str]:
    """What holds now, not what held when it was ordered: precautions are for the visit."""
    rows = await uow.session.execute(
        select(SelfOrderItem.id, SelfOrderItem.precautions).where(SelfOrderItem.id.in_(item_ids))
    )
    return {item_id: text for item_id, text in rows}


async def names_of(uow: UnitOfWork, user_ids: Collection[UUID]) -> dict[UUID, str]:
    """What people are called."""
    rows = await uow.session.execute(select(User.id, User.name).where(User.id.in_(user_ids)))
    return {user_id: name for user_id, name in rows}
