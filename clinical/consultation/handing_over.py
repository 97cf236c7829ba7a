"""Handing a consultation over: who may take it, and how it follows its room."""

from uuid import UUID

from clinical.consultation import access
from clinical.consultation.errors import NotThisDepartment
from clinical.consultation.events import ConsultationHandedOver
from clinical.consultation.notices import refresh_lists, tell
from clinical.consultation.states import PRACTITIONER, worded
from clinical.people import access as people
from clinical.people.errors import PractitionerUnqualified
from core.uow import UnitOfWork
from realtime.events import RoomHandedOver
from realtime.participants import register_lead_check


async def may_take_over(
    uow: UnitOfWork, hospital_id: UUID, consultation_id: UUID, doctor_id: UUID
) -> None:
    """Lock the consultation and refuse who cannot treat in its place.

    Raises NotThisDepartment, PractitionerUnqualified, NotFound.
    """
    row = await access.find_by_system(uow.session, consultation_id)
    if row is None or row.hospital_id != hospital_id:
        return
    doctor = await people.practitioner(uow.session, hospital_id, doctor_id)
    if doctor.department.id != row.department_id:
        raise NotThisDepartment()
    theirs = doctor.profession is PRACTITIONER[row.kind]
    if not theirs or not await people.may_treat(uow, doctor):
        raise PractitionerUnqualified()


async def follow_the_room(uow: UnitOfWork, event: RoomHandedOver) -> None:
    """The doctor who leads the room treats, from the same moment."""
    if event.ref_type != "consultation" or event.ref_id is None:
        return
    row = await access.find_by_system(uow.session, event.ref_id)
    if row is None or row.doctor_id == event.to.user_id:
        return
    former = row.doctor_id
    row.doctor_id, row.changed_at = event.to.user_id, uow.now
    await uow.session.flush()
    assert row.room_id is not None
    uow.record(
        ConsultationHandedOver(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            room_id=row.room_id,
            patient_id=row.patient_id,
            payer_id=row.payer_id,
            from_doctor_id=former,
            doctor_id=event.to.user_id,
            by=event.by,
        )
    )
    text = worded(row.kind, f"现由{event.to.name}医生继续为您服务")
    title = worded(row.kind, "接诊医生已更换")
    await tell(uow, row, row.payer_id, "consultation_handed_over", title, text)
    refresh_lists(uow, row, *([former] if former else []))


register_lead_check("consultation", may_take_over)
