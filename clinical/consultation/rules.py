"""Decisions about a consultation: pure, `now` passed in, readable by a clinician.

Every command takes the `Standing` of a consultation and answers with the `Change` that follows, or
raises a named error. Nothing here touches the database, so every row of the table in the tests is
one call.

Sources: Measures for Internet Diagnosis and Treatment (2018), Art. 16 to 19; Detailed Rules on
Supervision (2022); the tenders for deadlines. Hospitals set the numbers; see `settings.py`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from clinical.consultation import errors
from clinical.consultation.states import (
    BACKED,
    CLOSE_TEXT,
    MODES,
    TREATING,
    CloseReason,
    Direction,
    Kind,
    Mode,
    Refusal,
    RevisitStatus,
    State,
    TextCalls,
    worded,
)

#: Paid, and not yet in the room with a doctor.
IN_LINE = frozenset({State.WAITING, State.BOOKED})


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the rules need to know about a consultation."""

    state: State
    price_fen: int
    kind: Kind = Kind.REVISIT
    has_doctor: bool = True
    starts_at: datetime | None = None
    close_reason: CloseReason | None = None
    paid: bool = False
    refund_requested: bool = False
    revisit: RevisitStatus = RevisitStatus.UNCHECKED
    pay_by: datetime | None = None
    accept_by: datetime | None = None
    note_complete: bool = False
    note_final: bool = False

    @property
    def treats(self) -> bool:
        """Whether it may come to a diagnosis."""
        return self.kind in TREATING


@dataclass(frozen=True, kw_only=True)
class Change:
    """What follows from a command: the next state, its reason, and whether the money goes back."""

    state: State
    close_reason: CloseReason | None = None
    refund: bool = False
    finalise_note: bool = False


@dataclass(frozen=True, kw_only=True)
class Intake:
    """What a draft holds when it is submitted."""

    description: str
    consent_version: str | None
    notice_stands: bool
    recording_agreed: bool
    mode: Mode
    patient_verified: bool
    guardian_required: bool
    guardian_verified: bool
    direction: Direction | None = None


# --- from draft to the queue ---------------------------------------------------------------------


def submit(standing: Standing, intake: Intake) -> Change:
    """A complete draft goes to payment; without a price it goes to the doctor at once."""
    edit(standing)
    if not intake.description.strip():
        raise errors.DescriptionRequired()
    if standing.kind is Kind.MEDICATION and intake.direction is None:
        raise errors.DirectionRequired()
    if intake.guardian_required and not intake.guardian_verified:
        raise errors.GuardianUnverified()
    if not intake.patient_verified:
        raise errors.PatientUnverified()
    if standing.treats and standing.revisit not in BACKED | {RevisitStatus.PROOF_SUBMITTED}:
        raise errors.RevisitUnproven()
    if intake.consent_version is None:
        raise errors.ConsentRequired()
    if not intake.notice_stands:
        raise errors.ConsentOutdated()
    if intake.mode is not Mode.TEXT and not intake.recording_agreed:
        raise errors.RecordingRefused()
    if standing.price_fen > 0:
        return Change(state=State.AWAITING_PAYMENT)
    return Change(state=_next_in_line(standing))


def _next_in_line(standing: Standing) -> State:
    """With an appointed time it is booked; without one it waits for a doctor."""
    return State.WAITING if standing.starts_at is None else State.BOOKED


def possible(kind: Kind, mode: Mode) -> None:
    """Not every kind can be held in every way."""
    if mode not in MODES[kind]:
        raise errors.KindNotOffered()


def calls(mode: Mode, in_text: TextCalls) -> tuple[str, ...]:
    """The calls of a consultation, which its doctor starts: those of the way that was booked (by
    voice no picture), in text those that the hospital opened for its kind.
    """
    widest = in_text.value if mode is Mode.TEXT else mode.value
    return {"none": (), "voice": ("voice",), "video": ("voice", "video")}[widest]


def may_call(mode: Mode, in_text: TextCalls, media: str) -> None:
    """Raises CallNotBooked for a call that is none of the consultation's."""
    if media not in calls(mode, in_text):
        raise errors.CallNotBooked()


def edit(standing: Standing) -> None:
    """Only a draft can be edited or thrown away."""
    if standing.state is not State.DRAFT:
        raise errors.NotDraft()


def payment_arrived(standing: Standing) -> Change | None:
    """Money came in. Too late means back to the patient; a repeated message changes nothing."""
    if standing.state is State.AWAITING_PAYMENT:
        return Change(state=_next_in_line(standing))
    if standing.state is State.CANCELLED and not standing.refund_requested:
        return Change(state=State.CANCELLED, close_reason=standing.close_reason, refund=True)
    return None


def payment_deadline(standing: Standing, now: datetime) -> Change | None:
    """Not paid in time: cancelled, and the order is closed."""
    if standing.state is not State.AWAITING_PAYMENT or not _passed(standing.pay_by, now):
        return None
    return Change(state=State.CANCELLED, close_reason=CloseReason.PAYMENT_EXPIRED)


# --- in the queue --------------------------------------------------------------------------------


def accept(standing: Standing, now: datetime) -> Change:
    """The doctor takes the patient in, before the deadline and not before an appointed time."""
    if standing.state not in IN_LINE:
        raise errors.NotWaiting()
    if standing.starts_at is not None and now < standing.starts_at:
        raise errors.NotYetTime()
    if _passed(standing.accept_by, now):
        raise errors.AcceptTooLate()
    return Change(state=State.ACTIVE)


def decline(standing: Standing) -> Change:
    """The doctor does not take the patient in: everything is paid back.

    Nobody declines for a whole department: such an order waits for a colleague.
    """
    if standing.state not in IN_LINE:
        raise errors.NotWaiting()
    _has_doctor(standing)
    return _over(standing, CloseReason.DECLINED)


def cancel(standing: Standing) -> Change:
    """The patient steps back before the doctor accepted: what was paid is paid back."""
    if standing.state is not State.AWAITING_PAYMENT and standing.state not in IN_LINE:
        raise errors.NotCancellable()
    return _over(standing, CloseReason.CANCELLED_BY_PATIENT)


def accept_deadline(standing: Standing, now: datetime) -> Change | None:
    """Not accepted in time: everything is paid back."""
    if standing.state not in IN_LINE or not _passed(standing.accept_by, now):
        return None
    return _over(standing, CloseReason.NOT_ACCEPTED)


def suspend(standing: Standing) -> Change | None:
    """The doctor's session is called off: who waited for it gets everything back."""
    if standing.state is not State.AWAITING_PAYMENT and standing.state is not State.BOOKED:
        return None
    return _over(standing, CloseReason.SUSPENDED)


def assign(standing: Standing) -> None:
    """A doctor is named by the hospital while nobody has accepted."""
    if standing.state is not State.WAITING:
        raise errors.NotAssignable()


# --- in the room ---------------------------------------------------------------------------------


def end_by_doctor(standing: Standing, *, note_required: bool) -> Change:
    """The doctor ends, with a closing note that becomes final.

    After the patient ended on own initiative, the doctor may still finish the note this way.
    """
    late_note = (
        standing.state is State.ENDED
        and standing.close_reason is CloseReason.ENDED_BY_PATIENT
        and not standing.note_final
    )
    if standing.state is not State.ACTIVE and not late_note:
        raise errors.NotActive()
    if standing.note_complete:
        if standing.treats:
            diagnose(standing)
    elif note_required or late_note:
        _ask_for_note(standing)
    return Change(
        state=State.ENDED,
        close_reason=standing.close_reason or CloseReason.COMPLETED,
        finalise_note=standing.note_complete,
    )


def end_by_patient(standing: Standing) -> Change:
    """The patient ends on own initiative; the service was given, so the money stays."""
    if standing.state is not State.ACTIVE:
        raise errors.NotActive()
    return Change(state=State.ENDED, close_reason=CloseReason.ENDED_BY_PATIENT)


def room_was_closed(standing: Standing) -> Change | None:
    """Somebody else closed the room: an active consultation is over, a waiting one is paid back."""
    if standing.state is State.ACTIVE:
        return Change(state=State.ENDED, close_reason=CloseReason.COMPLETED)
    if standing.state in IN_LINE:
        return _over(standing, CloseReason.NOT_ACCEPTED)
    return None


def refund_by_doctor(standing: Standing) -> Change:
    """The condition does not suit an online revisit: the doctor gives everything back."""
    if standing.state is not State.ACTIVE and standing.state not in IN_LINE:
        raise errors.NotRefundable()
    _has_doctor(standing)
    return _over(standing, CloseReason.REFUNDED_BY_DOCTOR)


def edit_note(standing: Standing, *, has_diagnosis: bool) -> None:
    """The closing note is written while the room is active, or later if the patient ended it."""
    if standing.note_final:
        raise errors.ClosingNoteFinal()
    late = standing.close_reason is CloseReason.ENDED_BY_PATIENT
    if standing.state is not State.ACTIVE and not (standing.state is State.ENDED and late):
        raise errors.NotActive()
    if has_diagnosis:
        diagnose(standing)


def amend_note(standing: Standing, *, complete: bool, changed: bool) -> None:
    """A final note is never written over: its doctor adds a new version, whole like the first."""
    if not standing.note_final:
        raise errors.ClosingNoteNotFinal()
    if not complete:
        _ask_for_note(standing)
    if not changed:
        raise errors.ClosingNoteUnchanged()
    if standing.treats:
        diagnose(standing)


def _ask_for_note(standing: Standing) -> None:
    raise errors.ClosingNoteRequired() if standing.treats else errors.AdviceRequired()


def _has_doctor(standing: Standing) -> None:
    if not standing.has_doctor:
        raise errors.AcceptFirst()


def note_complete(kind: Kind, diagnosis: str, advice: str) -> bool:
    """A revisit ends with diagnosis and advice, any other consultation with advice."""
    return bool(advice.strip()) and (kind not in TREATING or bool(diagnosis.strip()))


def diagnose(standing: Standing) -> None:
    """No first visit online: a diagnosis needs a revisit that is backed by evidence."""
    if not standing.treats:
        raise errors.AdviceOnly()
    if standing.revisit not in BACKED:
        raise errors.ProofUndecided()


# --- revisit evidence ----------------------------------------------------------------------------


def needs_evidence(standing: Standing) -> None:
    """Only what may come to a diagnosis asks for earlier visits."""
    if not standing.treats:
        raise errors.ProofNotExpected()


def earliest_visit(today: date, window_days: int) -> date:
    """The oldest day on which a visit still counts."""
    return today - timedelta(days=window_days)


def revisit_checked(visits: Iterable[date], today: date, window_days: int) -> RevisitStatus:
    """A visit to the hospital within the window makes a revisit; otherwise proof is needed."""
    oldest = earliest_visit(today, window_days)
    if any(oldest <= day <= today for day in visits):
        return RevisitStatus.ELIGIBLE
    return RevisitStatus.PROOF_REQUIRED


def hand_in_proof(standing: Standing, count: int) -> RevisitStatus:
    """Proof is handed in with the draft; taking every picture back asks for it again."""
    edit(standing)
    if standing.revisit in BACKED or not standing.treats:
        raise errors.ProofNotExpected()
    return RevisitStatus.PROOF_SUBMITTED if count else RevisitStatus.PROOF_REQUIRED


def decide_proof(standing: Standing, *, accepted: bool) -> tuple[RevisitStatus, Change | None]:
    """The doctor looks at the proof; refusing it ends the consultation and pays everything back."""
    open_now = standing.state is State.ACTIVE or standing.state in IN_LINE
    if not open_now or standing.revisit is not RevisitStatus.PROOF_SUBMITTED:
        raise errors.ProofNotSubmitted()
    if accepted:
        return RevisitStatus.PROOF_CONFIRMED, None
    return RevisitStatus.PROOF_REJECTED, _over(standing, CloseReason.NOT_A_REVISIT)


# --- recording, emergencies, children ------------------------------------------------------------


def mode_after_consent(
    mode: Mode, *, recording_agreed: bool, refusal: Refusal, text_offered: bool
) -> Mode:
    """Refusing the recording leads to text or to a visit in person, by the hospital's setting."""
    if recording_agreed or mode is Mode.TEXT:
        return mode
    if refusal is Refusal.OFFLINE:
        raise errors.RecordingRefused("如不同意录音录像，请到院就诊")
    if not text_offered:
        raise errors.RecordingRefused("对方未开通图文问诊，请另选一位或到院就诊")
    return Mode.TEXT


RED_FLAG_WORDS: tuple[str, ...] = (
    "胸痛",
    "胸口剧痛",
    "呼吸困难",
    "喘不上气",
    "窒息",
    "昏迷",
    "昏厥",
    "意识不清",
    "意识模糊",
    "抽搐",
    "惊厥",
    "大出血",
    "呕血",
    "咯血",
    "便血不止",
    "口眼歪斜",
    "半身不遂",
    "言语不清",
    "剧烈头痛",
    "自杀",
    "轻生",
    "中毒",
    "误服",
    "过敏性休克",
)

# A word right after one of these is denied, not reported: "无胸痛", "没有呼吸困难".
DENIALS: tuple[str, ...] = (
    "无",
    "没有",
    "没",
    "未见",
    "未出现",
    "否认",
    "不伴",
    "不",
    "无明显",
)


def red_flag_words(text: str) -> list[str]:
    """The emergency words that a text reports and does not deny."""
    found = []
    for word in RED_FLAG_WORDS:
        start = text.find(word)
        while start >= 0:
            if not text[:start].rstrip(" ，、").endswith(DENIALS):
                found.append(word)
                break
            start = text.find(word, start + 1)
    return found


def red_flag(text: str, answers: Mapping[str, bool], red_flag_questions: Iterable[str]) -> bool:
    """Whether the intake tells of an emergency: show "call 120" and mark the room."""
    return bool(red_flag_words(text)) or any(answers.get(q, False) for q in red_flag_questions)


def reason_text(reason: CloseReason, kind: Kind, words: str = "") -> str:
    """What the patient reads about an ending."""
    text = worded(kind, CLOSE_TEXT[reason])
    return f"{text}（{words}）" if words else text


def _over(standing: Standing, reason: CloseReason) -> Change:
    state = State.ENDED if standing.state is State.ACTIVE else State.CANCELLED
    refund = standing.paid and not standing.refund_requested
    return Change(state=state, close_reason=reason, refund=refund)


def _passed(deadline: datetime | None, now: datetime) -> bool:
    return deadline is not None and now >= deadline
