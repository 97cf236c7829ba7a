"""Shapes of the API on the hospital's records."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from clinical.his.states import Mark, Operation, Outcome, PrescriptionKind, ReportKind


class RecordView(BaseModel):
    """One past visit in the hospital."""

    record_no: str
    visit_date: date
    department: str
    doctor: str
    complaint: str
    history: str
    examination: str
    diagnosis: str
    advice: str
    medicines: list[str]


class RecordList(BaseModel):
    """`known`: whether the hospital has a file of this person at all."""

    known: bool
    since: date
    until: date
    items: list[RecordView]


class ReportRow(BaseModel):
    """One report of a list; `abnormal` is null when the hospital does not say."""

    report_no: str
    kind: ReportKind
    category: str
    title: str
    department: str
    released_at: datetime
    abnormal: bool | None


class ReportList(BaseModel):
    """`known`: whether the hospital has a file of this person at all."""

    known: bool
    since: date
    until: date
    items: list[ReportRow]


class ResultView(BaseModel):
    """One result; `mark` is null when nothing can be said about it."""

    code: str
    name: str
    value: str
    unit: str
    reference: str
    mark: Mark | None


class PictureView(BaseModel):
    """A picture or printed page and the address that this session may open for a few minutes."""

    picture_no: str
    title: str
    content_type: str
    url: str


class ReportView(ReportRow):
    """A whole report: words and pictures of an examination, results of a laboratory."""

    ordered_by: str
    reported_by: str
    specimen: str
    findings: str
    conclusion: str
    results: list[ResultView]
    pictures: list[PictureView]


class PrescriptionRow(BaseModel):
    """One past prescription of a list; `drugs` are the names alone."""

    prescription_no: str
    issued_on: date
    kind: PrescriptionKind
    kind_text: str
    department: str
    doctor: str
    diagnosis: str
    drugs: list[str]


class PrescriptionList(BaseModel):
    """`known`: whether the hospital has a file of this person at all."""

    known: bool
    since: date
    until: date
    items: list[PrescriptionRow]


class PrescriptionLineView(BaseModel):
    """One drug as prescribed; a herb's `quantity` is its weight in one dose."""

    name: str
    specification: str
    dose: str
    route: str
    frequency: str
    days: int | None
    quantity: str
    unit: str


class PrescriptionView(PrescriptionRow):
    """A whole prescription; `doses` (剂) and `usage` belong to herbs, else null and empty."""

    lines: list[PrescriptionLineView]
    doses: int | None
    usage: str


class ExchangeView(BaseModel):
    """One line of the journal."""

    id: UUID
    at: datetime
    user_id: UUID
    user_name: str
    consultation_id: UUID | None
    module: str
    operation: Operation
    operation_text: str
    address: str
    parameters: dict[str, Any]
    outcome: Outcome
    outcome_text: str
    detail: str
    rows: int | None
    milliseconds: int
