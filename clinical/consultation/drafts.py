"""The verbs of a draft: begin, edit, evidence, consent, submit, throw away."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from clinical.consent import access as consents
from clinical.consent.access import Matter
from clinical.consent.states import Kind as ConsentKind
from clinical.consultation import access, intake, rules, settings
from clinical.consultation.events import AppointmentRequested, ConsultationSubmitted
from clinical.consultation.gateway import Visit
from clinical.consultation.models import Consultation
from clinical.consultation.notices import refresh_lists
from clinical.consultation.numbers import next_number
from clinical.consultation.offers import offered, require_place
from clinical.consultation.queue import enter_queue
from clinical.consultation.schemas import EditConsultation, NewConsultation
from clinical.consultation.states import (
    BACKED,
    Mode,
    Refusal,
    State,
    service_text,
)
from clinical.days import business_day
from clinical.people import access as people
from clinical.people.states import IdType
from clinical.schedule import access as schedule
from core import settings as core_settings
from core.errors import FieldProblem, InvalidRequest, NotFound
from core.files import service as files
from core.files.models import Purpose as FilePurpose
from core.identity.caller import Caller
from core.ids import new_id
from core.uow import UnitOfWork

SCOPE = "consultation"
_PURPOSES = (FilePurpose.INTAKE, FilePurpose.PROOF)


async def begin(uow: UnitOfWork, caller: Caller, wish: NewConsultation) -> Consultation:
    """A new draft for one of the caller's patients, of a service that is offered, now or in a
    session of the doctor.

    Raises what `offered` raises, DayFull, ShiftUnavailable.
    """
    relation = await people.my_patient(uow.session, caller, wish.patient_id)
    offer = await offered(uow, caller, wish.kind, wish.mode, wish.doctor_id, wish.department_id)
    await require_place(uow, offer, wish.kind, wish.mode)
    shift = None
    if wish.shift_id is not None:
        shift = await schedule.bookable(
            uow, caller.hospital_id, wish.shift_id, offer.doctor_id, wish.kind, wish.mode
        )
    row = Consultation(
        id=new_id(),
        hospital_id=caller.hospital_id,
        number=await next_number(uow, caller.hospital_id),
        kind=wish.kind,
        mode=wish.mode,
        purpose=wish.purpose,
        state=State.DRAFT,
        payer_id=caller.user_id,
        patient_id=relation.patient_id,
        relation_id=relation.id,
        doctor_id=offer.doctor_id,
        department_id=offer.department.id,
        price_fen=offer.price_fen,
        minutes=offer.minutes,
        shift_id=shift.id if shift else None,
        starts_at=shift.starts_at if shift else None,
        ends_at=shift.ends_at if shift else None,
        description="",
        onset="",
        answers={},
        attachment_ids=[],
        evidence=[],
        proof_ids=[],
        diagnosis="",
        advice="",
        created_at=uow.now,
        changed_at=uow.now,
    )
    uow.session.add(row)
    await uow.session.flush()
    return row


async def edit(
    uow: UnitOfWork, caller: Caller, consultation_id: UUID, change: EditConsultation
) -> Consultation:
    """Save what was typed so far. Raises NotDraft and what attaching a file raises."""
    row = await access.find(uow.session, caller, consultation_id, lock=True)
    rules.edit(row.standing)
    if change.description is not None:
        row.description = change.description
    if change.onset is not None:
        row.onset = change.onset
    if change.direction is not None:
        row.direction = change.direction
    if change.answers is not None:
        unknown = set(change.answers) - intake.QUESTION_IDS
        if unknown:
            raise InvalidRequest(fields=[FieldProblem("answers", "包含未知的问题")])
        row.answers = {**row.answers, **change.answers}
    if change.attachment_ids is not None:
        row.attachment_ids = await _attach(
            uow, caller, row, row.attachment_ids, change.attachment_ids
        )
    row.red_flag = rules.red_flag(
        f"{row.description}\n{row.onset}", row.answers, intake.RED_FLAG_QUESTIONS
    )
    row.changed_at = uow.now
    return row


async def _attach(
    uow: UnitOfWork, caller: Caller, row: Consultation, before: list[str], ids: Sequence[UUID]
) -> list[str]:
    """Hang exactly these uploads on the consultation; what is no longer named is let go."""
    gone = [UUID(file_id) for file_id in before if UUID(file_id) not in ids]
    await files.detach(uow, gone, SCOPE, row.id, caller)
    refs = await files.attach(uow, ids, SCOPE, row.id, caller, purposes=_PURPOSES)
    return [str(ref.id) for ref in refs]


# --- revisit evidence ----------------------------------------------------------------------------


@dataclass(frozen=True)
class RevisitQuestion:
    """What the hospital's system is asked about a draft's patient."""

    id_number: str | None
    card_number: str | None
    today: date
    window_days: int

    @property
    def since(self) -> date:
        return rules.earliest_visit(self.today, self.window_days)

    @property
    def answerable(self) -> bool:
        return bool(self.id_number or self.card_number)


async def revisit_question(
    uow: UnitOfWork, caller: Caller, consultation_id: UUID
) -> RevisitQuestion:
    """What to ask, before the call to the outside. Raises NotDraft."""
    row = await access.find(uow.session, caller, consultation_id)
    rules.edit(row.standing)
    rules.needs_evidence(row.standing)
    relations = await people.relations_by_id(uow.session, row.hospital_id, [row.relation_id])
    patient = relations[row.relation_id].patient
    window = await core_settings.get(
        uow,
        settings.REVISIT_WINDOW_DAYS,
        hospital_id=row.hospital_id,
        department_id=row.department_id,
    )
    return RevisitQuestion(
        id_number=patient.id_number if patient.id_type is IdType.IDENTITY_CARD else None,
        card_number=patient.card_number,
        today=await business_day(uow, row.hospital_id),
        window_days=window,
    )


async def store_visits(
    uow: UnitOfWork,
    caller: Caller,
    consultation_id: UUID,
    question: RevisitQuestion,
    visits: Sequence[Visit],
) -> Consultation:
    """Store the hospital's answer with the draft, after the call."""
    row = await access.find(uow.session, caller, consultation_id, lock=True)
    rules.edit(row.standing)
    status = rules.revisit_checked(
        (visit.visit_date for visit in visits), question.today, question.window_days
    )
    if status not in BACKED and row.proof_ids:
        status = rules.hand_in_proof(row.standing, len(row.proof_ids))
    row.revisit_status = status
    row.revisit_checked_at = row.changed_at = uow.now
    row.evidence = [
        {
            "visit_no": visit.visit_no,
            "visit_date": visit.visit_date.isoformat(),
            "department": visit.department,
            "diagnosis": visit.diagnosis,
        }
        for visit in visits
        if question.since <= visit.visit_date <= question.today
    ]
    return row


async def hand_in_proof(
    uow: UnitOfWork, caller: Caller, consultation_id: UUID, ids: Sequence[UUID]
) -> Consultation:
    """Attach papers that prove an earlier visit, for the doctor to confirm."""
    row = await access.find(uow.session, caller, consultation_id, lock=True)
    status = rules.hand_in_proof(row.standing, len(ids))
    row.proof_ids = await _attach(uow, caller, row, row.proof_ids, ids)
    row.revisit_status = status
    row.changed_at = uow.now
    return row


# --- consent and submission ----------------------------------------------------------------------


async def notice_agreed(uow: UnitOfWork, consultation_id: UUID, version: str, digest: str) -> None:
    """The payer agreed to the notice. Raises NotDraft."""
    row = await _draft(uow, consultation_id)
    row.consent_version, row.consent_digest = version, digest
    row.consent_at = row.changed_at = uow.now


async def recording_answered(uow: UnitOfWork, consultation_id: UUID, *, agreed: bool) -> None:
    """Whether the calls may be recorded; a refusal may turn video into text at its price.

    Raises NotDraft, RecordingRefused.
    """
    row = await _draft(uow, consultation_id)
    refusal = await core_settings.get(uow, settings.RECORDING_REFUSED, hospital_id=row.hospital_id)
    text = await _text_instead(uow, row)
    mode = rules.mode_after_consent(
        row.mode,
        recording_agreed=agreed,
        refusal=Refusal(refusal),
        text_offered=text is not None,
    )
    if mode is not row.mode and text is not None:
        row.mode, row.price_fen = mode, text
    row.recording_agreed = agreed
    row.changed_at = uow.now


async def _text_instead(uow: UnitOfWork, row: Consultation) -> int | None:
    """The price of the same in text; None where there is no such thing, or a time was chosen."""
    if row.shift_id is not None:
        return None
    if row.doctor_id is None:
        return row.price_fen
    doctor = await people.practitioner(uow.session, row.hospital_id, row.doctor_id)
    service = doctor.service(row.kind.value, Mode.TEXT.value)
    return service.price_fen if service else None


async def is_draft(uow: UnitOfWork, consultation_id: UUID) -> bool:
    """Whether nothing was submitted yet."""
    row = await access.find_by_system(uow.session, consultation_id)
    return row is not None and row.state is State.DRAFT


async def _draft(uow: UnitOfWork, consultation_id: UUID) -> Consultation:
    row = await access.find_by_system(uow.session, consultation_id)
    if row is None:
        raise NotFound()
    rules.edit(row.standing)
    return row


async def submit(uow: UnitOfWork, caller: Caller, consultation_id: UUID) -> Consultation:
    """Send the draft off: to payment, or without a price to the doctor at once.

    The price is the one of this moment; a place in the doctor's session, or one of the day's, is
    taken in the same transaction. Raises the errors of `rules.submit` and `offered`, DayFull,
    ShiftFull, ShiftUnavailable.
    """
    row = await access.find(uow.session, caller, consultation_id, lock=True)
    rules.edit(row.standing)
    offer = await offered(uow, caller, row.kind, row.mode, row.doctor_id, row.department_id)
    row.price_fen, row.minutes = offer.price_fen, offer.minutes
    relation = (await people.relations_by_id(uow.session, row.hospital_id, [row.relation_id]))[
        row.relation_id
    ]
    change = rules.submit(row.standing, await _intake(uow, row, relation))
    await consents.require_for_treatment(uow, relation)
    await require_place(uow, offer, row.kind, row.mode, take=True)
    row.submitted_at = uow.now
    row.state = change.state
    row.changed_at = uow.now
    if change.state is not State.AWAITING_PAYMENT:
        await uow.session.flush()
        _ask_for_the_place(uow, row)
        await enter_queue(uow, row, change.state)
        return row
    minutes = await core_settings.get(uow, settings.PAY_MINUTES, hospital_id=row.hospital_id)
    row.order_id = new_id()
    row.pay_by = uow.now + timedelta(minutes=minutes)
    await uow.session.flush()
    _ask_for_the_place(uow, row)
    uow.record(
        ConsultationSubmitted(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            order_id=row.order_id,
            number=row.number,
            patient_id=row.patient_id,
            payer_id=row.payer_id,
            doctor_id=row.doctor_id,
            subject=f"{service_text(row.kind, row.mode)}（{offer.name}）",
            amount_fen=row.price_fen,
            pay_by=row.pay_by,
        )
    )
    refresh_lists(uow, row)
    return row


def _ask_for_the_place(uow: UnitOfWork, row: Consultation) -> None:
    if row.shift_id is None:
        return
    uow.record(
        AppointmentRequested(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            shift_id=row.shift_id,
            payer_id=row.payer_id,
            patient_id=row.patient_id,
            relation_id=row.relation_id,
            paid=row.state is not State.AWAITING_PAYMENT,
        )
    )


async def _intake(
    uow: UnitOfWork, row: Consultation, relation: people.PatientRelation
) -> rules.Intake:
    standing = await people.care_standing(uow, relation)
    notice = await consents.standing(
        uow,
        row.hospital_id,
        Matter(user_id=row.payer_id, kind=ConsentKind.NOTICE, ref_type=SCOPE, ref_id=row.id),
    )
    return rules.Intake(
        description=row.description,
        consent_version=row.consent_version,
        notice_stands=notice.given,
        recording_agreed=row.recording_agreed,
        mode=row.mode,
        patient_verified=standing.patient_verified,
        guardian_required=standing.guardian_required,
        guardian_verified=standing.guardian_verified,
        direction=row.direction,
    )


async def throw_away(uow: UnitOfWork, caller: Caller, consultation_id: UUID) -> None:
    """Delete a draft for good. Raises NotDraft."""
    row = await access.find(uow.session, caller, consultation_id, lock=True)
    rules.edit(row.standing)
    held = [UUID(file_id) for file_id in (*row.attachment_ids, *row.proof_ids)]
    await files.detach(uow, held, SCOPE, row.id, caller)
    await uow.session.delete(row)
