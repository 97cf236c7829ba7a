"""The state machine of a call: who is in, when it is over, and that every ending has a name."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ProblemError
from core.identity.roles import Role
from core.ids import new_id
from media.calls import call
from media.calls.call import Call, Participant
from media.calls.errors import (
    CallIsFull,
    CallIsOver,
    CallTaken,
    NobodyToCall,
    NotInCall,
    RemovedFromCall,
    ScreenIsTaken,
)
from media.calls.rules import CallMedia, CallState, EndReason, Place, ended_text

NOW = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
DOCTOR, PATIENT, NURSE = new_id(), new_id(), new_id()
RING = timedelta(seconds=60)
SECOND = timedelta(seconds=1)


def person(user_id: UUID, role: Role = Role.PATIENT) -> Participant:
    return Participant(user_id=user_id, role=role, name="某人")


def ringing(*others: UUID, media: CallMedia = CallMedia.VIDEO) -> Call:
    starter = person(DOCTOR, Role.DOCTOR)
    rung = [person(each) for each in others or (PATIENT,)]
    return call.start(new_id(), new_id(), media, starter, rung, "pc", NOW, RING)


def talking() -> Call:
    return call.accept(ringing(), PATIENT, "phone", NOW + SECOND)


def test_the_starter_is_in_and_the_others_ring() -> None:
    begun = ringing()
    assert begun.state is CallState.RINGING
    assert begun.people[DOCTOR].place is Place.JOINED
    assert begun.people[PATIENT].place is Place.RINGING


def test_a_voice_call_begins_without_video() -> None:
    assert not any(each.video for each in ringing(media=CallMedia.VOICE).people.values())


def test_nobody_can_be_called_in_an_empty_room() -> None:
    with pytest.raises(NobodyToCall):
        call.start(new_id(), new_id(), CallMedia.VIDEO, person(DOCTOR), [], "pc", NOW, RING)


def test_the_first_device_wins_and_may_say_so_again() -> None:
    active = talking()
    assert active.state is CallState.ACTIVE
    assert active.answered_at == NOW + SECOND
    assert call.accept(active, PATIENT, "phone", NOW + 2 * SECOND) == active
    with pytest.raises(CallTaken):
        call.accept(active, PATIENT, "pad", NOW + 2 * SECOND)


def test_the_starter_does_not_answer_his_own_call() -> None:
    with pytest.raises(CallTaken):
        call.accept(ringing(), DOCTOR, "phone", NOW)
    again = call.join(ringing(), DOCTOR, "phone", NOW)
    assert again.state is CallState.RINGING


@pytest.mark.parametrize(
    ("verb", "reason"),
    [
        (lambda it: call.decline(it, PATIENT, NOW), EndReason.DECLINED),
        (lambda it: call.leave(it, PATIENT, NOW), EndReason.DECLINED),
        (lambda it: call.leave(it, DOCTOR, NOW), EndReason.CANCELLED),
        (lambda it: call.end(it, EndReason.HUNG_UP, NOW), EndReason.CANCELLED),
        (lambda it: call.end(it, EndReason.ROOM_CLOSED, NOW), EndReason.ROOM_CLOSED),
        (lambda it: call.ring_out(it, NOW + RING), EndReason.NO_ANSWER),
    ],
)
def test_a_call_that_only_rings_ends_with_a_named_reason(verb: object, reason: EndReason) -> None:
    ended = verb(ringing())  # type: ignore[operator]
    assert (ended.state, ended.end_reason) == (CallState.ENDED, reason)
    assert ended.seconds is None
    assert all(each.place in (Place.LEFT, Place.DECLINED) for each in ended.people.values())


def test_ringing_goes_on_until_its_time_is_over() -> None:
    begun = ringing()
    assert call.ring_out(begun, NOW + RING - SECOND) is begun


def test_one_who_leaves_two_ends_the_call_and_the_talk_is_counted() -> None:
    ended = call.leave(talking(), PATIENT, NOW + 31 * SECOND)
    assert (ended.end_reason, ended.seconds) == (EndReason.HUNG_UP, 30)
    assert (ended.people[PATIENT].seconds, ended.people[DOCTOR].seconds) == (30, 31)
    assert ended_text(ended.media, EndReason.HUNG_UP, 90) == "视频通话已结束，时长1分30秒"


def test_with_three_the_others_talk_on_and_who_left_may_come_back() -> None:
    three = call.accept(ringing(PATIENT, NURSE), PATIENT, "phone", NOW)
    three = call.accept(three, NURSE, "pc", NOW)
    two = call.leave(three, PATIENT, NOW + 10 * SECOND)
    assert two.state is CallState.ACTIVE
    back = call.join(two, PATIENT, "pad", NOW + 20 * SECOND)
    assert back.people[PATIENT].device == "pad"
    ended = call.end(back, EndReason.HUNG_UP, NOW + 30 * SECOND)
    assert ended.people[PATIENT].seconds == 20


def test_a_reload_keeps_the_time_and_takes_the_new_device() -> None:
    again = call.join(talking(), PATIENT, "pad", NOW + 20 * SECOND)
    assert again.people[PATIENT].joined_at == NOW + SECOND
    assert again.people[PATIENT].device == "pad"


def test_an_active_call_is_abandoned_only_when_everybody_is_gone_long_enough() -> None:
    patience = timedelta(minutes=3)
    one = call.lost(talking(), PATIENT, NOW + SECOND)
    later = NOW + timedelta(minutes=10)
    assert call.give_up(one, later, patience) is one
    both = call.lost(one, DOCTOR, NOW + timedelta(minutes=8))
    assert call.give_up(both, later, patience) is both
    found = call.found(both, PATIENT)
    assert call.give_up(found, later + patience, patience) is found
    gone = call.give_up(both, later + patience, patience)
    assert gone.end_reason is EndReason.ABANDONED


def test_an_ended_call_refuses_and_keeps_its_first_reason() -> None:
    ended = call.decline(ringing(), PATIENT, NOW)
    with pytest.raises(CallIsOver):
        call.accept(ended, PATIENT, "phone", NOW)
    assert call.end(ended, EndReason.ROOM_CLOSED, NOW) is ended


def test_a_moderator_silences_and_puts_out_and_who_was_put_out_stays_out() -> None:
    three = call.accept(ringing(PATIENT, NURSE), PATIENT, "phone", NOW)
    three = call.accept(three, NURSE, "pc", NOW)
    quiet = call.mute(three, PATIENT)
    assert not quiet.people[PATIENT].audio
    assert quiet.people[PATIENT].video
    assert call.set_media(quiet, PATIENT, audio=True, video=True).people[PATIENT].audio
    two = call.remove(three, PATIENT, NOW + SECOND)
    assert two.state is CallState.ACTIVE
    with pytest.raises(RemovedFromCall):
        call.join(two, PATIENT, "pad", NOW + 2 * SECOND)
    assert call.remove(two, NURSE, NOW + 3 * SECOND).end_reason is EndReason.HUNG_UP


def test_the_seventeenth_is_told_that_the_call_is_full() -> None:
    others = [new_id() for _ in range(16)]
    full = ringing(*others)
    for each in others[:15]:
        full = call.accept(full, each, "phone", NOW)
    assert len(full.joined) == 16
    with pytest.raises(CallIsFull):
        call.accept(full, others[15], "phone", NOW)
    room = call.leave(full, others[0], NOW + SECOND)
    assert len(call.accept(room, others[15], "phone", NOW + SECOND).joined) == 16


def test_a_stranger_is_not_in_the_call() -> None:
    with pytest.raises(NotInCall):
        call.accept(ringing(), NURSE, "pc", NOW)


VERBS = {
    "accept": lambda it, who, now: call.accept(it, who, "a", now),
    "accept elsewhere": lambda it, who, now: call.accept(it, who, "b", now),
    "join": lambda it, who, now: call.join(it, who, "b", now),
    "decline": call.decline,
    "leave": call.leave,
    "lost": call.lost,
    "mute": lambda it, who, now: call.mute(it, who),
    "remove": call.remove,
    "ring out": lambda it, who, now: call.ring_out(it, now),
    "give up": lambda it, who, now: call.give_up(it, now, timedelta(seconds=30)),
    "end": lambda it, who, now: call.end(it, EndReason.HUNG_UP, now),
}


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(sorted(VERBS)), st.sampled_from([DOCTOR, PATIENT, NURSE])),
        max_size=25,
    )
)
def test_whatever_people_do_the_call_stays_in_order(steps: list[tuple[str, UUID]]) -> None:
    state = ringing(PATIENT, NURSE)
    now = NOW
    for verb, who in steps:
        now += 7 * SECOND
        before = state
        try:
            state = VERBS[verb](state, who, now)  # type: ignore[operator]
        except ProblemError:
            continue
        if before.state is CallState.ENDED:
            assert state == before
        if state.state is CallState.ENDED:
            assert state.end_reason is not None
            assert state.ended_at is not None
            assert not state.joined
            assert not state.ringing
        else:
            assert state.joined
            assert len(state.joined) > 1 or state.ringing
        if state.state is CallState.ACTIVE:
            assert state.answered_at is not None
        for each in state.joined:
            assert each.device is not None
            assert each.joined_at is not None


def test_one_shares_a_screen_at_a_time_and_a_lost_connection_holds_nothing() -> None:
    shared = call.share(talking(), DOCTOR, on=True)
    assert [each.user_id for each in shared.sharing] == [DOCTOR]
    with pytest.raises(ScreenIsTaken):
        call.share(shared, PATIENT, on=True)
    away = call.lost(shared, DOCTOR, NOW + 2 * SECOND)
    taken = call.share(away, PATIENT, on=True)
    assert [each.user_id for each in taken.sharing] == [PATIENT]
    assert call.stop_screen(taken, PATIENT).sharing == []
    assert call.share(taken, PATIENT, on=False).sharing == []


def test_a_screen_stays_with_the_device_that_shares_it() -> None:
    shared = call.share(talking(), PATIENT, on=True)
    assert call.join(shared, PATIENT, "phone", NOW + 2 * SECOND).sharing != []
    assert call.join(shared, PATIENT, "pad", NOW + 2 * SECOND).sharing == []
    with pytest.raises(NotInCall):
        call.share(call.leave(_with_nurse(shared), PATIENT, NOW), PATIENT, on=True)


def _with_nurse(it: Call) -> Call:
    nurse = replace(person(NURSE, Role.NURSE), place=Place.JOINED, joined_at=NOW)
    return replace(it, people={**it.people, NURSE: nurse})
