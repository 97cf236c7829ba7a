"""Citizen identity numbers: what a valid one says, and the name of every fault."""

from datetime import date

import pytest

from core.identity.id_numbers import IdNumberError, Sex, check_digit, parse_id_number

TODAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("number", "born", "sex", "province", "foreign"),
    [
        # The example of GB 11643 and its neighbours.
        ("11010519491231002X", date(1949, 12, 31), Sex.FEMALE, "北京市", False),
        ("440524188001010014", None, None, None, None),
        ("440308199901101512", date(1999, 1, 10), Sex.MALE, "广东省", False),
        (" 11010519491231002x ", date(1949, 12, 31), Sex.FEMALE, "北京市", False),
    ],
)
def test_a_valid_number_says_birth_date_sex_and_region(
    number: str,
    born: date | None,
    sex: Sex | None,
    province: str | None,
    foreign: bool | None,
) -> None:
    if born is None:
        with pytest.raises(IdNumberError) as caught:
            parse_id_number(number, TODAY)
        assert caught.value.code == "birth_date_too_old"
        return
    found = parse_id_number(number, TODAY)
    assert (found.birth_date, found.sex, found.province, found.foreign) == (
        born,
        sex,
        province,
        foreign,
    )
    assert found.number == number.strip().upper()


def test_a_residence_card_of_a_foreigner_is_read_by_the_same_scheme() -> None:
    digits = "93184019800506001"
    found = parse_id_number(digits + check_digit(digits), TODAY)
    assert found.foreign
    assert found.province == "上海市"
    assert found.birth_date == date(1980, 5, 6)


def numbered(first_seventeen: str) -> str:
    return first_seventeen + check_digit(first_seventeen)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("", "length"),
        ("1101051949123100", "length"),
        ("110105194912310021234", "length"),
        ("110105491231002", "old_length"),
        ("1101051949123100AX", "characters"),
        ("１１０１０５19491231002X", "characters"),
        ("11010519491231002Y", "characters"),
        (numbered("00010519491231002"), "region"),
        (numbered("99910519491231002"), "region"),
        (numbered("11010519490230002"), "birth_date"),
        (numbered("11010519491331002"), "birth_date"),
        (numbered("11010520261121002"), "birth_date_future"),
        (numbered("11010518001231002"), "birth_date_too_old"),
        ("110105194912310021", "check_digit"),
        ("110105194912310020", "check_digit"),
    ],
)
def test_a_wrong_number_is_refused_by_name(number: str, code: str) -> None:
    with pytest.raises(IdNumberError) as caught:
        parse_id_number(number, TODAY)
    assert caught.value.code == code
    assert caught.value.message


def test_somebody_born_today_is_accepted() -> None:
    assert parse_id_number(numbered("11010520261120002"), TODAY).birth_date == TODAY


def test_every_single_changed_digit_is_caught_by_the_check_digit() -> None:
    """MOD 11-2 catches all single errors; those in the date may be caught there first."""
    number = "440308199901101512"
    for place in range(17):
        for digit in "0123456789":
            if digit != number[place]:
                with pytest.raises(IdNumberError):
                    parse_id_number(number[:place] + digit + number[place + 1 :], TODAY)
