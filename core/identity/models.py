"""Tables of identity: hospitals, departments, users, roles, sessions, tokens, codes, agreements."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    Enum,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column

from core.crypto.blind_index import BLIND_INDEX_BYTES
from core.crypto.columns import EncryptedText
from core.data_classes import INTERNAL, PERSONAL, PUBLIC, SENSITIVE
from core.db import Base, hospital_column, id_column
from core.identity.roles import Role


def _values(kind: type[StrEnum]) -> list[str]:
    return [str(member.value) for member in kind]


#: Stored as its value with a length limit, so that a new role needs no migration of a type.
ROLE_TYPE = Enum(
    Role, native_enum=False, length=32, create_constraint=False, values_callable=_values
)


class Hospital(Base):
    """One hospital of the installation; the smallest `position` is the default one."""

    __tablename__ = "hospitals"

    id: Mapped[UUID] = id_column()
    code: Mapped[str] = mapped_column(String(40), unique=True, info=PUBLIC)
    name: Mapped[str] = mapped_column(Text, info=PUBLIC)
    city: Mapped[str] = mapped_column(Text, default="", info=PUBLIC)
    intro: Mapped[str] = mapped_column(Text, default="", info=PUBLIC)
    time_zone: Mapped[str] = mapped_column(String(64), default="Asia/Shanghai", info=PUBLIC)
    position: Mapped[int] = mapped_column(default=0, info=PUBLIC)
    enabled: Mapped[bool] = mapped_column(default=True, info=INTERNAL)
    created_at: Mapped[datetime]


class Department(Base):
    """A department of one hospital, possibly below another one."""

    __tablename__ = "departments"
    __table_args__ = (UniqueConstraint("hospital_id", "code"),)

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("departments.id"))
    code: Mapped[str] = mapped_column(String(40), info=PUBLIC)
    name: Mapped[str] = mapped_column(Text, info=PUBLIC)
    intro: Mapped[str] = mapped_column(Text, default="", info=PUBLIC)
    position: Mapped[int] = mapped_column(default=0, info=PUBLIC)
    enabled: Mapped[bool] = mapped_column(default=True, info=INTERNAL)
    created_at: Mapped[datetime]


class User(Base):
    """An account. It may work in and visit several hospitals, so it belongs to none.

    `name` is what others see: the public name of staff, a nickname of patients. The real name, the
    identity number and the telephone number are encrypted; find an account by `phone_index`
    (`access.phone_key`). `login` is the account name of staff.
    """

    __tablename__ = "users"

    id: Mapped[UUID] = id_column()
    login: Mapped[str | None] = mapped_column(String(64), unique=True, info=PERSONAL)
    name: Mapped[str] = mapped_column(Text, default="", info=PERSONAL)
    phone: Mapped[str | None] = mapped_column(EncryptedText(), info=PERSONAL)
    phone_index: Mapped[bytes | None] = mapped_column(
        LargeBinary(BLIND_INDEX_BYTES), unique=True, deferred=True, info=PERSONAL
    )
    password_hash: Mapped[str | None] = mapped_column(Text, deferred=True, info=SENSITIVE)
    password_changed_at: Mapped[datetime | None]
    password_reset_required: Mapped[bool] = mapped_column(default=False, info=INTERNAL)
    real_name: Mapped[str | None] = mapped_column(EncryptedText(), info=PERSONAL)
    id_number: Mapped[str | None] = mapped_column(EncryptedText(), deferred=True, info=PERSONAL)
    id_number_index: Mapped[bytes | None] = mapped_column(
        LargeBinary(BLIND_INDEX_BYTES), index=True, deferred=True, info=PERSONAL
    )
    real_name_verified_at: Mapped[datetime | None]
    real_name_reference: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    avatar_file_id: Mapped[UUID | None]
    enabled: Mapped[bool] = mapped_column(default=True, info=INTERNAL)
    #: How the person wants to be reminded at a desk (`schemas.Reminders`); None: both.
    reminders: Mapped[dict[str, bool] | None] = mapped_column(
        JSONB(none_as_null=True), deferred=True, info=INTERNAL
    )
    created_at: Mapped[datetime]


class RoleAssignment(Base):
    """What a user may be at a hospital, for staff possibly within a department.

    `title` is the professional title there (主任医师), empty for patients. `access_role_id` is the
    hospital's own role (岗位角色) in which the base role is held, if any.
    """

    __tablename__ = "role_assignments"
    __table_args__ = (
        # PostgreSQL 14 has no NULLS NOT DISTINCT, hence two partial indexes.
        Index(
            "uq_role_assignments_with_department",
            "user_id",
            "hospital_id",
            "role",
            "department_id",
            unique=True,
            postgresql_where=text("department_id IS NOT NULL"),
        ),
        Index(
            "uq_role_assignments_without_department",
            "user_id",
            "hospital_id",
            "role",
            unique=True,
            postgresql_where=text("department_id IS NULL"),
        ),
        Index("ix_role_assignments_hospital", "hospital_id", "role"),
    )

    id: Mapped[UUID] = id_column()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    hospital_id: Mapped[UUID] = hospital_column()
    role: Mapped[Role] = mapped_column(ROLE_TYPE, info=INTERNAL)
    department_id: Mapped[UUID | None] = mapped_column(ForeignKey("departments.id"), index=True)
    title: Mapped[str] = mapped_column(Text, default="", info=PUBLIC)
    access_role_id: Mapped[UUID | None] = mapped_column(ForeignKey("access_roles.id"), index=True)
    created_at: Mapped[datetime]


def _when_seen(context: DefaultExecutionContext) -> datetime:
    """A login is an act."""
    seen: datetime = context.get_current_parameters()["last_seen_at"]  # type: ignore[no-untyped-call]
    return seen


class DeviceSession(Base):
    """One login on one device; ended by logout, revocation or idleness.

    `active_at` is when a person last did something, `last_seen_at` when the client last spoke.
    `label` is the owner's own name for the device, `external_session` the session at a single
    sign-on provider that may end this one, `notified_at` when its owner was told by text message.
    """

    __tablename__ = "device_sessions"
    __table_args__ = (
        Index("ix_device_sessions_live", "user_id", postgresql_where=text("revoked_at IS NULL")),
    )

    id: Mapped[UUID] = id_column()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    hospital_id: Mapped[UUID] = hospital_column()
    device_id: Mapped[str] = mapped_column(String(100), info=PERSONAL)
    device_name: Mapped[str] = mapped_column(String(100), default="", info=PERSONAL)
    platform: Mapped[str] = mapped_column(String(32), default="", info=INTERNAL)
    address: Mapped[str] = mapped_column(String(64), default="", info=PERSONAL)
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    active_at: Mapped[datetime] = mapped_column(default=_when_seen)
    label: Mapped[str] = mapped_column(String(40), default="", info=PERSONAL)
    login_method: Mapped[str] = mapped_column(String(16), default="password", info=INTERNAL)
    second_factor_at: Mapped[datetime | None]
    second_factor_method: Mapped[str | None] = mapped_column(String(16), info=INTERNAL)
    external_session: Mapped[str | None] = mapped_column(String(200), index=True, info=INTERNAL)
    notified_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    revoke_reason: Mapped[str | None] = mapped_column(String(40), info=INTERNAL)


class RefreshToken(Base):
    """One link of a chain of refresh tokens; the token itself is not stored.

    Its text is the row id and a MAC under the token key, so a copy of the table opens nothing. A
    chain (`family_id`) belongs to one session and carries one role at one hospital.
    """

    __tablename__ = "refresh_tokens"

    id: Mapped[UUID] = id_column()
    session_id: Mapped[UUID] = mapped_column(
        ForeignKey("device_sessions.id", ondelete="CASCADE"), index=True
    )
    family_id: Mapped[UUID]
    hospital_id: Mapped[UUID] = hospital_column()
    role: Mapped[Role] = mapped_column(ROLE_TYPE, info=INTERNAL)
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    used_agent: Mapped[bytes | None] = mapped_column(LargeBinary(32), info=PERSONAL)
    successor_id: Mapped[UUID | None]


class SmsCode(Base):
    """A code that was asked for; only its keyed digest is kept.

    `purpose` (login, second_factor) keeps a code from opening another door.
    """

    __tablename__ = "sms_codes"
    __table_args__ = (
        Index("ix_sms_codes_phone", "phone_index", "created_at"),
        Index("ix_sms_codes_address", "address", "created_at"),
    )

    id: Mapped[UUID] = id_column()
    phone_index: Mapped[bytes] = mapped_column(LargeBinary(BLIND_INDEX_BYTES), info=PERSONAL)
    purpose: Mapped[str] = mapped_column(String(16), default="login", info=INTERNAL)
    code_digest: Mapped[bytes] = mapped_column(LargeBinary(32), info=SENSITIVE)
    address: Mapped[str] = mapped_column(String(64), info=PERSONAL)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0, info=INTERNAL)
    used_at: Mapped[datetime | None]


class LoginThrottle(Base):
    """Failed logins of one account name or one address, whether or not the account exists.

    `user_id` is the account where there is one, so that officers can lift the lock; `lockouts`
    counts the locks in a row.
    """

    __tablename__ = "login_throttles"

    key: Mapped[bytes] = mapped_column(LargeBinary(BLIND_INDEX_BYTES), primary_key=True)
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), index=True)
    failures: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    lockouts: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    counted_since: Mapped[datetime]
    last_failed_at: Mapped[datetime]
    locked_until: Mapped[datetime | None]


class PasswordHistory(Base):
    """A password that an account had once; the newest few may not come back."""

    __tablename__ = "password_history"
    __table_args__ = (Index("ix_password_history_user", "user_id", "replaced_at"),)

    id: Mapped[UUID] = id_column()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    password_hash: Mapped[str] = mapped_column(Text, info=SENSITIVE)
    replaced_at: Mapped[datetime]
