"""Shapes of the accounts API."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from core.identity.roles import Role

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=30)]
Login = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, to_lower=True, pattern=r"(?i)^[a-z][a-z0-9._-]{2,31}$"
    ),
]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, max_length=20)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=200)]


class DutyInput(BaseModel):
    """A role, in a department where it is one of clinicians."""

    role: Role
    department_id: UUID | None = None
    title: Annotated[str, StringConstraints(strip_whitespace=True, max_length=30)] = ""


class DutyView(BaseModel):
    role: Role
    department_id: UUID | None
    department: str | None
    title: str


class AccountView(BaseModel):
    """An account as the hospital sees it; the telephone number is masked."""

    user_id: UUID
    name: str
    login: str | None
    phone_masked: str | None
    has_password: bool
    enabled: bool
    created_at: datetime
    last_login_at: datetime | None
    devices: int = Field(description="Devices logged in now.")
    duties: list[DutyView]


class HireInput(BaseModel):
    name: Name
    phone: Phone
    login: Login | None = None
    duties: list[DutyInput] = Field(max_length=12)


class EditInput(BaseModel):
    """Absent fields stay."""

    name: Name | None = None
    phone: Phone | None = None
    login: Login | None = None


class DutiesInput(BaseModel):
    duties: list[DutyInput] = Field(max_length=12)


class EnableInput(BaseModel):
    enabled: bool
    reason: Reason


class ReasonInput(BaseModel):
    reason: Reason
