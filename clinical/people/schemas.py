"""Shapes of the people API."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from clinical.people import rules
from clinical.people.states import IdType, MedicationField, PatientKind, Relation
from core.identity.id_numbers import Sex
from core.identity.roles import Role
from core.masking import mask_id_number, mask_phone

if TYPE_CHECKING:
    from clinical.people.access import Practitioner
    from clinical.people.models import PatientRelation

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]
Number = Annotated[str, StringConstraints(strip_whitespace=True, max_length=30)]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^1[3-9]\d{9}$")]
Address = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]


class GuardianForm(BaseModel):
    """The guardian of a child as entered."""

    name: Name
    id_number: Number
    phone: Phone | None = None
    address: Address | None = None


class ConsentForm(BaseModel):
    """What the account holder said to the text that was shown, before anything of the person is
    kept: the kind, version and content digest of the text, each purpose by name, the handwriting.
    """

    kind: Annotated[str, StringConstraints(pattern=r"^(sensitive|guardian)$")]
    version: Annotated[str, StringConstraints(max_length=20)]
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    purposes: dict[Annotated[str, StringConstraints(max_length=32)], bool] = Field(
        default_factory=dict, max_length=20
    )
    signature: Annotated[str, StringConstraints(max_length=200_000)] | None = None


class AddPatient(BaseModel):
    """A person to be treated; sex and birth date come from an identity card where there is one.

    `consent` is the separate consent to this person's sensitive data, for a child under fourteen
    that of the guardian. It may be left out only where one stands already.
    """

    kind: PatientKind
    name: Name
    id_type: IdType
    id_number: Number | None = None
    sex: Sex | None = None
    birth_date: date | None = None
    phone: Phone | None = None
    address: Address | None = None
    relation: Relation
    card_number: Number | None = None
    guardian: GuardianForm | None = None
    consent: ConsentForm | None = None


class EditPatient(BaseModel):
    """What may change after adding; identity may not."""

    phone: Phone | None = None
    address: Address | None = None
    relation: Relation | None = None
    card_number: Number | None = None
    guardian: GuardianForm | None = None


class GuardianView(BaseModel):
    """A guardian with masked numbers."""

    name: str
    id_number_masked: str
    phone_masked: str | None
    address: str | None
    verified: bool


class PatientView(BaseModel):
    """A person to be treated, with masked numbers."""

    id: UUID
    kind: PatientKind
    name: str
    sex: Sex
    birth_date: date
    age_text: str
    id_type: IdType
    id_number_masked: str | None
    phone_masked: str | None
    address: str | None
    relation: Relation
    is_default: bool
    verified: bool
    card_number: str | None
    guardian: GuardianView | None


class DepartmentRef(BaseModel):
    """A department by name."""

    id: UUID
    name: str


class ServiceView(BaseModel):
    """One service that a doctor offers; the price is in fen. `left_today` of those counted by the
    day, in the catalogue.
    """

    kind: str
    mode: str
    price_fen: int
    minutes: int
    enabled: bool
    per_day: int | None
    left_today: int | None = None


class DoctorRef(BaseModel):
    """A doctor, pharmacist or nurse in one line; the id is the user id."""

    id: UUID
    name: str
    profession: Role
    title: str
    department: DepartmentRef
    avatar: UUID | None


class DoctorCard(DoctorRef):
    """A doctor, pharmacist or nurse in a list; `medication_fields` of a pharmacist."""

    expertise: str
    medication_fields: list[MedicationField]
    rating_average: float | None
    rating_count: int
    consultation_count: int
    services: list[ServiceView]
    online: bool
    favourite: bool | None


class MedicationFieldView(BaseModel):
    """A field of medicines."""

    code: MedicationField
    title: str


class DoctorView(DoctorCard):
    """A doctor's own page."""

    introduction: str
    practice_years: int
    licence_number_masked: str


class RatingLine(BaseModel):
    """A rating as others read it."""

    id: UUID
    stars: int
    tags: list[str]
    comment: str
    patient_name_masked: str
    at: datetime


class HospitalView(BaseModel):
    """A hospital in the public list."""

    id: UUID
    name: str
    city: str
    intro: str


class HomeService(BaseModel):
    """One tile of the home page."""

    code: str
    title: str
    icon: str
    enabled: bool


class Banner(BaseModel):
    """A line at the top of the home page."""

    title: str
    text: str


class HomeNotice(BaseModel):
    """A notice of the hospital."""

    id: str
    title: str
    text: str
    published_at: str


class HomeView(BaseModel):
    """The home page of a hospital."""

    hospital: HospitalView
    services: list[HomeService]
    banners: list[Banner]
    notices: list[HomeNotice]


# --- how people are shown: numbers masked, ages spelled out --------------------------------------


def patient_view(relation: "PatientRelation", today: date) -> PatientView:
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


def _guardian_view(relation: "PatientRelation") -> GuardianView | None:
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


def doctor_ref(doctor: "Practitioner") -> DoctorRef:
    """A doctor in one line."""
    return DoctorRef(
        id=doctor.user_id,
        name=doctor.clinician.name,
        profession=doctor.profession,
        title=doctor.clinician.title,
        department=DepartmentRef(id=doctor.department.id, name=doctor.department.name),
        avatar=doctor.user.avatar_file_id,
    )


def service_views(doctor: "Practitioner") -> list[ServiceView]:
    """What a doctor offers, text before video."""
    return [
        ServiceView(
            kind=service.kind,
            mode=service.mode,
            price_fen=service.price_fen,
            minutes=service.minutes,
            enabled=service.enabled,
            per_day=service.per_day,
        )
        for service in sorted(doctor.clinician.services, key=lambda each: (each.kind, each.mode))
    ]
