"""A lecture in a group of colleagues: begun at a desk, watched on a phone, a hand on the stage."""

from __future__ import annotations

import pytest

from tests.journeys.story import DOCTOR_LOGIN, log_in_as_staff, see_and_hear
from tests.support.demo import Demo
from tests.support.screens import Browsers
from tests.support.staff_desk import StaffDesk

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

LISTENER_LOGIN, LISTENER = "13800000003", "沈若水"


async def open_group(desk: StaffDesk, demo: Demo) -> str:
    """A group of the two doctors; its room."""
    token = await desk.screen.token()
    staff = demo.call("GET", "/colleagues?role=doctor", token)
    [listener] = [each for each in staff if each["name"] == LISTENER]
    people = [{"user_id": listener["user_id"], "role": "doctor"}]
    made = demo.call("POST", "/rooms/group", token, {"title": "晨间讲座", "people": people})
    return str(made["id"])


async def test_a_hand_on_the_phone_comes_onto_the_stage_of_a_lecture(
    demo: Demo, screens: Browsers
) -> None:
    desk = StaffDesk(await screens.desk("teacher"), demo)
    await desk.log_in(DOCTOR_LOGIN)
    room = await open_group(desk, demo)
    phone = await screens.phone("listener")
    await log_in_as_staff(phone, demo, LISTENER_LOGIN)

    # Begun on the console; nobody rings, the room says so.
    await desk.screen.page.goto(f"{demo.url}/console/#/talks/{room}")
    await desk.screen.tap("start-meeting")
    await desk.screen.tap("meeting-lecture")
    await desk.screen.tap("meeting-start")
    await desk.screen.item("local-video").or_(desk.screen.item("call-audience")).first.wait_for()
    await phone.page.goto(f"{demo.url}/m/#/pages/room/index?room={room}")
    await phone.sees("讲座进行中")
    await phone.tap("join-call")
    await phone.until_media(frames=20, energy=0.000001)
    assert (await desk.screen.media())["frames"] == 0
    assert await phone.item("own-video").count() == 0

    # The hand, the invitation, and only then camera and microphone.
    await phone.tap("call-hand")
    await phone.sees("已举手，排第 1 位")
    await desk.screen.tap("call-invite")
    await phone.item("stage-invitation").wait_for()
    assert await phone.item("own-video").count() == 0
    await phone.picture("lecture-invited-phone")
    await phone.tap("stage-take")
    await see_and_hear(phone, desk.screen)
    await phone.picture("lecture-stage-phone")
    await desk.screen.picture("lecture-stage-desk")

    # Back among the audience, out, and in again while it goes on.
    await phone.tap("stage-leave")
    await phone.item("call-hand").wait_for()
    await phone.tap("call-hangup")
    await phone.tap("join-call")
    await phone.item("call-hand").wait_for()
    await desk.screen.tap("call-hangup")
    await desk.screen.tap("hangup-end")
    await phone.item("call-screen").wait_for(state="hidden")
    await phone.sees("视频讲座已结束")
    for screen in screens.screens:
        assert screen.complaints == [], screen.name
