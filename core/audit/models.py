"""The audit table and the trigger that keeps it append-only."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DDL, Index, String, event
from sqlalchemy.orm import Mapped, mapped_column

from core.crypto.columns import EncryptedJSON, EncryptedText
from core.data_classes import INTERNAL, PERSONAL, SENSITIVE
from core.db import Base, id_column
from core.integrity import WrittenOnce


class AuditEntry(WrittenOnce, Base):
    """One look or change. No foreign keys: an entry outlives what it speaks of.

    `hospital_id` and `user_id` are NULL for what the system does by itself. `detail`, `reason` and
    `changes` are encrypted because they may quote personal data; `changes` is
    `{column: [before, after]}`, masked by the class of each column.
    """

    __tablename__ = "audit_entries"
    __protected__ = (
        "id",
        "at",
        "hospital_id",
        "user_id",
        "role",
        "session_id",
        "action",
        "object_type",
        "object_id",
        "patient_id",
        "detail",
        "request_id",
        "address",
    )
    __protected_later__ = ("reason", "changes")
    __table_args__ = (
        Index("ix_audit_entries_hospital", "hospital_id", "at", "id"),
        Index("ix_audit_entries_user", "user_id", "at"),
        Index("ix_audit_entries_object", "object_type", "object_id", "at"),
        Index("ix_audit_entries_patient", "patient_id", "at"),
    )

    id: Mapped[UUID] = id_column()
    at: Mapped[datetime]
    hospital_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    role: Mapped[str | None] = mapped_column(String(32), info=INTERNAL)
    session_id: Mapped[UUID | None]
    action: Mapped[str] = mapped_column(String(100), info=INTERNAL)
    object_type: Mapped[str] = mapped_column(String(60), info=INTERNAL)
    object_id: Mapped[str] = mapped_column(String(100), info=INTERNAL)
    patient_id: Mapped[UUID | None]
    detail: Mapped[dict[str, Any]] = mapped_column(EncryptedJSON(), info=SENSITIVE)
    request_id: Mapped[str] = mapped_column(String(64), info=INTERNAL)
    address: Mapped[str] = mapped_column(String(64), info=PERSONAL)
    reason: Mapped[str | None] = mapped_column(EncryptedText(), info=SENSITIVE)
    changes: Mapped[dict[str, Any] | None] = mapped_column(EncryptedJSON(), info=SENSITIVE)


#: Statements for a migration and for `create_all`, in order. Encrypted cells may be sealed anew
#: with another key: what they say is under the row's MAC all the same.
APPEND_ONLY_DDL: tuple[str, ...] = (
    """CREATE OR REPLACE FUNCTION audit_entries_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $body$
BEGIN
  IF TG_OP = 'UPDATE' AND current_setting('zhenjian.resealing', true) = 'on' THEN
    IF to_jsonb(NEW) - ARRAY['detail', 'reason', 'changes']
        = to_jsonb(OLD) - ARRAY['detail', 'reason', 'changes'] THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'audit_entries is append-only' USING ERRCODE = 'insufficient_privilege';
END
$body$""",
    """CREATE TRIGGER audit_entries_append_only
BEFORE UPDATE OR DELETE ON audit_entries
FOR EACH ROW EXECUTE FUNCTION audit_entries_refuse_change()""",
    """CREATE TRIGGER audit_entries_no_truncate
BEFORE TRUNCATE ON audit_entries
FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_refuse_change()""",
)

for statement in APPEND_ONLY_DDL:
    event.listen(
        AuditEntry.__table__,
        "after_create",
        DDL(statement.replace("%", "%%")),  # type: ignore[no-untyped-call]
    )
