"""How good the calls of a period were, for those who watch over the rooms of a hospital.

Nobody's name but the staff's is shown: how a connection was is no matter of who the patient is.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import (
    Integer,
    Row,
    Select,
    case,
    cast,
    func,
    or_,
    select,
    tuple_,
)

from core import exports
from core.audit.access import zone_of
from core.errors import FieldProblem, InvalidRequest, NotFound
from core.exports import Field
from core.http.pages import Page, decode_ranked, encode_cursor
from core.identity.caller import Caller
from core.identity.roles import Role
from core.uow import UnitOfWork
from media.calls import quality
from media.calls.models import CallParticipantRow, CallQualityRow, CallRow
from media.calls.schemas import CallFigures, CallReport, CallTotals, PersonFigures, ReportDay
from realtime import monitor

Order = Literal["worst", "newest"]
#: By how many numbers the list is sorted before time and id.
RANKS: dict[Order, int] = {"worst": 3, "newest": 0}
#: A level behind the best.
NEVER_MEASURED = 5
CHUNK = 500
#: A period has so many days at most.
LONGEST = 92


@dataclass(frozen=True)
class Period:
    """Calls that started on the days `first` to `last`, narrowed by level, medium and room."""

    first: date
    last: date
    zone: ZoneInfo
    at_most: int | None = None
    media: str | None = None
    order: Order = "worst"
    room: UUID | None = None

    @property
    def since(self) -> datetime:
        return datetime.combine(self.first, time(), self.zone)

    @property
    def until(self) -> datetime:
        return datetime.combine(self.last + timedelta(days=1), time(), self.zone)


async def period(
    uow: UnitOfWork,
    caller: Caller,
    first: date | None,
    last: date | None,
    *,
    at_most: int | None,
    media: str | None,
    order: Order,
    room: UUID | None = None,
) -> Period:
    """The asked for days of the hospital's calendar, the latest week without them.

    Raises NotPermitted for who may not watch the rooms, InvalidRequest for too long a period.
    """
    await monitor.require(uow, caller)
    zone = await zone_of(uow, caller.hospital_id)
    end = last or uow.now.astimezone(zone).date()
    begin = first or end - timedelta(days=6)
    if not 0 <= (end - begin).days < LONGEST:
        problem = FieldProblem("from", f"请选择 {LONGEST} 天以内的日期")
        raise InvalidRequest(fields=[problem])
    return Period(begin, end, zone, at_most, media, order, room)


def _mean(total: Any, count: Any) -> Any:
    return total / func.nullif(count, 0)


def _calls(caller: Caller, wanted: Period, after: tuple[Any, ...] | None = None) -> Select[Any]:
    """Every answered call of the period with its figures, or those behind a sort key. Whatever a
    row is sorted by is in its columns `key_0`, `key_1` and so on.
    """
    row = CallQualityRow
    measured = (
        select(
            row.call_id,
            func.min(case((row.samples > 0, row.worst))).label("worst"),
            _mean(func.sum(row.loss), func.sum(row.samples)).label("loss"),
            _mean(func.sum(row.rtt_ms), func.sum(row.rtt_samples)).label("rtt_ms"),
            _mean(func.sum(row.jitter_ms), func.sum(row.samples)).label("jitter_ms"),
            _mean(func.sum(row.bitrate), func.sum(row.samples)).label("bitrate"),
            (2 * func.sum(row.paused)).label("paused_seconds"),
            func.sum(row.freezes).label("freezes"),
            func.sum(row.frozen_ms).label("frozen_ms"),
        )
        .group_by(row.call_id)
        .subquery()
    )
    person = CallParticipantRow
    people = (
        select(
            person.call_id,
            func.count()
            .filter(or_(person.seconds > 0, person.connect_ms.is_not(None)))
            .label("people"),
            func.max(person.connect_ms).label("connect_ms"),
        )
        .group_by(person.call_id)
        .subquery()
    )
    query = (
        select(CallRow, measured, people.c.people, people.c.connect_ms)
        .outerjoin(measured, measured.c.call_id == CallRow.id)
        .outerjoin(people, people.c.call_id == CallRow.id)
        .where(
            CallRow.hospital_id == caller.hospital_id,
            CallRow.answered_at.is_not(None),
            CallRow.started_at >= wanted.since,
            CallRow.started_at < wanted.until,
        )
    )
    if wanted.at_most is not None:
        query = query.where(measured.c.worst <= wanted.at_most)
    if wanted.room is not None:
        query = query.where(CallRow.room_id == wanted.room)
    if wanted.media:
        query = query.where(CallRow.media == wanted.media)
    keys: list[Any] = [CallRow.started_at, CallRow.id]
    if wanted.order == "worst":
        # Whatever was never measured comes behind the best.
        bad = -func.coalesce(measured.c.worst, NEVER_MEASURED)
        frozen, loss = func.coalesce(measured.c.frozen_ms, -1), func.coalesce(measured.c.loss, -1.0)
        keys = [bad, frozen, loss, *keys]
    if after is not None:
        query = query.where(tuple_(*keys) < after)
    query = query.add_columns(*(key.label(f"key_{place}") for place, key in enumerate(keys)))
    return query.order_by(*(key.desc() for key in keys))


async def page(
    uow: UnitOfWork, caller: Caller, wanted: Period, cursor: str | None, limit: int
) -> Page[CallFigures]:
    """The calls of the period, worst or newest first. Raises InvalidRequest for a bad cursor."""
    ranks = RANKS[wanted.order]
    after = decode_ranked(cursor, ranks)
    rows = (await uow.session.execute(_calls(caller, wanted, after).limit(limit + 1))).all()
    items = await _all_shown(uow, rows[:limit])
    if len(rows) <= limit:
        return Page(items=items, next=None)
    last = rows[limit - 1]
    key = [getattr(last, f"key_{place}") for place in range(ranks + 2)]
    return Page(items=items, next=encode_cursor(*key))


async def _shown(uow: UnitOfWork, query: Select[Any]) -> list[CallFigures]:
    return await _all_shown(uow, (await uow.session.execute(query)).all())


async def _all_shown(uow: UnitOfWork, rows: Sequence[Row[Any]]) -> list[CallFigures]:
    staff = await _staff(uow, [row.CallRow.id for row in rows])
    return [_figures(row, staff.get(row.CallRow.id, [])) for row in rows]


async def totals(uow: UnitOfWork, caller: Caller, wanted: Period) -> CallTotals:
    """The period as a whole and day by day."""
    calls = _calls(caller, wanted).order_by(None).subquery()
    day = func.date(func.timezone(wanted.zone.key, calls.c.started_at))
    rows = await uow.session.execute(
        select(
            day.label("day"),
            func.count().label("calls"),
            func.count().filter(calls.c.worst <= 2).label("poor"),
            func.avg(calls.c.loss).label("loss"),
            func.avg(calls.c.rtt_ms).label("rtt_ms"),
            cast(func.percentile_cont(0.95).within_group(calls.c.connect_ms.asc()), Integer).label(
                "connect_ms"
            ),
        )
        .group_by(day)
        .order_by(day)
    )
    days = [
        ReportDay(
            day=row.day,
            calls=row.calls,
            poor=row.poor,
            loss=_rounded(row.loss, 4),
            rtt_ms=_whole(row.rtt_ms),
            connect_ms_p95=row.connect_ms,
        )
        for row in rows
    ]
    return CallTotals(
        calls=sum(each.calls for each in days), poor=sum(each.poor for each in days), days=days
    )


async def course(uow: UnitOfWork, caller: Caller, call_id: UUID) -> CallReport:
    """One call, every participant minute by minute. Raises NotFound, NotPermitted."""
    await monitor.require(uow, caller)
    row = await uow.session.get(CallRow, call_id)
    if row is None or row.hospital_id != caller.hospital_id or row.answered_at is None:
        raise NotFound
    minutes = await quality.of_call(uow, call_id)
    heard = {each.user_id for each in minutes}
    everybody = await uow.session.scalars(
        select(CallParticipantRow)
        .where(CallParticipantRow.call_id == call_id)
        .order_by(CallParticipantRow.position)
    )
    return CallReport(
        id=row.id,
        room=row.room_id,
        media=row.media,
        started_at=row.started_at,
        answered_at=row.answered_at,
        ended_at=row.ended_at,
        people=[
            PersonFigures(
                user_id=each.user_id,
                role=Role(each.role),
                name=each.name if each.role != Role.PATIENT else None,
                connect_ms=each.connect_ms,
            )
            for each in everybody
            if each.user_id in heard or each.connect_ms is not None
        ],
        minutes=minutes,
    )


async def as_csv(uow: UnitOfWork, caller: Caller, wanted: Period) -> bytes:
    """The calls of the period as a table, newest first; who exported how much is recorded."""
    query = _calls(caller, replace(wanted, order="newest"))

    async def pages() -> AsyncIterator[Sequence[CallFigures]]:
        after = query
        while found := await _shown(uow, after.limit(CHUNK)):
            yield found
            last = found[-1]
            after = query.where(
                tuple_(CallRow.started_at, CallRow.id) < tuple_(last.started_at, last.id)
            )

    fields: tuple[Field[CallFigures], ...] = (
        Field("通话编号", lambda it: it.id),
        Field("开始时间", lambda it: f"{it.started_at.astimezone(wanted.zone):%Y-%m-%d %H:%M:%S}"),
        Field("方式", lambda it: "视频" if it.media == "video" else "语音"),
        Field("时长（秒）", lambda it: it.seconds),
        Field("人数", lambda it: it.people),
        Field("医护", lambda it: "、".join(it.staff)),
        Field("最差等级", lambda it: it.worst),
        Field("接通用时（毫秒）", lambda it: it.connect_ms),
        Field("丢包率", lambda it: it.loss),
        Field("往返（毫秒）", lambda it: it.rtt_ms),
        Field("抖动（毫秒）", lambda it: it.jitter_ms),
        Field("码率（比特/秒）", lambda it: it.bitrate),
        Field("画面暂停（秒）", lambda it: it.paused_seconds),
        Field("卡顿次数", lambda it: it.freezes),
        Field("卡顿（秒）", lambda it: it.frozen_seconds),
    )
    data, rows = await exports.as_csv(fields, pages())
    asked = {"from": wanted.first.isoformat(), "to": wanted.last.isoformat()}
    await exports.note(uow, caller, "call_quality", rows, asked)
    return data


async def _staff(uow: UnitOfWork, call_ids: list[UUID]) -> dict[UUID, list[str]]:
    person = CallParticipantRow
    rows = await uow.session.execute(
        select(person.call_id, person.name)
        .where(person.call_id.in_(call_ids), person.role != Role.PATIENT)
        .order_by(person.call_id, person.position)
    )
    names: dict[UUID, list[str]] = {}
    for call_id, name in rows:
        names.setdefault(call_id, []).append(name)
    return names


def _figures(row: Row[Any], staff: list[str]) -> CallFigures:
    call: CallRow = row.CallRow
    end = call.ended_at
    return CallFigures(
        id=call.id,
        room=call.room_id,
        media=call.media,
        started_at=call.started_at,
        seconds=int((end - call.answered_at).total_seconds()) if end and call.answered_at else None,
        people=row.people or 0,
        staff=staff,
        worst=row.worst,
        connect_ms=row.connect_ms,
        loss=_rounded(row.loss, 4),
        rtt_ms=_whole(row.rtt_ms),
        jitter_ms=_whole(row.jitter_ms),
        bitrate=_whole(row.bitrate),
        paused_seconds=int(row.paused_seconds or 0),
        freezes=int(row.freezes or 0),
        frozen_seconds=round(int(row.frozen_ms or 0) / 1000, 1),
    )


def _whole(value: Any) -> int | None:
    return None if value is None else round(value)


def _rounded(value: Any, places: int) -> float | None:
    return None if value is None else round(float(value), places)
