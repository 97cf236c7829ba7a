"""What of the hospital's answers is shown, with marks and addresses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from clinical.his import access, rules
from clinical.his.gateway import (
    LabResult,
    MedicalRecord,
    Prescription,
    PrescriptionSummary,
    Report,
    ReportSummary,
    Span,
)
from clinical.his.models import HospitalExchange
from clinical.his.schemas import (
    ExchangeView,
    PictureView,
    PrescriptionLineView,
    PrescriptionList,
    PrescriptionRow,
    PrescriptionView,
    RecordList,
    RecordView,
    ReportList,
    ReportRow,
    ReportView,
    ResultView,
)
from clinical.his.states import OPERATION_TEXT, OUTCOME_TEXT, PRESCRIPTION_TEXT, ReportKind
from core.uow import UnitOfWork


def record_list(span: Span, found: list[MedicalRecord] | None) -> RecordList:
    items = [
        RecordView(**{**asdict(each), "medicines": list(each.medicines)}) for each in found or []
    ]
    return RecordList(known=found is not None, since=span.since, until=span.until, items=items)


def report_list(span: Span, found: list[ReportSummary] | None) -> ReportList:
    items = [ReportRow(**asdict(each)) for each in found or []]
    return ReportList(known=found is not None, since=span.since, until=span.until, items=items)


def report_view(found: Report, address: Callable[[str], str]) -> ReportView:
    """`address` makes the address of a picture out of its number."""
    results = [_result(each) for each in found.results]
    row = asdict(found.summary)
    if found.summary.kind is ReportKind.LAB and row["abnormal"] is None:
        row["abnormal"] = any(rules.is_abnormal(each.mark) for each in results)
    return ReportView(
        **row,
        ordered_by=found.ordered_by,
        reported_by=found.reported_by,
        specimen=found.specimen,
        findings=found.findings,
        conclusion=found.conclusion,
        results=results,
        pictures=[
            PictureView(**asdict(each), url=address(each.picture_no)) for each in found.pictures
        ],
    )


def _result(found: LabResult) -> ResultView:
    return ResultView(
        code=found.code,
        name=found.name,
        value=found.value,
        unit=found.unit,
        reference=found.reference,
        mark=rules.mark_of(found.value, found.reference, found.flag),
    )


def prescription_list(span: Span, found: list[PrescriptionSummary] | None) -> PrescriptionList:
    items = [PrescriptionRow(**_prescription_row(each)) for each in found or []]
    return PrescriptionList(
        known=found is not None, since=span.since, until=span.until, items=items
    )


def prescription_view(found: Prescription) -> PrescriptionView:
    return PrescriptionView(
        **_prescription_row(found.summary),
        lines=[PrescriptionLineView(**asdict(each)) for each in found.lines],
        doses=found.doses,
        usage=found.usage,
    )


def _prescription_row(found: PrescriptionSummary) -> dict[str, Any]:
    texts = {"kind_text": PRESCRIPTION_TEXT[found.kind], "drugs": list(found.drugs)}
    return {**asdict(found), **texts}


async def exchange_views(uow: UnitOfWork, rows: Sequence[HospitalExchange]) -> list[ExchangeView]:
    """Lines of the journal with the names of those who asked."""
    names = await access.names_of(uow, {row.user_id for row in rows})
    return [
        ExchangeView(
            id=row.id,
            at=row.at,
            user_id=row.user_id,
            user_name=names.get(row.user_id, ""),
            consultation_id=row.consultation_id,
            module="院内病历、报告与处方",
            operation=row.operation,
            operation_text=OPERATION_TEXT[row.operation],
            address=row.address,
            parameters=row.parameters,
            outcome=row.outcome,
            outcome_text=OUTCOME_TEXT[row.outcome],
            detail=row.detail,
            rows=row.rows,
            milliseconds=row.milliseconds,
        )
        for row in rows
    ]
