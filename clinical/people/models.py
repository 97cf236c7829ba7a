"""Tables of people: patients, their relations to account holders, clinicians, favourites."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from clinical.columns import word
from clinical.people.states import IdType, PatientKind, Relation
from core.crypto.blind_index import BLIND_INDEX_BYTES, blind_index
from core.crypto.columns import EncryptedText
from core.crypto.keyring import installed_keyring
from core.data_classes import INTERNAL, PERSONAL, PUBLIC
from core.db import Base, hospital_column, id_column
from core.identity.id_numbers import Sex
from core.identity.roles import Role
from core.integrity import Protected


def card_number_index(number: str) -> bytes:
    """The blind index of a visit card's number."""
    return blind_index(installed_keyring(), "patients.card_number", number)


class Patient(Protected, Base):
    """A person treated at a hospital. Shared by every account that is bound to the person."""

    __tablename__ = "patients"
    __protected__ = (
        "hospital_id",
        "kind",
        "name",
        "sex",
        "birth_date",
        "id_type",
        "id_number",
        "card_number",
        "verified_at",
        "verified_reference",
        "created_at",
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    kind: Mapped[PatientKind] = mapped_column(word(PatientKind), info=PERSONAL)
    name: Mapped[str] = mapped_column(EncryptedText(), info=PERSONAL)
    name_index: Mapped[bytes] = mapped_column(LargeBinary(BLIND_INDEX_BYTES), info=PERSONAL)
    sex: Mapped[Sex] = mapped_column(word(Sex), info=PERSONAL)
    birth_date: Mapped[date] = mapped_column(info=PERSONAL)
    id_type: Mapped[IdType] = mapped_column(word(IdType), info=INTERNAL)
    id_number: Mapped[str | None] = mapped_column(EncryptedText(), info=PERSONAL)
    id_number_index: Mapped[bytes | None] = mapped_column(
        LargeBinary(BLIND_INDEX_BYTES), info=PERSONAL
    )
    card_number: Mapped[str | None] = mapped_column(EncryptedText(), info=PERSONAL)
    card_number_index: Mapped[bytes | None] = mapped_column(
        LargeBinary(BLIND_INDEX_BYTES), info=PERSONAL
    )
    verified_at: Mapped[datetime | None]
    verified_reference: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    created_at: Mapped[datetime]

    __table_args__ = (
        # Only identity cards are confirmed by a registry, so only they make two entries one person.
        Index(
            "uq_patients_identity_card",
            "hospital_id",
            "id_number_index",
            unique=True,
            postgresql_where=text("id_type = 'identity_card'"),
        ),
        Index("ix_patients_name", "hospital_id", "name_index"),
        Index("ix_patients_card", "hospital_id", "card_number_index"),
    )

    @validates("card_number")
    def _index_card(self, key: str, number: str | None) -> str | None:
        """The index never differs from the number, wherever it is set."""
        self.card_number_index = card_number_index(number) if number else None
        return number

    @property
    def verified(self) -> bool:
        return self.verified_at is not None


class PatientRelation(Protected, Base):
    """That an account holder may act for a patient, with the contact and guardian given for it.

    Contact and guardian belong to the relation, not to the patient: another account bound to the
    same person neither sees nor changes them. Unbinding keeps the row for the history.
    """

    __tablename__ = "patient_relations"
    __protected__ = (
        "hospital_id",
        "user_id",
        "patient_id",
        "relation",
        "phone",
        "address",
        "guardian_name",
        "guardian_id_number",
        "guardian_phone",
        "guardian_address",
        "guardian_verified_at",
        "guardian_verified_reference",
        "created_at",
        "unbound_at",
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    patient_id: Mapped[UUID] = mapped_column(ForeignKey("patients.id"))
    relation: Mapped[Relation] = mapped_column(word(Relation), info=PERSONAL)
    is_default: Mapped[bool] = mapped_column(info=INTERNAL)
    phone: Mapped[str | None] = mapped_column(EncryptedText(), info=PERSONAL)
    address: Mapped[str | None] = mapped_column(EncryptedText(), info=PERSONAL)
    guardian_name: Mapped[str | None] = mapped_column(EncryptedText(), info=PERSONAL)
    guardian_id_number: Mapped[str | None] = mapped_column(EncryptedText(), info=PERSONAL)
    guardian_phone: Mapped[str | None] = mapped_column(EncryptedText(), info=PERSONAL)
    guardian_address: Mapped[str | None] = mapped_column(EncryptedText(), info=PERSONAL)
    guardian_verified_at: Mapped[datetime | None]
    guardian_verified_reference: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    created_at: Mapped[datetime]
    unbound_at: Mapped[datetime | None]

    patient: Mapped[Patient] = relationship(lazy="raise")

    __table_args__ = (
        UniqueConstraint("user_id", "patient_id"),
        Index(
            "uq_patient_relations_self",
            "hospital_id",
            "user_id",
            unique=True,
            postgresql_where=text("relation = 'self' AND unbound_at IS NULL"),
        ),
        Index(
            "uq_patient_relations_default",
            "hospital_id",
            "user_id",
            unique=True,
            postgresql_where=text("is_default AND unbound_at IS NULL"),
        ),
        Index("ix_patient_relations_patient", "patient_id"),
    )

    @property
    def guardian_verified(self) -> bool:
        return self.guardian_verified_at is not None


class Clinician(Base):
    """The profile of a doctor, pharmacist or nurse at one hospital; the person is a user of
    `core.identity`.
    """

    __tablename__ = "clinicians"

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    department_id: Mapped[UUID] = mapped_column(ForeignKey("departments.id"))
    name: Mapped[str] = mapped_column(Text, info=PUBLIC)
    name_pinyin: Mapped[str] = mapped_column(Text, info=PUBLIC)
    name_initials: Mapped[str] = mapped_column(Text, info=PUBLIC)
    #: Doctor, pharmacist or nurse.
    profession: Mapped[Role] = mapped_column(
        word(Role), default=Role.DOCTOR, server_default=Role.DOCTOR.value, info=PUBLIC
    )
    #: What a pharmacist advises on, as `MedicationField` words.
    medication_fields: Mapped[list[str]] = mapped_column(
        ARRAY(Text), default=list, server_default=text("'{}'"), info=PUBLIC
    )
    title: Mapped[str] = mapped_column(Text, info=PUBLIC)
    title_rank: Mapped[int] = mapped_column(info=PUBLIC)
    expertise: Mapped[str] = mapped_column(Text, default="", info=PUBLIC)
    introduction: Mapped[str] = mapped_column(Text, default="", info=PUBLIC)
    licence_number: Mapped[str] = mapped_column(EncryptedText(), info=PERSONAL)
    licence_valid_until: Mapped[date] = mapped_column(info=INTERNAL)
    practice_start: Mapped[date] = mapped_column(info=INTERNAL)
    certificate_number: Mapped[str | None] = mapped_column(EncryptedText(), info=PERSONAL)
    identity_verified_at: Mapped[datetime | None]
    listed: Mapped[bool] = mapped_column(default=True, info=INTERNAL)
    created_at: Mapped[datetime]

    services: Mapped[list["ClinicianService"]] = relationship(
        lazy="raise", order_by="ClinicianService.mode"
    )

    __table_args__ = (
        UniqueConstraint("hospital_id", "user_id"),
        Index("ix_clinicians_department", "hospital_id", "department_id"),
    )


class ClinicianService(Base):
    """What a clinician offers: one row per kind and mode, with its price and switch."""

    __tablename__ = "clinician_services"

    clinician_id: Mapped[UUID] = mapped_column(
        ForeignKey("clinicians.id", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    mode: Mapped[str] = mapped_column(Text, primary_key=True)
    hospital_id: Mapped[UUID] = hospital_column()
    price_fen: Mapped[int] = mapped_column(info=PUBLIC)
    minutes: Mapped[int] = mapped_column(default=15, server_default="15", info=PUBLIC)
    enabled: Mapped[bool] = mapped_column(default=True, info=PUBLIC)
    #: So many patients a day, of a kind that is counted by the day.
    per_day: Mapped[int | None] = mapped_column(info=PUBLIC)
    #: Set for this clinician alone; otherwise it follows the terms of the title.
    own: Mapped[bool] = mapped_column(default=True, server_default=text("true"), info=INTERNAL)

    __table_args__ = (CheckConstraint("per_day > 0", name="per_day"),)


class ServiceTerms(Base):
    """What a service costs and how long it lasts with clinicians of a title."""

    __tablename__ = "service_terms"

    hospital_id: Mapped[UUID] = mapped_column(ForeignKey("hospitals.id"), primary_key=True)
    title: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    mode: Mapped[str] = mapped_column(Text, primary_key=True)
    price_fen: Mapped[int] = mapped_column(info=PUBLIC)
    minutes: Mapped[int] = mapped_column(info=PUBLIC)
    enabled: Mapped[bool] = mapped_column(info=PUBLIC)
    changed_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("price_fen >= 0", name="price"),
        CheckConstraint("minutes BETWEEN 5 AND 240", name="minutes"),
    )


class FavouriteDoctor(Base):
    """That a user follows a doctor."""

    __tablename__ = "favourite_doctors"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    clinician_id: Mapped[UUID] = mapped_column(
        ForeignKey("clinicians.id", ondelete="CASCADE"), primary_key=True
    )
    hospital_id: Mapped[UUID] = hospital_column()
    created_at: Mapped[datetime]
