"""Entering the doctor's queue, and the shared step by which a consultation is over.

Order of locks: the order (payments), the consultation, its room, inboxes.
"""

from datetime import datetime, timedelta
from uuid import UUID

from clinical.consultation import intake, rules, settings
from clinical.consultation.events import (
    ConsultationCancelled,
    ConsultationDeclined,
    ConsultationEnded,
    ConsultationPaid,
    RefundRequested,
)
from clinical.consultation.models import Consultation
from clinical.consultation.notices import doctors_of, refresh_lists, tell
from clinical.consultation.rules import Change
from clinical.consultation.states import (
    PRACTITIONER,
    CloseReason,
    State,
    service_text,
    worded,
)
from clinical.days import zone_of
from clinical.people import access as people
from clinical.people.states import Relation
from core import settings as core_settings
from core.identity.roles import Role
from core.uow import UnitOfWork
from realtime import service as rooms
from realtime.rules import CloseReason as RoomCloseReason
from realtime.rules import RecordingPolicy


async def enter_queue(uow: UnitOfWork, row: Consultation, state: State) -> None:
    """Open the room and put the consultation into the queue of the doctor or the department, or
    (`booked`) among the appointments of the doctor.
    """
    relations = await people.relations_by_id(uow.session, row.hospital_id, [row.relation_id])
    relation = relations[row.relation_id]
    row.state = state
    row.accept_by = await accept_by(uow, row)
    row.changed_at = uow.now
    row.room_id = await rooms.open_room(
        uow,
        hospital_id=row.hospital_id,
        title=f"{service_text(row.kind, row.mode)} · {relation.patient.name}",
        members=[
            rooms.NewMember(
                row.payer_id, Role.PATIENT, name=room_name(relation.patient.name, relation.relation)
            ),
            *([rooms.NewMember(row.doctor_id, PRACTITIONER[row.kind])] if row.doctor_id else []),
        ],
        ref_type="consultation",
        ref_id=row.id,
        # Who booked in text and agreed to nothing yet is asked when a call rings.
        recording=RecordingPolicy.REQUIRED if row.recording_agreed else RecordingPolicy.ASK,
    )
    if row.red_flag:
        await rooms.system_message(
            uow,
            row.room_id,
            "red_flag",
            intake.EMERGENCY_TEXT,
            {"for_doctor": intake.EMERGENCY_FOR_DOCTOR},
        )
    await uow.session.flush()
    uow.record(
        ConsultationPaid(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            order_id=row.order_id,
            room_id=row.room_id,
            patient_id=row.patient_id,
            payer_id=row.payer_id,
            doctor_id=row.doctor_id,
            mode=row.mode.value,
            accept_by=row.accept_by,
        )
    )
    await _tell_both(uow, row)
    refresh_lists(uow, row)


async def accept_by(uow: UnitOfWork, row: Consultation) -> datetime:
    """Until when somebody must have accepted: some time after payment, or after the session."""
    setting = settings.ACCEPT_MINUTES if row.ends_at is None else settings.OVERTIME_MINUTES
    minutes = await core_settings.get(
        uow,
        setting,
        hospital_id=row.hospital_id,
        department_id=row.department_id,
        user_id=row.doctor_id,
    )
    return (row.ends_at or uow.now) + timedelta(minutes=minutes)


async def _tell_both(uow: UnitOfWork, row: Consultation) -> None:
    what = service_text(row.kind, row.mode)
    if row.state is State.BOOKED and row.starts_at is not None:
        local = row.starts_at.astimezone(await zone_of(uow, row.hospital_id))
        at = f"{local.month}月{local.day}日 {local:%H:%M}"
        for_doctor = ("consultation_appointed", f"新的{what}预约", f"{at}，已自动接单")
        for_patient = f"{at}，请按时进入诊间候诊"
    else:
        text = "有危急信号，请优先处理" if row.red_flag else "请及时接诊"
        for_doctor = ("consultation_waiting", f"新的{what}待接诊", text)
        for_patient = worded(row.kind, "已通知医生，请等待医生接诊")
    await tell(uow, row, await doctors_of(uow, row), *for_doctor)
    await tell(uow, row, row.payer_id, "consultation_booked", "预约成功", for_patient)


def room_name(patient_name: str, relation: Relation) -> str:
    """How the account holder is called in the room: the patient, or whose family it is."""
    return patient_name if relation is Relation.SELF else f"{patient_name}（家属）"


async def finish(
    uow: UnitOfWork,
    row: Consultation,
    change: Change,
    *,
    words: str = "",
    by: UUID | None = None,
    room_is_closed: bool = False,
) -> None:
    """Carry out a change that ends the consultation: state, room, announcement, money.

    `words` are somebody's own reason, `by` who ended it (None for a deadline).
    """
    reason = change.close_reason
    assert reason is not None
    served = row.state is State.ACTIVE
    had_paid = row.paid_at is not None
    row.state, row.close_reason = change.state, reason
    row.close_words = words or None
    row.ended_at = row.changed_at = uow.now
    if row.room_id is not None and not room_is_closed:
        await rooms.close_room(uow, row.room_id, RoomCloseReason(reason.value), by)
    await uow.session.flush()
    _announce(uow, row, reason, served, had_paid, words)
    if change.refund:
        # Without somebody's own words: the channel is told the reason too.
        request_refund(uow, row, reason.value, rules.reason_text(reason, row.kind))
    await _tell_the_other(uow, row, reason, words)
    refresh_lists(uow, row)


def request_refund(uow: UnitOfWork, row: Consultation, reason: str, text: str) -> None:
    """Ask payments for the whole amount back, once."""
    assert row.order_id is not None
    row.refund_requested_at = uow.now
    uow.record(
        RefundRequested(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            order_id=row.order_id,
            payer_id=row.payer_id,
            amount_fen=row.price_fen,
            reason=reason,
            reason_text=text,
        )
    )


def _announce(
    uow: UnitOfWork,
    row: Consultation,
    reason: CloseReason,
    served: bool,
    had_paid: bool,
    words: str,
) -> None:
    hospital_id, aggregate_id, now = row.hospital_id, row.id, uow.now
    if served:
        assert row.room_id is not None
        uow.record(
            ConsultationEnded(
                hospital_id=hospital_id,
                aggregate_id=aggregate_id,
                occurred_at=now,
                order_id=row.order_id,
                room_id=row.room_id,
                patient_id=row.patient_id,
                payer_id=row.payer_id,
                doctor_id=row.treating_doctor,
                close_reason=reason.value,
            )
        )
    elif reason is CloseReason.DECLINED:
        assert row.room_id is not None
        uow.record(
            ConsultationDeclined(
                hospital_id=hospital_id,
                aggregate_id=aggregate_id,
                occurred_at=now,
                order_id=row.order_id,
                room_id=row.room_id,
                payer_id=row.payer_id,
                doctor_id=row.treating_doctor,
                reason=words,
            )
        )
    else:
        uow.record(
            ConsultationCancelled(
                hospital_id=hospital_id,
                aggregate_id=aggregate_id,
                occurred_at=now,
                order_id=row.order_id,
                payer_id=row.payer_id,
                doctor_id=row.doctor_id,
                close_reason=reason.value,
                paid=had_paid,
            )
        )


# Who is told about which ending; the patient's own cancelling only refreshes the doctor's list.
_PATIENT_HEARS: dict[CloseReason, tuple[str, str]] = {
    CloseReason.COMPLETED: ("consultation_ended", "问诊已结束"),
    CloseReason.PAYMENT_EXPIRED: ("consultation_cancelled", "问诊已取消"),
    CloseReason.NOT_ACCEPTED: ("consultation_cancelled", "医生未能按时接诊"),
    CloseReason.DECLINED: ("consultation_declined", "医生未接诊"),
    CloseReason.REFUNDED_BY_DOCTOR: ("consultation_cancelled", "医生已退诊"),
    CloseReason.NOT_A_REVISIT: ("consultation_cancelled", "复诊凭证未通过"),
    CloseReason.SUSPENDED: ("consultation_suspended", "医生停诊"),
}


async def _tell_the_other(
    uow: UnitOfWork, row: Consultation, reason: CloseReason, words: str
) -> None:
    if reason in _PATIENT_HEARS:
        kind, title = _PATIENT_HEARS[reason]
        text = rules.reason_text(reason, row.kind, words)
        await tell(uow, row, row.payer_id, kind, worded(row.kind, title), text)
    elif reason is CloseReason.ENDED_BY_PATIENT:
        await tell(
            uow, row, row.treating_doctor, "consultation_ended", "患者已结束问诊", "请补充问诊小结"
        )
