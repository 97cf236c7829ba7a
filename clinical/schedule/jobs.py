"""Reminders that time brings: to patients and doctors, some minutes before a session."""

from datetime import timedelta

from sqlalchemy import select

from clinical.schedule.models import Booking, Shift
from clinical.schedule.settings import REMIND_MINUTES
from clinical.schedule.states import BookingState, ShiftState
from core import settings
from core.jobs import Job
from core.runtime import Runtime
from core.uow import UnitOfWork
from realtime import inbox

BATCH = 100


async def remind(runtime: Runtime) -> None:
    """Everybody once before a session; who books later than that is not reminded of it."""
    async with runtime.unit_of_work() as uow:
        longest = uow.now + timedelta(minutes=REMIND_MINUTES.maximum or 1)
        rows = await uow.session.scalars(
            select(Shift)
            .where(
                Shift.state != ShiftState.SUSPENDED,
                Shift.reminded_at.is_(None),
                Shift.taken > 0,
                Shift.starts_at > uow.now,
                Shift.starts_at <= longest,
            )
            .order_by(Shift.starts_at)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        for shift in rows.all():
            await _remind(uow, shift)


async def _remind(uow: UnitOfWork, shift: Shift) -> None:
    minutes = await settings.get(uow, REMIND_MINUTES, hospital_id=shift.hospital_id)
    if shift.starts_at - uow.now > timedelta(minutes=minutes):
        return
    shift.reminded_at = uow.now
    bookings = list(
        await uow.session.scalars(
            select(Booking).where(
                Booking.shift_id == shift.id, Booking.state == BookingState.QUEUED
            )
        )
    )
    if not bookings:
        return
    for booking in sorted(bookings, key=lambda each: each.payer_id):
        booking.reminded_at = uow.now
        await inbox.notify(
            uow,
            [booking.payer_id],
            hospital_id=shift.hospital_id,
            type="appointment_soon",
            title="预约的就诊即将开始",
            text=f"您的号为 {booking.number} 号，请按时进入诊间候诊",
            ref=("consultation", booking.consultation_id),
            parameters={"at": shift.starts_at},
        )
    await inbox.notify(
        uow,
        [shift.doctor_id],
        hospital_id=shift.hospital_id,
        type="shift_soon",
        title="线上门诊即将开始",
        text=f"本时段已有 {len(bookings)} 位患者预约",
        ref=("shift", shift.id),
        parameters={"at": shift.starts_at},
    )


JOBS = [Job("schedule.remind", timedelta(seconds=30), remind)]
