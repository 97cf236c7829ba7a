"""A legal hold keeps a conversation whose time is over, until it is lifted."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from core.clock import FakeClock
from core.ids import new_id
from realtime.models import MessageRow, RoomRow
from realtime.retention import clear_what_is_over
from realtime.rules import MessageKind
from realtime.schemas import TextBody
from realtime.sending import Send, send_messages
from tests.clinical.consent.test_rights import later
from tests.clinical.story import Story


async def said(story: Story, room: UUID) -> dict[str, object]:
    async with story.runtime.unit_of_work() as uow:
        row = await uow.session.scalar(
            select(MessageRow).where(MessageRow.room_id == room, MessageRow.kind == "text")
        )
        assert row is not None
        return row.body


async def test_a_conversation_under_a_hold_outlives_its_time(
    story: Story, clock: FakeClock
) -> None:
    patient, officer = story.cast.patient, story.cast.administrator
    consultation = await story.active()
    room = UUID(consultation["room_id"])
    send = Send(
        patient.caller, room, new_id(), MessageKind.TEXT, TextBody(text="夜里咳得厉害"), None
    )
    async with story.runtime.unit_of_work() as uow:
        await send_messages(uow, [send])
    note = {"diagnosis": "急性支气管炎恢复期", "advice": "多饮水，一周后复查。"}
    await story.do(story.cast.doctor, consultation["id"], "closing-note", note)
    await story.do(story.cast.doctor, consultation["id"], "end")
    async with story.runtime.unit_of_work() as uow:
        assert (await uow.session.get_one(RoomRow, room)).state == "closed"
    for thing, thing_id in (
        ("consultation", consultation["id"]),
        ("patient", consultation["patient"]["id"]),
    ):
        body = {"thing": thing, "thing_id": thing_id, "reason": "医疗纠纷处理中"}
        hold = (await story.ask(officer, "POST", "/rights/holds", body)).expect(201)
        await later(story, clock, 3 * 366)
        await clear_what_is_over(story.runtime)
        assert await said(story, room) == {"text": "夜里咳得厉害"}
        lift = f"/rights/holds/{hold['id']}/lift"
        (await story.ask(officer, "POST", lift, {"reason": "纠纷已结案"})).expect(200)
    await clear_what_is_over(story.runtime)
    assert await said(story, room) == {"removed": True}
