"""Shapes of the people API."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, StringConstraints

from clinical.people.models import IdType, PatientKind, Relation
from core.identity.id_numbers import Sex

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


class AddPatient(BaseModel):
    """A person to be treated; sex and birth date come from an identity card where there is one."""

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
    """One service that a doctor offers; the price is in fen."""

    kind: str
    mode: str
    price_fen: int
    enabled: bool


class DoctorRef(BaseModel):
    """A doctor in one line; the id is the user id."""

    id: UUID
    name: str
    title: str
    department: DepartmentRef
    avatar: UUID | None


class DoctorCard(DoctorRef):
    """A doctor in a list."""

    expertise: str
    rating_average: float | None
    rating_count: int
    consultation_count: int
    services: list[ServiceView]
    online: bool
    favourite: bool | None


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
