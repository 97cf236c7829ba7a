"""The officers' queue: pages, numbers, the table for spreadsheets."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select

from clinical.consent import access, rules, settings
from clinical.consent.models import RightsRequest
from clinical.consent.rights_schemas import QueueNumbers, RequestView
from clinical.consent.states import OPEN, RIGHT_TEXT, RequestState, Right
from clinical.cursors import Moment
from clinical.days import business_day
from core import audit
from core import settings as core_settings
from core.identity.caller import Caller
from core.masking import mask_name
from core.uow import UnitOfWork

WAITING = (RequestState.SUBMITTED, RequestState.IN_PROGRESS)
HEADER = (
    "编号", "类型", "请求人", "状态", "受理人", "提交日期", "答复期限", "是否延期", "结果",
    "办结日期",
)  # fmt: skip
MOST = 10_000


class Holder(StrEnum):
    """In whose hands a request is."""

    ANY = "any"
    MINE = "mine"
    NOBODY = "unassigned"


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What an officer looks for; `which` is open, closed or all."""

    which: str = "open"
    right: Right | None = None
    holder: Holder = Holder.ANY
    overdue_only: bool = False


async def _condition(uow: UnitOfWork, caller: Caller, filters: Filters) -> ColumnElement[bool]:
    parts = [await access.requests_visible_to(uow, caller)]
    if filters.which == "open":
        parts.append(RightsRequest.state.in_(OPEN))
    elif filters.which == "closed":
        parts.append(RightsRequest.state.not_in(OPEN))
    if filters.right is not None:
        parts.append(RightsRequest.right == filters.right)
    if filters.holder is Holder.MINE:
        parts.append(RightsRequest.assignee_id == caller.user_id)
    elif filters.holder is Holder.NOBODY:
        # What the machine answers by itself waits for nobody.
        parts += [RightsRequest.assignee_id.is_(None), RightsRequest.right.not_in(_SELF)]
    if filters.overdue_only:
        today = await business_day(uow, caller.hospital_id)
        parts += [RightsRequest.state.in_(WAITING), RightsRequest.due_on < today]
    return and_(*parts)


async def page(
    uow: UnitOfWork, caller: Caller, filters: Filters, after: Moment | None, limit: int
) -> list[RightsRequest]:
    """Requests by the time they came, newest first."""
    query = select(RightsRequest).where(await _condition(uow, caller, filters))
    if after is not None:
        at, last = after
        query = query.where(
            (RightsRequest.created_at < at)
            | ((RightsRequest.created_at == at) & (RightsRequest.id < last))
        )
    rows = await uow.session.scalars(
        query.order_by(RightsRequest.created_at.desc(), RightsRequest.id.desc()).limit(limit)
    )
    return list(rows)


async def numbers(uow: UnitOfWork, caller: Caller) -> QueueNumbers:
    """The queue in numbers."""
    here = await access.requests_visible_to(uow, caller)
    today = await business_day(uow, caller.hospital_id)
    warn = await core_settings.get(uow, settings.WARN_DAYS, hospital_id=caller.hospital_id)
    waiting = await uow.session.execute(
        select(RightsRequest.due_on, func.count())
        .where(here, RightsRequest.state.in_(WAITING), RightsRequest.right.not_in(_SELF))
        .group_by(RightsRequest.due_on)
    )
    found = {"normal": 0, "near": 0, "overdue": 0}
    for due_on, count in waiting:
        found[rules.urgency(due_on, today, warn)] += count
    held = await in_hand(uow, caller)
    states = dict(
        (
            await uow.session.execute(
                select(RightsRequest.state, func.count()).where(here).group_by(RightsRequest.state)
            )
        ).all()
    )
    rights = await uow.session.execute(
        select(RightsRequest.right, func.count()).where(here).group_by(RightsRequest.right)
    )
    seconds = func.extract("epoch", RightsRequest.closed_at - RightsRequest.created_at)
    median = await uow.session.scalar(
        select(func.percentile_cont(0.5).within_group(seconds)).where(
            here, RightsRequest.closed_at.is_not(None), RightsRequest.right.not_in(_SELF)
        )
    )
    return QueueNumbers(
        open=sum(found.values()),
        mine=held.get(caller.user_id, 0),
        unassigned=held.get(None, 0),
        near=found["near"],
        overdue=found["overdue"],
        answered=states.get(RequestState.DONE, 0),
        refused=states.get(RequestState.REFUSED, 0),
        median_days=round(float(median) / 86400, 1) if median is not None else None,
        by_right={right.value: count for right, count in rights},
    )


async def in_hand(uow: UnitOfWork, caller: Caller) -> dict[UUID | None, int]:
    """How many waiting requests each officer has; None: nobody."""
    rows = await uow.session.execute(
        select(RightsRequest.assignee_id, func.count())
        .where(
            await access.requests_visible_to(uow, caller),
            RightsRequest.state.in_(WAITING),
            RightsRequest.right.not_in(_SELF),
        )
        .group_by(RightsRequest.assignee_id)
    )
    return {holder: count for holder, count in rows}


_SELF: Sequence[Right] = tuple(rules.SELF_SERVICE)


async def as_csv(
    uow: UnitOfWork, caller: Caller, filters: Filters, rows: Sequence[RequestView]
) -> bytes:
    """UTF-8 with a byte order mark; names masked, no words of the requester."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(HEADER)
    for row in rows:
        writer.writerow(
            (
                row.number,
                RIGHT_TEXT[row.right],
                mask_name(row.requester),
                row.state_text,
                row.assignee or "",
                _day(row.created_at.date()),
                _day(row.due_on),
                "是" if row.extended else "",
                row.outcome_text or "",
                _day(row.closed_at.date() if row.closed_at else None),
            )
        )
    detail = {"rows": len(rows), "which": filters.which}
    await audit.record(uow, caller, "rights.export", "rights_request", "list", detail=detail)
    return ("\ufeff" + out.getvalue()).encode()


def _day(day: date | None) -> str:
    return day.isoformat() if day else ""
