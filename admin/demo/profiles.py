"""The clinicians' own profiles: all are active but one nurse, who is still to be."""

from __future__ import annotations

from random import Random
from typing import Any
from uuid import UUID

from admin.demo.accounts import PHARMACIST, SECOND_NURSE
from admin.demo.batch import Batch
from admin.demo.dice import Dice
from admin.demo.people import Town
from clinical.people.models import Clinician
from clinical.people.profile_models import StaffProfile

SCHOOLS = ("示范医学院", "东海示范大学医学部", "北川示范医科大学")


def write_profiles(dice: Dice, batch: Batch, town: Town) -> None:
    """A profile for every doctor of the hospital, the pharmacist and the nurse who answers."""
    # A source of its own: the rest of the hospital stays as it is.
    chance = Random(20_26)
    for row in batch.rows(Clinician):
        if row["hospital_id"] == town.hospital_id:
            content = _content(
                chance, row["practice_start"].year, row["expertise"], row["introduction"]
            )
            _add(dice, batch, town, row["user_id"], content)
    content = _content(chance, 2009, "处方审核、用药指导", "从事医院药学工作多年。")
    _add(dice, batch, town, town.figures[PHARMACIST.login], content)
    content = _content(chance, 2011, "雾化吸入与排痰、伤口换药", "从事临床护理工作多年。")
    _add(dice, batch, town, town.figures[SECOND_NURSE.login], content)


def _add(dice: Dice, batch: Batch, town: Town, user_id: UUID, content: dict[str, Any]) -> None:
    batch.add(
        StaffProfile,
        id=dice.id_at(town.founded),
        hospital_id=town.hospital_id,
        user_id=user_id,
        content=content,
        activated_at=town.founded,
        changed_at=town.founded,
    )


def _content(chance: Random, since: int, expertise: str, introduction: str) -> dict[str, Any]:
    return {
        "sex": chance.choice(("male", "female")),
        "practice_start": f"{since}-07-01",
        "contact_phone": f"0000-8{chance.randrange(10**6):06d}",
        "email": None,
        "expertise": expertise,
        "introduction": introduction,
        "education": [
            {
                "place": chance.choice(SCHOOLS),
                "role": chance.choice(("本科 临床医学", "硕士 内科学", "博士 临床医学")),
                "since": f"{since - 5}-09",
                "until": f"{since}-06",
            }
        ],
        "work": [
            {"place": "仁和示范互联网医院", "role": "医师", "since": f"{since}-07", "until": None}
        ],
    }
