"""What everybody reviewed in the convenience clinic: by reviewer and by day, over any days."""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Date, and_, cast, func, select

from clinical.days import zone_of
from clinical.outpatient import access, views
from clinical.outpatient.models import SelfOrder, SelfOrderLine
from clinical.outpatient.schemas import ReviewDay, Reviewer, ReviewerLoad, Workload
from clinical.outpatient.states import ITEM_TEXT, Desk, ItemKind, State
from clinical.people import access as clinicians
from core import exports
from core.access import READ, grant
from core.data_classes import DataClass
from core.exports import Field
from core.identity.caller import Caller
from core.uow import UnitOfWork


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Reviews of which days (both included), of whom, at which desk, and how many at least."""

    first: date
    last: date
    reviewer: str = ""
    desk: Desk | None = None
    at_least: int = 1


@dataclass
class _Sum:
    """Reviews added up; `seconds` from submission to review."""

    approved: int = 0
    refused: int = 0
    done: int = 0
    fen: int = 0
    seconds: float = 0.0

    @property
    def reviewed(self) -> int:
        return self.approved + self.refused

    @property
    def minutes(self) -> int:
        return round(self.seconds / 60 / self.reviewed) if self.reviewed else 0

    def add(self, other: "_Sum") -> None:
        self.approved += other.approved
        self.refused += other.refused
        self.done += other.done
        self.fen += other.fen
        self.seconds += other.seconds


@dataclass
class _Reviewed:
    days: dict[date, _Sum] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> _Sum:
        return _added(self.days.values())


def _added(sums: Iterable[_Sum]) -> _Sum:
    total = _Sum()
    for each in sums:
        total.add(each)
    return total


async def workload(
    uow: UnitOfWork, caller: Caller, filters: Filters, action: str = READ
) -> Workload:
    """One line a reviewer, whoever reviewed most first, and one a day. Raises NotPermitted."""
    allowed = await grant(uow, caller, access.SELF_ORDER, action)
    zone = await zone_of(uow, caller.hospital_id)
    chosen = and_(allowed.condition, *_conditions(filters, zone))
    found = await _by_reviewer(uow, chosen, zone)
    people = await _reviewers(uow, caller.hospital_id, found.keys())
    words = filters.reviewer.strip()
    kept = {
        key: each
        for key, each in found.items()
        if words in people[key].name and each.total.reviewed >= filters.at_least
    }
    lines = [_line(people[key], each) for key, each in kept.items()]
    return Workload(
        first=filters.first,
        last=filters.last,
        reviewers=sorted(lines, key=lambda line: (-line.reviewed, line.reviewer.name)),
        days=_days(filters, kept),
    )


def _conditions(filters: Filters, zone: ZoneInfo) -> list[ColumnElement[bool]]:
    after = filters.last + timedelta(days=1)
    found = [
        SelfOrder.reviewer_id.is_not(None),
        SelfOrder.reviewed_at >= datetime.combine(filters.first, time(), zone),
        SelfOrder.reviewed_at < datetime.combine(after, time(), zone),
    ]
    if filters.desk is not None:
        found.append(SelfOrder.desk == filters.desk)
    return found


async def _by_reviewer(
    uow: UnitOfWork, chosen: ColumnElement[bool], zone: ZoneInfo
) -> dict[UUID, _Reviewed]:
    day = cast(func.timezone(zone.key, SelfOrder.reviewed_at), Date).label("day")
    waited = func.extract("epoch", SelfOrder.reviewed_at - SelfOrder.submitted_at)
    rows = await uow.session.execute(
        select(
            SelfOrder.reviewer_id,
            day,
            SelfOrder.state,
            func.count(),
            func.sum(SelfOrder.total_fen),
            func.sum(waited),
        )
        .where(chosen)
        .group_by(SelfOrder.reviewer_id, day, SelfOrder.state)
    )
    found: dict[UUID, _Reviewed] = {}
    for reviewer_id, at, state, count, fen, seconds in rows:
        assert reviewer_id is not None
        refused = state is State.REFUSED
        found.setdefault(reviewer_id, _Reviewed()).days.setdefault(at, _Sum()).add(
            _Sum(
                approved=0 if refused else count,
                refused=count if refused else 0,
                done=count if state is State.DONE else 0,
                fen=0 if refused else int(fen),
                seconds=float(seconds),
            )
        )
    items = await uow.session.execute(
        select(SelfOrder.reviewer_id, SelfOrderLine.kind, func.count())
        .join(SelfOrderLine, SelfOrderLine.self_order_id == SelfOrder.id)
        .where(chosen)
        .group_by(SelfOrder.reviewer_id, SelfOrderLine.kind)
    )
    for reviewer_id, kind, count in items:
        if reviewer_id in found:
            found[reviewer_id].kinds[kind.value] = count
    return found


async def _reviewers(
    uow: UnitOfWork, hospital_id: UUID, user_ids: Collection[UUID]
) -> dict[UUID, Reviewer]:
    names = await views.names_of(uow, user_ids)
    profiles = await clinicians.practitioners_by_id(uow.session, hospital_id, user_ids)
    return {
        key: Reviewer(
            id=key,
            name=name,
            title=profiles[key].clinician.title if key in profiles else "",
            department=profiles[key].department.name if key in profiles else "",
        )
        for key, name in names.items()
    }


def _line(reviewer: Reviewer, each: _Reviewed) -> ReviewerLoad:
    total = each.total
    return ReviewerLoad(
        reviewer=reviewer,
        reviewed=total.reviewed,
        approved=total.approved,
        refused=total.refused,
        done=total.done,
        kinds=each.kinds,
        amount_fen=total.fen,
        minutes=total.minutes,
    )


def _days(filters: Filters, kept: Mapping[UUID, _Reviewed]) -> list[ReviewDay]:
    """Every day, those without a review too."""
    days = []
    for number in range((filters.last - filters.first).days + 1):
        day = filters.first + timedelta(days=number)
        total = _added(each.days[day] for each in kept.values() if day in each.days)
        days.append(
            ReviewDay(
                day=day,
                approved=total.approved,
                refused=total.refused,
                minutes=total.minutes if total.reviewed else None,
            )
        )
    return days


# --- the table -----------------------------------------------------------------------------------


def _items(kind: ItemKind) -> Callable[[ReviewerLoad], int]:
    return lambda line: line.kinds.get(kind, 0)


FIELDS: tuple[Field[ReviewerLoad], ...] = (
    Field("姓名", lambda line: line.reviewer.name, DataClass.PUBLIC),
    Field("职称", lambda line: line.reviewer.title, DataClass.PUBLIC),
    Field("科室", lambda line: line.reviewer.department, DataClass.PUBLIC),
    Field("审核次数", lambda line: line.reviewed),
    Field("通过", lambda line: line.approved),
    Field("未通过", lambda line: line.refused),
    Field("已完成", lambda line: line.done),
    *(Field(f"{text}项目", _items(kind)) for kind, text in ITEM_TEXT.items()),
    Field("通过金额（元）", lambda line: f"{line.amount_fen / 100:.2f}"),
    Field("平均审核用时（分钟）", lambda line: line.minutes),
)


async def as_csv(uow: UnitOfWork, caller: Caller, filters: Filters) -> bytes:
    """The lines by reviewer as a table; who exported them is recorded. Raises NotPermitted."""
    found = await workload(uow, caller, filters, "export")

    async def pages() -> AsyncIterator[Sequence[ReviewerLoad]]:
        yield found.reviewers

    data, count = await exports.as_csv(FIELDS, pages())
    asked = {
        "from": str(filters.first),
        "to": str(filters.last),
        "desk": filters.desk,
        "at_least": filters.at_least if filters.at_least > 1 else None,
    }
    await exports.note(uow, caller, "self_order", count, asked)
    return data
