"""The verbs of a call. Each runs in the caller's unit of work and never commits.

The room is locked before the call, because the call's beginning and end are entries of the room's
log; every other change takes the same two locks in the same order.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from core import settings
from core.errors import Forbidden, NotFound
from core.identity.caller import Caller
from core.identity.roles import Role
from core.ids import new_id
from core.uow import UnitOfWork
from media.calls import access, call, observers, quality, rules, sessions, stage, telling
from media.calls.access import StoredCall
from media.calls.call import Call, Participant
from media.calls.errors import CallInProgress, NotInCall, RecordingRefused
from media.calls.events import CallAnswered, CallStarted
from media.calls.models import CallParticipantRow, CallRow
from media.calls.rules import (
    AMONG_COLLEAGUES,
    STARTERS,
    TALKERS,
    CallMedia,
    CallState,
    EndReason,
    Place,
    started_text,
)
from media.calls.schemas import CallView
from media.calls.settings import MOST_VIEWERS, RING_SECONDS
from realtime import access as rooms
from realtime import service as room_service
from realtime.call_checks import check_call
from realtime.errors import RoomIsClosed, RoomNotActive
from realtime.rules import RecordingPolicy, RoomKind, RoomState

Change = Callable[[Call], Call]


async def start(
    uow: UnitOfWork,
    caller: Caller,
    room_id: UUID,
    media: CallMedia,
    device: str,
    worker: str,
    *,
    lecture: bool = False,
) -> CallView:
    """Start a call in an active room; announces `CallStarted`, everybody's devices ring. A lecture
    rings nobody and announces `CallAnswered` at once.

    `worker` is the control address of the media worker chosen for it. Raises NotFound, Forbidden,
    RoomIsClosed, RoomNotActive, RecordingRefused, CallInProgress, NobodyToCall, and what stands
    against it where the room is about something (`realtime.call_checks`).
    """
    if caller.role not in STARTERS:
        raise Forbidden
    found = await rooms.member_of(uow, caller, room_id)
    row = await room_service.locked(uow, room_id)
    _require_starter(caller, row.lead_id)
    if row.state != RoomState.ACTIVE:
        raise RoomIsClosed if row.state == RoomState.CLOSED else RoomNotActive
    await check_call(uow, row.ref_type, row.ref_id, media.value)
    record = row.recording == RecordingPolicy.REQUIRED
    # Recording is agreed with a patient; colleagues among themselves are not recorded.
    free = RoomKind(row.kind) in AMONG_COLLEAGUES
    asks = False
    if not (record or free or await access.may_go_unrecorded(uow, caller.hospital_id)):
        # A ring asks; a lecture rings nobody.
        asks = row.recording == RecordingPolicy.ASK and not lecture
        if not asks:
            raise RecordingRefused
    live = await uow.session.scalar(
        select(CallRow.id).where(CallRow.room_id == room_id, CallRow.state != CallState.ENDED)
    )
    if live is not None:
        raise CallInProgress(details={"call": str(live)})
    people = [
        Participant(user_id=each.user_id, role=Role(each.role), name=each.name)
        for each in found.participants
        if each.left_at is None and Role(each.role) in TALKERS
    ]
    [me] = [each for each in people if each.user_id == caller.user_id]
    ring = timedelta(seconds=await settings.get(uow, RING_SECONDS, hospital_id=caller.hospital_id))
    others = [each for each in people if each is not me]
    if lecture:
        begun = call.lecture(new_id(), room_id, media, me, device, uow.now)
    else:
        begun = call.start(new_id(), room_id, media, me, others, device, uow.now, ring)
    moderators = rules.moderators(RoomKind(row.kind), row.lead_id, caller.user_id, lecture=lecture)
    stored = await _insert(uow, begun, caller.hospital_id, worker, record)
    made = replace(stored, asks=asks, moderators=moderators)
    data = {"call": str(begun.id), "media": media.value, "by": str(caller.user_id)}
    await room_service.system_message(
        uow, room_id, "call_started", started_text(me.name, media, lecture=lecture), data
    )
    uow.record(CallStarted(**telling.facts(made.row, uow), started_by=caller.user_id))
    if lecture:
        uow.record(CallAnswered(**telling.facts(made.row, uow), answered_by=caller.user_id))
    telling.show_busy(uow, replace(begun, people={}), begun)
    shown = access.view(made, caller.user_id)
    if not lecture:
        telling.ring(uow, shown, [each.user_id for each in others])
    telling.tell_state(uow, made, [each.user_id for each in people], [])
    return shown


async def accept(uow: UnitOfWork, caller: Caller, call_id: UUID, device: str) -> CallView:
    """Answer on this device; announces `CallAnswered` for the first answer.

    Raises NotFound, CallIsOver, CallTaken, RecordingUndecided.
    """
    now = uow.now
    return await _mine(
        uow, caller, call_id, lambda it: call.accept(it, caller.user_id, device, now)
    )


async def join(uow: UnitOfWork, caller: Caller, call_id: UUID, device: str) -> CallView:
    """Come in (again) with a fresh session on this device; a member of the room may who was not
    there at the beginning. Raises NotFound, NotPermitted, CallIsOver, CallIsFull, RemovedFromCall.
    """
    now = uow.now
    room_id, newcomer = await access.room_to_join(uow, caller, call_id)
    viewers = await settings.get(uow, MOST_VIEWERS, hospital_id=caller.hospital_id)

    def enter(it: Call) -> Call:
        listed = it if newcomer is None else call.admit(it, newcomer)
        return call.join(listed, caller.user_id, device, now, viewers)

    shown = await take_step(uow, room_id, call_id, enter, caller.user_id)
    await sessions.renew(uow, call_id, caller.user_id)
    return shown


async def decline(uow: UnitOfWork, caller: Caller, call_id: UUID) -> CallView:
    """Refuse a ringing call. Raises NotFound, CallIsOver."""
    now = uow.now
    return await _mine(uow, caller, call_id, lambda it: call.decline(it, caller.user_id, now))


async def leave(uow: UnitOfWork, caller: Caller, call_id: UUID) -> CallView:
    """Hang up on the caller's own side; a call that is over already stays as it is."""
    now = uow.now

    def out(it: Call) -> Call:
        return it if it.state is CallState.ENDED else call.leave(it, caller.user_id, now)

    return await _mine(uow, caller, call_id, out)


async def raise_hand(uow: UnitOfWork, caller: Caller, call_id: UUID, *, up: bool) -> CallView:
    """Ask for the stage of a lecture, or no longer. Raises NotFound, NotInCall, NoLecture."""
    now = uow.now
    return await _mine(
        uow, caller, call_id, lambda it: stage.raise_hand(it, caller.user_id, now, up=up)
    )


async def step_down(uow: UnitOfWork, caller: Caller, call_id: UUID) -> CallView:
    """Go back among the listeners. Raises NotFound, NotInCall, NoLecture, Forbidden."""
    return await _mine(uow, caller, call_id, lambda it: stage.step_down(it, caller.user_id))


async def set_media(
    uow: UnitOfWork, caller: Caller, call_id: UUID, *, audio: bool | None, video: bool | None
) -> CallView:
    """Mute and unmute the caller; None leaves a track as it is. Raises NotFound, NotInCall."""

    def change(it: Call) -> Call:
        me = it.people[caller.user_id]
        return call.set_media(
            it,
            caller.user_id,
            audio=me.audio if audio is None else audio,
            video=me.video if video is None else video,
        )

    return await _mine(uow, caller, call_id, change)


async def share_screen(uow: UnitOfWork, caller: Caller, call_id: UUID, *, on: bool) -> CallView:
    """Begin or end sharing the caller's screen. Raises NotFound, NotInCall, ScreenIsTaken."""
    return await _mine(uow, caller, call_id, lambda it: call.share(it, caller.user_id, on=on))


async def seen(uow: UnitOfWork, caller: Caller, call_id: UUID) -> CallView:
    """The call as it stands, for somebody who takes part in it. Raises NotFound."""
    await access.room_of(uow, caller, call_id)
    found = await access.stored(uow, call_id)
    if found is None:
        raise NotFound
    return access.view(found, caller.user_id)


async def note_freezes(
    uow: UnitOfWork, caller: Caller, call_id: UUID, freezes: int, frozen_ms: int
) -> CallView:
    """Keep how often pictures stood still for somebody in the call. Raises NotFound, NotInCall."""
    shown = await seen(uow, caller, call_id)
    places = {each.user_id: each.state for each in shown.participants}
    if places.get(caller.user_id) is not Place.JOINED or shown.state is CallState.ENDED:
        raise NotInCall
    await quality.freeze(uow, call_id, caller.user_id, freezes, frozen_ms)
    return shown


async def change(uow: UnitOfWork, call_id: UUID, step: Change) -> CallView | None:
    """Apply a step of the house itself (a timeout, a lost connection); None for no such call."""
    room_id = await uow.session.scalar(select(CallRow.room_id).where(CallRow.id == call_id))
    return None if room_id is None else await take_step(uow, room_id, call_id, step)


async def end_in_room(uow: UnitOfWork, room_id: UUID, reason: EndReason) -> None:
    """End the call under way in a room, if there is one."""
    call_id = await uow.session.scalar(
        select(CallRow.id).where(CallRow.room_id == room_id, CallRow.state != CallState.ENDED)
    )
    if call_id is not None:
        await take_step(uow, room_id, call_id, lambda it: call.end(it, reason, uow.now))


async def take_out(uow: UnitOfWork, room_id: UUID, user_id: UUID) -> None:
    """Let somebody who is no longer in the room leave its call."""
    call_id = await uow.session.scalar(
        select(CallRow.id).where(CallRow.room_id == room_id, CallRow.state != CallState.ENDED)
    )

    def out(it: Call) -> Call:
        if it.state is CallState.ENDED or user_id not in it.people:
            return it
        return call.leave(it, user_id, uow.now)

    if call_id is not None:
        await take_step(uow, room_id, call_id, out)


# ---- the shared steps ------------------------------------------------------------------------


async def _mine(uow: UnitOfWork, caller: Caller, call_id: UUID, step: Change) -> CallView:
    room_id = await access.room_of(uow, caller, call_id)
    return await take_step(uow, room_id, call_id, step, caller.user_id)


def _require_starter(caller: Caller, lead_id: UUID | None) -> None:
    """A pharmacist starts calls where he advises, not where he was asked in."""
    if caller.role is Role.PHARMACIST and caller.user_id != lead_id:
        raise Forbidden


async def take_step(
    uow: UnitOfWork, room_id: UUID, call_id: UUID, step: Change, viewer: UUID | None = None
) -> CallView:
    """Apply a step and tell everybody whom it concerns; returns the call as `viewer` sees it."""
    await room_service.locked(uow, room_id)
    found = await access.stored(uow, call_id, lock=True)
    if found is None:
        raise NotFound
    before = found.call
    after = step(before)
    if after == before:
        return access.view(found, viewer)
    for user_id in after.people.keys() - before.people.keys():
        row = _participant_row(call_id, after.people[user_id], len(found.people))
        uow.session.add(row)
        found.people.append(row)
    _store(found, before, after)
    await uow.session.flush()
    await telling.announce(uow, found, before, after)
    watching = await observers.users_of(uow, call_id)
    if after.state is CallState.ENDED:
        await observers.end_all(uow, found.row)
    telling.tell_state(uow, found, telling.concerned(before, after), watching)
    return access.view(found, viewer)


def _store(found: StoredCall, before: Call, after: Call) -> None:
    row = found.row
    row.state, row.answered_at = after.state.value, after.answered_at
    row.ended_at = after.ended_at
    row.end_reason = after.end_reason.value if after.end_reason else None
    for each in found.people:
        now, was = after.people[each.user_id], before.people.get(each.user_id)
        came = was is None or was.place is not Place.JOINED or was.on_stage != now.on_stage
        if now.place is Place.JOINED and came:
            # Who goes onto the stage, or leaves it, gets other lines.
            each.session, each.offer_version = new_id().hex, 0
        each.place, each.device = now.place.value, now.device
        each.audio, each.video, each.screen = now.audio, now.video, now.screen
        each.joined_at, each.seconds = now.joined_at, now.seconds
        each.gone_since = now.gone_since
        each.on_stage, each.hand_at = now.on_stage, now.hand_at


async def _insert(
    uow: UnitOfWork, begun: Call, hospital_id: UUID, worker: str, record: bool
) -> StoredCall:
    row = CallRow(
        id=begun.id,
        hospital_id=hospital_id,
        room_id=begun.room_id,
        media=begun.media.value,
        state=begun.state.value,
        started_by=begun.started_by,
        started_at=begun.started_at,
        ring_until=begun.ring_until,
        record=record,
        lecture=begun.lecture,
        answered_at=begun.answered_at,
        worker=worker,
        generation=1,
        assigned_at=uow.now,
    )
    uow.session.add(row)
    await uow.session.flush()
    people = [
        _participant_row(begun.id, each, position)
        for position, each in enumerate(begun.people.values())
    ]
    uow.session.add_all(people)
    await uow.session.flush()
    return StoredCall(row, people, frozenset())


def _participant_row(call_id: UUID, each: Participant, position: int) -> CallParticipantRow:
    return CallParticipantRow(
        call_id=call_id,
        user_id=each.user_id,
        position=position,
        role=each.role.value,
        name=each.name,
        place=each.place.value,
        device=each.device,
        audio=each.audio,
        video=each.video,
        screen=each.screen,
        on_stage=each.on_stage,
        hand_at=each.hand_at,
        joined_at=each.joined_at,
        seconds=0,
        session=new_id().hex if each.place is Place.JOINED else None,
        offer_version=0,
    )
