"""Request and answer shapes of identity."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, StringConstraints

from core.identity.roles import Role

Phone = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
# No stripping: a blank may belong to a password. The bound keeps the hash from being a burden.
Password = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class SmsCodeRequest(BaseModel):
    phone: Phone


class SmsCodeSent(BaseModel):
    """`retry_after` in seconds."""

    retry_after: int


class DeviceInput(BaseModel):
    """`id` is a random identifier that the client keeps; `platform`: h5, pc, wechat, alipay ..."""

    id: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)] = ""
    platform: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,32}$")] = "h5"


class LoginInput(BaseModel):
    device: DeviceInput
    role: Role | None = None
    hospital_id: UUID | None = None


class SmsLogin(LoginInput):
    phone: Phone
    code: Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^\d{4,8}$")]


class PasswordLogin(LoginInput):
    login: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
    password: Password


class RefreshInput(BaseModel):
    refresh_token: Annotated[str, StringConstraints(min_length=1, max_length=400)]


class RoleInput(BaseModel):
    role: Role
    hospital_id: UUID | None = None


class UserView(BaseModel):
    """`avatar` is a file id; its address comes from `POST /files/links`."""

    id: UUID
    name: str
    phone_masked: str | None
    real_name_verified: bool
    real_name_masked: str | None
    avatar: UUID | None


class HospitalRef(BaseModel):
    id: UUID
    name: str


class RoleView(BaseModel):
    role: Role
    hospital_id: UUID
    hospital_name: str
    department_ids: list[UUID]


class Owed(StrEnum):
    SECOND_FACTOR = "second_factor"
    PASSWORD = "password"  # noqa: S105 - a debt, no secret


class Me(BaseModel):
    """`owes` names what has to be settled before anything else: second_factor, password.

    After `idle_seconds` without anybody doing anything the session ends.
    """

    user: UserView
    role: Role
    hospital: HospitalRef
    roles: list[RoleView]
    owes: list[Owed]
    idle_seconds: int


class Tokens(Me):
    """`expires_in` in seconds: refresh a little earlier."""

    access_token: str
    expires_in: int
    refresh_token: str
    session_id: UUID


class SessionView(BaseModel):
    """`label` is the owner's own name for the device, `place` where it logged in, coarsely."""

    id: UUID
    device_name: str
    label: str
    platform: str
    place: str
    address: str
    login_method: str
    second_factor: bool
    created_at: datetime
    last_seen_at: datetime
    current: bool


class RenameSession(BaseModel):
    label: Annotated[str, StringConstraints(strip_whitespace=True, max_length=40)]


class LockView(BaseModel):
    """Whose attempts to log in are not heard until `until`."""

    user_id: UUID
    name: str
    failures: int
    until: datetime


class UpdateMe(BaseModel):
    name: Name | None = None
    avatar_file_id: UUID | None = None


class ChangePassword(BaseModel):
    """`old` may be missing only when the account has no password yet."""

    old: Password | None = None
    new: Password
    end_others: bool = True


class Reminders(BaseModel):
    """How somebody is reminded of what comes in at a desk: by a sound, by a note on the screen."""

    sound: bool = True
    popup: bool = True


class RealNameInput(BaseModel):
    """The pictures of both sides of the card are uploaded before, and kept as evidence."""

    name: Name
    id_number: Annotated[str, StringConstraints(strip_whitespace=True, max_length=30)]
    front_file_id: UUID | None = None
    back_file_id: UUID | None = None


class HospitalView(BaseModel):
    id: UUID
    name: str
    city: str
    intro: str


class DepartmentView(BaseModel):
    id: UUID
    name: str
    intro: str
    parent_id: UUID | None
    clinician_count: int


class DepartmentRef(BaseModel):
    id: UUID
    name: str


class StaffView(BaseModel):
    """`department` and `title` are those of the first duty; all of them stand in `roles`."""

    user_id: UUID
    name: str
    phone_masked: str | None
    roles: list[Role]
    department: DepartmentRef | None
    departments: list[DepartmentRef]
    title: str
    enabled: bool
