"""Pharmacists and nurses who answer patients, with their prices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from uuid import UUID

from admin.demo.accounts import PHARMACIST, SECOND_NURSE, Figure
from admin.demo.batch import Batch
from admin.demo.dice import Dice
from admin.demo.people import Doctor, Founder, Town
from clinical.people import rules
from clinical.people.models import Clinician, ClinicianService
from clinical.people.states import MedicationField

#: Name, title, years, speciality code, fields, expertise; the first is the demo's own.
PHARMACISTS = (
    (
        PHARMACIST.name,
        "主管药师",
        17,
        "respiratory",
        (MedicationField.RESPIRATORY, MedicationField.INFECTION, MedicationField.ELDERLY),
        "吸入装置的使用指导；抗感染药物的合理使用；老年人多重用药梳理",
    ),
    (
        "温若谷",
        "副主任药师",
        22,
        "cardiology",
        (MedicationField.HEART, MedicationField.ELDERLY),
        "抗凝药物与降压、降脂药物的用药管理；药物相互作用",
    ),
    (
        "苏念慈",
        "主管药师",
        12,
        "paediatrics",
        (MedicationField.CHILD, MedicationField.MATERNAL),
        "儿童剂量换算与剂型选择；孕期与哺乳期用药咨询",
    ),
    (
        "许怀瑾",
        "主任药师",
        28,
        "respiratory",
        (MedicationField.CHINESE, MedicationField.DIGESTIVE, MedicationField.SKIN),
        "中成药的辨证选用；中西药合用的注意事项",
    ),
)
#: Name, title, years, speciality code, expertise, patients a day; the first is the demo's own.
NURSES = (
    (SECOND_NURSE.name, "主管护师", 15, "respiratory", "雾化吸入与排痰、居家氧疗、伤口换药", 8),
    ("池雨眠", "副主任护师", 21, "cardiology", "慢病自我管理、血压监测、卧床护理与压疮预防", 6),
    ("郁青禾", "护师", 9, "paediatrics", "婴幼儿喂养、发热护理、脐部与皮肤护理", 10),
)
PRICES = {
    "主任药师": 4000,
    "副主任药师": 3000,
    "主管药师": 2000,
    "副主任护师": 2500,
    "主管护师": 1900,
    "护师": 1200,
}
#: How pharmacists are asked: way, times the price, minutes.
WAYS = (("text", 1.0, 10), ("voice", 1.5, 15), ("video", 2.0, 15))


@dataclass(frozen=True, kw_only=True)
class _Person:
    """Somebody of a profession, before the rows are made."""

    own: Figure
    name: str
    title: str
    years: int
    speciality: str
    expertise: str
    introduction: str
    fields: tuple[MedicationField, ...] = ()


class Practitioners:
    """Makes the rows of those who treat and are no doctors."""

    def __init__(self, founder: Founder, dice: Dice, batch: Batch, town: Town) -> None:
        self._founder = founder
        self._dice = dice
        self._batch = batch
        self._town = town
        # A source of its own: the rest of the hospital stays as it is.
        self._chance = Random(20_27)

    def pharmacists(self) -> Iterator[Doctor]:
        """Those who answer questions about medicines; the demo's own comes first."""
        for name, title, years, code, fields, expertise in PHARMACISTS:
            person = _Person(
                own=PHARMACIST,
                name=name,
                title=title,
                years=years,
                speciality=code,
                expertise=expertise,
                introduction=f"{name}，{title}，从事临床药学工作{years}年，擅长{expertise}。",
                fields=fields,
            )
            found, clinician_id = self._enrol(person)
            for mode, factor, minutes in WAYS:
                price = int(found.text_fen * factor)
                self._offer(clinician_id, "medication", mode, price, minutes)
            yield found

    def nurses(self) -> Iterator[Doctor]:
        """Those who take nursing consultations; the demo's own comes first."""
        for name, title, years, code, expertise, per_day in NURSES:
            person = _Person(
                own=SECOND_NURSE,
                name=name,
                title=title,
                years=years,
                speciality=code,
                expertise=expertise,
                introduction=f"{name}，{title}，从事临床护理工作{years}年，擅长{expertise}。",
            )
            found, clinician_id = self._enrol(person)
            self._offer(clinician_id, "nursing", "text", found.text_fen, 15, per_day)
            yield found

    def _enrol(self, person: _Person) -> tuple[Doctor, UUID]:
        town, role = self._town, person.own.role
        at = (each for each in town.doctors if each.speciality.code == person.speciality)
        model = next(at, town.doctors[0])
        if person.name == person.own.name:
            user_id = town.figures[person.own.login]
        else:
            who = Figure(role, "", self._founder.next_phone(), person.name, "")
            user_id = self._founder.staff(town, who, model.department_id, person.title)
        pinyin, initials = rules.pinyin_of(person.name)
        clinician_id = self._dice.id_at(town.founded)
        self._batch.add(
            Clinician,
            id=clinician_id,
            hospital_id=town.hospital_id,
            user_id=user_id,
            department_id=model.department_id,
            name=person.name,
            name_pinyin=pinyin,
            name_initials=initials,
            profession=role,
            medication_fields=[each.value for each in person.fields],
            title=person.title,
            title_rank=rules.title_rank(person.title),
            expertise=person.expertise,
            introduction=person.introduction,
            licence_number=f"3399990000{self._chance.randint(10000, 99999)}",
            licence_valid_until=self._dice.today + timedelta(days=self._chance.randint(400, 1800)),
            practice_start=rules.years_before(self._dice.today, person.years),
            certificate_number=None,
            identity_verified_at=town.founded,
            listed=True,
            created_at=town.founded,
        )
        price = PRICES[person.title]
        found = replace(model, user_id=user_id, name=person.name)
        return replace(found, text_fen=price, video_fen=2 * price), clinician_id

    def _offer(
        self,
        clinician_id: UUID,
        kind: str,
        mode: str,
        price_fen: int,
        minutes: int,
        per_day: int | None = None,
    ) -> None:
        self._batch.add(
            ClinicianService,
            clinician_id=clinician_id,
            kind=kind,
            mode=mode,
            hospital_id=self._town.hospital_id,
            price_fen=price_fen,
            minutes=minutes,
            enabled=True,
            per_day=per_day,
        )
