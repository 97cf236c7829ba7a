"""The verbs of texts: draft, edit, throw away, compare. Published versions stay."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, select
from sqlalchemy.exc import IntegrityError

from clinical.consent import access, errors, live
from clinical.consent.models import ConsentRecord, ConsentText
from clinical.consent.policies import CONSENT_TEXT
from clinical.consent.states import Act, Kind, TextState
from clinical.days import zone_of
from core import audit
from core.access import require
from core.identity.caller import Caller
from core.ids import new_id
from core.uow import UnitOfWork


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What an administrator writes."""

    version: str
    title: str
    summary: str
    body: str
    purposes: list[dict[str, Any]]
    signature_required: bool
    material: bool
    grace_days: int
    change_note: str
    effective_at: datetime | None


async def draft(uow: UnitOfWork, caller: Caller, kind: Kind, wording: Wording) -> ConsentText:
    """A new version of the caller's hospital, not shown to anybody yet.

    Raises NotPermitted, VersionTaken.
    """
    await require(uow, caller, CONSENT_TEXT, "edit")
    row = ConsentText(
        id=new_id(),
        hospital_id=caller.hospital_id,
        kind=kind,
        state=TextState.DRAFT,
        created_by=caller.user_id,
        created_at=uow.now,
        changed_at=uow.now,
        version=wording.version,
    )
    _take(row, wording)
    uow.session.add(row)
    await _flush(uow)
    await audit.record(uow, caller, "consent_text.draft", "consent_text", row.id, detail=facts(row))
    await live.texts_changed(uow, caller.hospital_id)
    return row


async def edit(uow: UnitOfWork, caller: Caller, text_id: UUID, wording: Wording) -> ConsentText:
    """Change a draft. Raises NotFound, TextNotDraft, TextPending, VersionTaken."""
    row = await own_draft(uow, caller, text_id)
    _take(row, wording)
    row.changed_at = uow.now
    await _flush(uow)
    await live.texts_changed(uow, caller.hospital_id)
    return row


def _take(row: ConsentText, wording: Wording) -> None:
    for name, value in vars(wording).items():
        setattr(row, name, value)


async def _flush(uow: UnitOfWork) -> None:
    try:
        await uow.session.flush()
    except IntegrityError as error:
        raise errors.VersionTaken() from error


async def own_draft(uow: UnitOfWork, caller: Caller, text_id: UUID) -> ConsentText:
    """A draft of the caller's hospital under its lock.

    Raises NotFound, TextNotDraft, TextPending.
    """
    row = await access.text_for(uow.session, caller, text_id, lock=True)
    if row.state is TextState.PENDING:
        raise errors.TextPending()
    if row.state is not TextState.DRAFT or row.hospital_id is None:
        raise errors.TextNotDraft()
    return row


async def throw_away(uow: UnitOfWork, caller: Caller, text_id: UUID) -> None:
    """Delete a draft. Raises NotFound, TextNotDraft, TextPending."""
    row = await own_draft(uow, caller, text_id)
    await audit.record(uow, caller, "consent_text.drop", "consent_text", row.id, detail=facts(row))
    await uow.session.delete(row)
    await live.texts_changed(uow, caller.hospital_id)


def facts(row: ConsentText) -> dict[str, Any]:
    """What the audit says about a version."""
    return {
        "kind": row.kind.value,
        "version": row.version,
        "material": row.material,
        "effective_at": row.effective_at,
        "digest": row.digest,
    }


# --- comparing -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class DiffLine:
    """One line of a comparison: `mark` is same, added or removed."""

    mark: str
    text: str


_MARKS = {"  ": "same", "+ ": "added", "- ": "removed"}


def differences(old: str, new: str) -> list[DiffLine]:
    """Two texts line by line, as a reader follows them."""
    lines = difflib.Differ().compare(old.splitlines(), new.splitlines())
    return [DiffLine(_MARKS[line[:2]], line[2:]) for line in lines if line[:2] in _MARKS]


# --- counting ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answers:
    """How many answered a version, and when."""

    given: int
    refused: int
    withdrawn: int
    by_day: Sequence[tuple[str, int]]


async def answers_to(uow: UnitOfWork, caller: Caller, row: ConsentText, days: int = 30) -> Answers:
    """The answers of the caller's hospital to a version; `by_day` counts consents, newest last."""
    here = (ConsentRecord.text_id == row.id, ConsentRecord.hospital_id == caller.hospital_id)

    def count(act: Act) -> Any:
        return func.coalesce(func.sum(case((ConsentRecord.act == act, 1), else_=0)), 0)

    totals = (
        await uow.session.execute(
            select(count(Act.GIVEN), count(Act.REFUSED), count(Act.WITHDRAWN)).where(*here)
        )
    ).one()
    zone = await zone_of(uow, caller.hospital_id)
    day = func.to_char(func.timezone(zone.key, ConsentRecord.at), "YYYY-MM-DD").label("day")
    rows = await uow.session.execute(
        select(day, func.count())
        .where(*here, ConsentRecord.act == Act.GIVEN)
        .group_by(day)
        .order_by(day.desc())
        .limit(days)
    )
    by_day = [(str(each), int(number)) for each, number in rows]
    return Answers(int(totals[0]), int(totals[1]), int(totals[2]), by_day[::-1])
