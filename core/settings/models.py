"""Tables of settings: the values in force and every change that led to them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Enum, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.data_classes import INTERNAL
from core.db import Base, id_column
from core.settings.registry import Scope

#: Stands for "everybody" in columns that must not be null to be unique.
EVERYWHERE = UUID(int=0)

SCOPE_TYPE = Enum(
    Scope,
    native_enum=False,
    length=16,
    create_constraint=False,
    values_callable=lambda kind: [member.value for member in kind],
)


class SettingValue(Base):
    """A value that differs from the default.

    `hospital_id` is `EVERYWHERE` for the group; `scope_id` names the hospital, department or
    person, `EVERYWHERE` for the group. A person's value holds at one hospital.
    """

    __tablename__ = "setting_values"
    __table_args__ = (UniqueConstraint("key", "scope", "hospital_id", "scope_id"),)

    id: Mapped[UUID] = id_column()
    key: Mapped[str] = mapped_column(String(100), info=INTERNAL)
    scope: Mapped[Scope] = mapped_column(SCOPE_TYPE, info=INTERNAL)
    hospital_id: Mapped[UUID]
    scope_id: Mapped[UUID]
    value: Mapped[Any] = mapped_column(JSONB(none_as_null=True), info=INTERNAL)
    changed_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    changed_at: Mapped[datetime]


class SettingChange(Base):
    """One change: who, when, why, from what to what. `value` NULL means back to the wider value."""

    __tablename__ = "setting_changes"
    __table_args__ = (Index("ix_setting_changes_key", "key", "id"),)

    id: Mapped[UUID] = id_column()
    key: Mapped[str] = mapped_column(String(100), info=INTERNAL)
    scope: Mapped[Scope] = mapped_column(SCOPE_TYPE, info=INTERNAL)
    hospital_id: Mapped[UUID]
    scope_id: Mapped[UUID]
    old_value: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True), info=INTERNAL)
    value: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True), info=INTERNAL)
    reason: Mapped[str] = mapped_column(Text, default="", info=INTERNAL)
    changed_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]
