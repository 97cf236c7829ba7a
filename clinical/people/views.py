"""People as they are shown: numbers masked, ages spelled out."""

from datetime import date

from clinical.people import rules
from clinical.people.access import Practitioner
from clinical.people.models import PatientRelation
from clinical.people.schemas import (
    DepartmentRef,
    DoctorRef,
    GuardianView,
    PatientView,
    ServiceView,
)
from core.masking import mask_id_number, mask_phone


def patient_view(relation: PatientRelation, today: date) -> PatientView:
    """A patient as bound by one account, with that account's contact and guardian."""
    patient = relation.patient
    return PatientView(
        id=patient.id,
        kind=patient.kind,
        name=patient.name,
        sex=patient.sex,
        birth_date=patient.birth_date,
        age_text=rules.age_text(patient.birth_date, today),
        id_type=patient.id_type,
        id_number_masked=mask_id_number(patient.id_number) if patient.id_number else None,
        phone_masked=mask_phone(relation.phone) if relation.phone else None,
        address=relation.address,
        relation=relation.relation,
        is_default=relation.is_default,
        verified=patient.verified,
        card_number=patient.card_number,
        guardian=_guardian_view(relation),
    )


def _guardian_view(relation: PatientRelation) -> GuardianView | None:
    if relation.guardian_name is None:
        return None
    phone = relation.guardian_phone
    return GuardianView(
        name=relation.guardian_name,
        id_number_masked=mask_id_number(relation.guardian_id_number or ""),
        phone_masked=mask_phone(phone) if phone else None,
        address=relation.guardian_address,
        verified=relation.guardian_verified,
    )


def doctor_ref(doctor: Practitioner) -> DoctorRef:
    """A doctor in one line."""
    return DoctorRef(
        id=doctor.user_id,
        name=doctor.clinician.name,
        title=doctor.clinician.title,
        department=DepartmentRef(id=doctor.department.id, name=doctor.department.name),
        avatar=doctor.user.avatar_file_id,
    )


def service_views(doctor: Practitioner) -> list[ServiceView]:
    """What a doctor offers, text before video."""
    return [
        ServiceView(
            kind=service.kind,
            mode=service.mode,
            price_fen=service.price_fen,
            enabled=service.enabled,
        )
        for service in sorted(doctor.clinician.services, key=lambda each: (each.kind, each.mode))
    ]
