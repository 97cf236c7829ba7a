"""The decisions about people, row by row."""

from datetime import date
from typing import Any

import pytest

from clinical.people import errors, rules
from clinical.people.rules import PersonForm
from clinical.people.states import IdType, PatientKind, Relation
from core.errors import InvalidRequest, ProblemError
from core.identity.id_numbers import Sex
from tests.clinical.story import id_number

TODAY = date(2026, 11, 20)
MOTHER = id_number(date(1990, 5, 1), male=False)


def form(**more: Any) -> PersonForm:
    base: dict[str, Any] = {
        "kind": PatientKind.ADULT,
        "name": "王一",
        "id_type": IdType.IDENTITY_CARD,
        "id_number": id_number(date(1980, 1, 2)),
        "sex": None,
        "birth_date": None,
        "relation": Relation.SELF,
        "guardian_id_number": None,
    }
    return PersonForm(**{**base, **more})


CHILD: dict[str, Any] = {
    "kind": PatientKind.CHILD,
    "id_type": IdType.NONE,
    "id_number": None,
    "sex": Sex.FEMALE,
    "birth_date": date(2022, 6, 1),
    "relation": Relation.CHILD,
    "guardian_id_number": MOTHER,
}


def check(**more: Any) -> rules.CheckedPerson:
    return rules.check_person(form(**more), TODAY, guardian_below_years=6)


def test_an_identity_card_tells_birth_date_and_sex() -> None:
    person = check()
    assert (person.birth_date, person.sex) == (date(1980, 1, 2), Sex.MALE)


@pytest.mark.requirement("S0-P-014")
def test_a_child_without_a_card_goes_by_the_guardian() -> None:
    person = check(**CHILD)
    assert person.id_number is None
    assert person.guardian is not None
    assert person.guardian.number == MOTHER


@pytest.mark.requirement("S0-P-012")
def test_a_child_with_a_card_has_a_guardian_as_well() -> None:
    card = id_number(date(2016, 3, 3))
    person = check(**{**CHILD, "id_type": IdType.IDENTITY_CARD, "id_number": card, "sex": None,
                      "birth_date": None})  # fmt: skip
    assert person.birth_date == date(2016, 3, 3)
    assert person.guardian is not None


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ({"id_number": id_number(date(1980, 1, 2))[:-1] + "?"}, errors.IdNumberInvalid),
        ({"id_number": None}, errors.IdNumberInvalid),
        ({"sex": Sex.FEMALE}, errors.IdNumberInvalid),
        ({"birth_date": date(1980, 1, 3)}, errors.IdNumberInvalid),
        ({"id_type": IdType.NONE}, errors.IdNumberInvalid),
        ({"id_type": IdType.PASSPORT, "id_number": "护照"}, errors.IdNumberInvalid),
        ({"id_type": IdType.PASSPORT, "id_number": "E12345678"}, InvalidRequest),
        ({**CHILD, "guardian_id_number": None}, errors.GuardianRequired),
        ({**CHILD, "guardian_id_number": id_number(date(2010, 1, 1))}, errors.GuardianMinor),
        ({**CHILD, "birth_date": date(2008, 11, 20)}, errors.NotAChild),
        ({**CHILD, "birth_date": date(2027, 1, 1)}, InvalidRequest),
        ({"id_number": id_number(date(2021, 1, 1))}, errors.GuardianRequired),
    ],
)
def test_a_form_that_contradicts_itself_is_refused_by_name(
    wrong: dict[str, Any], refusal: type[ProblemError]
) -> None:
    with pytest.raises(refusal):
        check(**wrong)


def test_a_passport_needs_sex_and_birth_date_and_nothing_else() -> None:
    person = check(
        id_type=IdType.PASSPORT,
        id_number=" e12345678 ",
        sex=Sex.MALE,
        birth_date=date(1990, 1, 1),
    )
    assert person.id_number == "E12345678"


@pytest.mark.parametrize(
    ("birth", "text"),
    [
        (date(2026, 11, 10), "10天"),
        (date(2026, 11, 20), "0天"),
        (date(2026, 3, 21), "7个月"),
        (date(2020, 9, 20), "6岁2个月"),
        (date(2020, 11, 20), "6岁"),
        (date(1991, 1, 1), "35岁"),
    ],
)
def test_ages_are_spelled_as_a_paediatrician_says_them(birth: date, text: str) -> None:
    assert rules.age_text(birth, TODAY) == text


@pytest.mark.parametrize(
    ("start", "valid_until", "may"),
    [
        (date(2023, 11, 20), date(2026, 11, 20), True),
        (date(2023, 11, 21), date(2030, 1, 1), False),
        (date(2000, 1, 1), date(2026, 11, 19), False),
    ],
)
def test_a_doctor_treats_online_licensed_in_date_and_after_three_years(
    start: date, valid_until: date, may: bool
) -> None:
    assert rules.may_practise(start, valid_until, TODAY, years=3) is may


def test_names_are_found_by_pinyin_and_initials() -> None:
    assert rules.pinyin_of("沈若水") == ("shenruoshui", "srs")


def test_the_day_some_years_before_a_leap_day_exists() -> None:
    assert rules.years_before(date(2028, 2, 29), 3) == date(2025, 3, 1)
