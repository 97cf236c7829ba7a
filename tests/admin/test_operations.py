"""The system page and the parked reactions, through the API."""

from typing import Any
from uuid import UUID

from sqlalchemy import update

from core.outbox import OutboxDelivery, Relay
from tests.clinical.story import Story


async def park_one(story: Story, relay: Relay) -> UUID:
    """Let a reaction of an ended consultation have given up."""
    await story.ended()
    await relay.drain()
    async with story.runtime.unit_of_work() as uow:
        found = await uow.session.scalars(
            update(OutboxDelivery)
            .where(OutboxDelivery.handler.contains("rating"))
            .values(parked_at=uow.now, done_at=None, attempts=12, error="它坏了")
            .returning(OutboxDelivery.id)
        )
        return found.one()


async def test_a_parked_reaction_is_shown_retried_and_then_done(story: Story, relay: Relay) -> None:
    delivery = await park_one(story, relay)
    administrator = story.cast.administrator
    page: dict[str, Any] = await story.get(administrator, "/outbox/parked")
    assert [(item["id"], item["error"]) for item in page["items"]] == [(str(delivery), "它坏了")]
    assert page["items"][0]["event"] == "consultation.ended"
    assert (await story.get(administrator, "/system"))["outbox"]["parked"] == 1
    path = f"/outbox/parked/{delivery}/retry"
    assert (await story.ask(administrator, "POST", path)).status == 204
    await relay.drain()
    assert (await story.get(administrator, "/outbox/parked"))["items"] == []
    assert (await story.ask(administrator, "POST", path)).code == "not_found"


async def test_another_hospitals_administrator_sees_and_retries_nothing(
    story: Story, relay: Relay
) -> None:
    delivery = await park_one(story, relay)
    foreign = story.cast.foreign_administrator
    assert (await story.get(foreign, "/outbox/parked"))["items"] == []
    path = f"/outbox/parked/{delivery}/retry"
    assert (await story.ask(foreign, "POST", path)).code == "not_found"
    assert len((await story.get(story.cast.operator, "/outbox/parked"))["items"]) == 1
    assert (await story.ask(story.cast.doctor, "GET", "/outbox/parked")).code == "forbidden"


async def test_the_system_page_says_what_runs_and_what_does_not(story: Story) -> None:
    status = await story.get(story.cast.operator, "/system")
    assert status["database"]["ok"] is True
    assert status["storage"] == {"ok": True, "kind": "file", "error": None}
    assert [worker["alive"] for worker in status["media_workers"]] == [False]
    assert status["version"]
    assert (await story.ask(story.cast.patient, "GET", "/system")).code == "forbidden"
