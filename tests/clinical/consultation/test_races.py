"""Several people press at the same moment: exactly one wins, and the money is right."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from clinical.consultation import jobs
from core.clock import FakeClock
from core.outbox import Relay
from tests.clinical.story import Story

ROUNDS = 20


async def both(story: Story, key: str, *steps: Any) -> list[str]:
    """Run steps at once; the codes of what was refused, nothing for what was done."""
    answers = await asyncio.gather(*steps)
    return [answer.code for answer in answers]


async def test_of_accepting_and_cancelling_at_once_exactly_one_wins(story: Story) -> None:
    won = {"active": 0, "cancelled": 0}
    consultations = [(await story.waiting())["id"] for _ in range(ROUNDS)]
    for place, key in enumerate(consultations):
        accept = story.try_to(story.cast.doctor, key, "accept")
        cancel = story.try_to(story.cast.patient, key, "cancel")
        steps = (accept, cancel) if place % 2 else (cancel, accept)
        codes = await both(story, key, *steps)
        state, reason, refund = await story.state(key)
        won[state] += 1
        assert sorted(codes)[0] == ""
        if state == "active":
            assert sorted(codes)[1] == "consultation_not_cancellable"
            assert (reason, refund) == (None, False)
        else:
            assert sorted(codes)[1] == "consultation_not_waiting"
            assert (reason, refund) == ("cancelled_by_patient", True)
    assert won["active"] + won["cancelled"] == ROUNDS


async def test_of_accepting_and_the_deadline_exactly_one_wins(
    story: Story, clock: FakeClock
) -> None:
    await story.set("consultation.accept_minutes", 5)
    keys = [(await story.waiting())["id"] for _ in range(10)]
    clock.advance(timedelta(minutes=5) - timedelta(seconds=1))
    accepted = await asyncio.gather(
        *(story.try_to(story.cast.doctor, key, "accept") for key in keys[:5])
    )
    assert {answer.status for answer in accepted} == {200}
    clock.advance(1)
    late = [story.try_to(story.cast.doctor, key, "accept") for key in keys[5:]]
    *answers, _ = await asyncio.gather(*late, jobs.expire_unaccepted(story.runtime))
    assert {answer.code for answer in answers} <= {"accept_too_late", "consultation_not_waiting"}
    await jobs.expire_unaccepted(story.runtime)
    assert [await story.state(key) for key in keys[:5]] == [("active", None, False)] * 5
    assert [await story.state(key) for key in keys[5:]] == [("cancelled", "not_accepted", True)] * 5


async def test_of_paying_and_cancelling_at_once_the_money_is_served_or_given_back(
    story: Story,
) -> None:
    for _ in range(15):
        key = (await story.submitted())["id"]
        await asyncio.gather(story.pay(key), story.try_to(story.cast.patient, key, "cancel"))
        state, reason, refund = await story.state(key)
        assert (state, reason, refund) in (
            ("cancelled", "cancelled_by_patient", True),
            ("waiting", None, False),
        )


async def test_of_paying_and_the_payment_deadline_the_money_is_served_or_given_back(
    story: Story, clock: FakeClock
) -> None:
    keys = [(await story.submitted())["id"] for _ in range(6)]
    clock.advance(timedelta(minutes=31))
    await asyncio.gather(*(story.pay(key) for key in keys), jobs.expire_unpaid(story.runtime))
    for key in keys:
        state, reason, refund = await story.state(key)
        assert (state, reason, refund) in (
            ("cancelled", "payment_expired", True),
            ("waiting", None, False),
        )


async def test_a_doctor_with_two_windows_accepts_once(story: Story) -> None:
    key = (await story.waiting())["id"]
    answers = await asyncio.gather(
        *(story.try_to(story.cast.doctor, key, "accept") for _ in range(4))
    )
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409]
    assert (await story.inbox(story.cast.patient)).count("consultation_accepted") == 1


@pytest.mark.parametrize("workers", [3])
async def test_several_workers_refund_each_late_consultation_once(
    story: Story, clock: FakeClock, relay: Relay, workers: int
) -> None:
    await story.set("consultation.accept_minutes", 5)
    keys = [(await story.waiting())["id"] for _ in range(5)]
    clock.advance(timedelta(minutes=5))
    await asyncio.gather(*(jobs.expire_unaccepted(story.runtime) for _ in range(workers)))
    await jobs.expire_unaccepted(story.runtime)
    inbox = await story.inbox(story.cast.patient)
    assert inbox.count("consultation_cancelled") == len(keys)
    async with story.runtime.unit_of_work() as uow:
        connection = await uow.session.connection()
        rows = await connection.exec_driver_sql(
            "SELECT count(*) FROM outbox_events WHERE name = 'consultation.refund_requested'"
        )
        assert rows.scalar_one() == len(keys)


async def test_numbers_given_at_the_same_moment_are_different_and_in_order(story: Story) -> None:
    await story.add_patient()
    drafts = await asyncio.gather(*(story.draft() for _ in range(12)))
    numbers = sorted(draft["number"] for draft in drafts)
    assert numbers == [f"WZ20261120{n:06d}" for n in range(1, 13)]
