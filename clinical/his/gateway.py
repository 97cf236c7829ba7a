"""The port to the hospital's own systems (HIS, LIS, PACS, EMR), typed; a codec speaks for a vendor.

All operations raise `core.outside.OutsideUnavailable` when nobody answers, `OutsideRefused` when
the system says no (`PersonUnknown`, `RecordUnknown` where it knows no such thing) and
`OutsideGarbled` when the answer breaks the protocol or is about another person, report or
prescription than was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from clinical.his.states import Operation, PrescriptionKind, ReportKind
from core.outside import OutsideRefused

SYSTEM = "his"


class PersonUnknown(OutsideRefused):
    """The hospital has no file for this number."""


class RecordUnknown(OutsideRefused):
    """The hospital has no such report, picture or prescription of this person."""


@dataclass(frozen=True, kw_only=True)
class PersonKey:
    """By what somebody is looked up: the identity card if there is one, else the visit card."""

    id_number: str | None
    card_number: str | None


@dataclass(frozen=True, kw_only=True)
class HospitalPerson:
    """Somebody whom the hospital knows."""

    person_no: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Span:
    """Days at the hospital, both included."""

    since: date
    until: date


@dataclass(frozen=True, kw_only=True)
class MedicalRecord:
    """One past visit with what was written down of it."""

    record_no: str
    visit_date: date
    department: str
    doctor: str
    complaint: str
    history: str
    examination: str
    diagnosis: str
    advice: str
    medicines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ReportSummary:
    """One line of a list of reports; `abnormal` is None when the hospital does not say."""

    report_no: str
    kind: ReportKind
    category: str
    title: str
    department: str
    released_at: datetime
    abnormal: bool | None


@dataclass(frozen=True, kw_only=True)
class LabResult:
    """One line of a laboratory report, as printed; `flag` is the laboratory's own mark."""

    code: str
    name: str
    value: str
    unit: str
    reference: str
    flag: str


@dataclass(frozen=True, kw_only=True)
class PictureRef:
    """A picture or printed page of a report."""

    picture_no: str
    title: str
    content_type: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """A whole report: words and pictures of an examination, or results of a laboratory."""

    summary: ReportSummary
    ordered_by: str
    reported_by: str
    specimen: str
    findings: str
    conclusion: str
    results: tuple[LabResult, ...]
    pictures: tuple[PictureRef, ...]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """The bytes of a picture; the type is read from the bytes, not believed."""

    content_type: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class PrescriptionSummary:
    """One line of a list of prescriptions; `drugs` are the names alone."""

    prescription_no: str
    issued_on: date
    kind: PrescriptionKind
    department: str
    doctor: str
    diagnosis: str
    drugs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PrescriptionLine:
    """One drug as prescribed: `dose` of each intake with its unit, `quantity` decimal, in `unit`.

    A herb has its weight in one dose as `quantity`, and its treatment (先煎, 后下 ...) as `route`.
    """

    name: str
    specification: str
    dose: str
    route: str
    frequency: str
    days: int | None
    quantity: str
    unit: str


@dataclass(frozen=True, kw_only=True)
class Prescription:
    """A whole prescription; `doses` (剂) and `usage` belong to herbs, else None and empty."""

    summary: PrescriptionSummary
    lines: tuple[PrescriptionLine, ...]
    doses: int | None
    usage: str


class HospitalSystem(Protocol):
    """One vendor's system. Every operation only reads, so repeating it does no harm."""

    def address(self, operation: Operation) -> str:
        """Where an operation goes, for the journal."""
        ...

    async def find_person(self, key: PersonKey) -> HospitalPerson:
        """Whom the hospital knows under a number. Raises PersonUnknown."""
        ...

    async def records(self, person_no: str, span: Span) -> list[MedicalRecord]:
        """Past visits and what was written, newest first."""
        ...

    async def reports(self, person_no: str, kind: ReportKind, span: Span) -> list[ReportSummary]:
        """Released reports, the newest release first."""
        ...

    async def report(self, person_no: str, kind: ReportKind, report_no: str) -> Report:
        """One released report. Raises RecordUnknown."""
        ...

    async def picture(self, person_no: str, report_no: str, picture_no: str) -> Picture:
        """One picture of a report. Raises RecordUnknown."""
        ...

    async def prescriptions(self, person_no: str, span: Span) -> list[PrescriptionSummary]:
        """Prescriptions that were issued in the hospital, newest first."""
        ...

    async def prescription(self, person_no: str, prescription_no: str) -> Prescription:
        """One prescription. Raises RecordUnknown."""
        ...
