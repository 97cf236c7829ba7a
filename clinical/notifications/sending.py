"""What other systems send: proved, allowed, once, and told again until somebody acknowledges it."""

import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from clinical.notifications import access, errors
from clinical.notifications.models import Push, SenderApplication, SentMessage
from clinical.notifications.settings import REPEAT_MINUTES, REPEATS
from clinical.notifications.states import Audience, PushState
from clinical.people import access as people
from core import audit, proving, settings
from core.alarms.service import raise_alarm
from core.crypto.sm import sm3
from core.defence.counters import Counter
from core.defence.limits import RequestLimits
from core.defence.rates import Rate, whole_seconds
from core.errors import FieldProblem, Forbidden, InvalidRequest, NotFound, RateLimited
from core.identity.access import user_by_login, user_by_phone
from core.identity.caller import Caller
from core.identity.models import RoleAssignment, User
from core.identity.roles import Role
from core.ids import new_id
from core.uow import UnitOfWork
from realtime import inbox, notices
from realtime.notices import Notice

if TYPE_CHECKING:
    from clinical.notifications.schemas import ApplicationPolicy, Recipient, SendMessage
    from core.http.context import Context

SECRET_BYTES = 32
REF = "notice_message"
UNACKNOWLEDGED = "message_unacknowledged"
BATCH = 100


class ApplicationOff(Forbidden):
    code, status, title = "application_disabled", 403, "该业务系统已停用"


class AddressNotAllowed(Forbidden):
    code, status, title = "address_not_allowed", 403, "该地址不允许调用"


@dataclass(frozen=True)
class Proved:
    """A request whose application is known."""

    application: SenderApplication


async def admit(ctx: "Context", body: bytes) -> Proved:
    """Let a request in: proof, switch, address, rate.

    Raises NotProved, ApplicationOff, AddressNotAllowed or RateLimited.
    """
    request = ctx.request
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    claim = proving.read(request.headers, request.method, target, body, ctx.now)
    row = await ctx.uow.session.scalar(
        select(SenderApplication).where(SenderApplication.code == claim.code)
    )
    # An unknown code and a wrong proof look alike, so that codes cannot be found by trying.
    if row is None or not proving.proves_secret(claim, row.secret.encode()):
        raise proving.NotProved()
    if not row.enabled:
        raise ApplicationOff()
    if not _admits(row.addresses, ctx.address):
        raise AddressNotAllowed()
    limits = RequestLimits.of(ctx.runtime)
    if limits.enabled:
        rate = Rate(row.per_minute, max(1, row.per_minute // 4))
        refusal = await limits.counters.take([Counter("application", f"notices:{row.id}", rate)])
        if refusal is not None:
            raise RateLimited(retry_after=whole_seconds(refusal.wait))
    return Proved(row)


def _admits(networks: Sequence[str], address: str) -> bool:
    if not networks:
        return True
    try:
        place = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return any(place in ipaddress.ip_network(each) for each in networks)


async def send(uow: UnitOfWork, proved: Proved, wanted: "SendMessage") -> SentMessage:
    """Send a message, or return the one that was sent under this request id.

    Raises NoticeNotAllowed, ParametersWrong, RecipientNotFound, RequestIdTaken.
    """
    application = proved.application
    notice = notices.find(wanted.code)
    if notice is None or not notice.open_to_applications or wanted.code not in application.codes:
        raise errors.NoticeNotAllowed()
    try:
        content = notice.check(wanted.parameters)
    except ValueError as error:
        raise errors.ParametersWrong(fields=[FieldProblem("parameters", str(error))]) from error
    digest = sm3(orjson.dumps(wanted.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)).hex()
    message_id = await _begin(uow, application, wanted, content, digest)
    if message_id is None:
        return await _known(uow, application, wanted.request_id, digest)
    row = await uow.session.get_one(SentMessage, message_id)
    recipients = await _recipients(uow, application, wanted.recipients)
    row.recipients = sorted(str(each) for each in recipients)
    if wanted.acknowledge:
        row.remind_at = await _next_reminder(uow, row)
    await uow.session.flush()
    await _tell(uow, row, notice)
    await audit.record(
        uow,
        None,
        "notice_message.send",
        "notice_message",
        row.id,
        detail={"application": application.code, "code": row.code, "recipients": row.recipients},
        hospital_id=row.hospital_id,
    )
    return row


async def _begin(
    uow: UnitOfWork,
    application: SenderApplication,
    wanted: "SendMessage",
    content: dict[str, Any],
    digest: str,
) -> UUID | None:
    """Take the request id; None when it was taken before. Two at once wait for each other here."""
    return await uow.session.scalar(
        insert(SentMessage)
        .values(
            id=new_id(),
            hospital_id=application.hospital_id,
            application_id=application.id,
            request_id=wanted.request_id,
            digest=digest,
            code=wanted.code,
            content=content,
            recipients=[],
            acknowledge=wanted.acknowledge,
            reminders=0,
            created_at=uow.now,
        )
        .on_conflict_do_nothing()
        .returning(SentMessage.id)
    )


async def _known(
    uow: UnitOfWork, application: SenderApplication, request_id: str, digest: str
) -> SentMessage:
    row = await message_of(uow, application, request_id)
    if row.digest != digest:
        raise errors.RequestIdTaken()
    return row


async def message_of(
    uow: UnitOfWork, application: SenderApplication, request_id: str
) -> SentMessage:
    """What an application sent under a request id. Raises NotFound."""
    row = await uow.session.scalar(
        select(SentMessage).where(
            SentMessage.application_id == application.id, SentMessage.request_id == request_id
        )
    )
    if row is None:
        raise NotFound()
    return row


async def push_states(uow: UnitOfWork, row: SentMessage) -> dict[PushState, int]:
    """Where the pushes of a message stand."""
    found = await uow.session.execute(
        select(Push.state, func.count())
        .where(
            Push.hospital_id == row.hospital_id,
            Push.ref_type == REF,
            Push.ref_id == str(row.id),
            Push.user_id.in_([UUID(each) for each in row.recipients]),
        )
        .group_by(Push.state)
    )
    return {state: count for state, count in found}


async def _tell(uow: UnitOfWork, row: SentMessage, notice: Notice, *, again: bool = False) -> None:
    first = row.content.get("subject") or row.content.get("item") or ""
    title = f"{notice.title}：{first}" if first else notice.title
    text = "请尽快确认" if row.acknowledge else "点击查看"
    await inbox.notify(
        uow,
        [UUID(each) for each in row.recipients],
        hospital_id=row.hospital_id,
        type=row.code,
        title=f"{title}（再次提醒）" if again else title,
        text=text,
        ref=(REF, row.id),
        parameters=row.content,
    )


# --- recipients ----------------------------------------------------------------------------------


async def _recipients(
    uow: UnitOfWork, application: SenderApplication, wanted: Sequence["Recipient"]
) -> set[UUID]:
    """The accounts that a message is for, of those whom the application may write to.

    Raises RecipientNotFound, also for somebody of another hospital, so that nobody can be found by
    trying.
    """
    found: set[UUID] = set()
    for number, each in enumerate(wanted):
        accounts = await _accounts(uow, application, each)
        if not accounts:
            raise errors.RecipientNotFound(
                fields=[FieldProblem(f"recipients.{number}", "没有找到接收人")]
            )
        found |= accounts
    return found


async def _accounts(
    uow: UnitOfWork, application: SenderApplication, wanted: "Recipient"
) -> set[UUID]:
    here = application.hospital_id
    patients = Audience.PATIENTS.value in application.audiences
    if wanted.kind == "id_number":
        patient = await people.patient_by_identity_card(uow.session, here, wanted.value)
        if patient is None or not patients:
            return set()
        return set(await people.holders_of(uow.session, patient.id))
    finder = user_by_phone if wanted.kind == "phone" else user_by_login
    user = await finder(uow, wanted.value)
    if user is None or not user.enabled:
        return set()
    roles = set(
        await uow.session.scalars(
            select(RoleAssignment.role).where(
                RoleAssignment.user_id == user.id, RoleAssignment.hospital_id == here
            )
        )
    )
    allowed = bool(roles - {Role.PATIENT}) and Audience.STAFF.value in application.audiences
    allowed = allowed or (Role.PATIENT in roles and patients and wanted.kind == "phone")
    return {user.id} if allowed else set()


# --- acknowledgement -----------------------------------------------------------------------------


async def acknowledge(uow: UnitOfWork, caller: Caller, message_id: UUID) -> SentMessage:
    """Say that one has seen it; the first word counts. Raises NotFound."""
    row = await access.message_for(uow, caller, message_id, lock=True)
    if not row.acknowledge or row.acknowledged_at is not None:
        return row
    row.acknowledged_at, row.acknowledged_by, row.remind_at = uow.now, caller.user_id, None
    await audit.record(uow, caller, "notice_message.acknowledge", "notice_message", row.id)
    return row


async def remind_unacknowledged(uow: UnitOfWork) -> int:
    """Tell again of what nobody has acknowledged; after the last time, raise an alarm. How many."""
    rows = list(
        await uow.session.scalars(
            select(SentMessage)
            .where(SentMessage.remind_at <= uow.now)
            .order_by(SentMessage.remind_at)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
    )
    for row in rows:
        most = await settings.get(uow, REPEATS, hospital_id=row.hospital_id)
        notice = notices.notice_of(row.code)
        if row.reminders >= most:
            row.remind_at = None
            await raise_alarm(
                uow,
                row.hospital_id,
                UNACKNOWLEDGED,
                f"{notice.title}无人确认",
                f"{notice.title}已提醒 {row.reminders + 1} 次仍无人确认，请联系接收人。",
                (REF, str(row.id)),
            )
            continue
        row.reminders += 1
        row.remind_at = await _next_reminder(uow, row)
        await _tell(uow, row, notice, again=True)
    return len(rows)


async def _next_reminder(uow: UnitOfWork, row: SentMessage) -> Any:
    minutes = await settings.get(uow, REPEAT_MINUTES, hospital_id=row.hospital_id)
    return uow.now + timedelta(minutes=minutes)


# --- applications --------------------------------------------------------------------------------


async def make_application(
    uow: UnitOfWork, caller: Caller, policy: "ApplicationPolicy"
) -> SenderApplication:
    """A new application with its secret. Raises InvalidRequest for a notice it cannot send."""
    await access.require_keeper(uow, caller)
    row = SenderApplication(
        id=new_id(),
        hospital_id=caller.hospital_id,
        code=f"msg-{secrets.token_hex(6)}",
        secret=secrets.token_urlsafe(SECRET_BYTES),
        created_at=uow.now,
        created_by=caller.user_id,
    )
    _apply(uow, row, policy)
    uow.session.add(row)
    await uow.session.flush()
    await _audit(uow, caller, row, "create")
    return row


async def change_application(
    uow: UnitOfWork, caller: Caller, application_id: UUID, policy: "ApplicationPolicy"
) -> SenderApplication:
    """Change what an application may do. Raises NotFound, InvalidRequest."""
    row = await access.application_for(uow, caller, application_id)
    _apply(uow, row, policy)
    await _audit(uow, caller, row, "change")
    return row


async def new_secret(uow: UnitOfWork, caller: Caller, application_id: UUID) -> str:
    """A new secret; the old one ends at once. Raises NotFound."""
    row = await access.application_for(uow, caller, application_id)
    row.secret = secrets.token_urlsafe(SECRET_BYTES)
    row.changed_at = uow.now
    await _audit(uow, caller, row, "secret")
    return row.secret


def _apply(uow: UnitOfWork, row: SenderApplication, policy: "ApplicationPolicy") -> None:
    known = {each.code for each in notices.declared() if each.open_to_applications}
    if set(policy.codes) - known:
        raise InvalidRequest(fields=[FieldProblem("codes", "请选择开放给业务系统的消息")])
    row.name, row.enabled = policy.name, policy.enabled
    row.codes = sorted(set(policy.codes))
    row.audiences = sorted({each.value for each in policy.audiences})
    row.addresses, row.per_minute = list(policy.addresses), policy.per_minute
    row.changed_at = uow.now


async def _audit(uow: UnitOfWork, caller: Caller, row: SenderApplication, verb: str) -> None:
    names = ("code", "name", "enabled", "codes", "audiences", "addresses", "per_minute")
    await audit.record(
        uow,
        caller,
        f"notice_application.{verb}",
        "notice_application",
        row.id,
        detail={name: getattr(row, name) for name in names},
    )


async def name_of(uow: UnitOfWork, user_id: UUID | None) -> str | None:
    """The public name of somebody."""
    if user_id is None:
        return None
    user = await uow.session.get(User, user_id)
    return user.name if user else None
