"""The verbs of a patient's order: submit, approve, refuse, cancel, carry out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from clinical.consent import access as consents
from clinical.consent.errors import ConsentMissing
from clinical.consent.states import Kind as ConsentKind
from clinical.outpatient import access, closing, errors, rules, settings
from clinical.outpatient.closing import settle
from clinical.outpatient.events import SelfOrderApproved
from clinical.outpatient.models import SelfOrder, SelfOrderItem, SelfOrderLine
from clinical.outpatient.notices import refresh_pages, tell_payer
from clinical.outpatient.rules import Wanted
from clinical.outpatient.states import State
from clinical.people import access as people
from core import settings as core_settings
from core.access import require
from core.identity.caller import Caller
from core.ids import new_id
from core.uow import UnitOfWork


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One item that somebody wants: how many, when, and at which price it was shown."""

    item_id: UUID
    quantity: int
    price_fen: int
    starts_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Basket:
    """What is submitted: for whom, what, and why."""

    patient_id: UUID
    choices: Sequence[Choice]
    purpose: str


async def submit(uow: UnitOfWork, caller: Caller, basket: Basket) -> SelfOrder:
    """Send a basket to review; its times are taken in the same transaction.

    Raises ClinicClosed, ItemUnavailable, PriceChanged, PersonUnverified, ConsentMissing,
    TimeFull and what the rules raise.
    """
    await require(uow, caller, access.SELF_ORDER, "place")
    here = caller.hospital_id
    if not await core_settings.get(uow, settings.OPEN, hospital_id=here):
        raise errors.ClinicClosed()
    notice_version = await _notice_version(uow, caller)
    relation = await people.my_patient(uow.session, caller, basket.patient_id)
    await _require_identified(uow, relation)
    items = await access.items_held(uow.session, caller, {each.item_id for each in basket.choices})
    wanted = [_wanted(items, each) for each in basket.choices]
    desk = rules.check_basket(wanted, basket.purpose)
    calendar = await access.calendar(uow, here)
    key = new_id()
    lines = [
        _line(key, items[choice.item_id], choice.quantity, calendar.check(each, uow.now))
        for choice, each in zip(basket.choices, wanted, strict=True)
    ]
    first = min((each.starts_at for each in lines if each.starts_at), default=None)
    for each in sorted(lines, key=lambda line: line.item_id):
        if each.starts_at is not None:
            await access.take_time(uow.session, items[each.item_id], each.starts_at)
    minutes = await core_settings.get(uow, settings.REVIEW_MINUTES, hospital_id=here)
    row = SelfOrder(
        id=key,
        hospital_id=here,
        number=await access.next_number(uow, here),
        desk=desk,
        state=State.SUBMITTED,
        payer_id=caller.user_id,
        patient_id=relation.patient_id,
        relation_id=relation.id,
        purpose=basket.purpose.strip(),
        notice_version=notice_version,
        total_fen=sum(each.price_fen * each.quantity for each in lines),
        first_at=first,
        submitted_at=uow.now,
        review_by=rules.deadline(uow.now, timedelta(minutes=minutes), first),
        changed_at=uow.now,
    )
    uow.session.add(row)
    await uow.session.flush()
    uow.session.add_all(lines)
    await uow.session.flush()
    await closing.note(uow, caller, row, "submit")
    refresh_pages(uow, row)
    return row


async def _require_identified(uow: UnitOfWork, relation: people.PatientRelation) -> None:
    standing = await people.care_standing(uow, relation)
    guarded = not standing.guardian_required or standing.guardian_verified
    if not (standing.patient_verified and guarded):
        raise errors.PersonUnverified()
    await consents.require_for_treatment(uow, relation)


def _wanted(items: dict[UUID, SelfOrderItem], choice: Choice) -> Wanted:
    item = items.get(choice.item_id)
    if item is None:
        raise errors.ItemUnavailable()
    if item.price_fen != choice.price_fen:
        raise errors.PriceChanged()
    return Wanted(
        kind=item.kind,
        special=item.special,
        needs_time=item.needs_time,
        times=tuple(item.times),
        quantity=choice.quantity,
        starts_at=choice.starts_at,
    )


def _line(
    key: UUID, item: SelfOrderItem, quantity: int, starts_at: datetime | None
) -> SelfOrderLine:
    return SelfOrderLine(
        id=new_id(),
        hospital_id=item.hospital_id,
        self_order_id=key,
        item_id=item.id,
        kind=item.kind,
        name=item.name,
        price_fen=item.price_fen,
        quantity=quantity,
        starts_at=starts_at,
    )


async def _notice_version(uow: UnitOfWork, caller: Caller) -> str:
    """The version of the notice that the caller agreed to. Raises ConsentMissing."""
    notice = await access.notice_standing(uow, caller)
    if not notice.given or notice.record is None:
        raise ConsentMissing(details={"kinds": [ConsentKind.SELF_ORDER.value]})
    return notice.record.version


async def approve(uow: UnitOfWork, caller: Caller, self_order_id: UUID, words: str) -> SelfOrder:
    """Let the patient have it; from now on it can be paid. Raises AlreadyReviewed, ReviewTooLate.

    Two reviewers at once: the row lock lets one through, the other reads what he decided.
    """
    row = await access.find(uow.session, caller, self_order_id, "review", lock=True)
    change = rules.approve(row.standing, uow.now)
    row.state = change.state
    row.reviewer_id, row.reviewed_at, row.review_words = caller.user_id, uow.now, words or None
    row.changed_at = uow.now
    if change.state is State.AWAITING_PAYMENT:
        await _open_payment(uow, row)
    else:
        row.paid_at = uow.now
    await uow.session.flush()
    await closing.note(uow, caller, row, "approve")
    text = "请在截止时间前完成支付" if row.order_id else "无需支付，请按时前往"
    await tell_payer(uow, row, "self_order_approved", "便民门诊订单审核通过", text)
    refresh_pages(uow, row)
    return row


async def _open_payment(uow: UnitOfWork, row: SelfOrder) -> None:
    minutes = await core_settings.get(uow, settings.PAY_MINUTES, hospital_id=row.hospital_id)
    row.order_id = new_id()
    row.pay_by = rules.deadline(uow.now, timedelta(minutes=minutes), row.first_at)
    uow.record(
        SelfOrderApproved(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            order_id=row.order_id,
            number=row.number,
            payer_id=row.payer_id,
            subject="便民门诊订单",
            amount_fen=row.total_fen,
            pay_by=row.pay_by,
        )
    )


async def refuse(uow: UnitOfWork, caller: Caller, self_order_id: UUID, reason: str) -> SelfOrder:
    """It does not suit the patient; the reason is for him to read. Raises AlreadyReviewed."""
    row = await access.find(uow.session, caller, self_order_id, "review", lock=True)
    change = rules.refuse(row.standing)
    row.reviewer_id, row.reviewed_at, row.review_words = caller.user_id, uow.now, reason
    await settle(uow, row, change)
    await closing.note(uow, caller, row, "refuse")
    text = "请查看原因，可修改后重新提交"
    await tell_payer(uow, row, "self_order_refused", "便民门诊订单未通过审核", text)
    return row


async def cancel(uow: UnitOfWork, caller: Caller, self_order_id: UUID) -> SelfOrder:
    """The patient steps back before it was carried out. Raises NotCancellable."""
    row = await access.find(uow.session, caller, self_order_id, "place", lock=True)
    await settle(uow, row, rules.cancel(row.standing))
    await closing.note(uow, caller, row, "cancel")
    return row


async def fulfil(uow: UnitOfWork, caller: Caller, self_order_id: UUID) -> SelfOrder:
    """The test was done, the drug handed out: nothing goes back any more.

    Raises NotFulfillable.
    """
    row = await access.find(uow.session, caller, self_order_id, "fulfil", lock=True)
    change = rules.fulfil(row.standing)
    row.state = change.state
    row.done_at = row.changed_at = uow.now
    row.done_by = caller.user_id
    await uow.session.flush()
    await closing.note(uow, caller, row, "fulfil")
    refresh_pages(uow, row)
    return row
