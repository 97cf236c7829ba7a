"""The list of consultations as a table for spreadsheets; no medical content, names masked."""

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from clinical.consultation import access, listing
from clinical.consultation.listing import Filters
from clinical.consultation.models import Consultation
from clinical.consultation.states import CLOSE_TEXT, MODE_TEXT, PURPOSE_TEXT, STATE_TEXT
from clinical.days import zone_of
from clinical.people import access as people
from clinical.rating import access as ratings
from core import audit
from core.access import Grant
from core.identity.caller import Caller
from core.masking import mask_name
from core.uow import UnitOfWork

HEADER = (
    "问诊编号", "方式", "目的", "状态", "结束原因", "就诊人", "医生", "科室", "金额（元）",
    "退款", "提交时间", "支付时间", "接诊时间", "结束时间", "评分",
)  # fmt: skip
CHUNK = 500
MOST = 100_000


async def as_csv(uow: UnitOfWork, caller: Caller, filters: Filters) -> bytes:
    """UTF-8 with a byte order mark, so that spreadsheets read Chinese; newest first."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(HEADER)
    allowed = await access.exportable(uow.session, caller)
    zone = await zone_of(uow, caller.hospital_id)
    written, after = 0, None
    while written < MOST:
        rows = await listing.page(uow, caller, allowed, filters, after, CHUNK)
        writer.writerows(await _lines(uow, caller, allowed, rows, zone))
        written += len(rows)
        if len(rows) < CHUNK:
            break
        after = (rows[-1].created_at, rows[-1].id)
        uow.session.expunge_all()
    await audit.record(
        uow, caller, "consultation.export", "consultation", "list", detail={"rows": written}
    )
    return ("\ufeff" + out.getvalue()).encode()


async def _lines(
    uow: UnitOfWork,
    caller: Caller,
    allowed: Grant,
    rows: Sequence[Consultation],
    zone: ZoneInfo,
) -> list[list[str]]:
    hospital_id = caller.hospital_id
    relations = await people.relations_by_id(
        uow.session, hospital_id, {row.relation_id for row in rows}
    )
    doctors = await people.practitioners_by_id(
        uow.session, hospital_id, {row.doctor_id for row in rows}
    )
    given = await ratings.of_consultations(uow.session, hospital_id, [row.id for row in rows])

    def at(moment: datetime | None) -> str:
        return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S") if moment else ""

    return [
        [
            _safe(cell)
            for cell in (
                row.number,
                MODE_TEXT[row.mode],
                PURPOSE_TEXT[row.purpose],
                STATE_TEXT[row.state],
                CLOSE_TEXT[row.close_reason] if row.close_reason else "",
                ""
                if "patient.name" in allowed.hidden
                else mask_name(relations[row.relation_id].patient.name),
                doctors[row.doctor_id].clinician.name,
                doctors[row.doctor_id].department.name,
                f"{row.price_fen / 100:.2f}",
                "是" if row.refund_requested_at else "",
                at(row.submitted_at),
                at(row.paid_at),
                at(row.accepted_at),
                at(row.ended_at),
                str(given[row.id].stars)
                if row.id in given and "rating" not in allowed.hidden
                else "",
            )
        ]
        for row in rows
    ]


def _safe(cell: str) -> str:
    """A spreadsheet must not take a cell for a formula."""
    return "'" + cell if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
