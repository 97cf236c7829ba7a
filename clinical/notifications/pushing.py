"""The way of a notice out of the house: planned with its cause, tried channel by channel.

A push is a row from the moment its cause is known. An attempt is stored before the call and
settled after it, each in its own transaction, so that a crash between the two leaves a trace: the
next attempt carries the same id of ours, under which a provider sends once.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from clinical.notifications import channels, links, rules, templates, wording
from clinical.notifications.channels import Letter, Result
from clinical.notifications.gateway import NoticeSms
from clinical.notifications.models import NoticePreference, Push, PushAttempt
from clinical.notifications.rules import Go, Later, Situation
from clinical.notifications.settings import QUIET_FROM, QUIET_UNTIL
from clinical.notifications.states import Outcome, PushState, QuietMode, Skip
from clinical.notifications.templates import Template
from core import settings
from core.identity.external.models import ExternalIdentity
from core.identity.models import Hospital, User
from core.ids import new_id
from core.uow import UnitOfWork
from realtime import message_centre, notices, presence
from realtime.models import ParticipantRow
from realtime.notices import Channel, Notice

if TYPE_CHECKING:
    from core.runtime import Runtime

log = structlog.get_logger(__name__)

BATCH = 200
AT_ONCE = 8
WECHAT_PROVIDER = "wechat"


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why somebody is to hear of something. `source` names it for good: a second one is none."""

    user_id: UUID
    source: str
    inbox_cursor: int | None = None
    room_id: UUID | None = None
    room_seq: int | None = None


async def plan(
    uow: UnitOfWork,
    hospital_id: UUID,
    notice: Notice,
    causes: Iterable[Cause],
    parameters: Mapping[str, Any],
    ref: tuple[str, str] | None,
) -> None:
    """Store what is to go out, due at once; a cause that is known already changes nothing."""
    leave = {name: value for name, value in parameters.items() if name in notice.may_leave}
    for cause in causes:
        found = await uow.session.scalar(
            insert(Push)
            .values(
                id=new_id(),
                hospital_id=hospital_id,
                user_id=cause.user_id,
                code=notice.code,
                source=cause.source,
                inbox_cursor=cause.inbox_cursor,
                room_id=cause.room_id,
                room_seq=cause.room_seq,
                parameters=leave,
                ref_type=ref[0] if ref else None,
                ref_id=ref[1] if ref else None,
                state=PushState.DUE,
                tried_since=uow.now,
                next_attempt_at=uow.now,
                created_at=uow.now,
            )
            .on_conflict_do_nothing()
            .returning(Push.id)
        )
        log.debug("push_planned", code=notice.code, new=found is not None)


async def deliver_due(runtime: "Runtime") -> int:
    """Deliver what is due, some at a time; returns how many steps were made."""
    async with runtime.unit_of_work() as uow:
        due = list(
            await uow.session.scalars(
                select(Push.id)
                .where(Push.state == PushState.DUE, Push.next_attempt_at <= uow.now)
                .order_by(Push.next_attempt_at)
                .limit(BATCH)
            )
        )
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(push_id: UUID) -> int:
        async with gate:
            steps = 0
            while await step(runtime, push_id):
                steps += 1
            return steps

    return sum(await asyncio.gather(*(one(push_id) for push_id in due)))


async def step(runtime: "Runtime", push_id: UUID) -> bool:
    """One attempt of a push, or the decision that there is none; False when it is not due."""
    async with runtime.unit_of_work() as uow:
        push = await uow.session.scalar(
            select(Push).where(Push.id == push_id).with_for_update(skip_locked=True)
        )
        if push is None or push.state is not PushState.DUE or push.next_attempt_at > uow.now:
            return False
        prepared = await _prepare(uow, push)
    if prepared is None:
        return True
    attempt_id, letter = prepared
    result = await channels.send(runtime, letter)
    async with runtime.unit_of_work() as uow:
        await _settle(uow, push_id, attempt_id, result)
    return True


# --- before the call -----------------------------------------------------------------------------


async def _prepare(uow: UnitOfWork, push: Push) -> tuple[UUID, Letter] | None:
    """Decide and, if it is to go out, store the attempt; None when nothing is to be called."""
    notice = notices.find(push.code)
    user = await uow.session.get_one(User, push.user_id)
    if notice is None:
        _finish(push, PushState.PARKED, uow.now)
        return None
    decision = rules.decide(await _situation(uow, push, notice, user))
    if isinstance(decision, Skip):
        _finish(push, PushState.SKIPPED, uow.now, skipped=decision)
        return None
    if isinstance(decision, Later):
        push.next_attempt_at = decision.at
        return None
    assert isinstance(decision, Go)
    return await _next_letter(uow, push, notice, user)


async def _next_letter(
    uow: UnitOfWork, push: Push, notice: Notice, user: User
) -> tuple[UUID, Letter] | None:
    """The message for the first channel that can be used; those that cannot are noted."""
    history = await _history(uow, push)
    in_force = await templates.in_force(uow, push.hospital_id, notice)
    while (channel := rules.next_channel(notice.channels, history)) is not None:
        template = in_force[channel]
        address = await _address(uow, user, channel)
        missing = None
        if not template.enabled or not template.provider_template:
            missing = Outcome.NO_TEMPLATE
        elif address is None:
            missing = Outcome.NO_ADDRESS
        attempt = _attempt(uow, push, channel, template, missing)
        if missing is None:
            await uow.session.flush()
            push.next_attempt_at = uow.now + rules.LEASE
            assert address is not None
            return attempt.id, await _letter(uow, push, notice, template, address, attempt)
        history = {**history, channel: (*history.get(channel, ()), missing)}
    _finish(push, rules.after(notice.channels, history), uow.now)
    return None


def _attempt(
    uow: UnitOfWork, push: Push, channel: Channel, template: Template, outcome: Outcome | None
) -> PushAttempt:
    row = PushAttempt(
        id=new_id(),
        push_id=push.id,
        hospital_id=push.hospital_id,
        channel=channel,
        template_version=template.version,
        provider_id=f"{push.id.hex}{list(Channel).index(channel)}",
        started_at=uow.now,
        ended_at=uow.now if outcome else None,
        outcome=outcome,
        detail="",
        reference="",
    )
    uow.session.add(row)
    return row


async def _letter(
    uow: UnitOfWork,
    push: Push,
    notice: Notice,
    template: Template,
    address: str,
    attempt: PushAttempt,
) -> Letter:
    ref = _ref(push)
    around = await templates.surroundings(uow, push.hospital_id, notice, ref)
    data = {
        key: wording.outside(notice, pattern, push.parameters, around)
        for key, pattern in template.fields.items()
    }
    if template.channel is not Channel.SMS:
        data = {key: wording.keyword_value(key, text) for key, text in data.items()}
    return Letter(
        channel=template.channel,
        address=address,
        template=template.provider_template,
        data=data,
        page=links.page(notice, ref),
        url=around.link,
        message_id=attempt.provider_id,
    )


async def _address(uow: UnitOfWork, user: User, channel: Channel) -> str | None:
    """The openid or the number of somebody on a channel."""
    if channel is Channel.SMS:
        return user.phone if NoticeSms in uow.runtime.ports else None
    app = channels.app_of(uow.runtime, channel)
    if app is None:
        return None
    found = await uow.session.scalar(
        select(ExternalIdentity)
        .where(
            ExternalIdentity.user_id == user.id,
            ExternalIdentity.provider == WECHAT_PROVIDER,
            ExternalIdentity.tenant == app.appid,
        )
        .limit(1)
    )
    return found.subject if found else None


async def _situation(uow: UnitOfWork, push: Push, notice: Notice, user: User) -> Situation:
    chosen = await uow.session.get(NoticePreference, (push.user_id, push.hospital_id))
    return Situation(
        enabled=user.enabled,
        read=await _is_read(uow, push),
        connected=push.user_id in await presence.sockets_of(uow, [push.user_id]),
        switched_off=chosen is not None and notice.category.value in chosen.off,
        statutory=notice.category.statutory,
        urgent=notice.urgent,
        everywhere=notice.everywhere,
        quiet_until=await quiet_until(uow, push.hospital_id, chosen),
    )


async def _is_read(uow: UnitOfWork, push: Push) -> bool:
    if push.inbox_cursor is not None:
        return await message_centre.is_read(uow, push.user_id, push.hospital_id, push.inbox_cursor)
    if push.room_id is not None and push.room_seq is not None:
        member = await uow.session.get(ParticipantRow, (push.room_id, push.user_id))
        return member is None or member.left_at is not None or member.read_seq >= push.room_seq
    return False


async def quiet_until(
    uow: UnitOfWork, hospital_id: UUID, chosen: NoticePreference | None
) -> datetime | None:
    """When the quiet hours are over that run now for somebody; None when none run."""
    if chosen is not None and chosen.quiet_mode is QuietMode.NONE:
        return None
    hospital = await uow.session.get_one(Hospital, hospital_id)
    if chosen is not None and chosen.quiet_mode is QuietMode.OWN:
        hours = rules.QuietHours(chosen.quiet_from or 0, chosen.quiet_until or 0)
    else:
        start = await settings.get(uow, QUIET_FROM, hospital_id=hospital_id)
        end = await settings.get(uow, QUIET_UNTIL, hospital_id=hospital_id)
        hours = rules.QuietHours(start * 60, end * 60)
    return rules.quiet_until(uow.now, ZoneInfo(hospital.time_zone), hours)


# --- after the call ------------------------------------------------------------------------------


async def _settle(uow: UnitOfWork, push_id: UUID, attempt_id: UUID, result: Result) -> None:
    """Note how the call ended and where the push stands with it."""
    push = await uow.session.get_one(Push, push_id, with_for_update=True)
    attempt = await uow.session.get_one(PushAttempt, attempt_id)
    attempt.outcome, attempt.ended_at = result.outcome, uow.now
    attempt.detail, attempt.reference = result.detail, result.reference
    await uow.session.flush()
    notice = notices.notice_of(push.code)
    history = await _history(uow, push)
    state = rules.after(notice.channels, history)
    if state is PushState.DUE:
        push.next_attempt_at = uow.now + rules.pause(history[attempt.channel])
        return
    _finish(push, state, uow.now)
    if state is PushState.SENT:
        push.channel = attempt.channel
    if state is PushState.PARKED:
        log.error("push_parked", push=str(push.id), code=push.code, outcome=result.outcome.value)


async def _history(uow: UnitOfWork, push: Push) -> dict[Channel, Sequence[Outcome]]:
    """How the attempts on each channel ended; one without an end was lost with its process."""
    rows = await uow.session.scalars(
        select(PushAttempt)
        .where(PushAttempt.push_id == push.id, PushAttempt.started_at >= push.tried_since)
        .order_by(PushAttempt.started_at, PushAttempt.id)
    )
    history: dict[Channel, Sequence[Outcome]] = {}
    for row in rows:
        if row.outcome is None:
            row.outcome, row.ended_at = Outcome.LOST, uow.now
        history[row.channel] = (*history.get(row.channel, ()), row.outcome)
    return history


def _finish(push: Push, state: PushState, now: datetime, *, skipped: Skip | None = None) -> None:
    push.state, push.skipped, push.finished_at = state, skipped, now


def _ref(push: Push) -> tuple[str, str] | None:
    return (push.ref_type, push.ref_id) if push.ref_type and push.ref_id else None
