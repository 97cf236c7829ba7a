"""The call as a pure state machine: the call, a verb and `now` in, the next call out; no I/O.

    ringing --accept--> active --leave, end, room closed, abandoned, worker lost--> ended
       `----no answer, declined, cancelled, room closed, worker lost-----------------^

A participant rings, then has joined with one device, declined, left, or was removed; who left may
come back while the call is active, who was removed may not. The call ends by itself
when fewer than two are left in it, a lecture when nobody is left on its stage (see `stage.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from core.identity.roles import Role
from media.calls.errors import (
    CallIsFull,
    CallIsOver,
    CallTaken,
    NobodyToCall,
    NotInCall,
    NotOnStage,
    RecordingUndecided,
    RemovedFromCall,
    ScreenIsTaken,
)
from media.calls.rules import MOST_PEOPLE, CallMedia, CallState, EndReason, Place


@dataclass(frozen=True, kw_only=True)
class Participant:
    """Somebody in the call. `seconds` counts what he has talked before `joined_at`.

    `gone_since` is set while his media connection is lost and he has not left. In a lecture only
    who is `on_stage` sends; the others may hold up a hand, since `hand_at`.
    """

    user_id: UUID
    role: Role
    name: str
    place: Place = Place.RINGING
    device: str | None = None
    audio: bool = True
    video: bool = True
    screen: bool = False
    on_stage: bool = True
    hand_at: datetime | None = None
    joined_at: datetime | None = None
    seconds: int = 0
    gone_since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call. Immutable: every verb returns the next one, or the same when nothing changed."""

    id: UUID
    room_id: UUID
    media: CallMedia
    state: CallState
    started_by: UUID
    started_at: datetime
    ring_until: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    end_reason: EndReason | None = None
    #: A lecture rings nobody: who wants to comes in and watches.
    lecture: bool = False
    #: It rings, and the patient has not said yet whether it may be recorded.
    asks: bool = False
    #: Who silences others, puts them out and ends it for everybody; see `rules.moderators`.
    moderators: frozenset[UUID] = frozenset()
    people: Mapping[UUID, Participant]

    @property
    def joined(self) -> list[Participant]:
        return [each for each in self.people.values() if each.place is Place.JOINED]

    @property
    def ringing(self) -> list[Participant]:
        return [each for each in self.people.values() if each.place is Place.RINGING]

    @property
    def stage(self) -> list[Participant]:
        """Who is in and may send."""
        return [each for each in self.joined if each.on_stage]

    @property
    def sharing(self) -> list[Participant]:
        return [each for each in self.people.values() if each.screen]

    @property
    def seconds(self) -> int | None:
        """Length of the talk; None when nobody answered or it goes on."""
        if self.answered_at is None or self.ended_at is None:
            return None
        return int((self.ended_at - self.answered_at).total_seconds())


def start(
    call_id: UUID,
    room_id: UUID,
    media: CallMedia,
    starter: Participant,
    others: Sequence[Participant],
    device: str,
    now: datetime,
    ring: timedelta,
) -> Call:
    """Ring the others; the starter is in from the beginning. Raises NobodyToCall."""
    if not others:
        raise NobodyToCall
    video = media is CallMedia.VIDEO
    first = replace(starter, place=Place.JOINED, device=device, joined_at=now)
    return Call(
        id=call_id,
        room_id=room_id,
        media=media,
        state=CallState.RINGING,
        started_by=starter.user_id,
        started_at=now,
        ring_until=now + ring,
        people={each.user_id: replace(each, video=video) for each in (first, *others)},
    )


def lecture(
    call_id: UUID,
    room_id: UUID,
    media: CallMedia,
    teacher: Participant,
    device: str,
    now: datetime,
) -> Call:
    """Begin a lecture: it goes on from its first moment, others come in by `admit` and `join`."""
    first = replace(teacher, place=Place.JOINED, device=device, joined_at=now)
    return Call(
        id=call_id,
        room_id=room_id,
        media=media,
        state=CallState.ACTIVE,
        started_by=teacher.user_id,
        started_at=now,
        ring_until=now,
        answered_at=now,
        lecture=True,
        people={teacher.user_id: replace(first, video=media is CallMedia.VIDEO)},
    )


def admit(call: Call, someone: Participant) -> Call:
    """Put a member of the room who came later on the list; he is not in before he joins.

    Raises CallIsOver.
    """
    if call.state is CallState.ENDED:
        raise CallIsOver
    if someone.user_id in call.people:
        return call
    sends = not call.lecture
    video = sends and call.media is CallMedia.VIDEO
    return with_person(
        call, replace(someone, place=Place.LEFT, on_stage=sends, audio=sends, video=video)
    )


def accept(call: Call, user_id: UUID, device: str, now: datetime) -> Call:
    """The first device wins.

    Raises CallIsOver, NotInCall, CallTaken (another device was first), RecordingUndecided.
    """
    me = member(call, user_id)
    if me.place is Place.JOINED:
        if me.device != device:
            raise CallTaken
        return call
    _require_decided(call, me)
    return _enter(call, me, device, now)


def join(
    call: Call, user_id: UUID, device: str, now: datetime, most_viewers: int = MOST_PEOPLE
) -> Call:
    """Come (back) in with this device: after a reload, from another device, after having left.

    Raises CallIsOver, NotInCall, CallIsFull, RemovedFromCall, RecordingUndecided.
    """
    me = member(call, user_id)
    _require_decided(call, me)
    return _enter(call, me, device, now, most_viewers)


def _require_decided(call: Call, me: Participant) -> None:
    """Nobody talks unrecorded while the patient is still asked; who rings may come back."""
    if call.asks and call.state is CallState.RINGING and me.user_id != call.started_by:
        raise RecordingUndecided


def decline(call: Call, user_id: UUID, now: datetime) -> Call:
    """Refuse a ringing call; nothing happens to somebody who does not ring any more."""
    me = member(call, user_id)
    if me.place is not Place.RINGING:
        return call
    return _settle(with_person(call, replace(me, place=Place.DECLINED)), EndReason.DECLINED, now)


def leave(call: Call, user_id: UUID, now: datetime) -> Call:
    """Hang up on one's own side."""
    me = member(call, user_id)
    if me.place is Place.RINGING:
        return decline(call, user_id, now)
    if me.place is not Place.JOINED:
        return call
    alone = call.state is CallState.RINGING
    reason = EndReason.CANCELLED if alone else EndReason.HUNG_UP
    return _settle(with_person(call, _out(me, now)), reason, now)


def end(call: Call, reason: EndReason, now: datetime) -> Call:
    """End it for everybody; an ended call keeps its first reason."""
    if call.state is CallState.ENDED:
        return call
    if reason is EndReason.HUNG_UP and call.state is CallState.RINGING:
        reason = EndReason.CANCELLED
    people = {each.user_id: _closed(each, now) for each in call.people.values()}
    return replace(call, state=CallState.ENDED, ended_at=now, end_reason=reason, people=people)


def ring_out(call: Call, now: datetime) -> Call:
    """After the ringing time: who has not answered is out; nobody at all: the call is over."""
    if call.state is CallState.ENDED or now < call.ring_until or not call.ringing:
        return call
    for each in call.ringing:
        call = with_person(call, replace(each, place=Place.LEFT))
    return _settle(call, EndReason.NO_ANSWER, now)


def set_media(call: Call, user_id: UUID, *, audio: bool, video: bool) -> Call:
    """Mute and unmute. Raises CallIsOver, NotInCall, NotOnStage."""
    me = member(call, user_id)
    if me.place is not Place.JOINED:
        raise NotInCall
    if (audio or video) and not me.on_stage:
        raise NotOnStage
    return with_person(call, replace(me, audio=audio, video=video))


def share(call: Call, user_id: UUID, *, on: bool) -> Call:
    """Begin or end the sharing of one's screen: one at a time, a lost connection holds nothing.

    Raises CallIsOver, NotInCall, NotOnStage, ScreenIsTaken.
    """
    me = member(call, user_id)
    if me.place is not Place.JOINED:
        raise NotInCall
    if on and not me.on_stage:
        raise NotOnStage
    for other in call.sharing if on else []:
        if other.user_id == user_id:
            continue
        if other.gone_since is None:
            raise ScreenIsTaken(details={"user": str(other.user_id)})
        call = with_person(call, replace(other, screen=False))
    return with_person(call, replace(me, screen=on))


def stop_screen(call: Call, user_id: UUID) -> Call:
    """The moderator ends somebody's sharing."""
    return with_person(call, replace(member(call, user_id), screen=False))


def mute(call: Call, user_id: UUID) -> Call:
    """The moderator silences somebody, who may speak again when he unmutes himself."""
    who = member(call, user_id)
    return with_person(call, replace(who, audio=False)) if who.place is Place.JOINED else call


def remove(call: Call, user_id: UUID, now: datetime) -> Call:
    """The moderator puts somebody out of this call for good."""
    who = member(call, user_id)
    gone = _out(who, now) if who.place is Place.JOINED else who
    return _settle(with_person(call, replace(gone, place=Place.REMOVED)), EndReason.HUNG_UP, now)


def lost(call: Call, user_id: UUID, now: datetime) -> Call:
    """A joined participant's media connection is gone; he may come back."""
    me = call.people.get(user_id)
    if call.state is CallState.ENDED or me is None or me.place is not Place.JOINED:
        return call
    return with_person(call, replace(me, gone_since=me.gone_since or now))


def found(call: Call, user_id: UUID) -> Call:
    """A participant's media connection stands."""
    me = call.people.get(user_id)
    if call.state is CallState.ENDED or me is None or me.gone_since is None:
        return call
    return with_person(call, replace(me, gone_since=None))


def give_up(call: Call, now: datetime, patience: timedelta) -> Call:
    """End a call in which the connection of everybody who may send has been gone for `patience`."""
    if call.state is not CallState.ACTIVE:
        return call
    since = [each.gone_since for each in call.stage]
    if all(moment is not None and now - moment >= patience for moment in since):
        return end(call, EndReason.ABANDONED, now)
    return call


def member(call: Call, user_id: UUID) -> Participant:
    if call.state is CallState.ENDED:
        raise CallIsOver
    me = call.people.get(user_id)
    if me is None:
        raise NotInCall
    return me


def _enter(
    call: Call, me: Participant, device: str, now: datetime, most_viewers: int = MOST_PEOPLE
) -> Call:
    inside = me.place is Place.JOINED
    if me.place is Place.REMOVED:
        raise RemovedFromCall
    alike = len(call.stage) if me.on_stage else len(call.joined) - len(call.stage)
    if not inside and alike >= (MOST_PEOPLE if me.on_stage else most_viewers):
        raise CallIsFull
    entered = replace(
        me,
        place=Place.JOINED,
        device=device,
        joined_at=me.joined_at if inside else now,
        gone_since=None,
        # What another device shares does not come along.
        screen=me.screen and me.device == device,
    )
    call = with_person(call, entered)
    if call.state is CallState.RINGING and me.user_id != call.started_by:
        return replace(call, state=CallState.ACTIVE, answered_at=now)
    return call


def _settle(call: Call, reason: EndReason, now: datetime) -> Call:
    """End the call when nobody is left to talk to."""
    goes_on = bool(call.stage) if call.lecture else len(call.joined) >= 2
    if goes_on or (call.joined and call.ringing):
        return call
    return end(call, reason, now)


def _out(each: Participant, now: datetime) -> Participant:
    talked = int((now - each.joined_at).total_seconds()) if each.joined_at else 0
    return replace(
        each,
        place=Place.LEFT,
        seconds=each.seconds + talked,
        joined_at=None,
        gone_since=None,
        screen=False,
        hand_at=None,
    )


def _closed(each: Participant, now: datetime) -> Participant:
    if each.place is Place.JOINED:
        return _out(each, now)
    return replace(each, place=Place.LEFT) if each.place is Place.RINGING else each


def with_person(call: Call, each: Participant) -> Call:
    return replace(call, people={**call.people, each.user_id: each})
