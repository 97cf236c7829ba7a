"""Routes of the statistics: what everybody reviewed (方便门诊统计)."""

from datetime import date, timedelta
from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from clinical.days import business_day
from clinical.outpatient import access, workload
from clinical.outpatient.schemas import Workload
from clinical.outpatient.states import Desk
from clinical.outpatient.workload import Filters
from core.defence.kinds import Kind
from core.errors import FieldProblem, InvalidRequest
from core.http import Context, Routes

routes = Routes(tag="outpatient", title="便民门诊")
OVERSEERS = list(access.OVERSEERS)
#: Days without a choice, and at most.
USUAL, LONGEST = timedelta(days=29), timedelta(days=366)
YEARS = (1970, 2200)

From = Annotated[date | None, Field(alias="from")]
AtLeast = Annotated[int, Field(ge=1, le=1_000_000)]


async def _filters(
    ctx: Context,
    first: date | None,
    last: date | None,
    reviewer: str,
    desk: Desk | None,
    at_least: int,
) -> Filters:
    today = await business_day(ctx.uow, ctx.caller.hospital_id)
    last = last or max(first or today, today)
    first = first or last - USUAL
    years = all(YEARS[0] <= day.year <= YEARS[1] for day in (first, last))
    if not years or not timedelta() <= last - first <= LONGEST:
        raise InvalidRequest(fields=[FieldProblem("from", "日期超出范围")])
    return Filters(
        first=first, last=last, reviewer=reviewer[:50], desk=desk, at_least=max(1, at_least)
    )


@routes.get(
    "/self-orders/workload",
    roles=OVERSEERS,
    summary="What everybody reviewed, by reviewer and by day; usually of thirty days",
)
async def shown(
    ctx: Context,
    from_: From = None,
    to: date | None = None,
    reviewer: str = "",
    desk: Desk | None = None,
    at_least: AtLeast = 1,
) -> Workload:
    filters = await _filters(ctx, from_, to, reviewer, desk, at_least)
    return await workload.workload(ctx.uow, ctx.caller, filters)


@routes.get(
    "/self-orders/workload.csv",
    limit=Kind.EXPORT,
    roles=OVERSEERS,
    summary="The lines by reviewer as a table",
)
async def exported(
    ctx: Context,
    from_: From = None,
    to: date | None = None,
    reviewer: str = "",
    desk: Desk | None = None,
    at_least: AtLeast = 1,
) -> Response:
    filters = await _filters(ctx, from_, to, reviewer, desk, at_least)
    return Response(
        await workload.as_csv(ctx.uow, ctx.caller, filters),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": 'attachment; filename="self-order-workload.csv"',
            "Cache-Control": "no-store",
        },
    )
