"""Finding colleagues of the hospital: by name, pinyin or its initials, department, role."""

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

from sqlalchemy import select

from core.identity.caller import Caller
from core.identity.models import Department, RoleAssignment, User
from core.identity.roles import Role
from core.uow import UnitOfWork
from realtime import presence, rules
from realtime.errors import NoSuchColleague
from realtime.schemas import ColleagueView
from realtime.service import NewMember
from realtime.watch import shown

FOUND_MAX = 50


async def search(
    uow: UnitOfWork,
    caller: Caller,
    *,
    text: str = "",
    department_id: UUID | None = None,
    role: Role | None = None,
) -> list[ColleagueView]:
    """Colleagues of the caller's hospital with how they are seen now, the own departments first.

    `text` matches a part of the name or of the department, the pinyin from its beginning or the
    initials (`zmy`). At most 50; oneself is left out.
    """
    query = (
        select(
            User.id,
            User.name,
            User.avatar_file_id,
            RoleAssignment.role,
            RoleAssignment.title,
            Department.id,
            Department.name,
        )
        .join(RoleAssignment, RoleAssignment.user_id == User.id)
        .outerjoin(Department, Department.id == RoleAssignment.department_id)
        .where(
            RoleAssignment.hospital_id == caller.hospital_id,
            RoleAssignment.role.in_(
                rules.COLLEAGUES if role is None else {role} & rules.COLLEAGUES
            ),
            User.enabled,
            User.id != caller.user_id,
        )
        .order_by(User.name, User.id)
    )
    if department_id is not None:
        query = query.where(RoleAssignment.department_id == department_id)
    rows = (await uow.session.execute(query)).all()
    wanted = text.strip().lower()
    if wanted:
        names = [(row[1], row[6] or "") for row in rows]
        # The dictionary of syllables takes half a second to load, the first time.
        hits = await asyncio.to_thread(_matches, names, wanted)
        rows = [row for row, hit in zip(rows, hits, strict=True) if hit]
    rows = sorted(rows, key=lambda row: row[5] not in caller.department_ids)[:FOUND_MAX]
    sights = await presence.look(uow, list({row[0] for row in rows}))
    return [
        ColleagueView(
            user_id=row[0],
            name=row[1],
            avatar=None if row[2] is None else str(row[2]),
            role=row[3],
            title=row[4],
            department_id=row[5],
            department=row[6],
            presence=sights[row[0]].state,
            last_seen=shown(sights[row[0]])["last_seen"],
        )
        for row in rows
    ]


async def require(uow: UnitOfWork, caller: Caller, people: Sequence[NewMember]) -> None:
    """Refuse people who do not work at the caller's hospital in that role, or no longer.

    Raises `no_such_colleague`.
    """
    rows = await uow.session.execute(
        select(RoleAssignment.user_id, RoleAssignment.role)
        .join(User, User.id == RoleAssignment.user_id)
        .where(
            RoleAssignment.hospital_id == caller.hospital_id,
            RoleAssignment.user_id.in_([person.user_id for person in people]),
            User.enabled,
        )
    )
    known = {(user_id, role) for user_id, role in rows}
    if any((person.user_id, person.role) not in known for person in people):
        raise NoSuchColleague


async def holders(uow: UnitOfWork, hospital_id: UUID, role: Role) -> set[UUID]:
    """The accounts that hold a role at a hospital."""
    rows = await uow.session.scalars(
        select(RoleAssignment.user_id)
        .join(User, User.id == RoleAssignment.user_id)
        .where(RoleAssignment.hospital_id == hospital_id, RoleAssignment.role == role, User.enabled)
    )
    return set(rows)


def _matches(names: Sequence[tuple[str, str]], wanted: str) -> list[bool]:
    latin = wanted.isascii()
    return [
        wanted in name.lower()
        or wanted in department.lower()
        or (latin and any(each.startswith(wanted) for each in _typed(name)))
        for name, department in names
    ]


@lru_cache(maxsize=50_000)
def _typed(name: str) -> tuple[str, str]:
    """A name as typed on a keyboard: (`zhangmingyuan`, `zmy`)."""
    from pypinyin import Style, lazy_pinyin

    syllables = lazy_pinyin(name, style=Style.NORMAL)
    initials = lazy_pinyin(name, style=Style.FIRST_LETTER)
    return "".join(syllables).lower(), "".join(initials).lower()
