"""Founding the demo hospitals: departments, staff, patients with their families."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from admin.demo.accounts import FIGURES, OTHER_DOCTOR, PASSWORD, PATIENT, Figure
from admin.demo.batch import Batch
from admin.demo.dice import Dice
from admin.demo.texts import PHRASES, SPECIALITIES, TITLES, Speciality
from clinical.consultation.models import Phrase
from clinical.people import access as people
from clinical.people import rules
from clinical.people.models import (
    Clinician,
    ClinicianService,
    FavouriteDoctor,
    Patient,
    PatientRelation,
    card_number_index,
)
from clinical.people.states import IdType, PatientKind, Relation
from core.crypto.keyring import Keyring
from core.identity import passwords
from core.identity.access import id_number_key, phone_key
from core.identity.id_numbers import Sex
from core.identity.models import Department, Hospital, RoleAssignment, User
from core.identity.roles import Role

HOSPITAL = "renhe"
PATIENTS = 40
DOCTORS_EACH = 5


@dataclass(frozen=True)
class Doctor:
    """A clinician as the stories need one."""

    user_id: UUID
    name: str
    speciality: Speciality
    department_id: UUID
    text_fen: int
    video_fen: int


@dataclass(frozen=True)
class Person:
    """Somebody to be treated, with the account that acts for the person."""

    account_id: UUID
    patient_id: UUID
    relation_id: UUID
    name: str
    relation: Relation
    child: bool
    id_number: str | None


@dataclass
class Town:
    """Everybody of one hospital."""

    hospital_id: UUID
    founded: datetime
    doctors: list[Doctor] = field(default_factory=list)
    pharmacists: list[Doctor] = field(default_factory=list)
    nurses: list[Doctor] = field(default_factory=list)
    persons: list[Person] = field(default_factory=list)
    figures: dict[str, UUID] = field(default_factory=dict)


class Founder:
    """Makes the rows of hospitals and people."""

    def __init__(self, dice: Dice, batch: Batch, keyring: Keyring, password_hash: str) -> None:
        self._dice = dice
        self._batch = batch
        self._keyring = keyring
        self._password_hash = password_hash
        self._phones = 13800001000

    def main_hospital(self) -> Town:
        """仁和示范互联网医院 with twelve departments and about sixty clinicians."""
        town = self._hospital(
            HOSPITAL,
            "仁和示范互联网医院",
            "示范市",
            "一所虚构的综合医院，提供常见病、慢性病的在线复诊。",
            0,
        )
        for place, speciality in enumerate(SPECIALITIES):
            department_id = self._department(town, speciality, place)
            for rank in range(DOCTORS_EACH):
                figure = _figure_at(speciality.code, rank)
                self._doctor(town, speciality, department_id, rank, figure)
        inner = town.doctors[0].department_id
        for figure in FIGURES:
            if figure.role not in (Role.PATIENT, Role.DOCTOR):
                clinical = figure.role in (Role.NURSE, Role.PHARMACIST)
                self._user(town, figure, department_id=inner if clinical else None)
        return town

    def second_hospital(self) -> Town:
        """A small hospital whose people never see anything of the first."""
        town = self._hospital("ankang", "安康示范互联网医院", "示范市", "一所虚构的社区医院。", 1)
        for place, speciality in enumerate(SPECIALITIES[:3]):
            department_id = self._department(town, speciality, place)
            for rank in (1, 3):
                self._doctor(town, speciality, department_id, rank, None)
        return town

    def _hospital(self, code: str, name: str, city: str, intro: str, position: int) -> Town:
        founded = self._dice.now - timedelta(days=400)
        town = Town(self._dice.id_at(founded), founded)
        self._batch.add(
            Hospital,
            id=town.hospital_id,
            code=code,
            name=name,
            city=city,
            intro=intro,
            time_zone="Asia/Shanghai",
            position=position,
            enabled=True,
            created_at=founded,
        )
        return town

    def _department(self, town: Town, speciality: Speciality, place: int) -> UUID:
        department_id = self._dice.id_at(town.founded)
        self._batch.add(
            Department,
            id=department_id,
            hospital_id=town.hospital_id,
            parent_id=None,
            code=speciality.code,
            name=speciality.name,
            intro=speciality.intro,
            position=place,
            enabled=True,
            created_at=town.founded,
        )
        return department_id

    # --- staff -----------------------------------------------------------------------------------

    def _doctor(
        self,
        town: Town,
        speciality: Speciality,
        department_id: UUID,
        rank: int,
        figure: Figure | None,
    ) -> None:
        dice = self._dice
        title, years, text_fen, video_fen = TITLES[rank]
        male = dice.chance(0.5)
        who = figure or Figure(Role.DOCTOR, "", self._phone(), dice.name(male=male), "")
        user_id = self._user(town, who, department_id=department_id, title=title)
        years += dice.between(0, 4)
        self._profile(town, speciality, department_id, user_id, who.name, title, years)
        doctor = Doctor(user_id, who.name, speciality, department_id, text_fen, video_fen)
        town.doctors.append(doctor)
        if figure is not None:
            self._phrases(town, user_id)

    def _profile(
        self,
        town: Town,
        speciality: Speciality,
        department_id: UUID,
        user_id: UUID,
        name: str,
        title: str,
        years: int,
    ) -> None:
        dice, rank = self._dice, len(town.doctors) % DOCTORS_EACH
        expertise = "；".join(dice.sample(speciality.expertise, 2))
        pinyin, initials = rules.pinyin_of(name)
        clinician_id = dice.id_at(town.founded)
        self._batch.add(
            Clinician,
            id=clinician_id,
            hospital_id=town.hospital_id,
            user_id=user_id,
            department_id=department_id,
            name=name,
            name_pinyin=pinyin,
            name_initials=initials,
            profession=Role.DOCTOR,
            medication_fields=[],
            title=title,
            title_rank=rules.title_rank(title),
            expertise=expertise,
            introduction=(
                f"{name}，{title}，从事{speciality.name}临床工作{years}年，擅长{expertise}。"
                "重视与患者的沟通，坚持循证与个体化治疗。"
            ),
            licence_number=f"1199990000{dice.between(10000, 99999)}",
            licence_valid_until=dice.today + timedelta(days=dice.between(400, 1800)),
            practice_start=rules.years_before(dice.today, years),
            certificate_number=f"2011999{dice.between(10**9, 10**10 - 1)}",
            identity_verified_at=dice.now - timedelta(days=dice.between(1, 60)),
            listed=True,
            created_at=town.founded,
        )
        _, _, text_fen, video_fen = TITLES[rank]
        # A third of the price for advice, half of it for somebody who was never here.
        for kind, mode, price in (
            ("revisit", "text", text_fen),
            ("revisit", "voice", (text_fen + video_fen) // 200 * 100),
            ("revisit", "video", video_fen),
            ("first", "text", text_fen // 200 * 100),
            ("advice", "text", text_fen // 300 * 100),
        ):
            self._batch.add(
                ClinicianService,
                clinician_id=clinician_id,
                kind=kind,
                mode=mode,
                hospital_id=town.hospital_id,
                price_fen=price,
                minutes=15 if mode == "text" else 20,
                enabled=mode == "text" or rank != DOCTORS_EACH - 1,
            )
        if name == OTHER_DOCTOR.name:
            town.figures["favourite"] = clinician_id

    def _phrases(self, town: Town, user_id: UUID) -> None:
        for position, (category, text) in enumerate(PHRASES, 1):
            self._batch.add(
                Phrase,
                id=self._dice.id_at(town.founded),
                hospital_id=town.hospital_id,
                doctor_id=user_id,
                category=category,
                text=text,
                position=position,
                created_at=town.founded,
            )

    def staff(self, town: Town, who: Figure, department_id: UUID, title: str) -> UUID:
        """One more member of staff; returns the user id."""
        return self._user(town, who, department_id=department_id, title=title)

    def next_phone(self) -> str:
        """A number that nobody has."""
        return self._phone()

    def _phone(self) -> str:
        self._phones += 1
        return str(self._phones)

    def _user(
        self,
        town: Town,
        who: Figure,
        *,
        department_id: UUID | None = None,
        title: str = "",
        id_number: str | None = None,
    ) -> UUID:
        since = town.founded
        user_id = self._dice.id_at(since)
        known = bool(who.login)
        self._batch.add(
            User,
            id=user_id,
            login=who.login or None,
            name=who.name,
            phone=who.phone,
            phone_index=phone_key(self._keyring, who.phone),
            password_hash=self._password_hash if known else None,
            password_changed_at=since if known else None,
            real_name=who.name if id_number else None,
            id_number=id_number,
            id_number_index=id_number_key(self._keyring, id_number) if id_number else None,
            real_name_verified_at=since if id_number else None,
            real_name_reference="DEMO" if id_number else None,
            avatar_file_id=None,
            enabled=True,
            created_at=since,
        )
        self._batch.add(
            RoleAssignment,
            id=self._dice.id_at(since),
            user_id=user_id,
            hospital_id=town.hospital_id,
            role=who.role,
            department_id=department_id,
            title=title,
            created_at=since,
        )
        if known:
            town.figures[who.login] = user_id
        return user_id

    # --- patients --------------------------------------------------------------------------------

    def patients(self, town: Town) -> None:
        """About forty accounts, some with a child or a parent; the demo patient first."""
        for number in range(PATIENTS):
            demo = number == 0
            male = self._dice.chance(0.5) and not demo
            birth = date(1988, 4, 12) if demo else self._dice.birth(22, 75)
            id_number = self._dice.id_number(birth, male=male)
            name = PATIENT.name if demo else self._dice.name(male=male)
            phone = PATIENT.phone if demo else self._phone()
            who = Figure(Role.PATIENT, PATIENT.login if demo else "", phone, name, "")
            account = self._user(town, who, id_number=id_number)
            contact = {"phone": phone, "address": self._dice.address()}
            self._person(town, account, name, birth, male, Relation.SELF, id_number, contact)
            if demo or self._dice.chance(0.3):
                guardian = {"name": name, "id_number": id_number, **contact}
                self._child(town, account, guardian)
            if demo or self._dice.chance(0.15):
                older = self._dice.birth(60, 82)
                number_of = self._dice.id_number(older, male=True)
                parent = name[0] + self._dice.choice(("国安", "德厚", "永年"))
                self._person(
                    town, account, parent, older, True, Relation.PARENT, number_of, contact
                )
        self._batch.add(
            FavouriteDoctor,
            user_id=town.figures[PATIENT.login],
            clinician_id=town.figures.pop("favourite"),
            hospital_id=town.hospital_id,
            created_at=town.founded,
        )

    def _child(self, town: Town, account: UUID, guardian: dict[str, str]) -> None:
        birth = self._dice.birth(1, 11)
        male = self._dice.chance(0.5)
        number = self._dice.id_number(birth, male=male) if self._dice.chance(0.5) else None
        name = self._dice.child_name(guardian["name"])
        self._person(town, account, name, birth, male, Relation.CHILD, number, {}, guardian)

    def _person(
        self,
        town: Town,
        account: UUID,
        name: str,
        birth: date,
        male: bool,
        relation: Relation,
        id_number: str | None,
        contact: dict[str, str],
        guardian: dict[str, str] | None = None,
    ) -> None:
        since = town.founded + timedelta(days=1)
        card = f"8{len(town.persons) + 1:011d}"
        patient_id, relation_id = self._dice.id_at(since), self._dice.id_at(since)
        self._batch.add(
            Patient,
            id=patient_id,
            hospital_id=town.hospital_id,
            kind=PatientKind.CHILD if relation is Relation.CHILD else PatientKind.ADULT,
            name=name,
            name_index=people.name_index(self._keyring, name),
            sex=Sex.MALE if male else Sex.FEMALE,
            birth_date=birth,
            id_type=IdType.IDENTITY_CARD if id_number else IdType.NONE,
            id_number=id_number,
            id_number_index=(
                people.id_number_index(self._keyring, id_number) if id_number else None
            ),
            card_number=card,
            card_number_index=card_number_index(card),
            verified_at=since if id_number else None,
            verified_reference="DEMO" if id_number else None,
            created_at=since,
        )
        self._batch.add(
            PatientRelation,
            **_relation(town, relation_id, account, patient_id, relation, since, contact, guardian),
        )
        town.persons.append(
            Person(
                account,
                patient_id,
                relation_id,
                name,
                relation,
                relation is Relation.CHILD,
                id_number,
            )
        )


def _relation(
    town: Town,
    relation_id: UUID,
    account: UUID,
    patient_id: UUID,
    relation: Relation,
    since: datetime,
    contact: dict[str, str],
    guardian: dict[str, str] | None,
) -> dict[str, Any]:
    given = guardian or {}
    return {
        "id": relation_id,
        "hospital_id": town.hospital_id,
        "user_id": account,
        "patient_id": patient_id,
        "relation": relation,
        "is_default": relation is Relation.SELF,
        "phone": contact.get("phone"),
        "address": contact.get("address"),
        "guardian_name": given.get("name"),
        "guardian_id_number": given.get("id_number"),
        "guardian_phone": given.get("phone"),
        "guardian_address": given.get("address"),
        "guardian_verified_at": since if guardian else None,
        "guardian_verified_reference": "DEMO" if guardian else None,
        "created_at": since,
        "unbound_at": None,
    }


def _figure_at(code: str, rank: int) -> Figure | None:
    """The demo doctors' places among the others."""
    places = {("respiratory", 0): "doctor", ("paediatrics", 1): "doctor2"}
    login = places.get((code, rank))
    return next((figure for figure in FIGURES if figure.login == login), None)


async def demo_password_hash() -> str:
    """One hash for all demo accounts, because making one takes long on purpose."""
    return await passwords.hash_password(PASSWORD)
