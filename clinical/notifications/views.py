"""What notifications look like to those who may see them."""

from collections.abc import Mapping
from datetime import timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select

from clinical.notifications import access, channels, sending, templates, wording
from clinical.notifications.models import (
    NoticeTemplate,
    Push,
    PushAttempt,
    SenderApplication,
    SentMessage,
)
from clinical.notifications.schemas import (
    ApplicationView,
    AttemptView,
    CategoryChoice,
    ContentLine,
    MessageContent,
    MessageStatus,
    NoticeView,
    ParameterView,
    Preferences,
    Preview,
    PushDetail,
    PushView,
    Subscription,
    TemplateInput,
    TemplateVersion,
    TemplateView,
)
from clinical.notifications.settings import QUIET_FROM, QUIET_UNTIL
from clinical.notifications.states import (
    OUTCOME_TEXT,
    SKIP_TEXT,
    STATE_TEXT,
    Audience,
    PushState,
    QuietMode,
)
from clinical.notifications.templates import Template
from core import settings
from core.identity.caller import Caller
from core.identity.external.models import ExternalIdentity
from core.identity.models import Hospital, User
from core.masking import mask_name, mask_phone
from core.uow import UnitOfWork
from realtime import notices
from realtime.notices import Category, Channel, Kind, Notice, Parameter

#: WeChat asks for at most this many templates at once.
MOST_SUBSCRIPTIONS = 3


async def preferences(uow: UnitOfWork, caller: Caller) -> Preferences:
    """What the caller hears of, and what he could choose."""
    chosen = await access.own_preference(uow, caller)
    off = set(chosen.off) if chosen else set()
    here = caller.hospital_id
    user = await uow.session.get_one(User, caller.user_id)
    mine = [each for each in notices.declared() if each.staff == caller.is_staff or _both(each)]
    return Preferences(
        categories=[
            CategoryChoice(
                category=each,
                label=each.label,
                on=each.statutory or each.value not in off,
                statutory=each.statutory,
            )
            for each in Category
            if any(notice.category is each for notice in mine)
        ],
        quiet_mode=chosen.quiet_mode if chosen else QuietMode.HOSPITAL,
        quiet_from=chosen.quiet_from if chosen else None,
        quiet_until=chosen.quiet_until if chosen else None,
        hospital_quiet_from=60 * await settings.get(uow, QUIET_FROM, hospital_id=here),
        hospital_quiet_until=60 * await settings.get(uow, QUIET_UNTIL, hospital_id=here),
        wechat_mini=await _bound(uow, caller, Channel.WECHAT_MINI),
        wechat_service=await _bound(uow, caller, Channel.WECHAT_SERVICE),
        subscriptions=await _subscriptions(uow, caller, mine),
        phone=mask_phone(user.phone or ""),
    )


def _both(notice: Notice) -> bool:
    """Notices of the house go to staff and patients alike."""
    return notice.category in (Category.CHAT, Category.SECURITY, Category.HOSPITAL)


async def _bound(uow: UnitOfWork, caller: Caller, channel: Channel) -> bool | None:
    app = channels.app_of(uow.runtime, channel)
    if app is None:
        return None
    found = await uow.session.scalar(
        select(ExternalIdentity.id)
        .where(ExternalIdentity.user_id == caller.user_id, ExternalIdentity.tenant == app.appid)
        .limit(1)
    )
    return found is not None


async def _subscriptions(uow: UnitOfWork, caller: Caller, mine: list[Notice]) -> list[Subscription]:
    """Templates of the mini-program in force for notices that the caller may get."""
    rows = await templates.newest(uow, caller.hospital_id, [each.code for each in mine])
    found: dict[str, str] = {}
    for notice in mine:
        row = rows.get((notice.code, Channel.WECHAT_MINI))
        if row is not None and row.enabled and row.provider_template:
            found.setdefault(row.provider_template, notice.title)
    return [Subscription(template=template, title=title) for template, title in found.items()][
        :MOST_SUBSCRIPTIONS
    ]


# --- templates -----------------------------------------------------------------------------------


def notice_view(notice: Notice, rows: Mapping[tuple[str, Channel], NoticeTemplate]) -> NoticeView:
    """A notice with the templates in force."""
    shown = []
    for channel in templates.channels_of(notice):
        row = rows.get((notice.code, channel))
        template = templates.of_row(row) if row else templates.built_in(notice, channel)
        shown.append(TemplateView(**_template(template)))
    return NoticeView(
        code=notice.code,
        title=notice.title,
        category=notice.category,
        category_label=notice.category.label,
        staff=notice.staff,
        urgent=notice.urgent,
        statutory=notice.category.statutory,
        parameters=[
            ParameterView(name=each.name, label=each.label, kind=each.kind, inside=each.inside)
            for each in notice.parameters
        ],
        templates=shown,
    )


def _template(template: Template) -> dict[str, object]:
    return {
        "channel": template.channel,
        "channel_label": template.channel.label,
        "version": template.version,
        "title": template.title,
        "body": template.body,
        "provider_template": template.provider_template,
        "fields": dict(template.fields),
        "enabled": template.enabled,
    }


async def version_view(uow: UnitOfWork, row: NoticeTemplate) -> TemplateVersion:
    """A stored version with who wrote it."""
    return TemplateVersion(
        **_template(templates.of_row(row)),
        created_at=row.created_at,
        created_by=await sending.name_of(uow, row.created_by) or "系统",
    )


async def preview(
    uow: UnitOfWork, caller: Caller, notice: Notice, channel: Channel, body: TemplateInput
) -> Preview:
    """A template filled with sample values, or why it cannot be."""
    try:
        wording.check_template(notice, channel, body.title, body.body, body.fields)
    except wording.UnfitTemplate as error:
        return Preview(title=body.title, body=body.body, fields=body.fields, problem=str(error))
    around = await templates.surroundings(uow, caller.hospital_id, notice, None)
    values = {each.name: _sample(uow, each) for each in notice.parameters}
    render = wording.inside if channel is Channel.IN_APP else wording.outside
    fields = {key: render(notice, text, values, around) for key, text in body.fields.items()}
    if channel in notices.WECHAT:
        fields = {key: wording.keyword_value(key, text) for key, text in fields.items()}
    return Preview(
        title=render(notice, body.title, values, around),
        body=render(notice, body.body, values, around),
        fields=fields,
        problem=None,
    )


def _sample(uow: UnitOfWork, parameter: Parameter) -> object:
    match parameter.kind:
        case Kind.NUMBER:
            return 3
        case Kind.MONEY:
            return 3000
        case Kind.MOMENT:
            return (uow.now + timedelta(minutes=30)).isoformat()
        case Kind.WORD:
            return next(iter(parameter.words))
    return parameter.label


# --- the log -------------------------------------------------------------------------------------


def push_view(push: Push, user: User) -> PushView:
    """A push in the log."""
    return PushView(**_push(push, user))


def _push(push: Push, user: User) -> dict[str, object]:
    notice = notices.find(push.code)
    return {
        "id": push.id,
        "code": push.code,
        "title": notice.title if notice else push.code,
        "recipient": mask_name(user.name),
        "state": push.state,
        "state_label": STATE_TEXT[push.state],
        "skipped": push.skipped,
        "skipped_label": SKIP_TEXT[push.skipped] if push.skipped else None,
        "channel": push.channel,
        "channel_label": push.channel.label if push.channel else None,
        "created_at": push.created_at,
        "finished_at": push.finished_at,
        "next_attempt_at": push.next_attempt_at if push.state is PushState.DUE else None,
    }


async def push_detail(uow: UnitOfWork, push: Push, user: User) -> PushDetail:
    """A push with its attempts, and the sentence that leaves the house."""
    notice = notices.find(push.code)
    text = ""
    if notice is not None and notice.outside is not None:
        around = await templates.surroundings(uow, push.hospital_id, notice, None)
        text = wording.outside(notice, notice.outside, push.parameters, around)
    return PushDetail(
        **_push(push, user),
        text=text,
        phone=mask_phone(user.phone or ""),
        attempts=[_attempt(row) for row in await access.attempts(uow, push.id)],
    )


def _attempt(row: PushAttempt) -> AttemptView:
    return AttemptView(
        channel=row.channel,
        channel_label=row.channel.label,
        outcome=row.outcome,
        outcome_label=OUTCOME_TEXT[row.outcome] if row.outcome else "进行中",
        detail=row.detail,
        reference=row.reference,
        template_version=row.template_version,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


# --- applications --------------------------------------------------------------------------------


def application_view(row: SenderApplication) -> ApplicationView:
    """An application as administrators see it; the secret is never shown again."""
    return ApplicationView(
        id=row.id,
        code=row.code,
        name=row.name,
        enabled=row.enabled,
        codes=row.codes,
        audiences=[Audience(each) for each in row.audiences],
        addresses=row.addresses,
        per_minute=row.per_minute,
        created_at=row.created_at,
        changed_at=row.changed_at,
    )


async def status(uow: UnitOfWork, row: SentMessage) -> MessageStatus:
    """A message as its sender sees it."""
    return MessageStatus(
        id=row.id,
        request_id=row.request_id,
        code=row.code,
        recipients=len(row.recipients),
        states=await sending.push_states(uow, row),
        acknowledge=row.acknowledge,
        reminders=row.reminders,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=await sending.name_of(uow, row.acknowledged_by),
        created_at=row.created_at,
    )


async def content(uow: UnitOfWork, row: SentMessage) -> MessageContent:
    """A message as its recipients read it."""
    notice = notices.notice_of(row.code)
    hospital = await uow.session.get_one(Hospital, row.hospital_id)
    sender = await uow.session.get_one(SenderApplication, row.application_id)
    zone = ZoneInfo(hospital.time_zone)
    return MessageContent(
        id=row.id,
        title=str(row.content.get("subject") or notice.title),
        sender=sender.name,
        lines=[
            ContentLine(label=each.label, text=wording.shown(each, row.content[each.name], zone))
            for each in notice.parameters
            if each.name in row.content and each.name != "subject"
        ],
        created_at=row.created_at,
        acknowledge=row.acknowledge,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=await sending.name_of(uow, row.acknowledged_by),
    )
