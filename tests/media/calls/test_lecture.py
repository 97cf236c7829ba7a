"""A lecture: many watch, few send, hands go up in order, the teacher decides about the stage."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from core.errors import Forbidden
from core.identity.roles import Role
from core.ids import new_id
from media.calls import call, stage
from media.calls.call import Call, Participant
from media.calls.errors import CallIsFull, NoLecture, NotInCall, NotOnStage
from media.calls.rules import MOST_PEOPLE, CallMedia, CallState, EndReason, Place
from tests.media.calls.conftest import Attend
from tests.media.calls.test_calls import place, refused, stands_still, state_where
from tests.support.cast import Cast
from tests.support.http import Client

NOW = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TEACHER = new_id()


def lecture(listeners: int) -> tuple[Call, list[UUID]]:
    teacher = Participant(user_id=TEACHER, role=Role.DOCTOR, name="讲师")
    it = call.lecture(new_id(), new_id(), CallMedia.VIDEO, teacher, "pc", NOW)
    users = [new_id() for _ in range(listeners)]
    for each in users:
        it = call.admit(it, Participant(user_id=each, role=Role.NURSE, name="听众"))
        it = call.join(it, each, "phone", NOW, 60)
    return it, users


def test_fifty_watch_and_none_of_them_may_send() -> None:
    it, users = lecture(50)
    assert (it.state, len(it.joined), [each.user_id for each in it.stage]) == (
        CallState.ACTIVE,
        51,
        [TEACHER],
    )
    with pytest.raises(NotOnStage):
        call.set_media(it, users[0], audio=True, video=False)
    with pytest.raises(NotOnStage):
        call.share(it, users[0], on=True)
    assert call.set_media(it, users[0], audio=False, video=False) == it


def test_the_audience_has_a_limit_of_its_own() -> None:
    it, _ = lecture(60)
    it = call.admit(it, Participant(user_id=new_id(), role=Role.NURSE, name="听众"))
    late = next(each for each in it.people.values() if each.place is not Place.JOINED)
    with pytest.raises(CallIsFull):
        call.join(it, late.user_id, "phone", NOW, 60)


def test_hands_stand_in_the_order_in_which_they_went_up() -> None:
    it, (first, second, third) = lecture(3)
    it = stage.raise_hand(it, second, NOW + SECOND, up=True)
    it = stage.raise_hand(it, first, NOW + 2 * SECOND, up=True)
    it = stage.raise_hand(it, second, NOW + 3 * SECOND, up=True)
    assert [each.user_id for each in stage.hands(it)] == [second, first]
    it = stage.raise_hand(it, second, NOW + 4 * SECOND, up=False)
    it = call.leave(it, first, NOW + 5 * SECOND)
    assert stage.hands(it) == []
    with pytest.raises(NotInCall):
        stage.raise_hand(it, first, NOW, up=True)
    assert stage.raise_hand(it, TEACHER, NOW, up=True) == it
    assert it.people[third].hand_at is None


def test_the_teacher_invites_and_dismisses_and_stays_himself() -> None:
    it, users = lecture(MOST_PEOPLE)
    it = stage.raise_hand(it, users[0], NOW, up=True)
    it = stage.invite(it, users[0])
    assert (it.people[users[0]].on_stage, it.people[users[0]].hand_at) == (True, None)
    shared = call.share(it, users[0], on=True)
    assert stage.dismiss(shared, users[0]).sharing == []
    assert not stage.step_down(it, users[0]).people[users[0]].on_stage
    for each in users[1 : MOST_PEOPLE - 1]:
        it = stage.invite(it, each)
    with pytest.raises(CallIsFull):
        stage.invite(it, users[-1])
    with pytest.raises(Forbidden):
        stage.dismiss(it, TEACHER)
    with pytest.raises(Forbidden):
        stage.step_down(it, TEACHER)


def test_a_lecture_outlives_its_listeners_and_ends_with_its_stage() -> None:
    it, (only,) = lecture(1)
    alone = call.leave(it, only, NOW)
    assert alone.state is CallState.ACTIVE
    left = call.leave(it, TEACHER, NOW)
    assert (left.state, left.end_reason) == (CallState.ENDED, EndReason.HUNG_UP)
    lost = call.lost(it, TEACHER, NOW)
    assert call.give_up(lost, NOW + 181 * SECOND, 180 * SECOND).state is CallState.ENDED


def test_an_ordinary_call_has_no_hands() -> None:
    others = [Participant(user_id=new_id(), role=Role.PATIENT, name="患者")]
    starter = Participant(user_id=TEACHER, role=Role.DOCTOR, name="医生")
    it = call.start(new_id(), new_id(), CallMedia.VIDEO, starter, others, "pc", NOW, 60 * SECOND)
    with pytest.raises(NoLecture):
        stage.raise_hand(it, TEACHER, NOW, up=True)


async def test_a_listener_watches_raises_a_hand_speaks_on_the_stage_and_goes_back(
    attend: Attend, cast: Cast, room: UUID
) -> None:
    teacher = await attend(cast.doctor, "pc", 60)
    listener = await attend(cast.patient, "phone", 180)
    begun = await teacher.call("call:start", room=str(room), media="video", lecture=True)
    it = begun["call"]
    assert (it["state"], it["lecture"], it["viewers"]) == ("active", True, 0)
    told = await state_where(listener, lambda state: state["lecture"])
    who = {"call": it["id"], "user": str(cast.patient.user_id)}
    joined = await listener.call("call:update", call=told["id"], action="join")
    assert not place(joined["call"], cast.patient)["on_stage"]
    await listener.receives()
    # He watches: his own lines are closed, the teacher gets nothing of him.
    assert listener.pc is not None
    own = [t.currentDirection for t in listener.pc.getTransceivers() if t.mid in ("0", "1")]
    assert own == ["inactive", "inactive"]
    assert (teacher.frames["audio"], teacher.frames["video"]) == (0, 0)
    speak = {"call": it["id"], "action": "media", "audio": True}
    assert await refused(listener, "call:update", **speak) == "not_on_stage"

    await listener.call("call:update", call=it["id"], action="hand", on=True)
    asked = await state_where(teacher, lambda state: state["participants"][-1]["hand_at"])
    assert asked["viewers"] == 1
    assert await refused(listener, "call:moderate", **who, action="invite") == "forbidden"
    await teacher.call("call:moderate", **who, action="invite")
    await asyncio.gather(teacher.receives(), listener.receives())
    assert len(listener.sessions) == 2

    await teacher.call("call:moderate", **who, action="dismiss")
    await stands_still(teacher, "audio")
    await listener.receives()
    assert len(teacher.sessions) == 1
    left = await listener.call("call:leave", call=it["id"])
    assert left["call"]["state"] == "active"
    ended = await teacher.call("call:end", call=it["id"])
    assert ended["call"]["end_reason"] == "hung_up"


async def test_colleagues_hold_a_lecture_in_their_group_and_a_guest_leaves_the_stage_himself(
    attend: Attend, cast: Cast, client: Client
) -> None:
    nurse = str(cast.nurse.user_id)
    asked = {"title": "内科晨会", "people": [{"user_id": nurse, "role": "nurse"}]}
    made = await client.post("/rooms/group", token=cast.doctor.token, json=asked)
    room = made.expect(201)["id"]
    teacher = await attend(cast.doctor, "pc", 60, into=room)
    listener = await attend(cast.nurse, "phone", 180, into=room)
    begun = await teacher.call("call:start", room=room, media="video", lecture=True)
    # No patient is heard here: nobody records, and no consent is missing.
    assert not begun["call"]["recording"]
    who = {"call": begun["call"]["id"], "user": nurse}
    await listener.call("call:update", call=who["call"], action="join")
    assert (
        await refused(teacher, "call:update", call=who["call"], action="step_down") == "forbidden"
    )
    await teacher.call("call:moderate", **who, action="invite")
    await asyncio.gather(teacher.receives(), listener.receives())
    back = await listener.call("call:update", call=who["call"], action="step_down")
    assert not place(back["call"], cast.nurse)["on_stage"]
    await stands_still(teacher, "video")
    await listener.receives()
    assert len(listener.sessions) == 3
