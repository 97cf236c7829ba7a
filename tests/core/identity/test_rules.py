"""Pure decisions of identity."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from core.identity.roles import Role
from core.identity.rules import (
    Duty,
    Lockout,
    choose_duty,
    normal_phone,
    password_problem,
    remaining_seconds,
)

HERE, THERE = uuid4(), uuid4()


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("13800000001", "13800000001"),
        (" 138 0000-0001 ", "13800000001"),
        ("+8613800000001", "13800000001"),
        ("8613800000001", "13800000001"),
        ("12800000001", None),
        ("1380000000", None),
        ("138000000011", None),
        ("１３８０００００００１", None),
        ("", None),
    ],
)
def test_phone_numbers_are_normalised_or_refused(text: str, number: str | None) -> None:
    assert normal_phone(text) == number


@pytest.mark.parametrize(
    ("password", "staff", "accepted"),
    [
        ("abc12345", False, False),
        ("river-stone7", False, True),
        ("short1", False, False),
        ("onlyletters", False, False),
        ("river-stone7", True, True),
        ("riverstone77", True, False),
        ("River1-a", True, False),
        ("a1a1a1a1a1", False, False),
        ("x13800000001y", False, False),
        ("x" * 130 + "1", False, False),
    ],
)
def test_weak_passwords_are_refused(password: str, staff: bool, accepted: bool) -> None:
    problem = password_problem(password, staff=staff, personal=["13800000001"])
    assert (problem is None) is accepted


def test_the_delay_begins_at_the_fifth_failure_and_doubles_to_its_bound() -> None:
    minutes = [Lockout().delay(failures) / timedelta(minutes=1) for failures in range(12)]
    assert minutes == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30]
    assert Lockout().delay(10_000) == timedelta(minutes=30)


def test_remaining_seconds_are_rounded_up_and_never_negative() -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    assert remaining_seconds(None, now) == 0
    assert remaining_seconds(now, now) == 0
    assert remaining_seconds(now + timedelta(milliseconds=1), now) == 1
    assert remaining_seconds(now + timedelta(seconds=60), now) == 60


def duty(role: Role, hospital: object = HERE) -> Duty:
    return Duty(hospital, role, frozenset())  # type: ignore[arg-type]


def test_the_console_prefers_staff_roles_and_the_phone_the_patient() -> None:
    held = [duty(Role.PATIENT), duty(Role.SUPERVISOR), duty(Role.DOCTOR, THERE)]
    assert choose_duty(held, None, None, "pc") == held[2]
    assert choose_duty(held, None, HERE, "pc") == held[1]
    assert choose_duty(held, None, None, "h5") == held[0]
    assert choose_duty(held, Role.SUPERVISOR, None, "h5") == held[1]
    assert choose_duty(held, Role.DOCTOR, HERE, "pc") is None
    assert choose_duty([], None, None, "pc") is None
