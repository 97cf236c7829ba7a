"""People and rooms for the load scenarios, in a database that is a demo's or a test's.

`python -m loadtests.load_people --scenario day --users 40 --out people.json` takes the server's own
settings from the environment (`ZHENJIAN_DATABASE_URL`, `ZHENJIAN_DATA_DIR`, keys). The tokens that
it writes live for 15 minutes, longer than any run.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import select

import app as zhenjian
from core.bus import LocalBus
from core.config import Config
from core.crypto.keyring import Keyring
from core.identity import tokens
from core.identity.caller import Caller
from core.identity.models import DeviceSession, Hospital, RoleAssignment, User
from core.identity.roles import Role
from core.ids import new_id
from core.runtime import Runtime
from core.uow import UnitOfWork
from loadtests.scenarios.bounds import NotAllowed, check_size
from loadtests.scenarios.people import Person, write
from realtime import service
from realtime.rules import RoomKind, RoomState
from realtime.service import NewMember

SCENARIOS = ("day", "storm", "lecture", "wall")
#: One of so many at the wall is a supervisor.
SUPERVISORS = 5
HOSPITAL = "load-tests"
NAME = "压力测试"


async def seed(runtime: Runtime, scenario: str, users: int) -> list[Person]:
    """Make the people of a run with their rooms. Raises NotAllowed outside a demo."""
    if not runtime.config.demo:
        raise NotAllowed("People are made in a demo's database only (ZHENJIAN_DEMO=true).")
    check_size(users, 1)
    async with runtime.unit_of_work() as uow:
        hospital = await _hospital(uow)
        company = _Company(uow, hospital, runtime.keyring)
        match scenario:
            case "lecture":
                return await company.lecture(users)
            case "wall":
                watching = max(1, users // SUPERVISORS)
                supervisors = [await company.supervisor(number) for number in range(watching)]
                return [*supervisors, *await company.pairs(users - watching)]
            case _:
                return await company.pairs(users)


async def _hospital(uow: UnitOfWork) -> UUID:
    known = await uow.session.scalar(select(Hospital.id).where(Hospital.code == HOSPITAL))
    if known is not None:
        return known
    made = Hospital(id=new_id(), code=HOSPITAL, name=NAME, created_at=uow.now)
    uow.session.add(made)
    await uow.session.flush()
    return made.id


class _Company:
    """Makes people of one hospital, each logged in on one device."""

    def __init__(self, uow: UnitOfWork, hospital_id: UUID, keyring: Keyring) -> None:
        self._uow = uow
        self._hospital_id = hospital_id
        self._keyring = keyring

    async def pairs(self, users: int) -> list[Person]:
        """A patient and a doctor in each room; the last patient may be alone with his."""
        people = []
        for first in range(0, users, 2):
            pair = [await self._hire(Role.PATIENT), await self._hire(Role.DOCTOR)]
            room = await self._room(pair, RoomKind.CONSULTATION)
            people += [
                self._person(caller, f"u{first + place}", room) for place, caller in enumerate(pair)
            ]
        return people[:users]

    async def lecture(self, users: int) -> list[Person]:
        """One room of colleagues, the first of whom speaks."""
        callers = [await self._hire(Role.DOCTOR) for _ in range(users)]
        room = await self._room(callers, RoomKind.GROUP)
        return [
            self._person(caller, f"u{place}", room, "member" if place else "speaker")
            for place, caller in enumerate(callers)
        ]

    async def supervisor(self, number: int) -> Person:
        return self._person(await self._hire(Role.SUPERVISOR), f"s{number}", None, "supervisor")

    async def _hire(self, role: Role) -> Caller:
        now: datetime = self._uow.now
        caller = Caller(
            user_id=new_id(),
            hospital_id=self._hospital_id,
            role=role,
            session_id=new_id(),
            device_id="load",
        )
        self._uow.session.add(User(id=caller.user_id, name=NAME, created_at=now))
        await self._uow.session.flush()
        self._uow.session.add(
            DeviceSession(
                id=caller.session_id,
                user_id=caller.user_id,
                hospital_id=self._hospital_id,
                device_id=caller.device_id,
                platform="h5",
                created_at=now,
                last_seen_at=now,
                active_at=now,
                second_factor_at=now,
            )
        )
        self._uow.session.add(
            RoleAssignment(
                id=new_id(),
                user_id=caller.user_id,
                hospital_id=self._hospital_id,
                role=role,
                created_at=now,
            )
        )
        await self._uow.session.flush()
        return caller

    async def _room(self, callers: list[Caller], kind: RoomKind) -> UUID:
        return await service.open_room(
            self._uow,
            hospital_id=self._hospital_id,
            title=NAME,
            members=[NewMember(each.user_id, each.role) for each in callers],
            kind=kind,
            state=RoomState.ACTIVE,
        )

    def _person(self, caller: Caller, name: str, room: UUID | None, part: str = "member") -> Person:
        token = tokens.issue_access_token(caller, self._uow.now, self._keyring)
        return Person(name, str(caller.user_id), caller.role.value, token, str(room or ""), part)


async def _main(scenario: str, users: int, out: Path) -> None:
    config = Config()
    runtime = await zhenjian.open_runtime(config, zhenjian.all_modules(config), LocalBus())
    try:
        write(await seed(runtime, scenario, users), out)
    finally:
        await runtime.engine.dispose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="People and rooms for the load scenarios.")
    parser.add_argument("--scenario", choices=SCENARIOS, default="day")
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    try:
        asyncio.run(_main(given.scenario, given.users, given.out))
    except NotAllowed as problem:
        sys.exit(str(problem))
