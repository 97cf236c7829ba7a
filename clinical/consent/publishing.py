"""Publishing a text: one administrator proposes, another confirms or refuses, the first withdraws.

A version that waits is locked: what the second person read is what takes effect.
"""

from uuid import UUID

from sqlalchemy import select

from clinical.consent import access, errors, live
from clinical.consent.events import TextPublished
from clinical.consent.models import ConsentText, TextProposal
from clinical.consent.states import ProposalState, TextState
from clinical.consent.texts import facts, own_draft
from core import audit
from core.access.access import keepers_of, names
from core.access.errors import OwnRequest
from core.identity.caller import Caller
from core.ids import new_id
from core.uow import UnitOfWork
from realtime import inbox
from realtime.notices import Category, declare

declare("consent_text", Category.WORK, "协议发布", staff=True)

_DONE = {
    ProposalState.CONFIRMED: "{who}已确认发布",
    ProposalState.REFUSED: "{who}已退回",
    ProposalState.WITHDRAWN: "{who}已撤回",
}


async def propose(uow: UnitOfWork, caller: Caller, text_id: UUID) -> TextProposal:
    """Ask for a draft to be published; until somebody decides it cannot be changed.

    Raises NotFound, TextNotDraft, TextPending, TextIncomplete.
    """
    row = await own_draft(uow, caller, text_id)
    if not (row.title.strip() and row.body.strip()):
        raise errors.TextIncomplete()
    base = (await access.current_texts(uow, caller.hospital_id, [row.kind])).get(row.kind)
    row.state, row.changed_at = TextState.PENDING, uow.now
    proposal = TextProposal(
        id=new_id(),
        hospital_id=caller.hospital_id,
        text_id=row.id,
        base_id=base.id if base else None,
        digest=row.shown_digest(),
        state=ProposalState.PENDING,
        requested_by=caller.user_id,
        requested_at=uow.now,
    )
    uow.session.add(proposal)
    await _audit(uow, caller, row, proposal, "propose")
    await inbox.notify(
        uow,
        set(await keepers_of(uow, caller.hospital_id)) - {caller.user_id},
        hospital_id=caller.hospital_id,
        type="consent_text",
        title="协议发布待确认",
        text=f"{caller.name}提交了“{row.title}”{row.version}，请核对后确认",
        ref=("consent_text", row.id),
    )
    await live.texts_changed(uow, caller.hospital_id)
    return proposal


async def confirm(uow: UnitOfWork, caller: Caller, proposal_id: UUID, note: str) -> TextProposal:
    """The second person publishes: from its effective date (at the earliest now) it is shown.

    Raises NotFound, OwnRequest, ProposalClosed, ProposalOutdated when another text came into force
    since the proposal compared the two.
    """
    row, proposal = await _to_decide(uow, caller, proposal_id)
    current = (await access.current_texts(uow, caller.hospital_id, [row.kind])).get(row.kind)
    if (current.id if current else None) != proposal.base_id:
        raise errors.ProposalOutdated()
    row.effective_at = max(row.effective_at or uow.now, uow.now)
    row.digest, row.state = row.shown_digest(), TextState.PUBLISHED
    row.published_by, row.published_at, row.changed_at = caller.user_id, uow.now, uow.now
    await uow.session.flush()
    await _decide(uow, caller, row, proposal, ProposalState.CONFIRMED, note)
    uow.record(
        TextPublished(
            hospital_id=caller.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            kind=row.kind.value,
            version=row.version,
            digest=row.digest,
            effective_at=row.effective_at,
            material=row.material,
        )
    )
    return proposal


async def refuse(uow: UnitOfWork, caller: Caller, proposal_id: UUID, note: str) -> TextProposal:
    """The second person says no and why; the version is a draft again.

    Raises NotFound, OwnRequest, ProposalClosed.
    """
    row, proposal = await _to_decide(uow, caller, proposal_id)
    row.state, row.changed_at = TextState.DRAFT, uow.now
    await _decide(uow, caller, row, proposal, ProposalState.REFUSED, note)
    return proposal


async def withdraw(uow: UnitOfWork, caller: Caller, proposal_id: UUID) -> TextProposal:
    """Who proposed takes it back; the version is a draft again.

    Raises NotFound, OwnRequest (for others), ProposalClosed.
    """
    row, proposal = await _pending(uow, caller, proposal_id)
    if proposal.requested_by != caller.user_id:
        raise OwnRequest("只有提交人可以撤回")
    row.state, row.changed_at = TextState.DRAFT, uow.now
    _close(uow, caller, proposal, ProposalState.WITHDRAWN, "")
    await _audit(uow, caller, row, proposal, "withdraw")
    await live.texts_changed(uow, caller.hospital_id)
    return proposal


async def _to_decide(
    uow: UnitOfWork, caller: Caller, proposal_id: UUID
) -> tuple[ConsentText, TextProposal]:
    row, proposal = await _pending(uow, caller, proposal_id)
    if proposal.requested_by == caller.user_id:
        raise OwnRequest()
    return row, proposal


async def _pending(
    uow: UnitOfWork, caller: Caller, proposal_id: UUID
) -> tuple[ConsentText, TextProposal]:
    """The proposal under the lock of its text: of several who decide at once, one is the first."""
    found = await access.proposal_for(uow.session, caller, proposal_id)
    row = await access.text_for(uow.session, caller, found.text_id, lock=True)
    proposal = await uow.session.scalar(
        select(TextProposal)
        .where(TextProposal.id == proposal_id)
        .execution_options(populate_existing=True)
    )
    assert proposal is not None
    if proposal.state is not ProposalState.PENDING:
        who = (await names(uow, [proposal.decided_by])).values()
        raise errors.ProposalClosed(_DONE[proposal.state].format(who="".join(who)))
    return row, proposal


def _close(
    uow: UnitOfWork, caller: Caller, proposal: TextProposal, state: ProposalState, note: str
) -> None:
    proposal.state, proposal.note = state, note
    proposal.decided_by, proposal.decided_at = caller.user_id, uow.now


async def _decide(
    uow: UnitOfWork,
    caller: Caller,
    row: ConsentText,
    proposal: TextProposal,
    state: ProposalState,
    note: str,
) -> None:
    _close(uow, caller, proposal, state, note)
    verb = "publish" if state is ProposalState.CONFIRMED else "refuse"
    await _audit(uow, caller, row, proposal, verb)
    await inbox.notify(
        uow,
        [proposal.requested_by],
        hospital_id=caller.hospital_id,
        type="consent_text",
        title="协议已确认发布" if state is ProposalState.CONFIRMED else "协议发布被退回",
        text=f"“{row.title}”{row.version}",
        ref=("consent_text", row.id),
    )
    await live.texts_changed(uow, caller.hospital_id)


async def _audit(
    uow: UnitOfWork, caller: Caller, row: ConsentText, proposal: TextProposal, verb: str
) -> None:
    detail = {
        **facts(row),
        "digest": proposal.digest,
        "requested_by": proposal.requested_by,
        "note": proposal.note,
    }
    await audit.record(uow, caller, f"consent_text.{verb}", "consent_text", row.id, detail=detail)
