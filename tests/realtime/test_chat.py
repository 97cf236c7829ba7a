"""Two people talk: what one says the other hears, once, in order, with marks and recalls."""

from __future__ import annotations

import contextlib
import uuid
from uuid import UUID

import pytest
from sqlalchemy import select

from core.clock import FakeClock
from core.runtime import Runtime
from realtime import service
from realtime.models import MessageRow
from realtime.rules import CloseReason, RoomState
from tests.realtime.conftest import Connect, OpenRoom, member
from tests.support.cast import Cast
from tests.support.http import Client
from zhenjian_client import RequestFailed


async def test_what_one_says_the_other_hears_after_it_is_stored(
    connect: Connect, cast: Cast, room: UUID
) -> None:
    patient, doctor = await connect(cast.patient), await connect(cast.doctor)
    hers, his = await patient.join(str(room)), await doctor.join(str(room))

    sent = await hers.send_text("医生您好，孩子咳嗽三天了")
    await his.wait_for(lambda log: log.last == sent.seq)

    said = his.log.messages[-1]
    assert said["body"] == {"text": "医生您好，孩子咳嗽三天了"}
    assert said["sender"] == {
        "user_id": str(cast.patient.user_id),
        "name": "林小满",
        "role": "patient",
    }
    assert said["client_id"] == sent.client_id
    assert not sent.duplicate
    assert [message["seq"] for message in his.log.messages] == list(range(1, sent.seq + 1))


async def test_the_body_is_ciphertext_at_rest(
    connect: Connect, cast: Cast, room: UUID, runtime: Runtime
) -> None:
    patient = await connect(cast.patient)
    await (await patient.join(str(room))).send_text("只有诊间里的人能读到")
    async with runtime.engine.connect() as connection:
        raw = (await connection.exec_driver_sql("SELECT body FROM room_messages")).scalars().all()
    assert raw
    assert not any("诊间".encode() in bytes(each) for each in raw)


async def test_the_same_client_id_is_stored_once_and_answered_alike(
    connect: Connect, cast: Cast, room: UUID
) -> None:
    patient = await connect(cast.patient)
    hers = await patient.join(str(room))
    name = str(uuid.uuid4())
    first = await hers.send("text", {"text": "第一次"}, client_id=name)
    again = await hers.send("text", {"text": "第一次"}, client_id=name)
    assert (again.seq, again.at, again.duplicate) == (first.seq, first.at, True)
    following = await hers.send_text("第二句")
    assert following.seq == first.seq + 1


async def test_a_retry_after_the_room_closed_gets_its_first_answer(
    connect: Connect, cast: Cast, room: UUID, runtime: Runtime
) -> None:
    patient = await connect(cast.patient)
    hers = await patient.join(str(room))
    name = str(uuid.uuid4())
    first = await hers.send("text", {"text": "再见"}, client_id=name)
    async with runtime.unit_of_work() as uow:
        await service.close_room(uow, room, CloseReason.COMPLETED, cast.doctor.user_id)
    again = await hers.send("text", {"text": "再见"}, client_id=name)
    assert again.duplicate
    assert again.seq == first.seq
    with pytest.raises(RequestFailed, match="room_closed"):
        await hers.send_text("还在吗")


async def test_nobody_talks_before_the_doctor_accepts(
    connect: Connect, cast: Cast, open_room: OpenRoom, runtime: Runtime
) -> None:
    waiting = await open_room(state=RoomState.WAITING)
    patient = await connect(cast.patient)
    hers = await patient.join(str(waiting))
    assert hers.view["state"] == "waiting"
    assert not hers.view["me"]["may_send"]
    with pytest.raises(RequestFailed, match="room_not_active"):
        await hers.send_text("在吗")

    async with runtime.unit_of_work() as uow:
        await service.activate_room(uow, waiting, cast.doctor.user_id)
    state = await patient.wait_event("room:state")
    assert (state["state"], state["close_reason"]) == ("active", None)
    await hers.wait_for(lambda log: log.state == "active")
    assert (await hers.send_text("在吗")).seq == 3


async def test_closing_reaches_everybody_with_its_reason(
    connect: Connect, cast: Cast, room: UUID, runtime: Runtime
) -> None:
    patient, doctor = await connect(cast.patient), await connect(cast.doctor)
    hers, his = await patient.join(str(room)), await doctor.join(str(room))
    async with runtime.unit_of_work() as uow:
        await service.close_room(uow, room, CloseReason.COMPLETED, cast.doctor.user_id)
    for each in (hers, his):
        await each.wait_for(lambda log: log.state == "closed")
        assert each.log.close_reason == "completed"
    told = await patient.wait_event("room:state")
    assert told == {
        "room": str(room),
        "state": "closed",
        "close_reason": "completed",
        "seq": hers.log.last,
    }


async def test_read_and_delivered_marks_only_go_forward(
    connect: Connect, cast: Cast, room: UUID, client: Client
) -> None:
    patient, doctor = await connect(cast.patient), await connect(cast.doctor)
    hers, his = await patient.join(str(room)), await doctor.join(str(room))
    for word in ("一", "二", "三"):
        sent = await hers.send_text(word)

    assert await his.delivered(sent.seq) == {"ok": True, "read_seq": 0, "delivered_seq": sent.seq}
    answer = await his.read(sent.seq - 1)
    assert (answer["read_seq"], answer["delivered_seq"]) == (sent.seq - 1, sent.seq)
    told = await patient.wait_event("receipt", lambda data: data["read_seq"] > 0)
    assert told["user"] == str(cast.doctor.user_id)
    assert told["read_seq"] == sent.seq - 1

    back = await his.read(1)
    assert back["read_seq"] == sent.seq - 1
    beyond = await his.read(999)
    assert beyond["read_seq"] == sent.seq
    view = (await client.get(f"/rooms/{room}", token=cast.doctor.token)).expect(200)
    assert view["me"]["read_seq"] == sent.seq


async def test_a_read_mark_reaches_the_users_other_device(
    connect: Connect, cast: Cast, room: UUID
) -> None:
    phone = await connect(cast.doctor, device="phone")
    desk = await connect(cast.doctor, device="desk")
    on_phone = await phone.join(str(room))
    await desk.join(str(room))
    await on_phone.read(1)
    told = await desk.wait_event("receipt")
    assert (told["user"], told["read_seq"]) == (str(cast.doctor.user_id), 1)


async def test_a_recall_hides_the_message_everywhere_but_keeps_it_stored(
    connect: Connect, cast: Cast, room: UUID, runtime: Runtime, client: Client
) -> None:
    patient, doctor = await connect(cast.patient), await connect(cast.doctor)
    hers, his = await patient.join(str(room)), await doctor.join(str(room))
    sent = await hers.send_text("发错了")
    with pytest.raises(RequestFailed, match="forbidden"):
        await his.recall(sent.seq)

    recall = await hers.recall(sent.seq)
    await his.wait_for(lambda log: log.last == recall)
    assert his.log.messages[-1]["body"]["event"] == "recalled"
    assert his.log.messages[sent.seq - 1]["recalled"]
    with pytest.raises(RequestFailed, match="already_recalled"):
        await hers.recall(sent.seq)

    page = (await client.get(f"/rooms/{room}/messages", token=cast.doctor.token)).expect(200)
    served = next(each for each in page["messages"] if each["seq"] == sent.seq)
    assert (served["recalled"], served["body"]) == (True, {})
    async with runtime.unit_of_work() as uow:
        stored = await uow.session.scalar(select(MessageRow).where(MessageRow.seq == sent.seq))
        assert stored is not None
        assert stored.body == {"text": "发错了"}


async def test_a_recall_comes_too_late_after_two_minutes(
    connect: Connect, cast: Cast, room: UUID, clock: FakeClock
) -> None:
    hers = await (await connect(cast.patient)).join(str(room))
    sent = await hers.send_text("想收回")
    clock.advance(121)
    with pytest.raises(RequestFailed, match="recall_too_late"):
        await hers.recall(sent.seq)


async def test_typing_is_heard_by_the_others_and_not_stored(
    connect: Connect, cast: Cast, room: UUID
) -> None:
    patient, doctor = await connect(cast.patient), await connect(cast.doctor)
    hers, his = await patient.join(str(room)), await doctor.join(str(room))
    await hers.typing()
    heard = await doctor.wait_event("typing")
    assert heard == {"room": str(room), "user": str(cast.patient.user_id)}
    assert not [event for event, _ in patient.events if event == "typing"]
    assert his.log.last == 1


async def test_an_invited_expert_sees_the_room_and_leaves_it_with_a_reason(
    connect: Connect, cast: Cast, room: UUID, runtime: Runtime
) -> None:
    patient, expert = await connect(cast.patient), await connect(cast.other_doctor)
    hers = await patient.join(str(room))
    await hers.send_text("之前说的话")
    with pytest.raises(RequestFailed, match="not_found"):
        await expert.join(str(room))

    async with runtime.unit_of_work() as uow:
        await service.add_member(uow, room, member(cast.other_doctor))
    joined = await expert.join(str(room))
    assert [message["body"].get("text") for message in joined.log.messages][1] == "之前说的话"
    told = await patient.wait_event("room:member")
    assert told["member"]["name"] == "沈若水"
    assert told["member"]["state"] == "joined"
    await joined.send_text("我也来看看")

    async with runtime.unit_of_work() as uow:
        await service.remove_member(uow, room, cast.other_doctor.user_id)
    await joined.wait_for(
        lambda log: log.members[str(cast.other_doctor.user_id)]["state"] == "left"
    )
    with pytest.raises(RequestFailed, match="not_found"):
        await joined.send_text("还能说吗")
    last = await hers.send_text("专家走了")
    await hers.wait_for(lambda log: log.last == last.seq)
    assert joined.log.last == last.seq - 1


async def test_what_modules_write_into_the_room_takes_its_place_in_the_log(
    connect: Connect, cast: Cast, room: UUID, runtime: Runtime
) -> None:
    his = await (await connect(cast.doctor)).join(str(room))
    async with runtime.unit_of_work() as uow:
        first = await service.system_message(
            uow, room, "red_flag", "患者描述可能为急症", {"words": ["胸痛"]}
        )
        second = await service.system_message(uow, room, "call_started", "视频通话开始")
    await his.wait_for(lambda log: log.last == second)
    assert (first, second) == (2, 3)
    assert his.log.messages[1]["body"] == {
        "event": "red_flag",
        "text": "患者描述可能为急症",
        "words": ["胸痛"],
    }
    assert his.log.messages[1]["sender"] is None


async def test_a_rolled_back_change_leaves_no_trace_and_no_hole(
    connect: Connect, cast: Cast, room: UUID, runtime: Runtime
) -> None:
    his = await (await connect(cast.doctor)).join(str(room))
    with contextlib.suppress(ZeroDivisionError):
        async with runtime.unit_of_work() as uow:
            await service.system_message(uow, room, "red_flag", "不会留下")
            1 / 0  # noqa: B018
    assert (await his.send_text("下一句")).seq == 2


async def test_opening_twice_for_the_same_thing_gives_the_same_room(
    cast: Cast, runtime: Runtime
) -> None:
    subject = uuid.uuid4()
    opened = []
    for _ in range(2):
        async with runtime.unit_of_work() as uow:
            opened.append(
                await service.open_room(
                    uow,
                    hospital_id=cast.hospital_id,
                    title="复诊",
                    members=[member(cast.patient), member(cast.doctor)],
                    ref_type="consultation",
                    ref_id=subject,
                )
            )
    assert opened[0] == opened[1]


async def test_my_rooms_show_the_last_word_and_what_is_unread(
    connect: Connect, cast: Cast, open_room: OpenRoom, client: Client
) -> None:
    older, newer = await open_room(), await open_room()
    hers = await (await connect(cast.patient)).join(str(newer))
    await hers.send_text("一")
    await hers.send_text("二")
    page = (await client.get("/rooms/mine", token=cast.doctor.token)).expect(200)
    assert [item["room"]["id"] for item in page["items"]] == [str(newer), str(older)]
    assert page["items"][0]["last_message"]["body"] == {"text": "二"}
    assert [item["unread"] for item in page["items"]] == [2, 0]
    own = (await client.get("/rooms/mine", token=cast.patient.token)).expect(200)
    assert [item["unread"] for item in own["items"]] == [0, 0]

    first = (await client.get("/rooms/mine?limit=1", token=cast.doctor.token)).expect(200)
    rest = (
        await client.get(f"/rooms/mine?limit=1&cursor={first['next']}", token=cast.doctor.token)
    ).expect(200)
    assert [item["room"]["id"] for item in rest["items"]] == [str(older)]
    assert rest["next"] is None
