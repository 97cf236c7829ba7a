"""转诊推荐: the name card of another doctor in a room."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from realtime.groups import Outcome, Send, Sent
from realtime.rules import MessageKind
from realtime.schemas import CardBody
from realtime.sending import send_messages
from tests.clinical.story import Story
from tests.support.cast import Person


@pytest.mark.requirement("S0-C-030")
async def test_a_doctor_sends_another_doctors_card_and_the_patient_opens_the_booking_page(
    story: Story,
) -> None:
    room = UUID((await story.active())["room_id"])
    other = story.cast.other_doctor
    card = CardBody(type="doctor", ref=str(other.user_id), title="沈若水 主治医师", summary="儿科")

    async def send(sender: Person) -> Outcome:
        async with story.runtime.unit_of_work() as uow:
            [outcome] = await send_messages(
                uow,
                [Send(sender.caller, room, uuid4(), MessageKind.CARD, card)],
            )
        return outcome

    assert isinstance(await send(story.cast.doctor), Sent)
    refused = await send(story.cast.patient)
    assert getattr(refused, "code", None) == "message_kind_not_allowed"
    log = await story.get(story.cast.patient, f"/rooms/{room}/messages")
    body = log["messages"][-1]["body"]
    page = await story.get(story.cast.patient, f"/doctors/{body['ref']}")
    assert page["name"] == "沈若水"
    assert page["services"]
