"""The stage of a lecture: hands go up in order, the teacher invites and dismisses. Pure."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from core.errors import Forbidden
from media.calls.call import Call, Participant, member, with_person
from media.calls.errors import CallIsFull, NoLecture, NotInCall
from media.calls.rules import MOST_PEOPLE, CallMedia, Place


def hands(call: Call) -> list[Participant]:
    """Who holds up a hand, the first one first."""
    up = [each for each in call.joined if each.hand_at is not None]
    return sorted(up, key=lambda each: (each.hand_at, each.user_id))


def raise_hand(call: Call, user_id: UUID, now: datetime, *, up: bool) -> Call:
    """Hold up a hand or take it down; one that is up keeps its place, and nothing happens on the
    stage. Raises CallIsOver, NotInCall, NoLecture.
    """
    me = _listener(call, user_id)
    if me.on_stage:
        return call
    return with_person(call, replace(me, hand_at=(me.hand_at or now) if up else None))


def invite(call: Call, user_id: UUID) -> Call:
    """Let a listener onto the stage: from now on he may send.

    Raises CallIsOver, NotInCall, NoLecture, CallIsFull.
    """
    who = _listener(call, user_id)
    if who.on_stage:
        return call
    if len(call.stage) >= MOST_PEOPLE:
        raise CallIsFull
    video = call.media is CallMedia.VIDEO
    return with_person(call, replace(who, on_stage=True, hand_at=None, audio=True, video=video))


def dismiss(call: Call, user_id: UUID) -> Call:
    """Send somebody back among the listeners. Raises CallIsOver, NotInCall, NoLecture, Forbidden
    (the teacher stays).
    """
    who = _listener(call, user_id)
    if user_id == call.started_by:
        raise Forbidden
    if not who.on_stage:
        return call
    return with_person(call, replace(who, on_stage=False, audio=False, video=False, screen=False))


def step_down(call: Call, user_id: UUID) -> Call:
    """Leave the stage of one's own will, or not take it after an invitation.

    Raises CallIsOver, NotInCall, NoLecture, Forbidden (the teacher stays).
    """
    return dismiss(call, user_id)


def _listener(call: Call, user_id: UUID) -> Participant:
    who = member(call, user_id)
    if not call.lecture:
        raise NoLecture
    if who.place is not Place.JOINED:
        raise NotInCall
    return who
