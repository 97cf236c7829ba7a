"""The state machine and the decisions of a consultation, row by row."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from clinical.consultation import errors, rules
from clinical.consultation.rules import Change, Intake, Standing
from clinical.consultation.states import (
    CloseReason,
    Mode,
    Refusal,
    RevisitStatus,
    State,
)
from clinical.people import rules as people_rules
from core.errors import ProblemError

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
SOON = NOW + timedelta(minutes=1)
JUST_PASSED = NOW


def standing(state: State, **more: Any) -> Standing:
    return Standing(state=state, **{"price_fen": 3000, **more})


def intake(**more: Any) -> Intake:
    complete: dict[str, Any] = {
        "description": "咳嗽三天，复诊",
        "consent_version": "1",
        "notice_stands": True,
        "recording_agreed": True,
        "mode": Mode.TEXT,
        "patient_verified": True,
        "guardian_required": False,
        "guardian_verified": False,
    }
    return Intake(**{**complete, **more})


@pytest.mark.parametrize("evidence", [RevisitStatus.ELIGIBLE, RevisitStatus.PROOF_SUBMITTED])
def test_a_complete_draft_with_evidence_goes_to_payment(
    evidence: RevisitStatus,
) -> None:
    change = rules.submit(standing(State.DRAFT, revisit=evidence), intake())
    assert change == Change(state=State.AWAITING_PAYMENT)


def test_a_complete_draft_without_a_price_goes_to_the_doctor_at_once() -> None:
    draft = standing(State.DRAFT, revisit=RevisitStatus.ELIGIBLE, price_fen=0)
    assert rules.submit(draft, intake()) == Change(state=State.WAITING)


@pytest.mark.requirement("S1-041")
@pytest.mark.parametrize(
    ("missing", "refusal"),
    [
        ({"description": "  "}, errors.DescriptionRequired),
        ({"patient_verified": False}, errors.PatientUnverified),
        ({"guardian_required": True}, errors.GuardianUnverified),
        ({"consent_version": None}, errors.ConsentRequired),
        ({"notice_stands": False}, errors.ConsentOutdated),
        ({"mode": Mode.VIDEO, "recording_agreed": False}, errors.RecordingRefused),
    ],
)
def test_a_draft_that_lacks_something_is_refused_by_name(
    missing: dict[str, Any], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        rules.submit(standing(State.DRAFT, revisit=RevisitStatus.ELIGIBLE), intake(**missing))


@pytest.mark.parametrize(
    "evidence",
    [
        RevisitStatus.UNCHECKED,
        RevisitStatus.PROOF_REQUIRED,
        RevisitStatus.PROOF_REJECTED,
    ],
)
def test_no_first_visit_online_a_draft_without_evidence_is_refused(
    evidence: RevisitStatus,
) -> None:
    with pytest.raises(errors.RevisitUnproven):
        rules.submit(standing(State.DRAFT, revisit=evidence), intake())


@pytest.mark.parametrize("state", [s for s in State if s is not State.DRAFT])
def test_what_was_submitted_is_neither_edited_nor_submitted_again(state: State) -> None:
    with pytest.raises(errors.NotDraft):
        rules.edit(standing(state))
    with pytest.raises(errors.NotDraft):
        rules.submit(standing(state, revisit=RevisitStatus.ELIGIBLE), intake())


# Money ------------------------------------------------------------------------------------------

PAYMENTS: list[tuple[Standing, Change | None]] = [
    (standing(State.AWAITING_PAYMENT, pay_by=SOON), Change(state=State.WAITING)),
    (standing(State.AWAITING_PAYMENT, pay_by=JUST_PASSED), Change(state=State.WAITING)),
    (
        standing(State.CANCELLED, close_reason=CloseReason.PAYMENT_EXPIRED),
        Change(state=State.CANCELLED, close_reason=CloseReason.PAYMENT_EXPIRED, refund=True),
    ),
    (standing(State.CANCELLED, refund_requested=True), None),
    (standing(State.WAITING, paid=True), None),
    (standing(State.ACTIVE, paid=True), None),
    (standing(State.ENDED, paid=True), None),
]


@pytest.mark.parametrize(("before", "after"), PAYMENTS)
def test_a_payment_opens_the_queue_or_goes_back_once(
    before: Standing, after: Change | None
) -> None:
    assert rules.payment_arrived(before) == after


def test_an_unpaid_consultation_expires_at_its_deadline_and_not_before() -> None:
    assert rules.payment_deadline(standing(State.AWAITING_PAYMENT, pay_by=SOON), NOW) is None
    expired = rules.payment_deadline(standing(State.AWAITING_PAYMENT, pay_by=JUST_PASSED), NOW)
    assert expired == Change(state=State.CANCELLED, close_reason=CloseReason.PAYMENT_EXPIRED)
    assert rules.payment_deadline(standing(State.WAITING, pay_by=JUST_PASSED), NOW) is None


def test_a_waiting_consultation_is_paid_back_at_the_accept_deadline_and_not_before() -> None:
    waiting = standing(State.WAITING, paid=True, accept_by=SOON)
    assert rules.accept_deadline(waiting, NOW) is None
    late = standing(State.WAITING, paid=True, accept_by=JUST_PASSED)
    assert rules.accept_deadline(late, NOW) == Change(
        state=State.CANCELLED, close_reason=CloseReason.NOT_ACCEPTED, refund=True
    )
    assert rules.accept_deadline(standing(State.ACTIVE, accept_by=JUST_PASSED), NOW) is None


def test_after_the_deadline_nobody_accepts_even_before_the_job_has_run() -> None:
    with pytest.raises(errors.AcceptTooLate):
        rules.accept(standing(State.WAITING, paid=True, accept_by=JUST_PASSED), NOW)


def test_a_refund_is_asked_for_once() -> None:
    asked = standing(State.WAITING, paid=True, refund_requested=True)
    assert rules.cancel(asked).refund is False


def test_without_money_there_is_nothing_to_pay_back() -> None:
    assert rules.decline(standing(State.WAITING, price_fen=0)).refund is False
    assert rules.cancel(standing(State.AWAITING_PAYMENT)).refund is False


# Commands by state ------------------------------------------------------------------------------

COMMANDS: dict[str, Any] = {
    "accept": lambda s: rules.accept(s, NOW),
    "decline": rules.decline,
    "cancel": rules.cancel,
    "end by the doctor": lambda s: rules.end_by_doctor(s, note_required=True),
    "end by the patient": rules.end_by_patient,
    "refund by the doctor": rules.refund_by_doctor,
    "refuse the proof": lambda s: rules.decide_proof(s, accepted=False)[1],
}
OUTCOMES: dict[str, dict[State, tuple[State, CloseReason | None, bool]]] = {
    "accept": {State.WAITING: (State.ACTIVE, None, False)},
    "decline": {State.WAITING: (State.CANCELLED, CloseReason.DECLINED, True)},
    "cancel": {
        State.AWAITING_PAYMENT: (
            State.CANCELLED,
            CloseReason.CANCELLED_BY_PATIENT,
            False,
        ),
        State.WAITING: (State.CANCELLED, CloseReason.CANCELLED_BY_PATIENT, True),
    },
    "end by the doctor": {},
    "end by the patient": {State.ACTIVE: (State.ENDED, CloseReason.ENDED_BY_PATIENT, False)},
    "refund by the doctor": {
        State.WAITING: (State.CANCELLED, CloseReason.REFUNDED_BY_DOCTOR, True),
        State.ACTIVE: (State.ENDED, CloseReason.REFUNDED_BY_DOCTOR, True),
    },
    "refuse the proof": {
        State.WAITING: (State.CANCELLED, CloseReason.NOT_A_REVISIT, True),
        State.ACTIVE: (State.ENDED, CloseReason.NOT_A_REVISIT, True),
    },
}


# Who has an appointment can do what others in the queue can, and so can the doctor.
for outcomes in OUTCOMES.values():
    if State.WAITING in outcomes:
        outcomes[State.BOOKED] = outcomes[State.WAITING]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("state", State)
def test_every_command_in_every_state_changes_as_the_table_says_or_is_refused(
    command: str, state: State
) -> None:
    before = standing(
        state,
        paid=state in (State.BOOKED, State.WAITING, State.ACTIVE, State.ENDED),
        accept_by=SOON,
        revisit=RevisitStatus.PROOF_SUBMITTED,
    )
    expected = OUTCOMES[command].get(state)
    if expected is None:
        with pytest.raises(ProblemError):
            COMMANDS[command](before)
        return
    change = COMMANDS[command](before)
    assert (change.state, change.close_reason, change.refund) == expected


# Ending and the closing note --------------------------------------------------------------------


@pytest.mark.requirement("S1-107")
def test_the_doctor_ends_only_with_a_complete_closing_note() -> None:
    active = standing(State.ACTIVE, revisit=RevisitStatus.ELIGIBLE)
    with pytest.raises(errors.ClosingNoteRequired):
        rules.end_by_doctor(active, note_required=True)
    assert rules.end_by_doctor(active, note_required=False).finalise_note is False
    written = standing(State.ACTIVE, revisit=RevisitStatus.ELIGIBLE, note_complete=True)
    assert rules.end_by_doctor(written, note_required=True) == Change(
        state=State.ENDED, close_reason=CloseReason.COMPLETED, finalise_note=True
    )


def test_a_diagnosis_waits_until_the_proof_is_confirmed() -> None:
    open_proof = standing(State.ACTIVE, revisit=RevisitStatus.PROOF_SUBMITTED, note_complete=True)
    with pytest.raises(errors.ProofUndecided):
        rules.end_by_doctor(open_proof, note_required=True)
    with pytest.raises(errors.ProofUndecided):
        rules.edit_note(open_proof, has_diagnosis=True)
    rules.edit_note(open_proof, has_diagnosis=False)


def test_the_note_can_be_finished_after_the_patient_ended_but_not_after_it_is_final() -> None:
    ended = standing(
        State.ENDED,
        close_reason=CloseReason.ENDED_BY_PATIENT,
        revisit=RevisitStatus.ELIGIBLE,
        note_complete=True,
    )
    rules.edit_note(ended, has_diagnosis=True)
    assert rules.end_by_doctor(ended, note_required=True) == Change(
        state=State.ENDED, close_reason=CloseReason.ENDED_BY_PATIENT, finalise_note=True
    )
    final = standing(
        State.ENDED,
        close_reason=CloseReason.ENDED_BY_PATIENT,
        note_complete=True,
        note_final=True,
    )
    with pytest.raises(errors.ClosingNoteFinal):
        rules.edit_note(final, has_diagnosis=True)
    with pytest.raises(errors.NotActive):
        rules.end_by_doctor(final, note_required=True)


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (State.ACTIVE, (State.ENDED, CloseReason.COMPLETED, False)),
        (State.WAITING, (State.CANCELLED, CloseReason.NOT_ACCEPTED, True)),
        (State.ENDED, None),
        (State.CANCELLED, None),
    ],
)
def test_a_room_closed_by_somebody_else_ends_or_pays_back(
    state: State, after: tuple[State, CloseReason, bool] | None
) -> None:
    change = rules.room_was_closed(standing(state, paid=True))
    assert (change and (change.state, change.close_reason, change.refund)) == after


# Revisit evidence -------------------------------------------------------------------------------

TODAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("days_ago", "status"),
    [
        (0, RevisitStatus.ELIGIBLE),
        (90, RevisitStatus.ELIGIBLE),
        (91, RevisitStatus.PROOF_REQUIRED),
        (-1, RevisitStatus.PROOF_REQUIRED),
    ],
)
def test_a_visit_counts_within_the_window_to_the_day(days_ago: int, status: RevisitStatus) -> None:
    assert rules.revisit_checked([TODAY - timedelta(days=days_ago)], TODAY, 90) is status


def test_without_any_visit_proof_is_asked_for() -> None:
    assert rules.revisit_checked([], TODAY, 90) is RevisitStatus.PROOF_REQUIRED


def test_proof_belongs_to_a_draft_that_needs_it() -> None:
    draft = standing(State.DRAFT, revisit=RevisitStatus.PROOF_REQUIRED)
    assert rules.hand_in_proof(draft, 2) is RevisitStatus.PROOF_SUBMITTED
    assert rules.hand_in_proof(draft, 0) is RevisitStatus.PROOF_REQUIRED
    with pytest.raises(errors.ProofNotExpected):
        rules.hand_in_proof(standing(State.DRAFT, revisit=RevisitStatus.ELIGIBLE), 1)
    with pytest.raises(errors.NotDraft):
        rules.hand_in_proof(standing(State.WAITING), 1)


def test_a_proof_is_confirmed_without_changing_the_state() -> None:
    handed_in = standing(State.ACTIVE, revisit=RevisitStatus.PROOF_SUBMITTED)
    assert rules.decide_proof(handed_in, accepted=True) == (
        RevisitStatus.PROOF_CONFIRMED,
        None,
    )
    with pytest.raises(errors.ProofNotSubmitted):
        rules.decide_proof(standing(State.ACTIVE, revisit=RevisitStatus.ELIGIBLE), accepted=True)


# Recording, emergencies, children ---------------------------------------------------------------


def test_refusing_the_recording_leads_to_text_or_to_the_hospital_by_setting() -> None:
    def after(mode: Mode, agreed: bool, refusal: Refusal, text: bool = True) -> Mode:
        return rules.mode_after_consent(
            mode, recording_agreed=agreed, refusal=refusal, text_offered=text
        )

    assert after(Mode.VIDEO, True, Refusal.OFFLINE) is Mode.VIDEO
    assert after(Mode.TEXT, False, Refusal.OFFLINE) is Mode.TEXT
    assert after(Mode.VIDEO, False, Refusal.TEXT_ONLY) is Mode.TEXT
    with pytest.raises(errors.RecordingRefused):
        after(Mode.VIDEO, False, Refusal.OFFLINE)
    with pytest.raises(errors.RecordingRefused):
        after(Mode.VIDEO, False, Refusal.TEXT_ONLY, text=False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("今天早上胸痛，出汗", ["胸痛"]),
        ("无胸痛，没有呼吸困难", []),
        ("否认抽搐", []),
        ("开始没有胸痛，晚上胸痛加重", ["胸痛"]),
        ("咳嗽、流涕三天", []),
        ("孩子误服了两片降压药，意识模糊", ["意识模糊", "误服"]),
    ],
)
def test_emergency_words_are_found_unless_they_are_denied(text: str, words: list[str]) -> None:
    assert rules.red_flag_words(text) == words


def test_an_emergency_shows_by_words_or_by_answers() -> None:
    questions = ["chest_pain"]
    assert rules.red_flag("胸痛一小时", {}, questions)
    assert rules.red_flag("咳嗽", {"chest_pain": True}, questions)
    assert not rules.red_flag("咳嗽", {"chest_pain": False, "seen_here": True}, questions)


@pytest.mark.parametrize(
    ("birth", "child", "needed"),
    [
        (date(2020, 11, 21), False, True),
        (date(2020, 11, 20), False, False),
        (date(2012, 1, 1), True, True),
        (date(1980, 1, 1), False, False),
    ],
)
def test_a_guardian_is_needed_below_six_and_for_every_child(
    birth: date, child: bool, needed: bool
) -> None:
    assert people_rules.guardian_needed(birth, TODAY, child=child, below_years=6) is needed
