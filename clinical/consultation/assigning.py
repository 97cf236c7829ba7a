"""The hospital names the doctor of a consultation that nobody has accepted yet (问诊管理)."""

from uuid import UUID

from sqlalchemy import select

from clinical.consultation import access, rules
from clinical.consultation.events import ConsultationHandedOver
from clinical.consultation.handing_over import may_take_over
from clinical.consultation.models import Consultation
from clinical.consultation.notices import refresh_lists, tell
from clinical.consultation.states import PRACTITIONER, service_text, worded
from clinical.people import access as people
from core import audit
from core.access import grant
from core.errors import NotFound
from core.identity.caller import Caller
from core.uow import UnitOfWork, unit_of
from realtime import service as rooms
from realtime.rules import JoinReason


async def assign(
    uow: UnitOfWork, caller: Caller, consultation_id: UUID, doctor_id: UUID, reason: str
) -> Consultation:
    """Give a waiting consultation to a doctor of its department, who is told.

    Raises NotFound, NotAssignable, NotThisDepartment, PractitionerUnqualified.
    """
    allowed = await grant(unit_of(uow.session), caller, access.CONSULTATION, "assign")
    row = await uow.session.scalar(
        select(Consultation)
        .where(Consultation.id == consultation_id, allowed.condition)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFound()
    rules.assign(row.standing)
    await may_take_over(uow, row.hospital_id, row.id, doctor_id)
    if row.doctor_id == doctor_id:
        return row
    assert row.room_id is not None
    doctor = rooms.NewMember(doctor_id, PRACTITIONER[row.kind])
    former = row.doctor_id
    row.doctor_id, row.changed_at = doctor_id, uow.now
    await uow.session.flush()
    if former is None:
        await rooms.add_members(uow, row.room_id, [doctor], JoinReason.INVITED)
    else:
        await rooms.hand_over(uow, row.room_id, doctor, caller.user_id)
    uow.record(
        ConsultationHandedOver(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            room_id=row.room_id,
            patient_id=row.patient_id,
            payer_id=row.payer_id,
            from_doctor_id=former,
            doctor_id=doctor_id,
            by=caller.user_id,
        )
    )
    await audit.record(
        uow,
        caller,
        "consultation.assign",
        "consultation",
        row.id,
        row.patient_id,
        {"doctor_id": str(doctor_id)},
        reason=reason,
        changes=audit.changes_of(row),
    )
    named = await people.practitioner(uow.session, row.hospital_id, doctor_id)
    what = service_text(row.kind, row.mode)
    await tell(
        uow, row, doctor_id, "consultation_waiting", f"新的{what}待接诊", "由医院分配，请及时接诊"
    )
    text = worded(row.kind, f"将由{named.clinician.name}医生为您服务")
    title = worded(row.kind, "已为您安排医生")
    await tell(uow, row, row.payer_id, "consultation_handed_over", title, text)
    refresh_lists(uow, row, *([former] if former else []))
    return row
