"""Texts and consents as they are shown."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from clinical.consent import access, rules
from clinical.consent.access import Standing
from clinical.consent.documents import CONSENT
from clinical.consent.models import ConsentRecord, ConsentText, TextProposal
from clinical.consent.schemas import (
    ConsentDetail,
    ConsentView,
    MatterView,
    NeededView,
    ProposalView,
    PurposeView,
    TextView,
    VersionView,
)
from clinical.consent.states import (
    ACT_TEXT,
    KIND_TEXT,
    METHOD_TEXT,
    REACH,
    Act,
    Kind,
    Reach,
    TextState,
)
from clinical.consultation import access as consultations
from clinical.people import access as people
from clinical.people.states import Relation
from clinical.signature import access as signatures
from clinical.signature.schemas import SignatureMark
from core.identity.caller import Caller
from core.identity.models import User
from core.uow import UnitOfWork

_RELATION: dict[str, str] = {
    Relation.SELF.value: "本人",
    Relation.CHILD.value: "子女",
    Relation.SPOUSE.value: "配偶",
    Relation.PARENT.value: "父母",
    Relation.OTHER.value: "其他",
}


def text_view(row: ConsentText) -> TextView:
    """A text as people read it."""
    return TextView(
        id=row.id,
        kind=row.kind,
        version=row.version,
        title=row.title,
        summary=row.summary,
        text=row.body,
        purposes=[PurposeView.model_validate(each) for each in row.purposes],
        signature_required=row.signature_required,
        effective_at=row.effective_at,
        digest=row.digest,
    )


def needed_view(kind: Kind, standing: Standing, *, may_answer: bool) -> NeededView | None:
    """A text that must be agreed to; None where the hospital has none of this kind."""
    if standing.text is None:
        return None
    return NeededView(
        kind=kind,
        given=standing.given,
        outdated=standing.outdated,
        may_answer=may_answer,
        text=text_view(standing.text),
    )


async def version_views(
    uow: UnitOfWork, caller: Caller, rows: Sequence[ConsentText]
) -> list[VersionView]:
    """Versions as the editor shows them, each with its place in time."""
    kinds = {row.kind for row in rows}
    current = await access.current_texts(uow, caller.hospital_id, kinds)
    proposals = await access.newest_proposals(uow.session, [row.id for row in rows])
    who = {row.published_by for row in rows}
    for each in proposals.values():
        who |= {each.requested_by, each.decided_by}
    names = await _names(uow, {each for each in who if each})
    versions = {row.id: row.version for row in await access.texts_of(uow.session, caller)}

    def proposed(row: ConsentText) -> ProposalView | None:
        found = proposals.get(row.id)
        return _proposal(found, caller, names, versions) if found else None

    return [
        VersionView(
            **text_view(row).model_dump(),
            own=row.hospital_id is not None,
            state=row.state,
            phase=_phase(row, current.get(row.kind), uow),
            kind_text=KIND_TEXT[row.kind],
            material=row.material,
            grace_days=row.grace_days,
            change_note=row.change_note,
            created_at=row.created_at,
            changed_at=row.changed_at,
            published_at=row.published_at,
            published_by=names.get(row.published_by) if row.published_by else None,
            proposal=proposed(row),
        )
        for row in rows
    ]


def _proposal(
    row: TextProposal, caller: Caller, names: dict[UUID, str], versions: dict[UUID, str]
) -> ProposalView:
    return ProposalView(
        id=row.id,
        state=row.state,
        base_id=row.base_id,
        base_version=versions.get(row.base_id) if row.base_id else None,
        requested_by=names.get(row.requested_by, ""),
        requested_at=row.requested_at,
        decided_by=names.get(row.decided_by) if row.decided_by else None,
        decided_at=row.decided_at,
        note=row.note,
        mine=row.requested_by == caller.user_id,
    )


def _phase(row: ConsentText, current: ConsentText | None, uow: UnitOfWork) -> str:
    if row.state is not TextState.PUBLISHED:
        return row.state.value
    if current is not None and current.id == row.id:
        return "current"
    assert row.effective_at is not None
    return "coming" if row.effective_at > uow.now else "past"


async def _names(uow: UnitOfWork, user_ids: set[UUID]) -> dict[UUID, str]:
    if not user_ids:
        return {}
    rows = await uow.session.execute(select(User.id, User.name).where(User.id.in_(user_ids)))
    return {user_id: name for user_id, name in rows}


async def consent_views(uow: UnitOfWork, rows: Sequence[ConsentRecord]) -> dict[UUID, ConsentView]:
    """Entries by id, with the titles of their texts and the names of their patients."""
    texts = await uow.session.execute(
        select(ConsentText.id, ConsentText.title).where(
            ConsentText.id.in_({row.text_id for row in rows})
        )
    )
    titles = {text_id: title for text_id, title in texts}
    names = await people.patient_names(
        uow.session, {row.patient_id for row in rows if row.patient_id}
    )
    return {row.id: _consent(row, titles, names) for row in rows}


def _consent(row: ConsentRecord, titles: dict[UUID, str], names: dict[UUID, str]) -> ConsentView:
    return ConsentView(
        id=row.id,
        kind=row.kind,
        kind_text=KIND_TEXT[row.kind],
        title=titles.get(row.text_id, KIND_TEXT[row.kind]),
        version=row.version,
        act=row.act,
        act_text=ACT_TEXT[row.act],
        at=row.at,
        patient_id=row.patient_id,
        patient_name=names.get(row.patient_id) if row.patient_id else None,
        relation=_RELATION.get(row.relation or ""),
        as_guardian=row.as_guardian,
        ref_type=row.ref_type,
        ref_id=row.ref_id,
        method=row.method,
        method_text=METHOD_TEXT[row.method],
        device=row.device,
        address=row.address,
        digest=row.digest,
        purposes=row.purposes,
        signed=row.signature_digest is not None,
    )


async def matters(uow: UnitOfWork, caller: Caller) -> list[MatterView]:
    """The caller's consents by matter, those done last first."""
    rows = await access.my_records(uow.session, caller)
    shown = await consent_views(uow, rows)
    kinds = {row.kind for row in rows}
    versions = await access.versions_of(uow.session, caller.hospital_id, kinds)
    begun = {
        row.id: row.effective_at
        for row in await uow.session.scalars(
            select(ConsentText).where(ConsentText.id.in_({row.text_id for row in rows}))
        )
    }
    running = await consultations.still_open(
        uow.session, {row.ref_id for row in rows if row.ref_id is not None}
    )
    groups: dict[tuple[object, ...], list[ConsentRecord]] = {}
    for row in rows:
        groups.setdefault(_key(row), []).append(row)
    found = []
    for group in groups.values():
        newest = group[0]
        since = begun[newest.text_id]
        assert since is not None
        stands = rules.stands(
            newest.act, since, [access.as_version(v) for v in versions[newest.kind]], uow.now
        )
        given = newest.act is Act.GIVEN
        found.append(
            MatterView(
                latest=shown[newest.id],
                stands=stands,
                outdated=given and not stands,
                withdrawable=given
                and newest.kind in rules.CONSEQUENCES
                # What is over is not recorded any more: there is nothing left to take back.
                and (newest.ref_id is None or newest.ref_id in running),
                consequences=list(rules.CONSEQUENCES.get(newest.kind, ())),
                history=[shown[row.id] for row in group[1:]],
            )
        )
    # What holds for the account and its patients first, then consultation by consultation.
    return sorted(found, key=lambda each: each.latest.ref_id is not None)


def _key(row: ConsentRecord) -> tuple[object, ...]:
    match REACH[row.kind]:
        case Reach.ACCOUNT:
            return (row.kind,)
        case Reach.PATIENT:
            return (row.kind, row.patient_id)
        case Reach.OBJECT:
            return (row.kind, row.ref_type, row.ref_id)


async def consent_detail(uow: UnitOfWork, caller: Caller, row: ConsentRecord) -> ConsentDetail:
    """One entry with the very text that was shown, whether that still has its digest, its seal."""
    text = await uow.session.get_one(ConsentText, row.text_id)
    signature = await uow.session.scalar(
        select(ConsentRecord.signature).where(ConsentRecord.id == row.id)
    )
    marks = await signatures.marks(uow, caller, CONSENT, [row.id])
    return ConsentDetail(
        consent=(await consent_views(uow, [row]))[row.id],
        text=text_view(text),
        signature=signature,
        text_intact=text.digest == text.shown_digest(),
        seal=SignatureMark.model_validate(marks[row.id], from_attributes=True)
        if row.id in marks
        else None,
    )
