"""Shifts and the calling log as tables for spreadsheets."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from clinical.consultation.states import service_text
from clinical.days import zone_of
from clinical.people import access as people
from clinical.people.access import Practitioner
from clinical.schedule import access
from clinical.schedule.access import CallFilters, Grant, Span
from clinical.schedule.models import QueueCall, Shift
from clinical.schedule.states import ANNOUNCEMENT_TEXT, SHIFT_TEXT
from core import exports
from core.access import require
from core.data_classes import DataClass
from core.exports import Field
from core.identity.caller import Caller
from core.uow import UnitOfWork

CHUNK = 500


@dataclass(frozen=True)
class ShiftLine:
    """One shift with what the table says about it."""

    row: Shift
    doctor: Practitioner
    zone: ZoneInfo

    def at(self, moment: datetime, pattern: str) -> str:
        return moment.astimezone(self.zone).strftime(pattern)


SHIFT_FIELDS: tuple[Field[ShiftLine], ...] = (
    Field("日期", lambda line: line.at(line.row.starts_at, "%Y-%m-%d"), DataClass.PUBLIC),
    Field("开始", lambda line: line.at(line.row.starts_at, "%H:%M"), DataClass.PUBLIC),
    Field("结束", lambda line: line.at(line.row.ends_at, "%H:%M"), DataClass.PUBLIC),
    Field("科室", lambda line: line.doctor.department.name, DataClass.PUBLIC),
    Field("医务人员", lambda line: line.doctor.clinician.name, DataClass.PUBLIC),
    Field("职称", lambda line: line.doctor.clinician.title, DataClass.PUBLIC),
    Field("服务", lambda line: service_text(line.row.kind, line.row.mode), DataClass.PUBLIC),
    Field("号源", lambda line: line.row.places, DataClass.PUBLIC),
    Field("加号", lambda line: line.row.extra, DataClass.PUBLIC),
    Field("已约", lambda line: line.row.taken, DataClass.PUBLIC),
    Field("状态", lambda line: SHIFT_TEXT[line.row.state], DataClass.PUBLIC),
    Field("停诊原因", lambda line: line.row.reason, Shift.reason),
)


async def shifts_csv(uow: UnitOfWork, caller: Caller, span: Span) -> bytes:
    """The shifts of some days; who exported them is in the audit. Raises NotPermitted."""
    await require(uow, caller, access.SHIFT, "export")
    rows = await access.shifts(uow.session, caller, span, action="export")
    doctors = await people.practitioners_by_id(
        uow.session, caller.hospital_id, {row.doctor_id for row in rows}
    )
    lines = [ShiftLine(row, doctors[row.doctor_id], span.zone) for row in rows]

    async def pages() -> AsyncIterator[Sequence[ShiftLine]]:
        yield lines

    data, count = await exports.as_csv(SHIFT_FIELDS, pages())
    asked = {"from": str(span.first), "to": str(span.last)}
    await exports.note(uow, caller, "shift", count, asked)
    return data


@dataclass(frozen=True)
class CallLine:
    """One line of the log with the names that go with it."""

    row: QueueCall
    doctor: Practitioner
    patient_name: str
    by: str
    starts_at: datetime
    zone: ZoneInfo

    def at(self, moment: datetime) -> str:
        return moment.astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S")


CALL_FIELDS: tuple[Field[CallLine], ...] = (
    Field("时间", lambda line: line.at(line.row.at)),
    Field("操作", lambda line: ANNOUNCEMENT_TEXT[line.row.kind]),
    Field("号序", lambda line: line.row.number),
    Field("就诊人", lambda line: line.patient_name, DataClass.PERSONAL, "patient.name"),
    Field("医务人员", lambda line: line.doctor.clinician.name, DataClass.PUBLIC),
    Field("科室", lambda line: line.doctor.department.name, DataClass.PUBLIC),
    Field("时段开始", lambda line: line.at(line.starts_at)),
    Field("操作人", lambda line: line.by),
)


async def calls_csv(uow: UnitOfWork, caller: Caller, filters: CallFilters) -> bytes:
    """The calling log, newest first; who exported it is in the audit. Raises NotPermitted."""
    allowed = await access.calls_grant(uow, caller, "export")
    data, count = await exports.as_csv(
        CALL_FIELDS, _pages(uow, caller, allowed, filters), hidden=allowed.hidden
    )
    await exports.note(uow, caller, "queue_call", count, {"doctor": filters.doctor})
    return data


async def _pages(
    uow: UnitOfWork, caller: Caller, allowed: Grant, filters: CallFilters
) -> AsyncIterator[Sequence[CallLine]]:
    zone = await zone_of(uow, caller.hospital_id)
    after = None
    while True:
        rows = await access.calls(uow.session, allowed, caller, filters, after, CHUNK)
        yield await _lines(uow, caller, rows, zone)
        if len(rows) < CHUNK:
            return
        after = (rows[-1].at, rows[-1].id)


async def _lines(
    uow: UnitOfWork, caller: Caller, rows: Sequence[QueueCall], zone: ZoneInfo
) -> list[CallLine]:
    here = caller.hospital_id
    people_here = {row.doctor_id for row in rows} | {row.by_id for row in rows}
    doctors = await people.practitioners_by_id(uow.session, here, people_here)
    names = await people.patient_names(uow.session, {row.patient_id for row in rows}, here)
    shifts = await access.shifts_by_id(uow.session, {row.shift_id for row in rows})
    return [
        CallLine(
            row,
            doctors[row.doctor_id],
            names.get(row.patient_id, ""),
            doctors[row.by_id].clinician.name if row.by_id in doctors else "",
            shifts[row.shift_id].starts_at,
            zone,
        )
        for row in rows
    ]
