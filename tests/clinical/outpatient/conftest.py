"""A hospital with items to order, and short words for ordering them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from clinical.outpatient.models import SelfOrder, SelfOrderTime
from clinical.payments.events import OrderPaid
from core.identity.roles import Role
from tests.clinical.story import Story, id_number
from tests.support.cast import Person, hire
from tests.support.http import Response

ZONE = ZoneInfo("Asia/Shanghai")


@dataclass
class Clinic:
    """Short words for keeping items, ordering, reviewing."""

    story: Story
    _serial: int = 300

    @property
    def now(self) -> datetime:
        return self.story.runtime.clock.now()

    def tomorrow(self, clock: str = "09:00") -> str:
        """A moment of tomorrow at the hospital."""
        day = self.now.astimezone(ZONE).date() + timedelta(days=1)
        return datetime.combine(day, time.fromisoformat(clock), ZONE).isoformat()

    async def item(self, code: str = "US-01", **more: Any) -> dict[str, Any]:
        """An ultrasound examination at two times of a day, unless said otherwise."""
        body = {
            "kind": "examination",
            "code": code,
            "name": "腹部彩超",
            "category": "超声",
            "subcategory": "腹部",
            "price_fen": 12000,
            "precautions": "检查前空腹8小时",
            "special": False,
            "needs_time": True,
            "times": ["09:00", "10:30"],
            "capacity": 1,
            **more,
        }
        administrator = self.story.cast.administrator
        answer = await self.story.ask(administrator, "POST", "/self-order-items", body)
        kept: dict[str, Any] = answer.expect(201)
        return kept

    async def drug(self, code: str = "YP-01", **more: Any) -> dict[str, Any]:
        """A drug, fetched whenever the patient comes."""
        plain = {"kind": "drug", "name": "维生素C片", "category": "非处方药", "price_fen": 1850}
        return await self.item(code, **{**plain, "needs_time": False, "times": [], **more})

    async def person(self, who: Person) -> str:
        """The visit person of somebody, added and agreed to once."""
        found = await self.story.get(who, "/patients")
        if not found:
            self._serial += 1
            number = id_number(date(1985, 3, 14), male=False, serial=self._serial)
            form = self.story.adult_form(name=who.name, serial=self._serial, relation="self")
            (await self.story.try_to_add({**form, "id_number": number}, who)).expect(201)
            found = await self.story.get(who, "/patients")
            await self.story.agree(found[0]["id"], who)
            await self.agree(who)
        key: str = found[0]["id"]
        return key

    async def agree(self, who: Person) -> None:
        """Read the notice and agree to it."""
        notice = await self.story.get(who, "/self-orders/clinic")
        body = {"kind": "self_order_notice", "version": notice["notice_version"]}
        (await self.story.ask(who, "POST", "/consents", body)).expect(201)

    async def try_to_order(
        self, who: Person, *items: dict[str, Any], at: str | None = None, **more: Any
    ) -> Response:
        """Submit these items, those that need a time at `at` (tomorrow at nine)."""
        patient_id = await self.person(who)
        body = {
            "patient_id": patient_id,
            "lines": [
                {
                    "item_id": item["id"],
                    "price_fen": item["price_fen"],
                    "starts_at": (at or self.tomorrow()) if item["needs_time"] else None,
                }
                for item in items
            ],
            **more,
        }
        return await self.story.ask(who, "POST", "/self-orders", body)

    async def order(self, who: Person, *items: dict[str, Any], **more: Any) -> dict[str, Any]:
        shown: dict[str, Any] = (await self.try_to_order(who, *items, **more)).expect(201)
        return shown

    async def try_to(self, who: Person, order: dict[str, Any], verb: str, **body: Any) -> Response:
        given = None if verb in ("cancel", "fulfil") else body
        return await self.story.ask(who, "POST", f"/self-orders/{order['id']}/{verb}", given)

    async def do(self, who: Person, order: dict[str, Any], verb: str, **body: Any) -> Any:
        return (await self.try_to(who, order, verb, **body)).expect(200)

    async def show(self, who: Person, order: dict[str, Any]) -> dict[str, Any]:
        shown: dict[str, Any] = await self.story.get(who, f"/self-orders/{order['id']}")
        return shown

    async def money_comes(self, order: dict[str, Any]) -> None:
        """Payments says that the money arrived."""
        async with self.story.runtime.unit_of_work() as uow:
            row = await uow.session.scalar(select(SelfOrder).where(SelfOrder.id == order["id"]))
            assert row is not None
            assert row.order_id is not None
            uow.record(
                OrderPaid(
                    hospital_id=row.hospital_id,
                    aggregate_id=row.order_id,
                    occurred_at=uow.now,
                    order_id=row.order_id,
                    subject_type="self_order",
                    subject_id=row.id,
                    user_id=row.payer_id,
                    amount_fen=row.total_fen,
                    paid_at=uow.now,
                )
            )

    async def left(self, item: dict[str, Any]) -> list[int]:
        """The places left at tomorrow's times of an item."""
        patient, day = self.story.cast.patient, self.tomorrow()[:10]
        times = await self.story.get(patient, f"/self-orders/items/{item['id']}/times?day={day}")
        return [each["left"] for each in times]

    async def taken(self) -> int:
        """Places that anybody has, in the table."""
        async with self.story.runtime.unit_of_work() as uow:
            return sum(await uow.session.scalars(select(SelfOrderTime.taken)))

    async def patients(self, count: int) -> list[Person]:
        """Several account holders."""
        here = self.story.cast.hospital_id
        return [
            await hire(self.story.runtime, here, Role.PATIENT, f"便民{n}", serial=400 + n)
            for n in range(count)
        ]


@pytest.fixture
async def clinic(story: Story) -> Clinic:
    return Clinic(story)
