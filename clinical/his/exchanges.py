"""One exchange with the hospital's system: held back at the threshold, timed, written down, and its
failure named for the person who waits."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Sized
from dataclasses import dataclass
from typing import Any, TypeVar

from clinical.his import errors, settings
from clinical.his.access import Subject
from clinical.his.gateway import HospitalSystem, PersonUnknown, RecordUnknown
from clinical.his.models import HospitalExchange
from clinical.his.states import Operation, Outcome
from core import settings as core_settings
from core.defence.counters import Counter
from core.defence.limits import RequestLimits
from core.defence.rates import Rate, whole_seconds
from core.errors import ProblemError
from core.outside import OutsideError, OutsideGarbled, OutsideNotCalled, OutsideRefused
from core.runtime import Runtime

T = TypeVar("T")


@dataclass
class Exchange:
    """What a question is, before it is sent."""

    runtime: Runtime
    subject: Subject
    operation: Operation
    parameters: dict[str, Any]

    @property
    def system(self) -> HospitalSystem:
        return self.runtime.port(HospitalSystem)

    async def hold_back(self) -> None:
        """Count this question against the hospital's threshold (S3-015). Raises HospitalBusy."""
        hospital_id = self.subject.hospital_id
        async with self.runtime.unit_of_work() as uow:
            most = await core_settings.get(uow, settings.MOST_PER_MINUTE, hospital_id=hospital_id)
        if not most:
            return
        # Ten seconds' worth at once, and never less than one look needs.
        rate = Rate(per_minute=most, burst=max(2, most // 6))
        counters = RequestLimits.of(self.runtime).counters
        refusal = await counters.take([Counter("everybody", f"his:{hospital_id}", rate)])
        if refusal is not None:
            raise errors.HospitalBusy(retry_after=whole_seconds(refusal.wait))

    async def write_down(
        self, outcome: Outcome, detail: str, rows: int | None, seconds: float
    ) -> None:
        """One line of the journal, committed before anything of the answer is shown."""
        async with self.runtime.unit_of_work() as uow:
            uow.session.add(
                HospitalExchange(
                    hospital_id=self.subject.hospital_id,
                    user_id=self.subject.user_id,
                    consultation_id=self.subject.consultation_id,
                    operation=self.operation,
                    address=self.system.address(self.operation),
                    parameters=self.parameters,
                    outcome=outcome,
                    detail=detail[:200],
                    rows=rows,
                    milliseconds=round(seconds * 1000),
                    at=uow.now,
                )
            )

    async def run(self, call: Awaitable[T]) -> T:
        """Send it. Raises PersonUnknown or RecordUnknown, else one of `errors`."""
        began = time.monotonic()
        try:
            answer = await call
        except OutsideNotCalled as error:
            # Nothing was sent, so there is nothing to write down; the breaker has its own metric.
            raise errors.HospitalUnreachable(retry_after=whole_seconds(error.retry_in)) from error
        except OutsideError as error:
            outcome, problem = named(error)
            await self.write_down(outcome, error.reason, None, time.monotonic() - began)
            if problem is None:
                raise
            raise problem from error
        rows = len(answer) if isinstance(answer, Sized) else 1
        await self.write_down(Outcome.ANSWERED, "", rows, time.monotonic() - began)
        return answer


def named(error: OutsideError) -> tuple[Outcome, ProblemError | None]:
    """How a failure is written down, and told; what is unknown is for the asker to tell."""
    if isinstance(error, PersonUnknown | RecordUnknown):
        return Outcome.UNKNOWN, None
    if isinstance(error, OutsideRefused):
        return Outcome.REFUSED, errors.HospitalRefused()
    if isinstance(error, OutsideGarbled):
        return Outcome.MALFORMED, errors.HospitalMalformed()
    return Outcome.UNREACHABLE, errors.HospitalUnreachable()
