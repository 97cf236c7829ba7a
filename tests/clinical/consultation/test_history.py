"""What was said stays readable after the end, of this consultation and of earlier ones."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from core.ids import new_id
from realtime.rules import MessageKind
from realtime.schemas import TextBody
from realtime.sending import Send, send_messages
from tests.clinical.story import Story


async def talked(story: Story, *texts: str) -> dict[str, Any]:
    """A consultation in which the patient said this, ended."""
    consultation = await story.active()
    room, who = UUID(consultation["room_id"]), story.cast.patient.caller
    sends = [Send(who, room, new_id(), MessageKind.TEXT, TextBody(text=t), None) for t in texts]
    async with story.runtime.unit_of_work() as uow:
        await send_messages(uow, sends)
    note = {"diagnosis": "急性支气管炎恢复期", "advice": "多饮水，一周后复查。"}
    await story.do(story.cast.doctor, consultation["id"], "closing-note", note)
    await story.do(story.cast.doctor, consultation["id"], "end")
    return consultation


@pytest.mark.requirement("S1-044")
async def test_the_patient_reads_this_and_earlier_conversations_after_the_end(
    story: Story,
) -> None:
    first = await talked(story, "咳嗽三天了", "夜里重一些")
    second = await talked(story, "上次的药吃完了，还有点咳嗽")
    patient = story.cast.patient
    listed = await story.get(patient, "/consultations?state=ended")
    assert [each["id"] for each in listed["items"]] == [second["id"], first["id"]]
    for consultation, texts in (
        (first, ["咳嗽三天了", "夜里重一些"]),
        (second, ["上次的药吃完了，还有点咳嗽"]),
    ):
        page = await story.get(patient, f"/rooms/{consultation['room_id']}/messages")
        said = [m["body"]["text"] for m in page["messages"] if m["kind"] == "text"]
        assert said == texts
    found = await story.get(patient, "/rooms/search?q=%E5%92%B3%E5%97%BD")
    assert [hit["subject"]["consultation_id"] for hit in found["items"]] == [
        second["id"],
        first["id"],
    ]
