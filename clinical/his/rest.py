"""`HospitalSystem` for a vendor that speaks signed JSON over HTTP (`/his/v1/...`).

Every answer repeats whom it is about. Answers are read strictly: what does not fit, or is about
somebody else, is `OutsideGarbled`, and nothing of it is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from clinical.his.gateway import (
    SYSTEM,
    HospitalPerson,
    LabResult,
    MedicalRecord,
    PersonKey,
    PersonUnknown,
    Picture,
    PictureRef,
    Prescription,
    PrescriptionLine,
    PrescriptionSummary,
    RecordUnknown,
    Report,
    ReportSummary,
    Span,
)
from clinical.his.states import Operation, PrescriptionKind, ReportKind
from core.outside import (
    OutsideClient,
    OutsideGarbled,
    OutsideRefused,
    OutsideUnavailable,
    Reply,
    signed_json,
)

PATHS = {
    Operation.PERSON: "/his/v1/persons/find",
    Operation.RECORDS: "/his/v1/records/query",
    Operation.REPORTS: "/his/v1/reports/query",
    Operation.REPORT: "/his/v1/reports/detail",
    Operation.PICTURE: "/his/v1/reports/picture",
    Operation.PRESCRIPTIONS: "/his/v1/prescriptions/query",
    Operation.PRESCRIPTION: "/his/v1/prescriptions/detail",
}
#: The vendor writes wall-clock time without a zone.
CHINA = ZoneInfo("Asia/Shanghai")
MAX_ANSWER = 32 * 1024 * 1024
MOST = 1000


def _moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("not a time")
    return datetime.strptime(value, "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA).astimezone(UTC)


def _day(value: object) -> date:
    if not isinstance(value, str):
        raise ValueError("not a day")
    return date.fromisoformat(value)


def _text(value: object) -> object:
    """Vendors leave out what is empty, or send null for it."""
    return "" if value is None else value


Number = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Line = Annotated[str, BeforeValidator(_text), StringConstraints(max_length=300)]
Words = Annotated[str, BeforeValidator(_text), StringConstraints(max_length=20_000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Quantity = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,6}(\.[0-9]{1,3})?$")]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Day = Annotated[date, BeforeValidator(_day)]


class _Strict(BaseModel, strict=True):
    """Numbers are not taken for texts, nor texts for numbers."""


class _Person(_Strict):
    person_no: Number
    name: Name


class _PersonAnswer(_Strict):
    person: _Person


class _Record(_Strict):
    record_no: Number
    visit_date: Day
    department: Name
    doctor: Line = ""
    complaint: Words = ""
    history: Words = ""
    examination: Words = ""
    diagnosis: Words = ""
    advice: Words = ""
    medicines: list[Name] = Field(default_factory=list, max_length=100)


class _RecordsAnswer(_Strict):
    person_no: Number
    records: list[_Record] = Field(max_length=MOST)


class _Summary(_Strict):
    report_no: Number
    kind: Annotated[ReportKind, Field(strict=False)]
    category: Line = ""
    title: Name
    department: Line = ""
    released_at: Moment
    abnormal: bool | None = None


class _ReportsAnswer(_Strict):
    person_no: Number
    reports: list[_Summary] = Field(max_length=MOST)


class _Result(_Strict):
    code: Line = ""
    name: Name
    value: Line = ""
    unit: Line = ""
    reference: Line = ""
    flag: Line = ""


class _Picture(_Strict):
    picture_no: Number
    title: Line = ""
    content_type: Line = ""


class _Detail(_Summary):
    ordered_by: Line = ""
    reported_by: Line = ""
    specimen: Line = ""
    findings: Words = ""
    conclusion: Words = ""
    results: list[_Result] = Field(default_factory=list, max_length=MOST)
    pictures: list[_Picture] = Field(default_factory=list, max_length=200)


class _ReportAnswer(_Strict):
    person_no: Number
    report: _Detail


class _PrescriptionLine(_Strict):
    name: Name
    specification: Line = ""
    dose: Line = ""
    route: Line = ""
    frequency: Line = ""
    days: Annotated[int, Field(ge=1, le=366)] | None = None
    quantity: Quantity
    unit: Name


class _PrescriptionRow(_Strict):
    prescription_no: Number
    issued_on: Day
    kind: Annotated[PrescriptionKind, Field(strict=False)]
    department: Line = ""
    doctor: Line = ""
    diagnosis: Line = ""


class _PrescriptionSummary(_PrescriptionRow):
    drugs: list[Name] = Field(max_length=200)


class _PrescriptionsAnswer(_Strict):
    person_no: Number
    prescriptions: list[_PrescriptionSummary] = Field(max_length=MOST)


class _Prescription(_PrescriptionRow):
    lines: list[_PrescriptionLine] = Field(min_length=1, max_length=200)
    doses: Annotated[int, Field(ge=1, le=999)] | None = None
    usage: Words = ""

    @model_validator(mode="after")
    def _herbs_are_counted(self) -> _Prescription:
        """Herbs without the number of doses are half a prescription."""
        if self.kind is PrescriptionKind.HERBAL and self.doses is None:
            raise ValueError("herbs without doses")
        return self


class _PrescriptionAnswer(_Strict):
    person_no: Number
    prescription: _Prescription


A = TypeVar("A", bound=BaseModel)


class RestHospital:
    """The client. It waits `timeout` seconds for an answer and tries twice."""

    def __init__(
        self,
        base_url: str,
        key_id: str,
        secret: str,
        now: Callable[[], datetime],
        *,
        timeout: float = 4.0,
    ) -> None:
        self._http = OutsideClient(
            SYSTEM, base_url, timeout=timeout, attempts=2, max_body=MAX_ANSWER
        )
        self._key_id = key_id
        self._secret = secret
        self._now = now

    async def aclose(self) -> None:
        await self._http.aclose()

    def address(self, operation: Operation) -> str:
        return PATHS[operation]

    async def find_person(self, key: PersonKey) -> HospitalPerson:
        question = {"id_number": key.id_number, "card_number": key.card_number}
        answer = await self._read(Operation.PERSON, question, _PersonAnswer)
        return HospitalPerson(person_no=answer.person.person_no, name=answer.person.name)

    async def records(self, person_no: str, span: Span) -> list[MedicalRecord]:
        question = {"person_no": person_no, **_days(span)}
        answer = await self._read(Operation.RECORDS, question, _RecordsAnswer)
        _about(answer.person_no, person_no)
        found = [_record(each) for each in answer.records]
        return sorted(found, key=lambda each: (each.visit_date, each.record_no), reverse=True)

    async def reports(self, person_no: str, kind: ReportKind, span: Span) -> list[ReportSummary]:
        question = {"person_no": person_no, "kind": kind.value, **_days(span)}
        answer = await self._read(Operation.REPORTS, question, _ReportsAnswer)
        _about(answer.person_no, person_no)
        for each in answer.reports:
            _about(each.kind, kind)
        found = [_summary(each) for each in answer.reports]
        return sorted(found, key=lambda each: (each.released_at, each.report_no), reverse=True)

    async def report(self, person_no: str, kind: ReportKind, report_no: str) -> Report:
        question = {"person_no": person_no, "kind": kind.value, "report_no": report_no}
        answer = await self._read(Operation.REPORT, question, _ReportAnswer)
        _about(answer.person_no, person_no)
        _about(answer.report.kind, kind)
        _about(answer.report.report_no, report_no)
        return _report(answer.report)

    async def picture(self, person_no: str, report_no: str, picture_no: str) -> Picture:
        question = {"person_no": person_no, "report_no": report_no, "picture_no": picture_no}
        reply = await self._ask(Operation.PICTURE, question)
        # Two of the headers repeat what the body of the other answers does.
        _about(reply.headers.get("X-His-Person", ""), person_no)
        _about(reply.headers.get("X-His-Picture", ""), picture_no)
        content_type = sniffed(reply.body)
        if content_type is None:
            raise OutsideGarbled(SYSTEM, "a picture is of an unknown kind")
        return Picture(content_type=content_type, content=reply.body)

    async def prescriptions(self, person_no: str, span: Span) -> list[PrescriptionSummary]:
        question = {"person_no": person_no, **_days(span)}
        answer = await self._read(Operation.PRESCRIPTIONS, question, _PrescriptionsAnswer)
        _about(answer.person_no, person_no)
        found = [_prescription_row(each, each.drugs) for each in answer.prescriptions]
        return sorted(found, key=lambda each: (each.issued_on, each.prescription_no), reverse=True)

    async def prescription(self, person_no: str, prescription_no: str) -> Prescription:
        question = {"person_no": person_no, "prescription_no": prescription_no}
        answer = await self._read(Operation.PRESCRIPTION, question, _PrescriptionAnswer)
        _about(answer.person_no, person_no)
        _about(answer.prescription.prescription_no, prescription_no)
        return _prescription(answer.prescription)

    async def _read(self, operation: Operation, question: dict[str, Any], shape: type[A]) -> A:
        reply = await self._ask(operation, question)
        try:
            return shape.model_validate(reply.json(SYSTEM))
        except ValidationError as error:
            # The places alone: the values are somebody's health.
            places = ", ".join(".".join(map(str, each["loc"])) for each in error.errors()[:3])
            raise OutsideGarbled(SYSTEM, f"{operation.value} cannot be read at {places}") from None

    async def _ask(self, operation: Operation, question: dict[str, Any]) -> Reply:
        path, body = PATHS[operation], orjson.dumps(question)
        timestamp = int(self._now().timestamp())
        headers = signed_json("X-His", self._key_id, self._secret, "POST", path, body, timestamp)
        reply = await self._http.call_repeatedly("POST", path, headers=headers, body=body)
        if reply.status >= 400:
            raise _refusal(operation, reply)
        return reply


def sniffed(content: bytes) -> str | None:
    """What the bytes are, of what may be shown."""
    known = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
    found = (kind for magic, kind in known.items() if content.startswith(magic))
    return next(found, "application/pdf" if content.startswith(b"%PDF-") else None)


def _days(span: Span) -> dict[str, str]:
    return {"since": span.since.isoformat(), "until": span.until.isoformat()}


def _about(told: str, asked: str) -> None:
    if told != asked:
        raise OutsideGarbled(SYSTEM, "the answer is about something else")


_UNKNOWN = {
    "PERSON_NOT_FOUND": PersonUnknown,
    "REPORT_NOT_FOUND": RecordUnknown,
    "PRESCRIPTION_NOT_FOUND": RecordUnknown,
}


def _refusal(operation: Operation, reply: Reply) -> OutsideRefused | OutsideUnavailable:
    answer = reply.json(SYSTEM)
    code = str(answer.get("code", ""))[:64]
    if reply.status == 429:
        return OutsideUnavailable(SYSTEM, f"{operation.value} {reply.status} {code}")
    return _UNKNOWN.get(code, OutsideRefused)(SYSTEM, reply.status, code, "")


def _record(read: _Record) -> MedicalRecord:
    return MedicalRecord(**read.model_dump(exclude={"medicines"}), medicines=tuple(read.medicines))


def _summary(read: _Summary) -> ReportSummary:
    return ReportSummary(**read.model_dump(include=set(_Summary.model_fields)))


def _report(read: _Detail) -> Report:
    return Report(
        summary=_summary(read),
        ordered_by=read.ordered_by,
        reported_by=read.reported_by,
        specimen=read.specimen,
        findings=read.findings,
        conclusion=read.conclusion,
        results=tuple(LabResult(**each.model_dump()) for each in read.results),
        pictures=tuple(PictureRef(**each.model_dump()) for each in read.pictures),
    )


def _prescription_row(read: _PrescriptionRow, drugs: list[str]) -> PrescriptionSummary:
    row = read.model_dump(include=set(_PrescriptionRow.model_fields))
    return PrescriptionSummary(**row, drugs=tuple(drugs))


def _prescription(read: _Prescription) -> Prescription:
    return Prescription(
        summary=_prescription_row(read, [each.name for each in read.lines]),
        lines=tuple(PrescriptionLine(**each.model_dump()) for each in read.lines),
        doses=read.doses,
        usage=read.usage,
    )
