"""Tables of access: policies and their changes, own roles, menus, delegations, permissions,
break-glass access.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.crypto.columns import EncryptedText
from core.data_classes import INTERNAL, SENSITIVE
from core.db import Base, hospital_column, id_column
from core.identity.models import ROLE_TYPE
from core.identity.roles import Role

#: Stands for "the group" as a place and for "the base role itself" as a role.
EVERYWHERE = UUID(int=0)


class AccessRole(Base):
    """A role of a hospital's own (岗位角色), derived from one of the eight; `EVERYWHERE`: the
    group's.
    """

    __tablename__ = "access_roles"
    __table_args__ = (UniqueConstraint("hospital_id", "name"),)

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID]
    base: Mapped[Role] = mapped_column(ROLE_TYPE, info=INTERNAL)
    name: Mapped[str] = mapped_column(String(40), info=INTERNAL)
    description: Mapped[str] = mapped_column(Text, default="", info=INTERNAL)
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class AccessPolicy(Base):
    """A cell of the matrix that differs from the default, as two people wanted it."""

    __tablename__ = "access_policies"
    __table_args__ = (UniqueConstraint("hospital_id", "role", "role_id", "resource", "action"),)

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID]
    role: Mapped[Role] = mapped_column(ROLE_TYPE, info=INTERNAL)
    role_id: Mapped[UUID] = mapped_column(default=EVERYWHERE)
    resource: Mapped[str] = mapped_column(String(60), info=INTERNAL)
    action: Mapped[str] = mapped_column(String(60), info=INTERNAL)
    scope: Mapped[str] = mapped_column(String(16), info=INTERNAL)
    filters: Mapped[list[str]] = mapped_column(JSONB, default=list, info=INTERNAL)
    hidden: Mapped[list[str]] = mapped_column(JSONB, default=list, info=INTERNAL)
    masked: Mapped[list[str]] = mapped_column(JSONB, default=list, info=INTERNAL)
    change_id: Mapped[UUID | None] = mapped_column(ForeignKey("access_changes.id"))
    changed_at: Mapped[datetime]


class AccessChange(Base):
    """A wanted change of policies: it takes effect when a second person confirms it.

    `items`: cells with `before` and `after`, each a policy or null for the default.
    """

    __tablename__ = "access_changes"
    __table_args__ = (Index("ix_access_changes_place", "hospital_id", "requested_at", "id"),)

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID]
    requested_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    requested_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(Text, info=INTERNAL)
    items: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, info=INTERNAL)
    state: Mapped[str] = mapped_column(String(16), info=INTERNAL)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(Text, default="", info=INTERNAL)


class AccessMenu(Base):
    """Which pages of the console a role is shown, in order; without a row all that it may open."""

    __tablename__ = "access_menus"

    hospital_id: Mapped[UUID] = mapped_column(primary_key=True)
    role: Mapped[Role] = mapped_column(ROLE_TYPE, primary_key=True, info=INTERNAL)
    role_id: Mapped[UUID] = mapped_column(primary_key=True)
    pages: Mapped[list[str]] = mapped_column(JSONB, info=INTERNAL)
    changed_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    changed_at: Mapped[datetime]


class AccessDelegation(Base):
    """That a colleague may do for a time what the giver may: never more than the giver holds at
    the moment of use.
    """

    __tablename__ = "access_delegations"
    __table_args__ = (
        Index("ix_access_delegations_receiver", "receiver_id", "ends_at"),
        Index("ix_access_delegations_giver", "giver_id", "ends_at"),
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    department_id: Mapped[UUID] = mapped_column(ForeignKey("departments.id"))
    role: Mapped[Role] = mapped_column(ROLE_TYPE, info=INTERNAL)
    giver_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    receiver_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    actions: Mapped[list[str]] = mapped_column(JSONB, info=INTERNAL)
    reason: Mapped[str] = mapped_column(Text, info=INTERNAL)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))


class AccessPermit(Base):
    """A permission asked for, and granted for a time or refused (退款权限)."""

    __tablename__ = "access_permits"
    __table_args__ = (
        Index("ix_access_permits_user", "user_id", "hospital_id"),
        Index("ix_access_permits_place", "hospital_id", "state", "asked_at", "id"),
        Index(
            "uq_access_permits_pending",
            "user_id",
            "hospital_id",
            "role",
            "permission",
            unique=True,
            postgresql_where=text("state = 'pending'"),
        ),
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    role: Mapped[Role] = mapped_column(ROLE_TYPE, info=INTERNAL)
    permission: Mapped[str] = mapped_column(String(121), info=INTERNAL)
    reason: Mapped[str] = mapped_column(Text, info=INTERNAL)
    days: Mapped[int] = mapped_column(info=INTERNAL)
    asked_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16), info=INTERNAL)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(Text, default="", info=INTERNAL)
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]


class EmergencyAccess(Base):
    """Break-glass access (紧急调阅): one clinician, one patient, a short time, read only.

    `patient_id` belongs to the people module. `verdict` is the reviewing officer's.
    """

    __tablename__ = "emergency_accesses"
    __table_args__ = (
        Index("ix_emergency_accesses_user", "user_id", "patient_id", "ends_at"),
        Index("ix_emergency_accesses_place", "hospital_id", "opened_at", "id"),
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    role: Mapped[Role] = mapped_column(ROLE_TYPE, info=INTERNAL)
    patient_id: Mapped[UUID]
    patient_label: Mapped[str] = mapped_column(EncryptedText(), info=SENSITIVE)
    category: Mapped[str] = mapped_column(String(24), info=INTERNAL)
    reason: Mapped[str] = mapped_column(EncryptedText(), info=SENSITIVE)
    opened_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    looks: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    verdict: Mapped[str | None] = mapped_column(String(16), info=INTERNAL)
    reviewed_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    reviewed_at: Mapped[datetime | None]
    note: Mapped[str | None] = mapped_column(EncryptedText(), info=SENSITIVE)
