"""Routes of the hospital's records: the patient's own, and what a consultation needs."""

from datetime import date
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints
from starlette.responses import Response

from clinical.cursors import cut, read_moment
from clinical.his import access, service, views
from clinical.his.access import ExchangeFilters, Subject
from clinical.his.schemas import (
    ExchangeView,
    PrescriptionList,
    PrescriptionView,
    RecordList,
    ReportList,
    ReportView,
)
from clinical.his.states import Operation, Outcome, ReportKind
from core.http import PUBLIC, Context, Page, Routes
from core.http.routes import PREFIX
from core.identity import sessions
from core.identity.caller import Caller
from core.identity.roles import Role
from core.tickets import issue_ticket, read_ticket
from realtime.attachments import register_card

routes = Routes(tag="his", title="院内病历、报告与处方")
PATIENT = [Role.PATIENT]
#: Who treats, and who may have been asked in.
CLINICIANS = [Role.DOCTOR, Role.PHARMACIST, Role.NURSE]
#: 历史处方: `ref` is the number of a prescription in the hospital. Whoever opens the card asks for
#: that number of the patient whom the room is about, so that the number of somebody else's
#: prescription leads nowhere.
register_card("past_prescription", "处方", [*PATIENT, *CLINICIANS])
LIMIT = 100

From = Annotated[date | None, Field(alias="from")]
Number = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class Side(StrEnum):
    """From which side a report is looked at."""

    PATIENTS = "patients"
    CONSULTATIONS = "consultations"


async def _subject(ctx: Context, caller: Caller, side: Side, key: UUID, what: str) -> Subject:
    """Whom this is about; access is decided and the look written before anything is asked."""
    async with ctx.unit_of_work() as uow:
        if side is Side.PATIENTS:
            return await access.own(uow, caller, key)
        return await access.in_consultation(uow, caller, key, what)


async def _reports(
    ctx: Context, side: Side, key: UUID, kind: ReportKind, first: date | None, last: date | None
) -> ReportList:
    subject = await _subject(ctx, ctx.caller, side, key, f"{kind.value}_reports")
    span = service.span_of(subject, first, last)
    return views.report_list(span, await service.reports(ctx.runtime, subject, kind, span))


async def _report(
    ctx: Context, side: Side, key: UUID, kind: ReportKind, report_no: str
) -> ReportView:
    subject = await _subject(ctx, ctx.caller, side, key, f"{kind.value}_report")
    found = await service.report(ctx.runtime, subject, kind, report_no)

    def address(picture_no: str) -> str:
        path = f"/report-pictures/{side.value}/{key}/{report_no}/{picture_no}"
        ticket, _ = issue_ticket(ctx.runtime.keyring, ctx.caller, path, ctx.now)
        return f"{PREFIX}{path}?ticket={ticket}"

    return views.report_view(found, address)


async def _prescriptions(
    ctx: Context, side: Side, key: UUID, first: date | None, last: date | None
) -> PrescriptionList:
    subject = await _subject(ctx, ctx.caller, side, key, "prescriptions")
    span = service.span_of(subject, first, last)
    return views.prescription_list(span, await service.prescriptions(ctx.runtime, subject, span))


async def _prescription(ctx: Context, side: Side, key: UUID, number: str) -> PrescriptionView:
    subject = await _subject(ctx, ctx.caller, side, key, "prescription")
    return views.prescription_view(await service.prescription(ctx.runtime, subject, number))


# --- the patient ---------------------------------------------------------------------------------


@routes.get(
    "/patients/{patient_id}/reports",
    roles=PATIENT,
    transaction=False,
    summary="Examination or laboratory reports of a person whom the caller has bound",
)
async def own_reports(
    ctx: Context, patient_id: UUID, kind: ReportKind, from_: From = None, to: date | None = None
) -> ReportList:
    return await _reports(ctx, Side.PATIENTS, patient_id, kind, from_, to)


@routes.get(
    "/patients/{patient_id}/reports/{kind}/{report_no}",
    roles=PATIENT,
    transaction=False,
    summary="One report, abnormal results marked",
)
async def own_report(
    ctx: Context, patient_id: UUID, kind: ReportKind, report_no: Number
) -> ReportView:
    return await _report(ctx, Side.PATIENTS, patient_id, kind, report_no)


@routes.get(
    "/patients/{patient_id}/past-prescriptions",
    roles=PATIENT,
    transaction=False,
    summary="Past prescriptions of a person whom the caller has bound",
)
async def own_prescriptions(
    ctx: Context, patient_id: UUID, from_: From = None, to: date | None = None
) -> PrescriptionList:
    return await _prescriptions(ctx, Side.PATIENTS, patient_id, from_, to)


@routes.get(
    "/patients/{patient_id}/past-prescriptions/{prescription_no}",
    roles=PATIENT,
    transaction=False,
    summary="One past prescription with its lines",
)
async def own_prescription(
    ctx: Context, patient_id: UUID, prescription_no: Number
) -> PrescriptionView:
    return await _prescription(ctx, Side.PATIENTS, patient_id, prescription_no)


# --- the consulting room -------------------------------------------------------------------------


@routes.get(
    "/consultations/{consultation_id}/hospital-records",
    roles=CLINICIANS,
    transaction=False,
    summary="The patient's past visits and medical records in the hospital",
)
async def records(
    ctx: Context, consultation_id: UUID, from_: From = None, to: date | None = None
) -> RecordList:
    subject = await _subject(ctx, ctx.caller, Side.CONSULTATIONS, consultation_id, "records")
    span = service.span_of(subject, from_, to)
    return views.record_list(span, await service.records(ctx.runtime, subject, span))


@routes.get(
    "/consultations/{consultation_id}/reports",
    roles=CLINICIANS,
    transaction=False,
    summary="The patient's examination or laboratory reports",
)
async def reports(
    ctx: Context,
    consultation_id: UUID,
    kind: ReportKind,
    from_: From = None,
    to: date | None = None,
) -> ReportList:
    return await _reports(ctx, Side.CONSULTATIONS, consultation_id, kind, from_, to)


@routes.get(
    "/consultations/{consultation_id}/reports/{kind}/{report_no}",
    roles=CLINICIANS,
    transaction=False,
    summary="One report of the patient",
)
async def report(
    ctx: Context, consultation_id: UUID, kind: ReportKind, report_no: Number
) -> ReportView:
    return await _report(ctx, Side.CONSULTATIONS, consultation_id, kind, report_no)


@routes.get(
    "/consultations/{consultation_id}/past-prescriptions",
    roles=CLINICIANS,
    transaction=False,
    summary="The patient's past prescriptions in the hospital",
)
async def prescriptions(
    ctx: Context, consultation_id: UUID, from_: From = None, to: date | None = None
) -> PrescriptionList:
    return await _prescriptions(ctx, Side.CONSULTATIONS, consultation_id, from_, to)


@routes.get(
    "/consultations/{consultation_id}/past-prescriptions/{prescription_no}",
    roles=CLINICIANS,
    transaction=False,
    summary="One past prescription of the patient",
)
async def prescription(
    ctx: Context, consultation_id: UUID, prescription_no: Number
) -> PrescriptionView:
    return await _prescription(ctx, Side.CONSULTATIONS, consultation_id, prescription_no)


# --- pictures ------------------------------------------------------------------------------------


@routes.get(
    "/report-pictures/{side}/{key}/{report_no}/{picture_no}",
    roles=PUBLIC,
    transaction=False,
    summary="A picture of a report, for the viewer that the ticket names",
)
async def picture(
    ctx: Context, side: Side, key: UUID, report_no: Number, picture_no: Number, ticket: str
) -> Response:
    path = f"/report-pictures/{side.value}/{key}/{report_no}/{picture_no}"
    claimed = read_ticket(ctx.runtime.keyring, ticket, path, ctx.now)
    caller = await sessions.live_caller(ctx.runtime, claimed)
    subject = await _subject(ctx, caller, side, key, "picture")
    found = await service.picture(ctx.runtime, subject, report_no, picture_no)
    # A PDF is shown in a frame of its own; nothing of the hospital's bytes runs in our origin.
    headers = {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return Response(found.content, media_type=found.content_type, headers=headers)


# --- the journal ---------------------------------------------------------------------------------


@routes.get(
    "/his/exchanges",
    roles=[Role.ADMINISTRATOR, Role.SUPERVISOR],
    summary="The journal of exchanges with the hospital's systems",
)
async def journal(
    ctx: Context,
    operation: Operation | None = None,
    outcome: Outcome | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[ExchangeView]:
    size = max(1, min(limit, LIMIT))
    filters = ExchangeFilters(operation=operation, outcome=outcome)
    rows = await access.exchanges(ctx.uow, ctx.caller, filters, read_moment(cursor), size + 1)
    page, following = cut(rows, size, lambda row: (row.at, row.id))
    return Page(items=await views.exchange_views(ctx.uow, page), next=following)
