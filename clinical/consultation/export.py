"""The list of consultations as a table for spreadsheets; no medical content, names masked."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from clinical.consultation import access, listing
from clinical.consultation.listing import Filters
from clinical.consultation.models import Consultation
from clinical.consultation.rules import reason_text
from clinical.consultation.states import (
    PURPOSE_TEXT,
    STATE_TEXT,
    service_text,
)
from clinical.days import zone_of
from clinical.people import access as people
from clinical.people.access import Practitioner
from clinical.rating import access as ratings
from core import exports
from core.access import Grant
from core.data_classes import DataClass
from core.exports import Field
from core.identity.access import departments
from core.identity.caller import Caller
from core.uow import UnitOfWork

CHUNK = 500


@dataclass(frozen=True)
class Line:
    """One consultation with what the table says about it."""

    row: Consultation
    patient_name: str
    doctor: Practitioner | None
    department: str
    stars: int | None
    zone: ZoneInfo

    def at(self, moment: datetime | None) -> str | None:
        return moment.astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S") if moment else None


FIELDS: tuple[Field[Line], ...] = (
    Field("问诊编号", lambda line: line.row.number, Consultation.number),
    Field("方式", lambda line: service_text(line.row.kind, line.row.mode)),
    Field("目的", lambda line: PURPOSE_TEXT[line.row.purpose]),
    Field("状态", lambda line: STATE_TEXT[line.row.state]),
    Field(
        "结束原因",
        lambda line: (
            reason_text(line.row.close_reason, line.row.kind) if line.row.close_reason else None
        ),
    ),
    Field("就诊人", lambda line: line.patient_name, DataClass.PERSONAL, "patient.name"),
    Field(
        "医务人员",
        lambda line: line.doctor.clinician.name if line.doctor else None,
        DataClass.PUBLIC,
    ),
    Field("科室", lambda line: line.department, DataClass.PUBLIC),
    Field("金额（元）", lambda line: f"{line.row.price_fen / 100:.2f}"),
    Field("退款", lambda line: "是" if line.row.refund_requested_at else None),
    Field("预约时间", lambda line: line.at(line.row.starts_at)),
    Field("提交时间", lambda line: line.at(line.row.submitted_at)),
    Field("支付时间", lambda line: line.at(line.row.paid_at)),
    Field("接诊时间", lambda line: line.at(line.row.accepted_at)),
    Field("结束时间", lambda line: line.at(line.row.ended_at)),
    Field("评分", lambda line: line.stars, DataClass.INTERNAL, "rating"),
)


async def as_csv(uow: UnitOfWork, caller: Caller, filters: Filters) -> bytes:
    """The file, newest first; who exported what and how much is recorded."""
    allowed = await access.exportable(uow.session, caller)
    data, rows = await exports.as_csv(
        FIELDS, _pages(uow, caller, allowed, filters), hidden=allowed.hidden
    )
    await exports.note(uow, caller, "consultation", rows, filters.words())
    return data


async def _pages(
    uow: UnitOfWork, caller: Caller, allowed: Grant, filters: Filters
) -> AsyncIterator[Sequence[Line]]:
    zone = await zone_of(uow, caller.hospital_id)
    after = None
    while True:
        rows = await listing.page(uow, caller, allowed, filters, after, CHUNK)
        yield await _lines(uow, caller, rows, zone)
        if len(rows) < CHUNK:
            return
        after = (rows[-1].created_at, rows[-1].id)
        uow.session.expunge_all()


async def _lines(
    uow: UnitOfWork, caller: Caller, rows: Sequence[Consultation], zone: ZoneInfo
) -> list[Line]:
    hospital_id = caller.hospital_id
    relations = await people.relations_by_id(
        uow.session, hospital_id, {row.relation_id for row in rows}
    )
    doctors = await people.practitioners_by_id(
        uow.session, hospital_id, {row.doctor_id for row in rows if row.doctor_id}
    )
    named = {row.id: row.name for row, _ in await departments(uow, hospital_id)}
    given = await ratings.of_consultations(uow.session, hospital_id, [row.id for row in rows])
    return [
        Line(
            row,
            relations[row.relation_id].patient.name,
            doctors[row.doctor_id] if row.doctor_id else None,
            named.get(row.department_id, ""),
            given[row.id].stars if row.id in given else None,
            zone,
        )
        for row in rows
    ]
