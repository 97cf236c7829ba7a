"""The decisions about consent and people's rights, row by row."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from clinical.consent import errors, rules
from clinical.consent.rules import GuardianFacts, Version
from clinical.consent.states import Act, Kind, RequestState
from core.personal_data import RecordClass

NOW = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
OLD = NOW - timedelta(days=100)
MOTHER, AUNT = "119999198503140021", "119999198001010028"


def facts(**more: object) -> GuardianFacts:
    known = {
        "guardian_number": MOTHER,
        "guardian_verified": True,
        "holder_number": MOTHER,
        "holder_verified": True,
    }
    return GuardianFacts(**{**known, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("act", "later", "stand"),
    [
        (Act.GIVEN, [], True),
        (Act.REFUSED, [], False),
        (Act.WITHDRAWN, [], False),
        (None, [], False),
        (Act.GIVEN, [Version(effective_at=NOW, material=True)], False),
        (Act.GIVEN, [Version(effective_at=NOW, material=False)], True),
        (Act.GIVEN, [Version(effective_at=NOW + timedelta(days=1), material=True)], True),
        (Act.GIVEN, [Version(effective_at=NOW, material=True, grace=timedelta(days=7))], True),
        (
            Act.GIVEN,
            [Version(effective_at=NOW - timedelta(days=7), material=True, grace=timedelta(days=7))],
            False,
        ),
        (Act.GIVEN, [Version(effective_at=OLD - timedelta(days=1), material=True)], True),
    ],
)
def test_a_consent_stands_until_it_is_taken_back_or_something_material_changes(
    act: Act | None, later: list[Version], stand: bool
) -> None:
    versions = [Version(effective_at=OLD, material=True), *later]
    assert rules.stands(act, OLD, versions, NOW) is stand


def test_purposes_are_answered_one_by_one_and_nothing_is_ticked_for_anybody() -> None:
    offered = [{"code": "care", "required": True}, {"code": "quality", "required": False}]
    with pytest.raises(errors.PurposeMissing):
        rules.check_purposes(offered, {})
    with pytest.raises(errors.PurposeMissing):
        rules.check_purposes(offered, {"quality": True})
    assert rules.check_purposes(offered, {"care": True}) == {"care": True, "quality": False}
    assert rules.check_purposes(offered, {"care": True, "made_up": True}) == {
        "care": True,
        "quality": False,
    }


@pytest.mark.parametrize(
    ("birth", "child"),
    [(date(2012, 11, 20), False), (date(2012, 11, 21), True), (date(2025, 1, 1), True)],
)
def test_a_child_is_under_fourteen_until_the_birthday(birth: date, child: bool) -> None:
    assert rules.is_child(birth, date(2026, 11, 20)) is child


@pytest.mark.parametrize(
    "known",
    [
        {"guardian_verified": False},
        {"holder_verified": False},
        {"holder_number": AUNT},
        {"holder_number": None},
        {"guardian_number": None, "holder_number": None},
    ],
)
def test_only_the_identified_guardian_agrees_for_a_child(known: dict[str, object]) -> None:
    for kind in (Kind.GUARDIAN, Kind.NOTICE, Kind.RECORDING, Kind.SENSITIVE):
        with pytest.raises(errors.GuardianOnly):
            rules.may_answer(kind, child=True, facts=facts(**known))
    rules.may_answer(Kind.GUARDIAN, child=True, facts=facts())
    rules.may_answer(Kind.SENSITIVE, child=False, facts=facts(**known))
    with pytest.raises(errors.NotAChildsConsent):
        rules.may_answer(Kind.GUARDIAN, child=False, facts=facts())


def test_what_follows_is_said_before_a_consent_is_taken_back() -> None:
    for kind in Kind:
        if kind is Kind.NOTICE:
            with pytest.raises(errors.WithdrawnByNotice):
                rules.consequences(kind)
        else:
            assert rules.consequences(kind)


@pytest.mark.parametrize(
    ("day", "count", "due"),
    [
        (date(2026, 11, 20), 1, date(2026, 11, 23)),
        (date(2026, 11, 20), 15, date(2026, 12, 11)),
        (date(2026, 11, 21), 1, date(2026, 11, 23)),
        (date(2026, 11, 20), 0, date(2026, 11, 20)),
    ],
)
def test_deadlines_count_working_days(day: date, count: int, due: date) -> None:
    assert rules.working_days_after(day, count) == due


def test_a_request_turns_from_normal_to_near_to_overdue() -> None:
    due = date(2026, 12, 11)
    assert rules.urgency(due, date(2026, 12, 7), 3) == "normal"
    assert rules.urgency(due, date(2026, 12, 8), 3) == "near"
    assert rules.urgency(due, due, 3) == "near"
    assert rules.urgency(due, date(2026, 12, 12), 3) == "overdue"


def test_an_answer_needs_a_checked_identity_and_a_no_needs_a_reason() -> None:
    with pytest.raises(errors.RequestClosed):
        rules.decide(RequestState.DONE, checked=True, reason="", refusing=False)
    with pytest.raises(errors.IdentityUnchecked):
        rules.decide(RequestState.IN_PROGRESS, checked=False, reason="", refusing=False)
    with pytest.raises(errors.ReasonRequired):
        rules.decide(RequestState.IN_PROGRESS, checked=True, reason=" ", refusing=True)
    rules.decide(RequestState.IN_PROGRESS, checked=True, reason="", refusing=False)


@pytest.mark.parametrize(
    ("kind", "since", "until"),
    [
        (RecordClass.MEDICAL, date(2026, 11, 20), date(2041, 11, 20)),
        (RecordClass.MEDICAL, date(2024, 2, 29), date(2039, 2, 28)),
        (RecordClass.COMMUNICATION, date(2026, 11, 20), date(2029, 11, 20)),
        (RecordClass.RECONCILIATION, date(2026, 11, 20), date(2031, 11, 20)),
        (RecordClass.AUDIT, date(2026, 8, 31), date(2027, 2, 28)),
        (RecordClass.AUDIT, date(2026, 12, 5), date(2027, 6, 5)),
        (RecordClass.ACCOUNT, date(2026, 11, 20), None),
    ],
)
def test_each_class_of_records_is_kept_as_long_as_the_rules_say(
    kind: RecordClass, since: date, until: date | None
) -> None:
    assert rules.keep_until(kind, since) == until


def test_a_legal_hold_beats_deletion() -> None:
    ended, later = date(2020, 1, 1), date(2036, 1, 1)
    assert rules.may_go(RecordClass.MEDICAL, ended, later, held=False)
    assert not rules.may_go(RecordClass.MEDICAL, ended, later, held=True)
    assert not rules.may_go(RecordClass.MEDICAL, ended, date(2035, 1, 1), held=False)
    assert not rules.may_go(RecordClass.FREE, ended, later, held=True)
