"""Reading the hospital's records of a person: each verb is one look, of two or three exchanges.

Nothing of the answers is stored. None means that the hospital has no file of the person.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar

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
from core.errors import FieldProblem, InvalidRequest, ProblemError
from core.runtime import Runtime

DAYS_A_MONTH = 30.44
Found = TypeVar("Found")
_Ask = Callable[[HospitalPerson], Coroutine[Any, Any, Found]]


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
    system = _system(runtime)
    look = _Look(runtime, subject, Operation.RECORDS, _days(span))
    return await look.all(lambda person: system.records(person.person_no, span))


async def reports(
    runtime: Runtime, subject: Subject, kind: ReportKind, span: Span
) -> list[ReportSummary] | None:
    """Released reports, newest first."""
    system = _system(runtime)
    look = _Look(runtime, subject, Operation.REPORTS, {"kind": kind.value, **_days(span)})
    return await look.all(lambda person: system.reports(person.person_no, kind, span))


async def report(runtime: Runtime, subject: Subject, kind: ReportKind, report_no: str) -> Report:
    """One report. Raises ReportUnknown."""
    system, parameters = _system(runtime), {"kind": kind.value, "report_no": report_no}
    look = _Look(runtime, subject, Operation.REPORT, parameters)
    return await look.one(
        lambda person: system.report(person.person_no, kind, report_no), errors.ReportUnknown
    )


async def picture(runtime: Runtime, subject: Subject, report_no: str, picture_no: str) -> Picture:
    """One picture of a report. Raises ReportUnknown."""
    system, parameters = _system(runtime), {"report_no": report_no, "picture_no": picture_no}
    look = _Look(runtime, subject, Operation.PICTURE, parameters)
    return await look.one(
        lambda person: system.picture(person.person_no, report_no, picture_no),
        errors.ReportUnknown,
    )


async def prescriptions(
    runtime: Runtime, subject: Subject, span: Span
) -> list[PrescriptionSummary] | None:
    """Prescriptions that were issued in the hospital, newest first."""
    system = _system(runtime)
    look = _Look(runtime, subject, Operation.PRESCRIPTIONS, _days(span))
    return await look.all(lambda person: system.prescriptions(person.person_no, span))


async def prescription(runtime: Runtime, subject: Subject, prescription_no: str) -> Prescription:
    """One prescription of this person. Raises PrescriptionUnknown."""
    system, parameters = _system(runtime), {"prescription_no": prescription_no}
    look = _Look(runtime, subject, Operation.PRESCRIPTION, parameters)
    return await look.one(
        lambda person: system.prescription(person.person_no, prescription_no),
        errors.PrescriptionUnknown,
    )


@dataclass(frozen=True)
class _Look:
    """First who the person is at the hospital, then what is asked of his file."""

    runtime: Runtime
    subject: Subject
    operation: Operation
    parameters: dict[str, Any]

    async def all(self, ask: _Ask[list[Found]]) -> list[Found] | None:
        """Everything that fits; None where the hospital has no file of the person."""
        person = await _person(self.runtime, self.subject)
        return None if person is None else await self._ask(ask, person)

    async def one(self, ask: _Ask[Found], missing: type[ProblemError]) -> Found:
        """One paper. Raises ``missing`` where there is no file, or no such paper in it."""
        person = await _person(self.runtime, self.subject)
        if person is None:
            raise missing()
        try:
            return await self._ask(ask, person)
        except RecordUnknown as error:
            raise missing() from error

    async def _ask(self, ask: _Ask[Found], person: HospitalPerson) -> Found:
        exchange = await _exchange(self.runtime, self.subject, self.operation, self.parameters)
        return await exchange.run(ask(person))


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
