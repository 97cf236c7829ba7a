"""Helpers: orders to protect, a hand in the database, a whole check."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from clinical.payments.models import Order
from clinical.payments.rules import OrderState
from clinical.people import access as people
from clinical.people.models import Patient
from clinical.people.states import IdType, PatientKind
from core.audit.alarming import report
from core.audit.jobs import seal_ledger
from core.identity.id_numbers import Sex
from core.ids import new_id
from core.integrity import checker
from core.integrity.adoption import adopt
from core.integrity.models import CheckOrigin, IntegrityFinding
from core.runtime import Runtime
from tests.support.cast import Cast

Hand = Callable[..., Awaitable[None]]
Check = Callable[[], Awaitable[list[tuple[str, str]]]]


class Book:
    """Orders of the cast's patient."""

    def __init__(self, runtime: Runtime, cast: Cast) -> None:
        self.runtime, self.cast = runtime, cast

    def order(self, number: int = 1) -> Order:
        now = self.runtime.clock.now()
        caller = self.cast.patient.caller
        return Order(
            id=new_id(),
            hospital_id=caller.hospital_id,
            number=f"DD{number:06d}",
            user_id=caller.user_id,
            subject_type="consultation",
            subject_id=new_id(),
            subject="图文问诊",
            amount_fen=3000 + number,
            state=OrderState.PENDING,
            created_at=now,
            expires_at=now + timedelta(minutes=15),
            changed_at=now,
        )

    def patient(self, name: str) -> Patient:
        keyring = self.runtime.keyring
        return Patient(
            id=new_id(),
            hospital_id=self.cast.patient.caller.hospital_id,
            kind=PatientKind.ADULT,
            name=name,
            name_index=people.name_index(keyring, name),
            sex=Sex.MALE,
            birth_date=date(1980, 1, 2),
            id_type=IdType.IDENTITY_CARD,
            created_at=self.runtime.clock.now(),
        )

    async def write(self, count: int = 3) -> list[UUID]:
        ids = []
        for number in range(count):
            async with self.runtime.unit_of_work() as uow:
                order = self.order(number)
                uow.session.add(order)
                ids.append(order.id)
        return ids

    async def pay(self, order_id: UUID) -> None:
        async with self.runtime.unit_of_work() as uow:
            order = await uow.session.get_one(Order, order_id, with_for_update=True)
            order.state, order.paid_at = OrderState.PAID, uow.now


@pytest.fixture
def book(runtime: Runtime, cast: Cast) -> Book:
    return Book(runtime, cast)


@pytest.fixture
def hand(runtime: Runtime) -> Hand:
    """Somebody with all rights in the database: triggers are off for his statements."""

    async def execute(statement: str, **values: Any) -> None:
        async with runtime.engine.begin() as connection:
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
            for part in statement.split("; "):
                await connection.execute(text(part), values)

    return execute


@pytest.fixture
def check(runtime: Runtime) -> Check:
    """Seal, check everything, and return what was found as (kind, row)."""

    async def run() -> list[tuple[str, str]]:
        await adopt(runtime)
        async with runtime.unit_of_work() as uow:
            await checker.begin(uow, CheckOrigin.COMMAND)
        while await checker.advance(runtime, report, rows=2):
            pass
        async with runtime.unit_of_work() as uow:
            found = await uow.session.scalars(
                select(IntegrityFinding).where(IntegrityFinding.explained_at.is_(None))
            )
            return sorted((each.kind.value, each.row_id) for each in found)

    return run


@pytest.fixture
def seal(runtime: Runtime) -> Callable[[], Awaitable[None]]:
    """One run of the sealer, anchors included."""

    async def run() -> None:
        await seal_ledger(runtime)

    return run
