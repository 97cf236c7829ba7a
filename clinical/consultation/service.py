"""The verbs of a consultation that reached the doctor: accept, decline, end, refund; phrases."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from clinical.consultation import access, errors, notes, rules, settings
from clinical.consultation.events import ConsultationAccepted
from clinical.consultation.models import Consultation, Phrase
from clinical.consultation.notices import refresh_lists, tell
from clinical.consultation.queue import accept_by, enter_queue, finish, request_refund
from clinical.consultation.states import CloseReason, State, worded
from clinical.payments import access as payments
from clinical.people import access as people
from clinical.people.errors import PractitionerUnqualified
from core import audit
from core import settings as core_settings
from core.errors import NotFound
from core.identity.caller import Caller
from core.identity.roles import Role
from core.uow import UnitOfWork
from realtime import service as rooms
from realtime.rules import JoinReason

#: Sentences that one person keeps: all are sent to the room, where typing looks through them.
MOST_PHRASES = 500


async def payment_arrived(uow: UnitOfWork, consultation_id: UUID) -> None:
    """Money came in, in time or too late. The order's row is locked by the caller."""
    row = await access.find_by_system(uow.session, consultation_id)
    if row is None:
        return
    change = rules.payment_arrived(row.standing)
    if change is None:
        return
    row.paid_at = uow.now
    if change.refund:
        request_refund(uow, row, "paid_after_cancellation", "问诊已取消，付款原路退回")
        return
    await enter_queue(uow, row, change.state)


async def order_closed(uow: UnitOfWork, consultation_id: UUID) -> None:
    """The order takes no more money: an unpaid consultation is over."""
    row = await access.find_by_system(uow.session, consultation_id)
    if row is not None and row.state is State.AWAITING_PAYMENT:
        change = rules.Change(state=State.CANCELLED, close_reason=CloseReason.PAYMENT_EXPIRED)
        await finish(uow, row, change)


async def accept(uow: UnitOfWork, caller: Caller, consultation_id: UUID) -> Consultation:
    """The doctor takes the patient in, or takes an order of his department; the room becomes
    active.

    Raises NotWaiting, NotYetTime, AcceptTooLate, PractitionerUnqualified (the licence ran out
    meanwhile).
    """
    row = await _to_accept(uow, caller, consultation_id)
    change = rules.accept(row.standing, uow.now)
    await _check_practice(uow, caller)
    assert row.room_id is not None
    if row.doctor_id is None:
        row.doctor_id = caller.user_id
        doctor = rooms.NewMember(caller.user_id, Role.DOCTOR)
        await rooms.add_members(uow, row.room_id, [doctor], JoinReason.TAKEN)
    row.state = change.state
    row.accepted_at = row.changed_at = uow.now
    await rooms.activate_room(uow, row.room_id, caller.user_id)
    await uow.session.flush()
    uow.record(
        ConsultationAccepted(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            room_id=row.room_id,
            patient_id=row.patient_id,
            payer_id=row.payer_id,
            doctor_id=row.treating_doctor,
        )
    )
    await _audit(uow, caller, row, "accept")
    done = worded(row.kind, "医生已接诊")
    await tell(uow, row, row.payer_id, "consultation_accepted", done, f"{done}，请进入诊间")
    refresh_lists(uow, row)
    return row


async def _to_accept(uow: UnitOfWork, caller: Caller, consultation_id: UUID) -> Consultation:
    try:
        return await access.find(uow.session, caller, consultation_id, lock=True)
    except NotFound:
        if await access.taken_by_colleague(uow.session, caller, consultation_id):
            raise errors.NotWaiting("该订单已由其他医生接诊") from None
        raise


async def _check_practice(uow: UnitOfWork, caller: Caller) -> None:
    doctor = await people.practitioner(uow.session, caller.hospital_id, caller.user_id)
    if not await people.may_treat(uow, doctor):
        raise PractitionerUnqualified()


async def decline(
    uow: UnitOfWork, caller: Caller, consultation_id: UUID, reason: str
) -> Consultation:
    """The doctor does not take the patient in; everything is paid back. Raises NotWaiting."""
    row = await access.find(uow.session, caller, consultation_id, lock=True)
    await finish(uow, row, rules.decline(row.standing), words=reason, by=caller.user_id)
    await _audit(uow, caller, row, "decline", reason)
    return row


async def cancel(uow: UnitOfWork, caller: Caller, consultation_id: UUID) -> Consultation:
    """The patient steps back before acceptance. Raises NotCancellable."""
    row = await access.find(uow.session, caller, consultation_id, lock=True)
    await finish(uow, row, rules.cancel(row.standing), by=caller.user_id)
    return row


async def decide_proof(
    uow: UnitOfWork, caller: Caller, consultation_id: UUID, accepted: bool, reason: str
) -> Consultation:
    """The doctor confirms the proof, or refuses it and so ends the consultation with a refund."""
    row = await access.find(uow.session, caller, consultation_id, lock=True)
    status, change = rules.decide_proof(row.standing, accepted=accepted)
    row.revisit_status = status
    row.proof_decided_at = row.changed_at = uow.now
    row.proof_reason = reason or None
    if change is not None:
        await finish(uow, row, change, words=reason, by=caller.user_id)
    else:
        refresh_lists(uow, row)
    await _audit(uow, caller, row, "proof_decision", reason, accepted=accepted)
    return row


async def refund(
    uow: UnitOfWork, caller: Caller, consultation_id: UUID, reason: str
) -> Consultation:
    """The doctor gives everything back and ends the consultation.

    Raises NotPermitted without the permission to refund, NotRefundable.
    """
    await payments.require_refund(uow.session, caller)
    row = await access.find(uow.session, caller, consultation_id, lock=True)
    change = rules.refund_by_doctor(row.standing)
    await finish(uow, row, change, words=reason, by=caller.user_id)
    await _audit(uow, caller, row, "refund", reason)
    return row


async def end(uow: UnitOfWork, caller: Caller, consultation_id: UUID) -> Consultation:
    """End an active consultation, by its doctor or its patient.

    The doctor's end makes the closing note final under its MAC; after the patient ended, the
    doctor's call only does that. Raises NotActive, ClosingNoteRequired, ProofUndecided.
    """
    row = await access.find(uow.session, caller, consultation_id, lock=True)
    if caller.role is Role.PATIENT:
        change = rules.end_by_patient(row.standing)
        await finish(uow, row, change, by=caller.user_id)
        return row
    required = await core_settings.get(
        uow, settings.CLOSING_NOTE_REQUIRED, hospital_id=row.hospital_id
    )
    change = rules.end_by_doctor(row.standing, note_required=required)
    if change.finalise_note:
        notes.finalise(uow, row)
    if row.state is State.ACTIVE:
        await finish(uow, row, change, by=caller.user_id)
    await _audit(uow, caller, row, "end")
    return row


async def room_was_closed(uow: UnitOfWork, consultation_id: UUID) -> None:
    """Somebody else closed the room: follow it."""
    row = await access.find_by_system(uow.session, consultation_id)
    if row is None:
        return
    change = rules.room_was_closed(row.standing)
    if change is not None:
        if row.standing.note_complete and change.state is State.ENDED:
            notes.finalise(uow, row)
        await finish(uow, row, change, room_is_closed=True)


async def note_was_signed(uow: UnitOfWork, consultation_id: UUID) -> None:
    """The closing note carries a signature now: the lists and pages that show it are stale."""
    row = await access.find_by_system(uow.session, consultation_id)
    if row is not None:
        refresh_lists(uow, row)


async def shift_was_suspended(uow: UnitOfWork, consultation_id: UUID) -> None:
    """The session was called off: cancel and pay back."""
    row = await access.find_by_system(uow.session, consultation_id)
    change = rules.suspend(row.standing) if row else None
    if row is not None and change is not None:
        await finish(uow, row, change)


async def appointment_was_moved(
    uow: UnitOfWork, consultation_id: UUID, shift_id: UUID, starts_at: datetime, ends_at: datetime
) -> None:
    """Another session of the same doctor was chosen."""
    row = await access.find_by_system(uow.session, consultation_id)
    assert row is not None
    row.shift_id, row.starts_at, row.ends_at = shift_id, starts_at, ends_at
    row.changed_at = uow.now
    row.accept_by = await accept_by(uow, row)
    refresh_lists(uow, row)


async def expire_unpaid(uow: UnitOfWork, consultation_id: UUID) -> bool:
    """Cancel an unpaid consultation whose time is over; False when somebody else was first."""
    row = await access.find_by_system(uow.session, consultation_id, skip_locked=True)
    change = rules.payment_deadline(row.standing, uow.now) if row else None
    if row is None or change is None:
        return False
    await finish(uow, row, change)
    return True


async def expire_unaccepted(uow: UnitOfWork, consultation_id: UUID) -> bool:
    """Pay back a consultation that nobody accepted in time; False when somebody else was first."""
    row = await access.find_by_system(uow.session, consultation_id, skip_locked=True)
    change = rules.accept_deadline(row.standing, uow.now) if row else None
    if row is None or change is None:
        return False
    await finish(uow, row, change)
    return True


async def _audit(
    uow: UnitOfWork,
    caller: Caller,
    row: Consultation,
    verb: str,
    reason: str = "",
    **detail: object,
) -> None:
    await audit.record(
        uow,
        caller,
        f"consultation.{verb}",
        "consultation",
        row.id,
        row.patient_id,
        detail,
        reason=reason,
        changes=audit.changes_of(row),
    )


# --- phrases -------------------------------------------------------------------------------------


async def keep_phrase(uow: UnitOfWork, caller: Caller, category: str, text: str) -> Phrase:
    """Keep a sentence of the caller's own, after the others. Raises TooManyPhrases."""
    known = await access.phrases(uow.session, caller)
    if len(known) >= MOST_PHRASES:
        raise errors.TooManyPhrases
    row = Phrase(
        hospital_id=caller.hospital_id,
        doctor_id=caller.user_id,
        category=category,
        text=text,
        position=max((each.position for each in known), default=0) + 1,
        created_at=uow.now,
    )
    uow.session.add(row)
    await uow.session.flush()
    return row


async def order_phrases(uow: UnitOfWork, caller: Caller, ids: Sequence[UUID]) -> None:
    """Put the caller's sentences into this order; the others follow as they stood.

    Raises NotFound when one is not the caller's.
    """
    known = {row.id: row for row in await access.phrases(uow.session, caller)}
    if not known.keys() >= set(ids):
        raise NotFound
    for position, phrase_id in enumerate(dict.fromkeys([*ids, *known]), 1):
        known[phrase_id].position = position
    await uow.session.flush()


async def change_phrase(
    uow: UnitOfWork, caller: Caller, phrase_id: UUID, category: str, text: str
) -> Phrase:
    """Change one of the caller's sentences. Raises NotFound."""
    row = await access.phrase(uow.session, caller, phrase_id)
    row.category, row.text = category, text
    return row


async def drop_phrase(uow: UnitOfWork, caller: Caller, phrase_id: UUID) -> None:
    """Forget one of the caller's sentences. Raises NotFound."""
    await uow.session.delete(await access.phrase(uow.session, caller, phrase_id))
