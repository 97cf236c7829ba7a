"""Who is asking: the value that every query made for a person takes."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.identity.roles import STAFF_ROLES, Role


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """One authenticated person in one role at one hospital.

    Built from an access token and the live session behind it. The hospital comes from here and
    never from a parameter of the request. `second_factor_at` is when this session last proved a
    second factor (None: never); `core.identity.second_factor.require` asks for a fresh one.
    """

    user_id: UUID
    hospital_id: UUID
    role: Role
    session_id: UUID
    device_id: str
    department_ids: frozenset[UUID] = frozenset()
    name: str = ""
    second_factor_at: datetime | None = None

    @property
    def is_staff(self) -> bool:
        """Whether the caller acts as somebody who works for the hospital."""
        return self.role in STAFF_ROLES
