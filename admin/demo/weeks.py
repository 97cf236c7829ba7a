"""The schedule of the demo hospital: this week, and a session of the demo doctor that goes on."""

from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from admin.demo.dice import Dice
from admin.demo.people import DOCTORS_EACH, Doctor, Town
from clinical.consultation.states import Kind, Mode
from clinical.schedule import planning
from clinical.schedule.planning import Plan
from core.identity.caller import Caller
from core.runtime import Runtime
from core.uow import UnitOfWork

ZONE = ZoneInfo("Asia/Shanghai")
DAYS = 7
HALVES = ((time(9), time(12), Mode.VIDEO), (time(14), time(17), Mode.TEXT))


class Weeks:
    """Plans sessions through the service, as planners do."""

    def __init__(self, runtime: Runtime, dice: Dice, town: Town) -> None:
        self._runtime = runtime
        self._dice = dice
        self._town = town

    async def plan(self, caller: Caller, doctor: Doctor) -> tuple[UUID, UUID]:
        """A week for the two most senior doctors of each department; returns the session of
        `doctor` that goes on and a later one.
        """
        async with self._runtime.unit_of_work() as uow:
            now = self._dice.now.replace(second=0, microsecond=0)
            running = await self._add(
                uow, caller, doctor, now - timedelta(minutes=20), now + timedelta(hours=3), 12
            )
            later = None
            for place, each in enumerate(self._town.doctors):
                if place % DOCTORS_EACH > 1:
                    continue
                for day in range(1, DAYS + 1):
                    made = await self._day(uow, caller, each, day)
                    if each is doctor and later is None:
                        later = made
            for pharmacist in self._town.pharmacists:
                for day in range(1, DAYS + 1):
                    await self._day(uow, caller, pharmacist, day, Kind.MEDICATION)
            assert later is not None
            return running, later

    async def _day(
        self,
        uow: UnitOfWork,
        caller: Caller,
        doctor: Doctor,
        day: int,
        kind: Kind = Kind.REVISIT,
    ) -> UUID:
        made = []
        for starts, ends, mode in HALVES:
            date = (self._dice.now.astimezone(ZONE) + timedelta(days=day)).date()
            made.append(
                await self._add(
                    uow,
                    caller,
                    doctor,
                    datetime.combine(date, starts, ZONE),
                    datetime.combine(date, ends, ZONE),
                    self._dice.between(6, 12),
                    mode,
                    kind,
                )
            )
        return made[0]

    async def _add(
        self,
        uow: UnitOfWork,
        caller: Caller,
        doctor: Doctor,
        starts_at: datetime,
        ends_at: datetime,
        places: int,
        mode: Mode = Mode.VIDEO,
        kind: Kind = Kind.REVISIT,
    ) -> UUID:
        wish = Plan(
            doctor_id=doctor.user_id,
            kind=kind,
            mode=mode,
            starts_at=starts_at.astimezone(UTC),
            ends_at=ends_at.astimezone(UTC),
            places=places,
        )
        return (await planning.plan(uow, caller, wish)).id
