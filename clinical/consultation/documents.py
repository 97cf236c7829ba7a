"""What consultations give to be signed: the closing note, read for signing and for verification."""

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from clinical.consultation import access
from clinical.consultation.models import Consultation
from clinical.consultation.states import PURPOSE_TEXT, TREATERS, Kind, service_text, worded
from clinical.people import access as people
from core.documents import Content, DocumentType, Field, register_document
from core.identity.caller import Caller
from core.identity.models import Hospital
from core.uow import UnitOfWork

CLOSING_NOTE = "closing_note"
_SEX = {"male": "男", "female": "女"}


async def read_note(uow: UnitOfWork, document_id: UUID, *, lock: bool = False) -> Content | None:
    """The closing note of a consultation as it stands; None for an unknown consultation.

    Only what does not change by itself is in it: a birth date, never an age.
    """
    query = select(Consultation).where(Consultation.id == document_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = await uow.session.scalar(query)
    if row is None:
        return None
    relations = await people.relations_by_id(uow.session, row.hospital_id, [row.relation_id])
    patient = relations[row.relation_id].patient
    if row.doctor_id is None:
        return None
    doctor = await people.practitioner(uow.session, row.hospital_id, row.doctor_id)
    hospital = await uow.session.get_one(Hospital, row.hospital_id)
    zone = ZoneInfo(hospital.time_zone)
    lines = (
        ("hospital", "医疗机构", hospital.name),
        ("number", "问诊编号", row.number),
        ("purpose", "就诊类型", _service(row)),
        ("patient", "就诊人", patient.name),
        ("sex", "性别", _SEX.get(patient.sex.value, "未说明")),
        ("birth_date", "出生日期", patient.birth_date.isoformat()),
        ("department", "科室", doctor.department.name),
        (
            "doctor",
            worded(row.kind, "医生"),
            f"{doctor.clinician.name} {doctor.clinician.title}".strip(),
        ),
        ("description", "病情描述", row.description),
        ("diagnosis", "诊断", row.diagnosis),
        ("advice", "处理建议", row.advice),
        ("version", "版本", f"第 {row.note_version} 版"),
        ("final_at", "完成时间", _local(row.note_final_at, zone)),
    )
    return Content(
        hospital_id=row.hospital_id,
        title="问诊小结",
        subject=f"{patient.name} · {row.number}",
        fields=tuple(Field(*line) for line in lines),
        signer_id=row.doctor_id,
        patient_id=row.patient_id,
        ready=row.note_final_at is not None,
    )


def _service(row: Consultation) -> str:
    what = service_text(row.kind, row.mode)
    return f"{PURPOSE_TEXT[row.purpose]} · {what}" if row.kind is Kind.REVISIT else what


def _local(moment: datetime | None, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S") if moment else ""


async def may_see_note(uow: UnitOfWork, caller: Caller, document_id: UUID) -> bool:
    """Whoever may see the consultation; a note that is not final shows to its doctor alone."""
    row = await uow.session.scalar(
        select(Consultation).where(
            Consultation.id == document_id, Consultation.hospital_id == caller.hospital_id
        )
    )
    if row is None or not await access.may_see(uow.session, caller, row):
        return False
    # A document is shown whole or not at all.
    if (await access.read_grant(uow.session, caller)).withholds(
        "patient.name", "description", "closing_note"
    ):
        return False
    own = caller.role in TREATERS and row.doctor_id == caller.user_id
    return own or row.note_final_at is not None


register_document(DocumentType(CLOSING_NOTE, "问诊小结", read_note, may_see_note))
