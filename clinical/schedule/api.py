"""Routes of the schedule: what patients choose from, planning, the queue, the calling log."""

from datetime import date, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field
from starlette.responses import Response

from clinical.consultation.states import Kind as ConsultationKind
from clinical.consultation.states import Mode
from clinical.cursors import cut, read_moment
from clinical.days import business_day, zone_of
from clinical.schedule import access, booking, calling, export, planning, views
from clinical.schedule.access import CallFilters, Span
from clinical.schedule.models import Booking, Shift
from clinical.schedule.planning import Plan
from clinical.schedule.schemas import (
    AddPlaces,
    BookingView,
    CallView,
    ChangeShift,
    Copied,
    CopyWeek,
    MoveBooking,
    OpenShift,
    PlanShift,
    QueueView,
    ShiftView,
    SuspendShift,
)
from clinical.schedule.states import Announcement
from core import audit
from core.defence.kinds import Kind
from core.errors import FieldProblem, InvalidRequest
from core.http import PUBLIC, Context, Page, Routes
from core.identity.access import public_hospital
from core.identity.roles import Role

routes = Routes(tag="schedule", title="排班与叫号")
PATIENT = [Role.PATIENT]
TREATERS = list(access.TREATERS)
#: Planners of the hospital; doctors and pharmacists for themselves.
BOTH = [*TREATERS, Role.ADMINISTRATOR]
OVERSEERS = [Role.ADMINISTRATOR, Role.SUPERVISOR]
LIMIT = 100
#: Days of one look at the schedule, and of one export.
LONGEST = timedelta(days=62)
YEARS = (1970, 2200)

From = Annotated[date | None, Field(alias="from")]


async def _span(ctx: Context, first: date | None, last: date | None, longest: timedelta) -> Span:
    """The days asked for; without any, today. Raises InvalidRequest."""
    here = ctx.caller.hospital_id
    first = first or await business_day(ctx.uow, here)
    last = last or first
    years = all(YEARS[0] <= day.year <= YEARS[1] for day in (first, last))
    if not years or not timedelta() <= last - first <= longest:
        raise InvalidRequest(fields=[FieldProblem("from", "日期超出范围")])
    return Span(first=first, last=last, zone=await zone_of(ctx.uow, here))


# --- what patients choose from -------------------------------------------------------------------


@routes.get("/doctors/{doctor_id}/shifts", roles=PUBLIC, summary="Sessions that can be booked")
async def of_doctor(
    ctx: Context,
    doctor_id: UUID,
    hospital: UUID | None = None,
    kind: ConsultationKind | None = None,
    mode: Mode | None = None,
) -> list[OpenShift]:
    here = await public_hospital(ctx.uow, ctx.optional_caller, hospital)
    rows = await access.released(ctx.uow, here.id, doctor_id, kind, mode)
    return [views.open_shift(row, released=True) for row in rows]


# --- planning ------------------------------------------------------------------------------------


async def _shift(ctx: Context, row: Shift) -> ShiftView:
    return await views.shift_view(ctx.uow, row)


@routes.get("/shifts", roles=BOTH, summary="Shifts of some days: the hospital's, or the own ones")
async def shifts(
    ctx: Context,
    from_: From = None,
    to: date | None = None,
    doctor_id: UUID | None = None,
    department_id: UUID | None = None,
) -> list[ShiftView]:
    span = await _span(ctx, from_, to, LONGEST)
    rows = await access.shifts(
        ctx.uow.session, ctx.caller, span, doctor_id=doctor_id, department_id=department_id
    )
    return await views.shift_views(ctx.uow, ctx.caller.hospital_id, rows)


@routes.get(
    "/shifts/export.csv",
    limit=Kind.EXPORT,
    roles=[Role.ADMINISTRATOR],
    summary="The schedule as a table",
)
async def exported(ctx: Context, from_: From = None, to: date | None = None) -> Response:
    span = await _span(ctx, from_, to, LONGEST)
    return _csv(await export.shifts_csv(ctx.uow, ctx.caller, span), "shifts.csv")


def _csv(data: bytes, name: str) -> Response:
    return Response(
        data,
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )


@routes.post("/shifts", roles=BOTH, status=201, idempotent=True, summary="Plan a shift")
async def plan(ctx: Context, body: PlanShift) -> ShiftView:
    wish = Plan(
        doctor_id=body.doctor_id,
        kind=body.kind,
        mode=body.mode,
        starts_at=body.starts_at,
        ends_at=body.ends_at,
        places=body.places,
    )
    return await _shift(ctx, await planning.plan(ctx.uow, ctx.caller, wish))


@routes.post("/shifts/copy-week", roles=BOTH, summary="Plan seven days like seven others")
async def copy_week(ctx: Context, body: CopyWeek) -> Copied:
    for day in (body.from_day, body.to_day):
        if not YEARS[0] <= day.year <= YEARS[1]:
            raise InvalidRequest(fields=[FieldProblem("to_day", "日期超出范围")])
    made, left_out = await planning.copy_week(
        ctx.uow, ctx.caller, body.from_day, body.to_day, body.doctor_id, body.department_id
    )
    return Copied(made=made, left_out=left_out)


@routes.put("/shifts/{shift_id}", roles=BOTH, summary="Change time or places of a shift")
async def change(ctx: Context, shift_id: UUID, body: ChangeShift) -> ShiftView:
    row = await planning.change(
        ctx.uow,
        ctx.caller,
        shift_id,
        body.version,
        starts_at=body.starts_at,
        ends_at=body.ends_at,
        places=body.places,
    )
    return await _shift(ctx, row)


@routes.delete("/shifts/{shift_id}", roles=BOTH, summary="Remove a shift that nobody booked")
async def remove(ctx: Context, shift_id: UUID) -> None:
    await planning.remove(ctx.uow, ctx.caller, shift_id)


@routes.post("/shifts/{shift_id}/enable", roles=BOTH, summary="Let patients book it")
async def enable(ctx: Context, shift_id: UUID) -> ShiftView:
    return await _shift(ctx, await planning.switch(ctx.uow, ctx.caller, shift_id, on=True))


@routes.post("/shifts/{shift_id}/disable", roles=BOTH, summary="Let nobody else book it")
async def disable(ctx: Context, shift_id: UUID) -> ShiftView:
    return await _shift(ctx, await planning.switch(ctx.uow, ctx.caller, shift_id, on=False))


@routes.post("/shifts/{shift_id}/suspend", roles=BOTH, summary="Call it off and pay back")
async def suspend(ctx: Context, shift_id: UUID, body: SuspendShift) -> ShiftView:
    row = await planning.suspend(ctx.uow, ctx.caller, shift_id, body.reason)
    return await _shift(ctx, row)


@routes.post("/shifts/{shift_id}/extra", roles=BOTH, summary="Add places")
async def add_extra(ctx: Context, shift_id: UUID, body: AddPlaces) -> ShiftView:
    row = await planning.add_extra(ctx.uow, ctx.caller, shift_id, body.places)
    return await _shift(ctx, row)


# --- the queue -----------------------------------------------------------------------------------


@routes.get("/shifts/{shift_id}/queue", roles=BOTH, summary="Who waits in a shift, in order")
async def queue(ctx: Context, shift_id: UUID) -> QueueView:
    row = await access.shift(ctx.uow.session, ctx.caller, shift_id)
    return await views.queue_view(ctx.uow, ctx.caller, row)


async def _queue(ctx: Context, done: Booking) -> QueueView:
    row = await access.shift(ctx.uow.session, ctx.caller, done.shift_id)
    return await views.queue_view(ctx.uow, ctx.caller, row)


@routes.post("/shifts/{shift_id}/call-next", roles=TREATERS, summary="Call whoever's turn it is")
async def call_next(ctx: Context, shift_id: UUID) -> QueueView:
    return await _queue(ctx, await calling.call_next(ctx.uow, ctx.caller, shift_id))


@routes.post(
    "/shifts/{shift_id}/queue/{consultation_id}/call-again", roles=TREATERS, summary="Call again"
)
async def call_again(ctx: Context, shift_id: UUID, consultation_id: UUID) -> QueueView:
    done = await calling.call_again(ctx.uow, ctx.caller, shift_id, consultation_id)
    return await _queue(ctx, done)


@routes.post("/shifts/{shift_id}/queue/{consultation_id}/pass", roles=TREATERS, summary="Pass over")
async def pass_over(ctx: Context, shift_id: UUID, consultation_id: UUID) -> QueueView:
    done = await calling.pass_over(ctx.uow, ctx.caller, shift_id, consultation_id)
    return await _queue(ctx, done)


@routes.post(
    "/shifts/{shift_id}/queue/{consultation_id}/return",
    roles=TREATERS,
    summary="Let somebody queue again who was passed over",
)
async def take_back(ctx: Context, shift_id: UUID, consultation_id: UUID) -> QueueView:
    done = await calling.take_back(ctx.uow, ctx.caller, shift_id, consultation_id)
    return await _queue(ctx, done)


# --- the patient ---------------------------------------------------------------------------------


async def _booking(ctx: Context, row: Booking) -> BookingView:
    return (await views.booking_views(ctx.uow, ctx.caller, [row]))[0]


@routes.get("/bookings", roles=PATIENT, summary="The caller's bookings")
async def bookings(ctx: Context) -> list[BookingView]:
    rows = await access.bookings(ctx.uow.session, ctx.caller)
    return await views.booking_views(ctx.uow, ctx.caller, rows)


@routes.get("/bookings/{consultation_id}", roles=PATIENT, summary="Number and queue of a booking")
async def one_booking(ctx: Context, consultation_id: UUID) -> BookingView:
    return await _booking(ctx, await access.booking(ctx.uow.session, ctx.caller, consultation_id))


@routes.post("/bookings/{consultation_id}/arrive", roles=PATIENT, summary="Come to the room")
async def arrive(ctx: Context, consultation_id: UUID) -> BookingView:
    return await _booking(ctx, await booking.arrive(ctx.uow, ctx.caller, consultation_id))


@routes.post("/bookings/{consultation_id}/move", roles=PATIENT, summary="Choose another session")
async def move(ctx: Context, consultation_id: UUID, body: MoveBooking) -> BookingView:
    row = await booking.move(ctx.uow, ctx.caller, consultation_id, body.shift_id)
    return await _booking(ctx, row)


# --- the calling log -----------------------------------------------------------------------------


async def _filters(
    ctx: Context, first: date | None, last: date | None, doctor: str, kind: Announcement | None
) -> CallFilters:
    span = None
    if first is not None or last is not None:
        span = await _span(ctx, first or last, last or first, timedelta(days=3660))
    return CallFilters(span=span, doctor=doctor[:50], kind=kind)


@routes.get("/queue-calls", roles=OVERSEERS, summary="The calling log")
async def calls(
    ctx: Context,
    from_: From = None,
    to: date | None = None,
    doctor: str = "",
    kind: Announcement | None = None,
    cursor: str | None = None,
    limit: int = 20,
) -> Page[CallView]:
    size = max(1, min(limit, LIMIT))
    filters = await _filters(ctx, from_, to, doctor, kind)
    allowed = await access.calls_grant(ctx.uow, ctx.caller)
    rows = await access.calls(
        ctx.uow.session, allowed, ctx.caller, filters, read_moment(cursor), size + 1
    )
    page, following = cut(rows, size, lambda row: (row.at, row.id))
    await audit.look(ctx.uow, ctx.caller, "queue_call", "list", detail={"rows": len(page)})
    shown = await views.call_views(ctx.uow, ctx.caller, allowed, page)
    return Page(items=shown, next=following)


@routes.get(
    "/queue-calls/export.csv", limit=Kind.EXPORT, roles=OVERSEERS, summary="The log as a table"
)
async def calls_exported(
    ctx: Context,
    from_: From = None,
    to: date | None = None,
    doctor: str = "",
    kind: Announcement | None = None,
) -> Response:
    filters = await _filters(ctx, from_, to, doctor, kind)
    return _csv(await export.calls_csv(ctx.uow, ctx.caller, filters), "queue-calls.csv")
