"""Templates in force: a hospital's own, else what the house says by itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from clinical.notifications import links, wording
from clinical.notifications.models import NoticePreference, NoticeTemplate
from clinical.notifications.wording import Surroundings
from core.identity.models import Hospital
from core.uow import UnitOfWork
from realtime import notices
from realtime.notices import Channel, Notice, Wording

#: The text message that any provider has approved for us: one sentence and a link.
PLAIN_SMS = "notice_link"


@dataclass(frozen=True, kw_only=True)
class Template:
    """A template in force. `version` 0 is the house's own."""

    channel: Channel
    version: int = 0
    title: str = ""
    body: str = ""
    provider_template: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True


def built_in(notice: Notice, channel: Channel) -> Template:
    """What the house says where a hospital has said nothing."""
    if channel is Channel.IN_APP:
        return Template(channel=channel)
    sms = channel is Channel.SMS
    return Template(
        channel=channel,
        title=notice.title,
        body=notice.outside or "",
        provider_template=PLAIN_SMS if sms else "",
        fields={"link": "{link}"} if sms else {},
    )


def channels_of(notice: Notice) -> tuple[Channel, ...]:
    """Every channel that a notice may have a template for."""
    return (Channel.IN_APP, *notice.channels)


async def newest(
    uow: UnitOfWork, hospital_id: UUID, codes: list[str]
) -> dict[tuple[str, Channel], NoticeTemplate]:
    """The newest version of each of a hospital's templates for these notices."""
    rows = await uow.session.scalars(
        select(NoticeTemplate)
        .where(NoticeTemplate.hospital_id == hospital_id, NoticeTemplate.code.in_(codes))
        .ext(distinct_on(NoticeTemplate.code, NoticeTemplate.channel))
        .order_by(NoticeTemplate.code, NoticeTemplate.channel, NoticeTemplate.version.desc())
    )
    return {(row.code, row.channel): row for row in rows}


async def in_force(uow: UnitOfWork, hospital_id: UUID, notice: Notice) -> dict[Channel, Template]:
    """The template of every channel of a notice."""
    rows = await newest(uow, hospital_id, [notice.code])
    return {
        channel: of_row(rows[notice.code, channel])
        if (notice.code, channel) in rows
        else built_in(notice, channel)
        for channel in channels_of(notice)
    }


def of_row(row: NoticeTemplate) -> Template:
    """A stored version."""
    return Template(
        channel=row.channel,
        version=row.version,
        title=row.title,
        body=row.body,
        provider_template=row.provider_template,
        fields=row.fields,
        enabled=row.enabled,
    )


async def surroundings(
    uow: UnitOfWork, hospital_id: UUID, notice: Notice, ref: tuple[str, str] | None
) -> Surroundings:
    """What sentences of a hospital may name."""
    hospital = await uow.session.get_one(Hospital, hospital_id)
    return Surroundings(
        hospital=hospital.name,
        link=links.web(uow.runtime.config.base_url, notice, ref),
        time=uow.now,
        zone=ZoneInfo(hospital.time_zone),
    )


@notices.compose_with
async def compose(
    uow: UnitOfWork,
    hospital_id: UUID,
    notice: Notice,
    user_ids: list[UUID],
    values: Mapping[str, Any],
) -> Wording:
    """The hospital's words for the inbox, and who has switched the category off."""
    silent: frozenset[UUID] = frozenset()
    if not notice.category.statutory:
        silent = frozenset(
            await uow.session.scalars(
                select(NoticePreference.user_id).where(
                    NoticePreference.hospital_id == hospital_id,
                    NoticePreference.user_id.in_(user_ids),
                    NoticePreference.off.contains([notice.category.value]),
                )
            )
        )
    rows = await newest(uow, hospital_id, [notice.code])
    own = rows.get((notice.code, Channel.IN_APP))
    if own is None or not own.enabled:
        return Wording(silent=silent)
    around = await surroundings(uow, hospital_id, notice, None)
    return Wording(
        wording.inside(notice, own.title, values, around) or None,
        wording.inside(notice, own.body, values, around) or None,
        silent,
    )
