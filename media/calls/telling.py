"""What people, rooms and other modules hear of a call, after the commit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from core.uow import UnitOfWork
from media.calls import access
from media.calls.access import StoredCall
from media.calls.call import Call
from media.calls.events import CallAnswered, CallEnded
from media.calls.models import CallRow
from media.calls.rules import CallState, EndReason, Place, ended_text, missed_text
from media.calls.schemas import CallView
from realtime import inbox
from realtime import service as room_service
from realtime.notices import WECHAT_THEN_SMS, Category, declare

BUSY = timedelta(seconds=90)

MISSED = declare(
    "call_missed",
    Category.CHAT,
    "未接来电",
    outside="您有一次通话邀请未接听，请登录查看",
    channels=WECHAT_THEN_SMS,
)


def concerned(before: Call, after: Call) -> list[UUID]:
    """Whom a change is told: everybody; of a lecture those who are in it, or were until now."""
    if not after.lecture or after.state is CallState.ENDED:
        return list(after.people)
    known = before.people
    return [
        user_id
        for user_id, each in after.people.items()
        if each.place is Place.JOINED or known.get(user_id) != each
    ]


async def announce(uow: UnitOfWork, found: StoredCall, before: Call, after: Call) -> None:
    if before.answered_at is None and after.answered_at is not None:
        [first] = [
            each.user_id
            for each in after.joined
            if each.user_id not in before.people
            or before.people[each.user_id].place is not Place.JOINED
        ]
        uow.record(CallAnswered(**facts(found.row, uow), answered_by=first))
    if after.state is CallState.ENDED and before.state is not CallState.ENDED:
        assert after.end_reason is not None
        text = ended_text(after.media, after.end_reason, after.seconds, lecture=after.lecture)
        data = {
            "call": str(after.id),
            "media": after.media.value,
            "reason": after.end_reason.value,
            "seconds": after.seconds,
        }
        await room_service.system_message(
            uow, after.room_id, "call_ended", text, data, even_if_closed=True
        )
        uow.record(
            CallEnded(
                **facts(found.row, uow),
                reason=after.end_reason.value,
                answered_at=after.answered_at,
            )
        )
    await _tell_missed(uow, found.row, before, after)
    show_busy(uow, before, after)


async def _tell_missed(uow: UnitOfWork, row: CallRow, before: Call, after: Call) -> None:
    """Whoever was rung until it was over finds it in the message centre, and outside when nobody of
    his is connected; the line in the room is everybody's. A refused recording is no missed call.
    """
    if after.end_reason is EndReason.RECORDING_REFUSED:
        return
    missed = [
        each.user_id for each in before.ringing if after.people[each.user_id].place is Place.LEFT
    ]
    if not missed:
        return
    name = before.people[before.started_by].name
    await inbox.notify(
        uow,
        missed,
        hospital_id=row.hospital_id,
        type=MISSED.code,
        title=MISSED.title,
        text=missed_text(name, after.media),
        ref=("room", after.room_id),
    )


def facts(row: CallRow, uow: UnitOfWork) -> dict[str, Any]:
    return {
        "hospital_id": row.hospital_id,
        "aggregate_id": row.id,
        "occurred_at": uow.now,
        "room_id": row.room_id,
        "media": row.media,
        "recorded": row.record,
    }


def show_busy(uow: UnitOfWork, before: Call, after: Call) -> None:
    was = {each.user_id for each in before.joined}
    now = {each.user_id for each in after.joined}

    async def tell() -> None:
        for user_id in now - was:
            await uow.runtime.realtime.set_busy(user_id, uow.now + BUSY)
        for user_id in was - now:
            await uow.runtime.realtime.set_busy(user_id, None)

    if was != now:
        uow.after_commit(tell)


def ring(uow: UnitOfWork, shown: CallView, user_ids: list[UUID]) -> None:
    payload = {"call": shown.model_dump(mode="json"), "room": str(shown.room)}

    async def tell() -> None:
        for user_id in user_ids:
            await uow.runtime.realtime.to_user(user_id, "call:ring", payload)

    uow.after_commit(tell)


def tell_muted(uow: UnitOfWork, call_id: UUID, user_id: UUID) -> None:
    async def tell() -> None:
        await uow.runtime.realtime.to_user(user_id, "call:muted", {"call": str(call_id)})

    uow.after_commit(tell)


def tell_state(
    uow: UnitOfWork, found: StoredCall, user_ids: list[UUID], watching: list[UUID]
) -> None:
    """Tell these users how the call stands, each as he may see it, and those who observe it."""
    views = {user_id: access.view(found, user_id) for user_id in user_ids}
    views |= {user_id: access.view(found) for user_id in watching}

    async def tell() -> None:
        for user_id, shown in views.items():
            await uow.runtime.realtime.to_user(user_id, "call:state", shown)

    uow.after_commit(tell)
