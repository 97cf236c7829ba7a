"""The verbs of people: choose what to hear of, word templates, let a parked push go again."""

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from clinical.notifications import access, errors, templates, wording
from clinical.notifications.models import NoticePreference, NoticeTemplate, Push
from clinical.notifications.states import PushState, QuietMode
from core import audit
from core.errors import FieldProblem, NotFound
from core.identity.caller import Caller
from core.ids import new_id
from core.uow import UnitOfWork
from realtime import notices
from realtime.notices import Category, Channel, Notice

if TYPE_CHECKING:
    from clinical.notifications.schemas import PreferencesInput, TemplateInput


async def choose(uow: UnitOfWork, caller: Caller, chosen: "PreferencesInput") -> NoticePreference:
    """Set what the caller hears of. Raises CategoryStatutory."""
    off = sorted({category.value for category in chosen.off})
    if any(Category(each).statutory for each in off):
        raise errors.CategoryStatutory()
    own = chosen.quiet_mode is QuietMode.OWN
    values = {
        "off": off,
        "quiet_mode": chosen.quiet_mode,
        "quiet_from": chosen.quiet_from if own else None,
        "quiet_until": chosen.quiet_until if own else None,
        "changed_at": uow.now,
    }
    await uow.session.execute(
        insert(NoticePreference)
        .values(user_id=caller.user_id, hospital_id=caller.hospital_id, **values)
        .on_conflict_do_update(
            index_elements=[NoticePreference.user_id, NoticePreference.hospital_id], set_=values
        )
    )
    found = await access.own_preference(uow, caller)
    assert found is not None
    await uow.session.refresh(found)
    return found


def notice_with(code: str, channel: Channel) -> Notice:
    """A declared notice that has this channel. Raises NotFound."""
    notice = notices.find(code)
    if notice is None or channel not in templates.channels_of(notice):
        raise NotFound()
    return notice


async def reword(
    uow: UnitOfWork, caller: Caller, code: str, channel: Channel, wanted: "TemplateInput"
) -> NoticeTemplate:
    """Put a new version of a template into force.

    Raises NotFound, TemplateUnfit, TemplateOutdated when the version that was edited is not the
    newest any more.
    """
    await access.require_keeper(uow, caller)
    notice = notice_with(code, channel)
    try:
        wording.check_template(notice, channel, wanted.title, wanted.body, wanted.fields)
    except wording.UnfitTemplate as error:
        raise errors.TemplateUnfit(fields=[FieldProblem("body", str(error))]) from error
    await uow.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"notice_template:{caller.hospital_id}:{code}:{channel}"},
    )
    rows = await templates.newest(uow, caller.hospital_id, [code])
    newest = rows.get((code, channel))
    version = newest.version if newest else 0
    if wanted.base_version != version:
        raise errors.TemplateOutdated()
    row = NoticeTemplate(
        id=new_id(),
        hospital_id=caller.hospital_id,
        code=code,
        channel=channel,
        version=version + 1,
        title=wanted.title,
        body=wanted.body,
        provider_template=wanted.provider_template,
        fields=wanted.fields,
        enabled=wanted.enabled,
        created_at=uow.now,
        created_by=caller.user_id,
    )
    uow.session.add(row)
    await uow.session.flush()
    await audit.record(
        uow,
        caller,
        "notice_template.change",
        "notice_template",
        row.id,
        detail={"code": code, "channel": channel.value, "version": row.version},
    )
    return row


async def retry(uow: UnitOfWork, caller: Caller, push_id: UUID) -> Push:
    """Let a parked push begin anew on its first channel. Raises NotFound, PushNotParked."""
    push, _ = await access.push_for(uow, caller, push_id, lock=True)
    if push.state is not PushState.PARKED:
        raise errors.PushNotParked()
    push.state, push.finished_at = PushState.DUE, None
    push.tried_since = push.next_attempt_at = uow.now
    await audit.record(uow, caller, "notice_push.retry", "notice_push", push.id)
    return push
