"""A doctor's session, and patients who book places in it."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from core.identity.roles import Role
from tests.clinical.story import Story, id_number
from tests.support.cast import Person, hire
from tests.support.http import Response


@dataclass
class Clinic:
    """Short words for planning and booking."""

    story: Story
    _serial: int = 100

    @property
    def now(self) -> datetime:
        return self.story.runtime.clock.now()

    async def try_to_plan(self, hours: float = 2, **more: Any) -> Response:
        """A video session of three hours, beginning in so many hours."""
        starts = self.now + timedelta(hours=hours)
        body = {
            "doctor_id": str(self.story.cast.doctor.user_id),
            "kind": "revisit",
            "mode": "video",
            "starts_at": starts.isoformat(),
            "ends_at": (starts + timedelta(hours=3)).isoformat(),
            "places": 3,
            **more,
        }
        return await self.story.ask(self.story.cast.administrator, "POST", "/shifts", body)

    async def plan(self, hours: float = 2, **more: Any) -> dict[str, Any]:
        shift: dict[str, Any] = (await self.try_to_plan(hours, **more)).expect(201)
        return shift

    async def planner(self, shift: dict[str, Any], verb: str, body: Any = None) -> Response:
        path = f"/shifts/{shift['id']}/{verb}"
        return await self.story.ask(self.story.cast.administrator, "POST", path, body)

    async def draft(self, who: Person, shift: dict[str, Any]) -> str:
        """Somebody's complete draft for a session."""
        story = self.story
        found = await story.get(who, "/patients")
        if not found:
            self._serial += 1
            number = id_number(date(1985, 3, 14), male=False, serial=self._serial)
            story.seen_before(number)
            form = story.adult_form(name=who.name, serial=self._serial, relation="self")
            (await story.try_to_add({**form, "id_number": number}, who)).expect(201)
            found = await story.get(who, "/patients")
        body = {
            "patient_id": found[0]["id"],
            "doctor_id": str(story.cast.doctor.user_id),
            "kind": shift["kind"],
            "mode": shift["mode"],
            "shift_id": shift["id"],
        }
        key: str = (await story.ask(who, "POST", "/consultations", body)).expect(201)["id"]
        await story.do(who, key, "revisit-check")
        edit = {"description": "血压复查，最近偏高。", "onset": "两周前"}
        (await story.ask(who, "PATCH", f"/consultations/{key}", edit)).expect(200)
        await story.agree(found[0]["id"], who)
        notice = await story.get(who, "/consultations/notice")
        agreed = {"version": notice["version"], "recording_agreed": True}
        await story.do(who, key, "consent", agreed)
        return key

    async def draft_refused(self, who: Person, shift: dict[str, Any]) -> str:
        """The code with which nobody gets a draft for a session any more."""
        found = await self.story.get(who, "/patients")
        if not found:
            await self.story.add_patient(who, name=who.name, serial=77, relation="self")
            found = await self.story.get(who, "/patients")
            self.story.seen_before(self.story.adult_form(serial=77)["id_number"])
        body = {
            "patient_id": found[0]["id"],
            "doctor_id": str(self.story.cast.doctor.user_id),
            "kind": shift["kind"],
            "mode": shift["mode"],
            "shift_id": shift["id"],
        }
        return (await self.story.ask(who, "POST", "/consultations", body)).code

    async def book(self, who: Person, shift: dict[str, Any]) -> str:
        """A paid place in a session; the consultation's id."""
        key = await self.draft(who, shift)
        await self.story.do(who, key, "submit")
        await self.story.pay(key)
        return key

    async def booking(self, who: Person, key: str) -> dict[str, Any]:
        shown: dict[str, Any] = await self.story.get(who, f"/bookings/{key}")
        return shown

    async def call(self, shift: dict[str, Any], verb: str = "call-next") -> Response:
        path = f"/shifts/{shift['id']}/{verb}"
        return await self.story.ask(self.story.cast.doctor, "POST", path)

    async def patients(self, count: int) -> list[Person]:
        """Several account holders."""
        here = self.story.cast.hospital_id
        return [
            await hire(self.story.runtime, here, Role.PATIENT, f"候诊{n}", serial=200 + n)
            for n in range(count)
        ]


@pytest.fixture
async def clinic(story: Story) -> Clinic:
    return Clinic(story)
