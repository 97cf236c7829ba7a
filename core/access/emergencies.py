"""The verbs of break-glass access (紧急调阅): open, close, review."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from core import audit, settings
from core.access import access
from core.access.book import changed
from core.access.engine import require
from core.access.errors import EmergencyReviewed, OwnRequest
from core.access.events import EmergencyOpened
from core.access.events import EmergencyReviewed as ReviewDone
from core.access.models import EmergencyAccess
from core.access.own import EMERGENCY
from core.access.settings import EMERGENCY_MINUTES
from core.alarms import raise_alarm
from core.ids import new_id

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork

#: Why somebody may have to look.
CATEGORIES: dict[str, str] = {
    "life_threat": "危及生命的抢救",
    "handover": "原接诊人员无法联系",
    "drug_reaction": "用药不良反应处置",
    "public_health": "突发公共卫生事件",
    "other": "其他紧急情况",
}
SHORTEST_REASON = 10
JUSTIFIED, UNJUSTIFIED = "justified", "unjustified"


def is_open(row: EmergencyAccess, now: datetime) -> bool:
    """Whether it still opens anything."""
    return row.closed_at is None and row.ends_at > now


async def require_open(uow: "UnitOfWork", caller: "Caller") -> None:
    """The right to open at all, asked before a patient is looked for. Raises NotPermitted."""
    await require(uow, caller, EMERGENCY, "open")


async def open_patient(
    uow: "UnitOfWork",
    caller: "Caller",
    patient_id: UUID,
    patient_label: str,
    category: str,
    reason: str,
) -> EmergencyAccess:
    """Open one patient, read only, for a short time; officers hear of it at once.

    `patient_label` is what lists call the patient (masked). The owner of patients has checked that
    the patient is one of the caller's hospital. One that is open already is answered again. Raises
    NotPermitted.
    """
    await require_open(uow, caller)
    await access.hold(uow, caller.user_id)
    for row in await access.own_emergencies(uow, caller):
        if row.patient_id == patient_id and is_open(row, uow.now):
            return row
    minutes = await settings.get(uow, EMERGENCY_MINUTES, hospital_id=caller.hospital_id)
    row = EmergencyAccess(
        id=new_id(),
        hospital_id=caller.hospital_id,
        user_id=caller.user_id,
        role=caller.role,
        patient_id=patient_id,
        patient_label=patient_label,
        category=category,
        reason=reason,
        opened_at=uow.now,
        ends_at=uow.now + timedelta(minutes=minutes),
    )
    uow.session.add(row)
    await _audit(uow, caller, row, "open", {"category": category, "reason": reason})
    who = (await access.names(uow, [caller.user_id])).get(caller.user_id, "")
    await raise_alarm(
        uow,
        caller.hospital_id,
        "break_glass",
        "紧急调阅",
        f"{who}（{caller.role.label}）紧急调阅了患者 {patient_label}："
        f"{CATEGORIES[category]}。{reason}",
        ("break_glass", row.id),
    )
    uow.record(
        EmergencyOpened(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            user_id=row.user_id,
            patient_id=row.patient_id,
        )
    )
    changed(uow)
    return row


async def close(uow: "UnitOfWork", caller: "Caller", emergency_id: UUID) -> EmergencyAccess:
    """End an own break-glass access early. Again is the same. Raises NotFound."""
    row = await access.emergency_row(uow, caller, emergency_id, own=True)
    if is_open(row, uow.now):
        row.closed_at = uow.now
        await _audit(uow, caller, row, "close", {})
        changed(uow)
    return row


async def review(
    uow: "UnitOfWork", caller: "Caller", emergency_id: UUID, *, justified: bool, note: str
) -> EmergencyAccess:
    """An officer's word about a break-glass access; it ends one that is still open when not
    justified. Raises NotFound, NotPermitted, OwnRequest, EmergencyReviewed.
    """
    await require(uow, caller, EMERGENCY, "review")
    row = await access.emergency_row(uow, caller, emergency_id)
    if row.user_id == caller.user_id:
        raise OwnRequest("不能复核自己的紧急调阅")
    if row.verdict is not None:
        raise EmergencyReviewed()
    row.verdict = JUSTIFIED if justified else UNJUSTIFIED
    row.reviewed_by, row.reviewed_at, row.note = caller.user_id, uow.now, note
    if not justified and is_open(row, uow.now):
        row.closed_at = uow.now
    await _audit(uow, caller, row, "review", {"verdict": row.verdict, "note": note})
    uow.record(
        ReviewDone(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            user_id=row.user_id,
            verdict=row.verdict,
        )
    )
    changed(uow)
    return row


async def _audit(
    uow: "UnitOfWork", caller: "Caller", row: EmergencyAccess, verb: str, detail: dict[str, str]
) -> None:
    await audit.record(
        uow, caller, f"break_glass.{verb}", "break_glass", row.id, row.patient_id, detail
    )
