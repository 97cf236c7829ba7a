"""What integrity costs: `python -m loadtests.integrity_cost [ROWS]`.

Starts a private PostgreSQL, writes and changes orders with and without protection, then seals and
checks them, and prints microseconds a row. The application and the database share the machine.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import event, select
from sqlalchemy.orm import Session

import app as zhenjian
from clinical.payments.models import Order
from clinical.payments.rules import OrderState
from core import audit, migrate
from core.audit.alarming import report
from core.bus import LocalBus
from core.config import Config
from core.crypto.keyring import Keyring
from core.db import create_engine
from core.ids import new_id
from core.integrity import checker, ledger, sealer
from core.integrity.adoption import adopt
from core.integrity.anchoring import anchor_head
from core.integrity.models import CheckOrigin, IntegrityCheck
from core.postgres import EmbeddedPostgres
from core.runtime import Runtime
from tests.support.cast import Cast, hire_cast

WARM = 200


def order(cast: Cast, runtime: Runtime, number: int) -> Order:
    now = runtime.clock.now()
    return Order(
        id=new_id(),
        hospital_id=cast.hospital_id,
        number=f"DD{number:09d}",
        user_id=cast.patient.user_id,
        subject_type="consultation",
        subject_id=new_id(),
        subject="图文问诊",
        amount_fen=3000,
        state=OrderState.PENDING,
        created_at=now,
        expires_at=now + timedelta(minutes=15),
        changed_at=now,
    )


@dataclass(frozen=True)
class Cost:
    """Microseconds a row: by the clock, and of this process on its core."""

    wall: float
    cpu: float

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.wall - other.wall, self.cpu - other.cpu)

    def __str__(self) -> str:
        return f"{self.wall:>8.0f} /{self.cpu:>6.0f}"


async def timed(rows: int, work: Callable[[], Awaitable[object]]) -> Cost:
    began, used = time.perf_counter(), time.process_time()
    await work()
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    return Cost(wall / rows * 1e6, cpu / rows * 1e6)


async def writes(runtime: Runtime, cast: Cast, first: int, rows: int) -> tuple[Cost, Cost]:
    """One transaction a row: insert, then change."""
    ids: list[UUID] = []

    async def insert() -> None:
        for number in range(first, first + rows):
            async with runtime.unit_of_work() as uow:
                made = order(cast, runtime, number)
                uow.session.add(made)
                ids.append(made.id)

    async def change() -> None:
        for order_id in ids:
            async with runtime.unit_of_work() as uow:
                row = await uow.session.get_one(Order, order_id, with_for_update=True)
                row.state, row.paid_at = OrderState.PAID, uow.now

    return await timed(rows, insert), await timed(rows, change)


async def audits(runtime: Runtime, cast: Cast, rows: int) -> Cost:
    async def write() -> None:
        for number in range(rows):
            async with runtime.unit_of_work() as uow:
                await audit.record(uow, cast.doctor.caller, "a.b", "a", str(number))

    return await timed(rows, write)


async def measure(runtime: Runtime, rows: int) -> None:
    cast = await hire_cast(runtime)
    await writes(runtime, cast, 0, WARM)
    event.remove(Session, "before_flush", ledger._protect)
    without = await writes(runtime, cast, WARM, rows)
    event.listen(Session, "before_flush", ledger._protect)
    await adopt(runtime)
    protected = await writes(runtime, cast, WARM + rows, rows)
    print("µs a row, wall / CPU of the application; one transaction a row")
    print(f"{'':<14}{'without':>18}{'with':>18}{'cost':>18}")
    for name, before, after in zip(("insert", "change"), without, protected, strict=True):
        print(f"{name:<14}{before!s:>18}{after!s:>18}{after - before!s:>18}")
    print(f"{'audit entry':<14}{'':>18}{await audits(runtime, cast, rows)!s:>18}")
    await sealing_and_checking(runtime)


async def sealing_and_checking(runtime: Runtime) -> None:
    sealed = sealer.Sealed(0, 0)

    async def seal() -> None:
        nonlocal sealed
        sealed = await sealer.seal(runtime)
        await anchor_head(runtime)

    total = await timed(1, seal)
    each = Cost(total.wall / sealed.rows, total.cpu / sealed.rows)
    print(f"{'sealing':<14}{'':>18}{each!s:>18}   {sealed.rows} rows")
    async with runtime.unit_of_work() as uow:
        await checker.begin(uow, CheckOrigin.COMMAND)

    async def check() -> None:
        while await checker.advance(runtime, report):
            pass

    total = await timed(1, check)
    async with runtime.unit_of_work() as uow:
        done = await uow.session.scalar(select(IntegrityCheck))
    assert done is not None
    each = Cost(total.wall / done.done, total.cpu / done.done)
    print(f"{'checking':<14}{'':>18}{each!s:>18}   {done.done} rows, {done.found} found")


async def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        modules = zhenjian.all_modules(Config(_env_file=None))
        server = EmbeddedPostgres(Path(folder) / "postgres", throwaway=True)
        server.start()
        try:
            url = server.url("postgres")
            engine = create_engine(url)
            await migrate.upgrade(engine)
            await engine.dispose()
            config = Config(_env_file=None, demo=True, database_url=url, data_dir=Path(folder))
            keyring = Keyring.generate()
            runtime = zhenjian.build_runtime(config, modules, bus=LocalBus(), keyring=keyring)
            await measure(runtime, rows)
            await runtime.engine.dispose()
        finally:
            server.remove()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000))
