"""Tables of texts, of consents, and of what people ask about their data."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DDL, ForeignKey, Index, String, Text, UniqueConstraint, event, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from clinical.columns import word
from clinical.consent.states import (
    Act,
    CopyState,
    HeldThing,
    Kind,
    Method,
    Outcome,
    ProposalState,
    RequestState,
    Right,
    TextState,
)
from core.crypto.columns import EncryptedJSON, EncryptedText
from core.crypto.sm import sm3
from core.data_classes import INTERNAL, PERSONAL, PUBLIC, SENSITIVE
from core.db import Base, hospital_column, id_column
from core.integrity import Protected


class ConsentText(Base):
    """One version of a text; without a hospital it is the group's default for all of them.

    A published version never changes. `material` says whether older consents end with it, after
    `grace_days`. `purposes` are ticked one by one: `[{code, title, text, required}]`.
    """

    __tablename__ = "consent_texts"

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID | None] = mapped_column(ForeignKey("hospitals.id"))
    kind: Mapped[Kind] = mapped_column(word(Kind), info=PUBLIC)
    version: Mapped[str] = mapped_column(String(20), info=PUBLIC)
    title: Mapped[str] = mapped_column(Text, info=PUBLIC)
    summary: Mapped[str] = mapped_column(Text, default="", info=PUBLIC)
    body: Mapped[str] = mapped_column(Text, info=PUBLIC)
    purposes: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list, info=PUBLIC)
    signature_required: Mapped[bool] = mapped_column(default=False, info=PUBLIC)
    material: Mapped[bool] = mapped_column(default=True, info=PUBLIC)
    grace_days: Mapped[int] = mapped_column(default=0, info=PUBLIC)
    change_note: Mapped[str] = mapped_column(Text, default="", info=PUBLIC)
    state: Mapped[TextState] = mapped_column(word(TextState), info=INTERNAL)
    effective_at: Mapped[datetime | None]
    digest: Mapped[str | None] = mapped_column(String(64), info=PUBLIC)
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    published_by: Mapped[UUID | None]
    published_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "uq_consent_texts_own",
            "hospital_id",
            "kind",
            "version",
            unique=True,
            postgresql_where=text("hospital_id IS NOT NULL"),
        ),
        Index(
            "uq_consent_texts_group",
            "kind",
            "version",
            unique=True,
            postgresql_where=text("hospital_id IS NULL"),
        ),
    )

    def document(self) -> bytes:
        """Everything that is shown, byte for byte, for the digest of a consent."""
        purposes = [
            f"{each['title']}{'（必需）' if each['required'] else '（可选）'}：{each['text']}"
            for each in self.purposes
        ]
        return "\n\n".join((self.version, self.title, self.body, *purposes)).encode()

    def shown_digest(self) -> str:
        """SM3 of the document, in hexadecimal."""
        return sm3(self.document()).hex()


class TextProposal(Base):
    """The wish to publish a version: it takes effect when a second person confirms it.

    `digest` is that of the wording proposed, `base_id` the text in force that it was compared with.
    """

    __tablename__ = "consent_text_proposals"

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    text_id: Mapped[UUID] = mapped_column(ForeignKey("consent_texts.id", ondelete="CASCADE"))
    base_id: Mapped[UUID | None] = mapped_column(ForeignKey("consent_texts.id"))
    digest: Mapped[str] = mapped_column(String(64), info=PUBLIC)
    state: Mapped[ProposalState] = mapped_column(word(ProposalState), info=INTERNAL)
    requested_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    requested_at: Mapped[datetime]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(Text, default="", info=INTERNAL)

    __table_args__ = (
        Index("ix_consent_text_proposals_text", "text_id", "requested_at"),
        Index(
            "uq_consent_text_proposals_pending",
            "text_id",
            unique=True,
            postgresql_where=text("state = 'pending'"),
        ),
    )


class ConsentRecord(Protected, Base):
    """What somebody did about a text: append-only, the newest entry of a matter counts.

    A matter is an account, a patient, or one thing (`ref_type`, `ref_id`), by the kind's reach.
    `digest` is that of exactly what was shown; `purposes` are the answers one by one. `signature`
    is the handwriting as PNG in base64 where the text asks for one.
    """

    __tablename__ = "consent_records"
    __protected__ = (
        "hospital_id",
        "user_id",
        "patient_id",
        "relation",
        "as_guardian",
        "kind",
        "text_id",
        "version",
        "digest",
        "act",
        "purposes",
        "ref_type",
        "ref_id",
        "method",
        "signature_digest",
        "session_id",
        "device",
        "address",
        "at",
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    patient_id: Mapped[UUID | None] = mapped_column(ForeignKey("patients.id"))
    relation: Mapped[str | None] = mapped_column(String(32), info=PERSONAL)
    as_guardian: Mapped[bool] = mapped_column(default=False, info=PERSONAL)
    kind: Mapped[Kind] = mapped_column(word(Kind), info=INTERNAL)
    text_id: Mapped[UUID] = mapped_column(ForeignKey("consent_texts.id"))
    version: Mapped[str] = mapped_column(String(20), info=PUBLIC)
    digest: Mapped[str] = mapped_column(String(64), info=INTERNAL)
    act: Mapped[Act] = mapped_column(word(Act), info=INTERNAL)
    purposes: Mapped[dict[str, bool]] = mapped_column(JSONB, default=dict, info=INTERNAL)
    ref_type: Mapped[str | None] = mapped_column(String(32), info=INTERNAL)
    ref_id: Mapped[UUID | None]
    method: Mapped[Method] = mapped_column(word(Method), info=INTERNAL)
    signature: Mapped[str | None] = mapped_column(EncryptedText(), deferred=True, info=SENSITIVE)
    signature_digest: Mapped[str | None] = mapped_column(String(64), info=INTERNAL)
    session_id: Mapped[UUID | None]
    device: Mapped[str] = mapped_column(Text, default="", info=PERSONAL)
    address: Mapped[str] = mapped_column(String(64), default="", info=PERSONAL)
    at: Mapped[datetime]

    __table_args__ = (
        Index("ix_consent_records_user", "user_id", "kind", "at"),
        Index("ix_consent_records_patient", "patient_id", "kind"),
        Index("ix_consent_records_ref", "ref_type", "ref_id"),
        Index("ix_consent_records_text", "text_id", "at"),
    )


class RightsRequest(Protected, Base):
    """What a person asks about the own data, and how it was answered."""

    __tablename__ = "rights_requests"
    __protected__ = (
        "hospital_id",
        "number",
        "user_id",
        "patient_id",
        "right",
        "state",
        "field",
        "wish",
        "words",
        "created_at",
        "due_on",
        "extended_at",
        "checked_at",
        "checked_by",
        "outcome",
        "reason",
        "decided_by",
        "closed_at",
        "close_at",
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    number: Mapped[str] = mapped_column(String(24), info=INTERNAL)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    patient_id: Mapped[UUID | None] = mapped_column(ForeignKey("patients.id"))
    right: Mapped[Right] = mapped_column(word(Right), info=PERSONAL)
    state: Mapped[RequestState] = mapped_column(word(RequestState), info=INTERNAL)
    field: Mapped[str] = mapped_column(EncryptedText(), default="", info=PERSONAL)
    wish: Mapped[str] = mapped_column(EncryptedText(), default="", info=SENSITIVE)
    words: Mapped[str] = mapped_column(EncryptedText(), default="", info=SENSITIVE)
    file_ids: Mapped[list[str]] = mapped_column(EncryptedJSON(), default=list, info=INTERNAL)
    created_at: Mapped[datetime]
    due_on: Mapped[date] = mapped_column(info=INTERNAL)
    extended_at: Mapped[datetime | None]
    assignee_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    checked_at: Mapped[datetime | None]
    checked_by: Mapped[UUID | None]
    check_note: Mapped[str] = mapped_column(EncryptedText(), default="", info=PERSONAL)
    outcome: Mapped[Outcome | None] = mapped_column(word(Outcome), info=INTERNAL)
    reason: Mapped[str] = mapped_column(EncryptedText(), default="", info=SENSITIVE)
    result: Mapped[list[dict[str, Any]]] = mapped_column(
        EncryptedJSON(), default=list, info=PERSONAL
    )
    decided_by: Mapped[UUID | None]
    closed_at: Mapped[datetime | None]
    close_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("hospital_id", "number"),
        Index("ix_rights_requests_queue", "hospital_id", "state", "due_on", "id"),
        Index("ix_rights_requests_user", "user_id", "created_at"),
        Index(
            "ix_rights_requests_closing",
            "close_at",
            postgresql_where=text("state = 'cooling'"),
        ),
    )


class RightsStep(Base):
    """One step of a request, as the requester and the officers read it."""

    __tablename__ = "rights_steps"

    id: Mapped[UUID] = id_column()
    request_id: Mapped[UUID] = mapped_column(
        ForeignKey("rights_requests.id", ondelete="CASCADE"), index=True
    )
    at: Mapped[datetime]
    by: Mapped[UUID | None]
    what: Mapped[str] = mapped_column(String(40), info=INTERNAL)
    words: Mapped[str] = mapped_column(EncryptedText(), default="", info=SENSITIVE)
    shown: Mapped[bool] = mapped_column(default=True, info=INTERNAL)


class DataCopy(Base):
    """A copy of what is held about a person: made in the background, kept for a few days.

    `claimed_until` is the lease of the process that makes it. `progress` runs from 0 to 1.
    """

    __tablename__ = "data_copies"

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    request_id: Mapped[UUID] = mapped_column(ForeignKey("rights_requests.id"), unique=True)
    state: Mapped[CopyState] = mapped_column(word(CopyState), info=INTERNAL)
    progress: Mapped[float] = mapped_column(default=0.0, info=INTERNAL)
    stage: Mapped[str] = mapped_column(Text, default="", info=INTERNAL)
    attempts: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    last_error: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    claimed_until: Mapped[datetime | None]
    json_size: Mapped[int | None] = mapped_column(info=INTERNAL)
    json_digest: Mapped[str | None] = mapped_column(String(64), info=INTERNAL)
    pdf_size: Mapped[int | None] = mapped_column(info=INTERNAL)
    pdf_digest: Mapped[str | None] = mapped_column(String(64), info=INTERNAL)
    created_at: Mapped[datetime]
    ready_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    fetched_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "ix_data_copies_work",
            "created_at",
            postgresql_where=text("state IN ('queued', 'running')"),
        ),
        Index("ix_data_copies_expiry", "expires_at", postgresql_where=text("state = 'ready'")),
    )

    def key(self, kind: str) -> str:
        """Where the file lies in the object store; `kind` is `json` or `pdf`."""
        return f"copies/{self.created_at:%Y/%m}/{self.id}/copy.{kind}"


class LegalHold(Protected, Base):
    """That something must not be deleted, whatever else is asked or due."""

    __tablename__ = "legal_holds"
    __protected__ = (
        "hospital_id",
        "thing",
        "thing_id",
        "reason",
        "placed_by",
        "since",
        "lifted_by",
        "lifted_at",
        "lift_reason",
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    thing: Mapped[HeldThing] = mapped_column(word(HeldThing), info=INTERNAL)
    thing_id: Mapped[UUID]
    label: Mapped[str] = mapped_column(EncryptedText(), default="", info=PERSONAL)
    reason: Mapped[str] = mapped_column(EncryptedText(), info=SENSITIVE)
    placed_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    since: Mapped[datetime]
    lifted_by: Mapped[UUID | None]
    lifted_at: Mapped[datetime | None]
    lift_reason: Mapped[str] = mapped_column(EncryptedText(), default="", info=SENSITIVE)

    __table_args__ = (
        Index(
            "ix_legal_holds_thing",
            "hospital_id",
            "thing",
            "thing_id",
            postgresql_where=text("lifted_at IS NULL"),
        ),
    )


class Restriction(Base):
    """That a person's data is kept but no longer used: it shows to officers with a reason only."""

    __tablename__ = "data_restrictions"

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    user_id: Mapped[UUID | None]
    patient_id: Mapped[UUID | None]
    request_id: Mapped[UUID | None] = mapped_column(ForeignKey("rights_requests.id"))
    since: Mapped[datetime]
    lifted_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "ix_data_restrictions_patient",
            "hospital_id",
            "patient_id",
            postgresql_where=text("lifted_at IS NULL"),
        ),
    )


#: Consents are never changed (but a change of keys seals the handwriting anew, and MACs are made
#: with a later key), and deleted only where the retention job says so for its transaction; a
#: published text stays.
GUARD_DDL: tuple[str, ...] = (
    """CREATE OR REPLACE FUNCTION consent_records_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $body$
DECLARE
  technical text[] := ARRAY['integrity_version', 'integrity_mac'];
BEGIN
  IF current_setting('zhenjian.resealing', true) = 'on' THEN
    technical := technical || 'signature'::text;
  END IF;
  IF TG_OP = 'DELETE' THEN
    IF current_setting('zhenjian.retention', true) = 'over' THEN
      RETURN OLD;
    END IF;
  ELSIF to_jsonb(NEW) - technical = to_jsonb(OLD) - technical THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'consent_records is append-only' USING ERRCODE = 'insufficient_privilege';
END
$body$""",
    """CREATE TRIGGER consent_records_append_only
BEFORE UPDATE OR DELETE ON consent_records
FOR EACH ROW EXECUTE FUNCTION consent_records_refuse_change()""",
    """CREATE OR REPLACE FUNCTION consent_texts_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $body$
BEGIN
  IF OLD.state = 'published' THEN
    RAISE EXCEPTION 'a published text never changes' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN OLD;
  END IF;
  RETURN NEW;
END
$body$""",
    """CREATE TRIGGER consent_texts_published_stay
BEFORE UPDATE OR DELETE ON consent_texts
FOR EACH ROW EXECUTE FUNCTION consent_texts_refuse_change()""",
)

for _table, _statements in (
    (ConsentRecord.__table__, GUARD_DDL[:2]),
    (ConsentText.__table__, GUARD_DDL[2:]),
):
    for _statement in _statements:
        event.listen(
            _table,
            "after_create",
            DDL(_statement.replace("%", "%%")),  # type: ignore[no-untyped-call]
        )
