"""The officers' verbs on requests: take one on, give it to a colleague, check, extend, decide.

A request is in the hands of one officer at a time; who takes it second is told who was first.
"""

from uuid import UUID

from clinical.consent import access, errors, live, rights, rules, settings
from clinical.consent.models import RightsRequest
from clinical.consent.states import OUTCOME_TEXT, RIGHT_TEXT, Outcome, RequestState, Right
from core import settings as core_settings
from core.access.access import names
from core.alarms.access import officers_of
from core.identity.caller import Caller
from core.uow import UnitOfWork
from realtime import inbox


async def _waiting(uow: UnitOfWork, caller: Caller, request_id: UUID) -> RightsRequest:
    row = await access.request_for(uow.session, caller, request_id, "handle", lock=True)
    if row.state not in (RequestState.SUBMITTED, RequestState.IN_PROGRESS):
        raise errors.RequestClosed()
    return row


async def _in_hand(uow: UnitOfWork, caller: Caller, request_id: UUID) -> RightsRequest:
    """A waiting request in the caller's hands; one that nobody has is taken on."""
    row = await _waiting(uow, caller, request_id)
    if row.assignee_id is None:
        await _hold(uow, caller, row, caller.user_id, "taken", "take")
    elif row.assignee_id != caller.user_id:
        raise await _held(uow, row)
    return row


async def _held(uow: UnitOfWork, row: RightsRequest) -> errors.RequestHeld:
    holder = (await names(uow, [row.assignee_id])).get(row.assignee_id) if row.assignee_id else None
    if holder is None:
        return errors.RequestHeld("该请求现在无人受理，请刷新后重试", details={"holder": ""})
    return errors.RequestHeld(f"{holder}已受理该请求", details={"holder": holder})


async def _hold(
    uow: UnitOfWork, caller: Caller, row: RightsRequest, holder: UUID, what: str, verb: str
) -> None:
    before = row.assignee_id
    row.assignee_id, row.state = holder, RequestState.IN_PROGRESS
    words = ""
    if holder != caller.user_id:
        words = (await names(uow, [holder])).get(holder, "")
    rights.step(uow, row, what, words, by=caller.user_id, shown=what == "taken")
    await rights.note(uow, caller, row, verb, held_by=holder, held_before_by=before)
    await live.queue_changed(uow, row.hospital_id)


async def take(uow: UnitOfWork, caller: Caller, request_id: UUID) -> RightsRequest:
    """An officer takes on what nobody has; again is the same.

    Raises NotPermitted, NotFound, RequestClosed, RequestHeld naming the colleague who was first.
    """
    return await _in_hand(uow, caller, request_id)


async def give(
    uow: UnitOfWork, caller: Caller, request_id: UUID, to: UUID, held_by: UUID | None
) -> RightsRequest:
    """Give a request to an officer of the hospital: the own one, a free one, an absent colleague's.

    `held_by` is who had it when the giver looked. Raises NotPermitted, NotFound, RequestClosed,
    NotAnOfficer, RequestHeld when somebody else has it by now.
    """
    row = await _waiting(uow, caller, request_id)
    if row.assignee_id != held_by:
        raise await _held(uow, row)
    if to not in await officers_of(uow, row.hospital_id):
        raise errors.NotAnOfficer()
    if to == row.assignee_id:
        return row
    what = "taken" if row.state is RequestState.SUBMITTED and to == caller.user_id else "given"
    await _hold(uow, caller, row, to, what, "give")
    concerned = {each for each in (to, held_by) if each is not None} - {caller.user_id}
    await inbox.notify(
        uow,
        concerned,
        hospital_id=row.hospital_id,
        type="rights_given",
        title="个人信息请求转交",
        text=f"“{RIGHT_TEXT[row.right]}”请求由{caller.name}转交，答复期限 {row.due_on}",
        ref=(rights.SCOPE, row.id),
    )
    return row


async def check_identity(
    uow: UnitOfWork, caller: Caller, request_id: UUID, note: str
) -> RightsRequest:
    """An officer says how the requester's identity was checked.

    Raises NotPermitted, NotFound, RequestClosed, RequestHeld.
    """
    row = await _in_hand(uow, caller, request_id)
    row.checked_at, row.checked_by, row.check_note = uow.now, caller.user_id, note
    rights.step(uow, row, "checked", note, by=caller.user_id, shown=False)
    await rights.note(uow, caller, row, "check_identity")
    await live.queue_changed(uow, row.hospital_id)
    return row


async def extend(uow: UnitOfWork, caller: Caller, request_id: UUID, reason: str) -> RightsRequest:
    """Lengthen the time to answer, once, and tell the requester why.

    Raises NotPermitted, NotFound, RequestClosed, RequestHeld, AlreadyExtended.
    """
    row = await _in_hand(uow, caller, request_id)
    if row.extended_at is not None:
        raise errors.AlreadyExtended()
    days = await core_settings.get(uow, settings.EXTENSION_DAYS, hospital_id=row.hospital_id)
    row.due_on = rules.working_days_after(row.due_on, days)
    row.extended_at = uow.now
    rights.step(uow, row, "extended", reason, by=caller.user_id)
    await rights.note(uow, caller, row, "extend", due_on=row.due_on)
    await rights.tell(uow, row, "rights_extended", "个人信息请求延期", f"答复期限延至 {row.due_on}")
    await live.queue_changed(uow, row.hospital_id)
    return row


async def decide(
    uow: UnitOfWork, caller: Caller, request_id: UUID, outcome: Outcome, reason: str
) -> RightsRequest:
    """Answer a request; a granted deletion or restriction is carried out in the same transaction.

    Raises NotPermitted, NotFound, RequestClosed, RequestHeld, IdentityUnchecked, ReasonRequired.
    """
    row = await access.request_for(uow.session, caller, request_id, "handle", lock=True)
    refusing = outcome is not Outcome.GRANTED
    rules.decide(row.state, checked=row.checked_at is not None, reason=reason, refusing=refusing)
    if row.right in rules.SELF_SERVICE:
        raise errors.RequestClosed()
    if row.assignee_id != caller.user_id:
        raise await _held(uow, row)
    row.outcome, row.reason, row.decided_by = outcome, reason, caller.user_id
    row.state = RequestState.REFUSED if outcome is Outcome.REFUSED else RequestState.DONE
    row.closed_at = uow.now
    if outcome is not Outcome.REFUSED:
        await _carry_out(uow, row)
    rights.step(uow, row, "decided", f"{OUTCOME_TEXT[outcome]}：{reason}", by=caller.user_id)
    await rights.note(uow, caller, row, "decide", outcome=outcome.value)
    await rights.answered(uow, row, outcome)
    await live.queue_changed(uow, row.hospital_id)
    return row


async def _carry_out(uow: UnitOfWork, row: RightsRequest) -> None:
    if row.right is Right.DELETION:
        row.result = rights.as_result(await rights.erase(uow, row.hospital_id, row.user_id))
    if row.right in (Right.DELETION, Right.RESTRICTION):
        await rights.restrict(uow, row)
