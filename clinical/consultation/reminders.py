"""Reminders that time brings: to doctors of who still waits, to payers of what is still to pay, to
whoever waits in a session that the turn is near."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import or_, select

from clinical.consultation.models import Consultation, ConsultationReminder
from clinical.consultation.notices import doctors_of, tell
from clinical.consultation.settings import NEAR_AHEAD, PAY_REMIND_MINUTES, REMIND_MINUTES
from clinical.consultation.states import State, service_text
from clinical.schedule import access as schedule
from core import settings
from core.runtime import Runtime
from core.uow import UnitOfWork

BATCH = 200
WAITING, PAYMENT, TURN = "waiting", "payment", "turn"


async def remind_doctors(runtime: Runtime) -> None:
    """A doctor who has not accepted is reminded again and again, at the set interval."""
    async with runtime.unit_of_work() as uow:
        shortest = uow.now - timedelta(minutes=REMIND_MINUTES.minimum or 1)
        rows = await uow.session.execute(
            select(Consultation, ConsultationReminder)
            .outerjoin(
                ConsultationReminder,
                (ConsultationReminder.consultation_id == Consultation.id)
                & (ConsultationReminder.kind == WAITING),
            )
            .where(
                Consultation.state == State.WAITING,
                Consultation.accept_by > uow.now,
                Consultation.paid_at <= shortest,
                or_(ConsultationReminder.at.is_(None), ConsultationReminder.at <= shortest),
            )
            .order_by(Consultation.accept_by)
            .limit(BATCH)
            .with_for_update(of=Consultation, skip_locked=True)
        )
        for row, reminded in rows.all():
            await _remind_doctor(uow, row, reminded)


async def _remind_doctor(
    uow: UnitOfWork, row: Consultation, reminded: ConsultationReminder | None
) -> None:
    minutes = await settings.get(
        uow,
        REMIND_MINUTES,
        hospital_id=row.hospital_id,
        department_id=row.department_id,
        user_id=row.doctor_id,
    )
    since = reminded.at if reminded else row.paid_at
    assert since is not None
    assert row.accept_by is not None
    if uow.now - since < timedelta(minutes=minutes):
        return
    await _note(uow, row.id, WAITING, reminded)
    await tell(
        uow,
        row,
        await doctors_of(uow, row),
        "consultation_still_waiting",
        f"{service_text(row.kind, row.mode)}仍待接诊",
        "患者仍在等待，请及时接诊",
        accept_by=row.accept_by,
    )


async def remind_payers(runtime: Runtime) -> None:
    """Who has not paid is reminded once, some minutes before the time is over."""
    async with runtime.unit_of_work() as uow:
        longest = uow.now + timedelta(minutes=PAY_REMIND_MINUTES.maximum or 1)
        rows = await uow.session.scalars(
            select(Consultation)
            .outerjoin(
                ConsultationReminder,
                (ConsultationReminder.consultation_id == Consultation.id)
                & (ConsultationReminder.kind == PAYMENT),
            )
            .where(
                Consultation.state == State.AWAITING_PAYMENT,
                Consultation.pay_by > uow.now,
                Consultation.pay_by <= longest,
                ConsultationReminder.at.is_(None),
            )
            .order_by(Consultation.pay_by)
            .limit(BATCH)
            .with_for_update(of=Consultation, skip_locked=True)
        )
        for row in rows.all():
            assert row.pay_by is not None
            minutes = await settings.get(uow, PAY_REMIND_MINUTES, hospital_id=row.hospital_id)
            if row.pay_by - uow.now > timedelta(minutes=minutes):
                continue
            await _note(uow, row.id, PAYMENT, None)
            await tell(
                uow,
                row,
                row.payer_id,
                "consultation_payment_due",
                "问诊待支付",
                "请尽快完成支付，逾期将自动取消",
                amount=row.price_fen,
                pay_by=row.pay_by,
            )


async def remind_in_line(runtime: Runtime) -> None:
    """Who waits in a session that has begun is told once when the turn is near (候诊提醒)."""
    async with runtime.unit_of_work() as uow:
        ahead = await _near_their_turn(uow)
        rows = await uow.session.scalars(
            select(Consultation)
            .where(Consultation.id.in_(ahead), Consultation.state == State.BOOKED)
            .order_by(Consultation.payer_id, Consultation.id)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        for row in rows.all():
            before = ahead[row.id]
            await _note(uow, row.id, TURN, None)
            await tell(
                uow,
                row,
                row.payer_id,
                "consultation_turn_near",
                "即将轮到您就诊",
                f"前面还有 {before} 位，请在诊间候诊" if before else "下一位就是您，请在诊间候诊",
            )


async def _near_their_turn(uow: UnitOfWork) -> dict[UUID, int]:
    """Consultations whose turn is near and who were not told yet, with how many are ahead."""
    rows = await uow.session.execute(
        select(Consultation.id, Consultation.shift_id, Consultation.hospital_id)
        .outerjoin(
            ConsultationReminder,
            (ConsultationReminder.consultation_id == Consultation.id)
            & (ConsultationReminder.kind == TURN),
        )
        .where(
            Consultation.state == State.BOOKED,
            Consultation.starts_at <= uow.now,
            ConsultationReminder.at.is_(None),
        )
    )
    untold = {key: (shift_id, here) for key, shift_id, here in rows if shift_id is not None}
    ahead = await schedule.ahead(uow.session, {shift_id for shift_id, _ in untold.values()})
    hospitals = {here for _, here in untold.values()}
    most = {here: await settings.get(uow, NEAR_AHEAD, hospital_id=here) for here in hospitals}
    return {
        key: ahead[key]
        for key, (_, here) in untold.items()
        if key in ahead and ahead[key] <= most[here]
    }


async def _note(
    uow: UnitOfWork, consultation_id: UUID, kind: str, known: ConsultationReminder | None
) -> None:
    if known is None:
        known = ConsultationReminder(consultation_id=consultation_id, kind=kind, count=0)
        uow.session.add(known)
    known.at = uow.now
    known.count += 1
    await uow.session.flush()
