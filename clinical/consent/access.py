"""Who may see which text, consent, request or hold, and the question that others ask: may we?

A person sees the own consents and requests; what officers see and do is the engine's to say
(`clinical/consent/policies.py`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from clinical.consent import rules
from clinical.consent.errors import ConsentMissing
from clinical.consent.models import (
    ConsentRecord,
    ConsentText,
    LegalHold,
    Restriction,
    RightsRequest,
    TextProposal,
)
from clinical.consent.policies import CONSENT, CONSENT_TEXT, LEGAL_HOLD, RIGHTS
from clinical.consent.rules import GuardianFacts, Version
from clinical.consent.states import REACH, Act, Kind, Reach, TextState
from clinical.days import business_day
from clinical.people.access import PatientRelation
from clinical.people.states import Relation
from core.access import READ, condition, require
from core.errors import NotFound
from core.identity.caller import Caller
from core.identity.models import User
from core.identity.roles import Role
from core.uow import UnitOfWork, unit_of

# --- texts ---------------------------------------------------------------------------------------


async def versions_of(
    session: AsyncSession, hospital_id: UUID, kinds: Collection[Kind]
) -> dict[Kind, list[ConsentText]]:
    """The published versions that count at a hospital, oldest first.

    A hospital's own texts take the place of the group's from the day the first of them holds, so
    both lines are returned in one order of time.
    """
    rows = await session.scalars(
        select(ConsentText)
        .where(
            ConsentText.kind.in_(kinds),
            ConsentText.state == TextState.PUBLISHED,
            or_(ConsentText.hospital_id.is_(None), ConsentText.hospital_id == hospital_id),
        )
        .order_by(ConsentText.effective_at, ConsentText.id)
    )
    found: dict[Kind, list[ConsentText]] = {kind: [] for kind in kinds}
    own_since: dict[Kind, datetime] = {}
    for row in rows:
        found[row.kind].append(row)
        if row.hospital_id is not None:
            assert row.effective_at is not None
            own_since.setdefault(row.kind, row.effective_at)
    for kind, since in own_since.items():
        found[kind] = [
            row
            for row in found[kind]
            if row.hospital_id is not None or row.effective_at is None or row.effective_at < since
        ]
    return found


async def current_texts(
    uow: UnitOfWork, hospital_id: UUID, kinds: Collection[Kind]
) -> dict[Kind, ConsentText]:
    """The text in force now of each kind that has one."""
    versions = await versions_of(uow.session, hospital_id, kinds)
    return {
        kind: newest
        for kind, rows in versions.items()
        if (newest := _in_force(rows, uow)) is not None
    }


async def current_text(uow: UnitOfWork, hospital_id: UUID, kind: Kind) -> ConsentText:
    """The text in force now. Raises NotFound where the hospital has none of this kind."""
    found = (await current_texts(uow, hospital_id, [kind])).get(kind)
    if found is None:
        raise NotFound()
    return found


def _in_force(rows: Sequence[ConsentText], uow: UnitOfWork) -> ConsentText | None:
    begun = [row for row in rows if row.effective_at and row.effective_at <= uow.now]
    return begun[-1] if begun else None


def as_version(row: ConsentText) -> Version:
    """A published text as the rules need it."""
    assert row.effective_at is not None
    return Version(
        effective_at=row.effective_at,
        material=row.material,
        grace=timedelta(days=row.grace_days),
    )


async def text_for(
    session: AsyncSession, caller: Caller, text_id: UUID, *, lock: bool = False
) -> ConsentText:
    """A version for the editor; locked, to change it. Raises NotPermitted, NotFound."""
    allowed = await condition(unit_of(session), caller, CONSENT_TEXT, "edit" if lock else READ)
    query = select(ConsentText).where(ConsentText.id == text_id, allowed)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = await session.scalar(query)
    if row is None:
        raise NotFound()
    return row


async def texts_of(session: AsyncSession, caller: Caller) -> list[ConsentText]:
    """Every version of the caller's hospital and of the group, newest first.

    Raises NotPermitted.
    """
    rows = await session.scalars(
        select(ConsentText)
        .where(await condition(unit_of(session), caller, CONSENT_TEXT))
        .order_by(
            ConsentText.kind,
            func.coalesce(ConsentText.effective_at, ConsentText.created_at).desc(),
            ConsentText.id.desc(),
        )
    )
    return list(rows)


async def proposal_for(session: AsyncSession, caller: Caller, proposal_id: UUID) -> TextProposal:
    """A proposal of the caller's hospital to publish a version, for who decides.

    Raises NotPermitted, NotFound.
    """
    await require(unit_of(session), caller, CONSENT_TEXT, "edit")
    row = await session.scalar(
        select(TextProposal).where(
            TextProposal.id == proposal_id,
            TextProposal.hospital_id == caller.hospital_id,
        )
    )
    if row is None:
        raise NotFound()
    return row


async def newest_proposals(
    session: AsyncSession, text_ids: Collection[UUID]
) -> dict[UUID, TextProposal]:
    """The newest proposal of each version that has one, for versions the caller may see."""
    rows = await session.scalars(
        select(TextProposal)
        .where(TextProposal.text_id.in_(text_ids))
        .ext(distinct_on(TextProposal.text_id))
        .order_by(TextProposal.text_id, TextProposal.requested_at.desc(), TextProposal.id.desc())
        .execution_options(populate_existing=True)
    )
    return {row.text_id: row for row in rows}


# --- consents ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Matter:
    """What a consent is about: whose, for which patient, for which one thing."""

    user_id: UUID
    kind: Kind
    patient_id: UUID | None = None
    ref_type: str | None = None
    ref_id: UUID | None = None
    #: The patient is the account holder: a consent of the account counts as well.
    own: bool = False


@dataclass(frozen=True)
class Standing:
    """Whether a consent counts now; `record` is what was done last, `text` what holds now."""

    given: bool
    record: ConsentRecord | None
    text: ConsentText | None

    @property
    def outdated(self) -> bool:
        """Agreed once, but something material has changed since."""
        return not self.given and self.record is not None and self.record.act is Act.GIVEN


def _of_matter(matter: Matter) -> ColumnElement[bool]:
    same = and_(ConsentRecord.user_id == matter.user_id, ConsentRecord.kind == matter.kind)
    match REACH[matter.kind]:
        case Reach.ACCOUNT:
            return same
        case Reach.OBJECT:
            return and_(
                same,
                ConsentRecord.ref_type == matter.ref_type,
                ConsentRecord.ref_id == matter.ref_id,
            )
        case Reach.PATIENT:
            if matter.patient_id is None:
                # The account holder's own data; what was said for somebody else is another matter.
                himself = ConsentRecord.relation == Relation.SELF.value
                return and_(same, or_(ConsentRecord.patient_id.is_(None), himself))
            patient = ConsentRecord.patient_id == matter.patient_id
            return and_(
                same, or_(patient, ConsentRecord.patient_id.is_(None)) if matter.own else patient
            )


async def standing(uow: UnitOfWork, hospital_id: UUID, matter: Matter) -> Standing:
    """Where a matter stands at a hospital: the newest entry against the versions in force."""
    record = await uow.session.scalar(
        select(ConsentRecord)
        .where(_of_matter(matter))
        .order_by(ConsentRecord.at.desc(), ConsentRecord.id.desc())
        .limit(1)
    )
    versions = (await versions_of(uow.session, hospital_id, [matter.kind]))[matter.kind]
    text = _in_force(versions, uow)
    if record is None:
        return Standing(False, None, text)
    shown = await uow.session.get_one(ConsentText, record.text_id)
    assert shown.effective_at is not None
    given = rules.stands(
        record.act, shown.effective_at, [as_version(each) for each in versions], uow.now
    )
    return Standing(given, record, text)


async def has_consent(
    uow: UnitOfWork, hospital_id: UUID, matter: Matter, *, purpose: str | None = None
) -> bool:
    """Whether the consent stands now; with `purpose`, whether that one was ticked as well."""
    found = await standing(uow, hospital_id, matter)
    if not found.given or found.record is None:
        return False
    return purpose is None or found.record.purposes.get(purpose, False)


async def child_facts(uow: UnitOfWork, relation: PatientRelation) -> tuple[bool, GuardianFacts]:
    """Whether a patient is under fourteen, and what is known of guardian and account holder."""
    today = await business_day(uow, relation.hospital_id)
    facts = await guardian_facts(
        uow,
        relation.user_id,
        guardian_number=relation.guardian_id_number,
        guardian_verified=relation.guardian_verified,
    )
    return rules.is_child(relation.patient.birth_date, today), facts


async def guardian_facts(
    uow: UnitOfWork,
    user_id: UUID,
    *,
    guardian_number: str | None = None,
    guardian_verified: bool = False,
) -> GuardianFacts:
    """What is known of a guardian and of the account holder who answers."""
    holder = await uow.session.get_one(User, user_id)
    number = await uow.session.scalar(select(User.id_number).where(User.id == user_id))
    return GuardianFacts(
        guardian_number=guardian_number,
        guardian_verified=guardian_verified,
        holder_number=number,
        holder_verified=holder.real_name_verified_at is not None,
    )


async def needed_for_treatment(
    uow: UnitOfWork, relation: PatientRelation
) -> list[tuple[Kind, Standing]]:
    """What must stand before a consultation of this patient begins, and whether it does."""
    child, _ = await child_facts(uow, relation)
    found = []
    for kind in rules.needed_for_treatment(child=child):
        matter = Matter(
            user_id=relation.user_id,
            kind=kind,
            patient_id=relation.patient_id,
            own=relation.relation is Relation.SELF,
        )
        found.append((kind, await standing(uow, relation.hospital_id, matter)))
    return found


async def require_for_treatment(uow: UnitOfWork, relation: PatientRelation) -> None:
    """Raises ConsentMissing naming the kinds that do not stand (any more)."""
    needed = await needed_for_treatment(uow, relation)
    missing = [kind.value for kind, each in needed if each.text is not None and not each.given]
    if missing:
        raise ConsentMissing(details={"kinds": missing})


async def require_for_identity(uow: UnitOfWork, caller: Caller) -> None:
    """Name and identity number are sensitive: a patient agrees before they are checked.

    Staff prove their names by their contract. Raises ConsentMissing.
    """
    if caller.role is not Role.PATIENT:
        return
    matter = Matter(user_id=caller.user_id, kind=Kind.SENSITIVE)
    found = await standing(uow, caller.hospital_id, matter)
    if found.text is not None and not found.given:
        raise ConsentMissing(details={"kinds": [Kind.SENSITIVE.value]})


async def my_records(session: AsyncSession, caller: Caller) -> list[ConsentRecord]:
    """Everything the caller did about texts at this hospital, newest first."""
    rows = await session.scalars(
        select(ConsentRecord)
        .where(
            ConsentRecord.user_id == caller.user_id,
            ConsentRecord.hospital_id == caller.hospital_id,
        )
        .order_by(ConsentRecord.at.desc(), ConsentRecord.id.desc())
        .limit(500)
    )
    return list(rows)


async def record_for(session: AsyncSession, caller: Caller, record_id: UUID) -> ConsentRecord:
    """One consent. Raises NotPermitted, NotFound."""
    allowed = await condition(unit_of(session), caller, CONSENT)
    row = await session.scalar(select(ConsentRecord).where(ConsentRecord.id == record_id, allowed))
    if row is None:
        raise NotFound()
    return row


# --- requests, holds, restrictions ---------------------------------------------------------------


async def requests_visible_to(
    uow: UnitOfWork, caller: Caller, action: str = READ
) -> ColumnElement[bool]:
    """The condition under which a request exists for the caller. Raises NotPermitted."""
    return await condition(uow, caller, RIGHTS, action)


async def request_for(
    session: AsyncSession,
    caller: Caller,
    request_id: UUID,
    action: str = READ,
    *,
    lock: bool = False,
) -> RightsRequest:
    """One request. Raises NotPermitted, NotFound."""
    allowed = await requests_visible_to(unit_of(session), caller, action)
    query = select(RightsRequest).where(RightsRequest.id == request_id, allowed)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = await session.scalar(query)
    if row is None:
        raise NotFound()
    return row


async def holds_of(session: AsyncSession, caller: Caller) -> list[LegalHold]:
    """The hospital's legal holds, those in force first. Raises NotPermitted."""
    rows = await session.scalars(
        select(LegalHold)
        .where(await condition(unit_of(session), caller, LEGAL_HOLD))
        .order_by(LegalHold.lifted_at.is_not(None), LegalHold.since.desc(), LegalHold.id)
        .limit(500)
    )
    return list(rows)


async def hold_for(session: AsyncSession, caller: Caller, hold_id: UUID) -> LegalHold:
    """One hold under its lock, to change it. Raises NotPermitted, NotFound."""
    allowed = await condition(unit_of(session), caller, LEGAL_HOLD, "change")
    row = await session.scalar(
        select(LegalHold).where(LegalHold.id == hold_id, allowed).with_for_update()
    )
    if row is None:
        raise NotFound()
    return row


def restricted_patients(hospital_id: UUID) -> Select[UUID | None]:
    """The patients whose data is kept but no longer used, as a subquery of ids."""
    return select(Restriction.patient_id).where(
        Restriction.hospital_id == hospital_id,
        Restriction.lifted_at.is_(None),
        Restriction.patient_id.is_not(None),
    )
