"""Reading the hospital's records of a person: each verb is one look, of two or three exchanges.

Nothing of the answers is stored. None means that the hospital has no file of the person.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from clinical.his import errors
from clinical.his.access import Subject
from clinical.his.exchanges import Exchange
from clinical.his.gateway import (
    HospitalPerson,
    HospitalSystem,
    MedicalRecord,
    PersonUnknown,
    Picture,
    Prescription,
    PrescriptionSummary,
    RecordUnknown,
    Report,
    ReportSummary,
    Span,
)
from clinical.his.states import Operation, ReportKind
from core.errors import FieldProblem, InvalidRequest
from core.runtime import Runtime

DAYS_A_MONTH = 30.44


def span_of(subject: Subject, first: date | None, last: date | None) -> Span:
    """The days asked for; without them as far back as the hospital's setting says.

    Raises InvalidRequest for days in the wrong order.
    """
    until = last or subject.today
    since = first or subject.today - timedelta(days=round(subject.look_back_months * DAYS_A_MONTH))
    if since > until:
        raise InvalidRequest(fields=[FieldProblem("from", "开始日期不能晚于结束日期")])
    return Span(since=since, until=until)


async def records(runtime: Runtime, subject: Subject, span: Span) -> list[MedicalRecord] | None:
    """Past visits with their records, newest first."""
    person = await _person(runtime, subject)
    if person is None:
        return None
    exchange = await _exchange(runtime, subject, Operation.RECORDS, _days(span))
    return await exchange.run(_system(runtime).records(person.person_no, span))


async def reports(
    runtime: Runtime, subject: Subject, kind: ReportKind, span: Span
) -> list[ReportSummary] | None:
    """Released reports, newest first."""
    person = await _person(runtime, subject)
    if person is None:
        return None
    parameters = {"kind": kind.value, **_days(span)}
    exchange = await _exchange(runtime, subject, Operation.REPORTS, parameters)
    return await exchange.run(_system(runtime).reports(person.person_no, kind, span))


async def report(runtime: Runtime, subject: Subject, kind: ReportKind, report_no: str) -> Report:
    """One report. Raises ReportUnknown."""
    person = await _person(runtime, subject)
    if person is None:
        raise errors.ReportUnknown()
    parameters = {"kind": kind.value, "report_no": report_no}
    exchange = await _exchange(runtime, subject, Operation.REPORT, parameters)
    try:
        return await exchange.run(_system(runtime).report(person.person_no, kind, report_no))
    except RecordUnknown as error:
        raise errors.ReportUnknown() from error


async def picture(runtime: Runtime, subject: Subject, report_no: str, picture_no: str) -> Picture:
    """One picture of a report. Raises ReportUnknown."""
    person = await _person(runtime, subject)
    if person is None:
        raise errors.ReportUnknown()
    parameters = {"report_no": report_no, "picture_no": picture_no}
    exchange = await _exchange(runtime, subject, Operation.PICTURE, parameters)
    try:
        return await exchange.run(_system(runtime).picture(person.person_no, report_no, picture_no))
    except RecordUnknown as error:
        raise errors.ReportUnknown() from error


async def prescriptions(
    runtime: Runtime, subject: Subject, span: Span
) -> list[PrescriptionSummary] | None:
    """Prescriptions that were issued in the hospital, newest first."""
    person = await _person(runtime, subject)
    if person is None:
        return None
    exchange = await _exchange(runtime, subject, Operation.PRESCRIPTIONS, _days(span))
    return await exchange.run(_system(runtime).prescriptions(person.person_no, span))


async def prescription(runtime: Runtime, subject: Subject, prescription_no: str) -> Prescription:
    """One prescription of this person. Raises PrescriptionUnknown."""
    person = await _person(runtime, subject)
    if person is None:
        raise errors.PrescriptionUnknown()
    parameters = {"prescription_no": prescription_no}
    exchange = await _exchange(runtime, subject, Operation.PRESCRIPTION, parameters)
    try:
        return await exchange.run(_system(runtime).prescription(person.person_no, prescription_no))
    except RecordUnknown as error:
        raise errors.PrescriptionUnknown() from error


async def _person(runtime: Runtime, subject: Subject) -> HospitalPerson | None:
    """Who this is at the hospital; name and number must agree (S0-H-001). Raises PersonDiffers."""
    key = subject.key
    if not key.id_number and not key.card_number:
        return None
    by = "id_number" if key.id_number else "card_number"
    exchange = await _exchange(runtime, subject, Operation.PERSON, {"by": by})
    try:
        person = await exchange.run(_system(runtime).find_person(key))
    except PersonUnknown:
        return None
    if person.name.strip() != subject.name.strip():
        raise errors.PersonDiffers()
    return person


async def _exchange(
    runtime: Runtime, subject: Subject, operation: Operation, parameters: dict[str, Any]
) -> Exchange:
    exchange = Exchange(runtime, subject, operation, parameters)
    await exchange.hold_back()
    return exchange


def _system(runtime: Runtime) -> HospitalSystem:
    return runtime.port(HospitalSystem)


def _days(span: Span) -> dict[str, str]:
    return {"since": span.since.isoformat(), "until": span.until.isoformat()}
