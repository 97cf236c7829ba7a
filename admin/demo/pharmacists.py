"""Pharmacists who answer questions about medicines, with their fields, prices and sessions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

from admin.demo.accounts import PHARMACIST, Figure
from admin.demo.batch import Batch
from admin.demo.dice import Dice
from admin.demo.people import Doctor, Founder, Town
from clinical.people import rules
from clinical.people.models import Clinician, ClinicianService
from clinical.people.states import MedicationField
from core.identity.roles import Role

#: Name, title, years, speciality code, fields, expertise; the first is the demo's own.
PEOPLE = (
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
PRICES = {"主任药师": 4000, "副主任药师": 3000, "主管药师": 2000}


def found_pharmacists(founder: Founder, dice: Dice, batch: Batch, town: Town) -> list[Doctor]:
    """The rows of the hospital's pharmacists; the demo's own comes first."""
    chance = Random(20_27)
    found = []
    for name, title, years, code, fields, expertise in PEOPLE:
        model = next((each for each in town.doctors if each.speciality.code == code), None)
        model = model or town.doctors[0]
        if name == PHARMACIST.name:
            user_id = town.figures[PHARMACIST.login]
        else:
            who = Figure(Role.PHARMACIST, "", founder.next_phone(), name, "")
            user_id = founder.staff(town, who, model.department_id, title)
        pinyin, initials = rules.pinyin_of(name)
        clinician_id = dice.id_at(town.founded)
        batch.add(
            Clinician,
            id=clinician_id,
            hospital_id=town.hospital_id,
            user_id=user_id,
            department_id=model.department_id,
            name=name,
            name_pinyin=pinyin,
            name_initials=initials,
            profession=Role.PHARMACIST,
            medication_fields=[each.value for each in fields],
            title=title,
            title_rank=rules.title_rank(title),
            expertise=expertise,
            introduction=f"{name}，{title}，从事临床药学工作{years}年，擅长{expertise}。",
            licence_number=f"3399990000{chance.randint(10000, 99999)}",
            licence_valid_until=dice.today + timedelta(days=chance.randint(400, 1800)),
            practice_start=rules.years_before(dice.today, years),
            certificate_number=None,
            identity_verified_at=town.founded,
            listed=True,
            created_at=town.founded,
        )
        price = PRICES[title]
        for mode, factor, minutes in (("text", 1.0, 10), ("voice", 1.5, 15), ("video", 2.0, 15)):
            batch.add(
                ClinicianService,
                clinician_id=clinician_id,
                kind="medication",
                mode=mode,
                hospital_id=town.hospital_id,
                price_fen=int(price * factor),
                minutes=minutes,
                enabled=True,
            )
        theirs = replace(model, user_id=user_id, name=name)
        found.append(replace(theirs, text_fen=price, video_fen=2 * price))
    return found
