"""Whatever happens in whatever order: no illegal state, and no money without service or refund."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.consultation import jobs, rules
from clinical.consultation.rules import Change, Intake, Standing
from clinical.consultation.states import OVER, CloseReason, Mode, RevisitStatus, State
from core.clock import FakeClock
from core.errors import ProblemError
from tests.clinical.story import Story

START = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
SERVED = (CloseReason.COMPLETED, CloseReason.ENDED_BY_PATIENT)
LEGAL: dict[State, set[State]] = {
    State.DRAFT: {State.AWAITING_PAYMENT, State.WAITING},
    State.AWAITING_PAYMENT: {State.WAITING, State.CANCELLED},
    State.WAITING: {State.ACTIVE, State.CANCELLED},
    State.ACTIVE: {State.ENDED},
    State.ENDED: set(),
    State.CANCELLED: set(),
}
INTAKE = Intake(
    description="复诊",
    consent_version="1",
    notice_stands=True,
    recording_agreed=True,
    mode=Mode.VIDEO,
    patient_verified=True,
    guardian_required=False,
    guardian_verified=False,
)


class Life:
    """One consultation whose rows are plain values; applies decisions as the services do."""

    def __init__(self, price_fen: int, evidence: RevisitStatus) -> None:
        self.now = START
        self.refunds = 0
        self.money_arrived = False
        self.standing = Standing(state=State.DRAFT, price_fen=price_fen, revisit=evidence)

    def step(self, name: str) -> None:
        try:
            COMMANDS[name](self)
        except ProblemError:
            return

    def follow(self, change: Change | None) -> None:
        if change is None:
            return
        before = self.standing
        if change.state is not before.state:
            assert change.state in LEGAL[before.state], (before.state, change.state)
        asked = before.refund_requested or change.refund
        self.refunds += change.refund
        reason = change.close_reason or before.close_reason
        assert (reason is not None) == (change.state in OVER)
        self.standing = replace(
            before,
            state=change.state,
            close_reason=reason,
            refund_requested=asked,
            note_final=before.note_final or change.finalise_note,
        )

    def submit(self) -> None:
        self.follow(rules.submit(self.standing, INTAKE))
        if self.standing.state is State.AWAITING_PAYMENT:
            pay_by = self.now + timedelta(minutes=30)
            self.standing = replace(self.standing, pay_by=pay_by)
        else:
            self._wait()

    def pay(self) -> None:
        if self.standing.state is State.DRAFT or self.standing.price_fen == 0:
            return
        change = rules.payment_arrived(self.standing)
        self.money_arrived = True
        if change is None:
            return
        self.standing = replace(self.standing, paid=True)
        self.follow(change)
        if self.standing.state is State.WAITING:
            self._wait()

    def _wait(self) -> None:
        self.standing = replace(self.standing, accept_by=self.now + timedelta(hours=24))

    def decide(self, accepted: bool) -> None:
        status, change = rules.decide_proof(self.standing, accepted=accepted)
        self.standing = replace(self.standing, revisit=status)
        self.follow(change)

    def write_note(self) -> None:
        rules.edit_note(self.standing, has_diagnosis=True)
        assert self.standing.revisit in rules.BACKED
        self.standing = replace(self.standing, note_complete=True)

    def pass_time(self, step: timedelta) -> None:
        self.now += step


COMMANDS: dict[str, Callable[[Life], None]] = {
    "submit": Life.submit,
    "pay": Life.pay,
    "cancel": lambda life: life.follow(rules.cancel(life.standing)),
    "accept": lambda life: life.follow(rules.accept(life.standing, life.now)),
    "decline": lambda life: life.follow(rules.decline(life.standing)),
    "refund": lambda life: life.follow(rules.refund_by_doctor(life.standing)),
    "confirm proof": lambda life: life.decide(True),
    "refuse proof": lambda life: life.decide(False),
    "write note": Life.write_note,
    "doctor ends": lambda life: life.follow(rules.end_by_doctor(life.standing, note_required=True)),
    "patient ends": lambda life: life.follow(rules.end_by_patient(life.standing)),
    "room closed": lambda life: life.follow(rules.room_was_closed(life.standing)),
    "payment deadline": lambda life: life.follow(rules.payment_deadline(life.standing, life.now)),
    "accept deadline": lambda life: life.follow(rules.accept_deadline(life.standing, life.now)),
    "a while": lambda life: life.pass_time(timedelta(minutes=20)),
    "a day": lambda life: life.pass_time(timedelta(days=1)),
}


@settings(max_examples=800, deadline=None)
@given(
    price=st.sampled_from([0, 3000]),
    evidence=st.sampled_from(list(RevisitStatus)),
    steps=st.lists(st.sampled_from(sorted(COMMANDS)), max_size=25),
)
def test_any_order_of_commands_stays_legal_and_settles_the_money(
    price: int, evidence: RevisitStatus, steps: list[str]
) -> None:
    life = Life(price, evidence)
    for name in steps:
        life.step(name)
        assert life.refunds <= 1
    # In the end the deadlines come and somebody ends what is active.
    for name in ("a day", "payment deadline", "accept deadline", "patient ends"):
        life.step(name)
    standing = life.standing
    assert standing.state in OVER | {State.DRAFT}
    served = standing.close_reason in SERVED
    if life.money_arrived:
        assert served != (life.refunds == 1)
    else:
        assert life.refunds == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
async def test_any_order_through_the_api_settles_the_money(
    story: Story, clock: FakeClock, seed: int
) -> None:
    chance = random.Random(seed)
    await story.set("consultation.accept_minutes", 30)
    await story.permit_refunds()
    key = (await story.submitted("video"))["id"]
    cast, note = story.cast, {"diagnosis": "感冒恢复期", "advice": "休息"}
    paid = False
    for _ in range(14):
        match chance.randrange(9):
            case 0:
                await story.pay(key)
                paid = True
            case 1:
                await story.try_to(cast.patient, key, "cancel")
            case 2 | 3:
                await story.try_to(cast.doctor, key, "accept")
            case 4:
                await story.try_to(cast.doctor, key, "decline", {"reason": "不合适"})
            case 5:
                await story.try_to(cast.doctor, key, "closing-note", note)
            case 6:
                await story.try_to(cast.doctor, key, "end")
            case 7:
                await story.try_to(cast.doctor, key, "refund", {"reason": "不合适"})
            case _:
                clock.advance(timedelta(minutes=7))
                await jobs.expire_unpaid(story.runtime)
                await jobs.expire_unaccepted(story.runtime)
    clock.advance(timedelta(minutes=40))
    await jobs.expire_unpaid(story.runtime)
    await jobs.expire_unaccepted(story.runtime)
    await story.try_to(cast.patient, key, "end")
    state, reason, refund = await story.state(key)
    assert state in ("ended", "cancelled")
    served = reason in {each.value for each in SERVED}
    assert (served != refund) if paid else not refund
