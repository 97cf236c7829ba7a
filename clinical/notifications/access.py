"""Who may see and keep a hospital's notifications, and what each person chose for himself."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, tuple_

from clinical.notifications.models import (
    NoticePreference,
    NoticeTemplate,
    Push,
    PushAttempt,
    SenderApplication,
    SentMessage,
)
from clinical.notifications.states import PushState
from core.access import READ, Action, Scope, allow, declare, require
from core.errors import NotFound
from core.identity.caller import Caller
from core.identity.models import User
from core.identity.roles import Role
from core.uow import UnitOfWork
from realtime.notices import Channel

KEEPERS: tuple[Role, ...] = (Role.ADMINISTRATOR,)

#: Templates, the log of pushes and the applications are one thing to decide about; the queries
#: below keep each to the caller's hospital.
NOTIFICATION = declare(
    "notification",
    "消息推送",
    area="管理",
    actions={
        READ: Action("查看模板与推送记录", KEEPERS),
        "manage": Action("管理模板、重发与业务系统", KEEPERS),
    },
    scopes={Scope.HOSPITAL: None},
    defaults=[allow(Role.ADMINISTRATOR, Scope.HOSPITAL, READ, "manage")],
)


async def require_reader(uow: UnitOfWork, caller: Caller) -> None:
    """Raise NotPermitted for whoever may not see templates and the log."""
    await require(uow, caller, NOTIFICATION)


async def require_keeper(uow: UnitOfWork, caller: Caller) -> None:
    """Raise NotPermitted for whoever may not change anything."""
    await require(uow, caller, NOTIFICATION, "manage")


async def versions(
    uow: UnitOfWork, caller: Caller, code: str, channel: Channel
) -> list[NoticeTemplate]:
    """Every version of a template of the caller's hospital, the newest first."""
    await require_reader(uow, caller)
    rows = await uow.session.scalars(
        select(NoticeTemplate)
        .where(
            NoticeTemplate.hospital_id == caller.hospital_id,
            NoticeTemplate.code == code,
            NoticeTemplate.channel == channel,
        )
        .order_by(NoticeTemplate.version.desc())
    )
    return list(rows)


async def pushes(
    uow: UnitOfWork,
    caller: Caller,
    *,
    state: PushState | None,
    code: str | None,
    channel: Channel | None,
    since: datetime | None,
    until: datetime | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[tuple[Push, User]]:
    """Pushes of the caller's hospital with whom they were for, the newest first."""
    await require_reader(uow, caller)
    query = (
        select(Push, User)
        .join(User, User.id == Push.user_id)
        .where(Push.hospital_id == caller.hospital_id)
    )
    if state is not None:
        query = query.where(Push.state == state)
    if code is not None:
        query = query.where(Push.code == code)
    if channel is not None:
        query = query.where(Push.channel == channel)
    if since is not None:
        query = query.where(Push.created_at >= since)
    if until is not None:
        query = query.where(Push.created_at < until)
    if before is not None:
        query = query.where(tuple_(Push.created_at, Push.id) < tuple_(*before))
    query = query.order_by(Push.created_at.desc(), Push.id.desc()).limit(limit)
    return [(push, user) for push, user in await uow.session.execute(query)]


async def state_counts(uow: UnitOfWork, caller: Caller, since: datetime) -> dict[PushState, int]:
    """How many pushes of the caller's hospital stand where, of those planned since then."""
    await require_reader(uow, caller)
    rows = await uow.session.execute(
        select(Push.state, func.count())
        .where(Push.hospital_id == caller.hospital_id, Push.created_at >= since)
        .group_by(Push.state)
    )
    return {state: count for state, count in rows}


async def push_for(
    uow: UnitOfWork, caller: Caller, push_id: UUID, *, lock: bool = False
) -> tuple[Push, User]:
    """A push of the caller's hospital; locked, to change it. Raises NotFound."""
    await (require_keeper if lock else require_reader)(uow, caller)
    query = (
        select(Push, User)
        .join(User, User.id == Push.user_id)
        .where(Push.id == push_id, Push.hospital_id == caller.hospital_id)
    )
    found = (
        await uow.session.execute(query.with_for_update(of=Push) if lock else query)
    ).one_or_none()
    if found is None:
        raise NotFound()
    return found[0], found[1]


async def attempts(uow: UnitOfWork, push_id: UUID) -> list[PushAttempt]:
    """The attempts of a push that the caller may see, in their order."""
    rows = await uow.session.scalars(
        select(PushAttempt)
        .where(PushAttempt.push_id == push_id)
        .order_by(PushAttempt.started_at, PushAttempt.id)
    )
    return list(rows)


async def applications(uow: UnitOfWork, caller: Caller) -> list[SenderApplication]:
    """The applications of the caller's hospital, the oldest first."""
    await require_reader(uow, caller)
    rows = await uow.session.scalars(
        select(SenderApplication)
        .where(SenderApplication.hospital_id == caller.hospital_id)
        .order_by(SenderApplication.created_at, SenderApplication.id)
    )
    return list(rows)


async def application_for(
    uow: UnitOfWork, caller: Caller, application_id: UUID
) -> SenderApplication:
    """An application of the caller's hospital, locked to change it. Raises NotFound."""
    await require_keeper(uow, caller)
    row = await uow.session.scalar(
        select(SenderApplication)
        .where(
            SenderApplication.id == application_id,
            SenderApplication.hospital_id == caller.hospital_id,
        )
        .with_for_update()
    )
    if row is None:
        raise NotFound()
    return row


async def own_preference(uow: UnitOfWork, caller: Caller) -> NoticePreference | None:
    """What the caller chose at this hospital."""
    return await uow.session.get(NoticePreference, (caller.user_id, caller.hospital_id))


async def message_for(
    uow: UnitOfWork, caller: Caller, message_id: UUID, *, lock: bool = False
) -> SentMessage:
    """A message of which the caller is a recipient. Raises NotFound."""
    query = select(SentMessage).where(
        SentMessage.id == message_id,
        SentMessage.hospital_id == caller.hospital_id,
        SentMessage.recipients.contains([str(caller.user_id)]),
    )
    row = await uow.session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NotFound()
    return row
