"""The signing PIN: set twice, never trivial, locked after wrong ones, changed, reset."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import select, text

from clinical.signature import rules
from clinical.signature.models import CaRequest, SigningConfirmation, SigningKey
from clinical.signature.states import KeyState, RequestKind, RequestState
from core.clock import FakeClock
from core.identity.gateway import SmsGateway
from core.outbox import Relay
from tests.clinical.signature.desk import PIN, Desk
from tests.clinical.story import Story

BIRTHDAY = date(1980, 3, 15)


@pytest.mark.parametrize(
    ("pin", "length", "fine"),
    [
        ("2580", 4, True),
        ("7392", 4, True),
        ("739264", 6, True),
        ("0000", 4, False),
        ("1212", 4, False),
        ("1234", 4, False),
        ("4321", 4, False),
        ("0315", 4, False),
        ("1503", 4, False),
        ("1980", 4, False),
        ("8003", 4, False),
        ("800315", 6, False),
        ("19800315", 8, False),
        ("5678", 4, False),
        ("258", 4, False),
        ("25801", 4, False),
        ("2a80", 4, False),
        ("２５８０", 4, False),
    ],
)
@pytest.mark.requirement("S0-C-026", "S0-A-060")
def test_a_pin_is_four_digits_and_not_trivial(pin: str, length: int, fine: bool) -> None:
    problem = rules.pin_problem(pin, length=length, birthday=BIRTHDAY, phone="13900005678")
    assert (problem is None) is fine, problem


def test_wrong_pins_lock_for_longer_and_longer_and_are_forgotten_after_a_day(
    clock: FakeClock,
) -> None:
    attempts = rules.Attempts(0, None, None)
    waits = []
    for _ in range(8):
        attempts = attempts.counted(clock.now())
        waits.append(
            int((attempts.locked_until - clock.now()).total_seconds())
            if attempts.locked_until
            else 0
        )
    assert waits == [0, 0, 0, 0, 60, 120, 240, 480]
    later = attempts.counted(clock.now() + timedelta(hours=25))
    assert (later.failures, later.locked_until) == (1, None)


@pytest.mark.requirement("S0-C-026", "S0-A-060", "S0-C-005")
@pytest.mark.requirement("S0-C-002")
async def test_the_pin_comes_after_the_handwriting_and_both_entries_must_agree(
    doctor: Desk,
) -> None:
    await doctor.show_second_factor(None)
    assert (await doctor.set_pin()).code == "second_factor_required"
    await doctor.prove()
    assert (await doctor.set_pin()).code == "signature_image_required"
    await doctor.write_by_hand()
    differing = await doctor.set_pin("2580", "2581")
    assert (differing.code, differing.json["fields"][0]["field"]) == (
        "signing_pins_differ",
        "repeated",
    )
    assert (await doctor.set_pin("1111")).code == "signing_pin_invalid"
    assert (await doctor.set_pin()).expect(200)["standing"] == "ready"
    assert (await doctor.set_pin()).code == "signing_pin_set"


async def test_a_name_that_is_not_proven_gets_no_certificate(doctor: Desk) -> None:
    await doctor.show_second_factor(doctor.runtime.clock.now())
    await doctor.write_by_hand()
    assert (await doctor.me())["real_name_needed"] is True
    assert (await doctor.set_pin()).code == "signing_real_name_required"


@pytest.mark.requirement("S0-C-027", "S0-A-060")
async def test_a_wrong_pin_signs_nothing_and_five_lock(
    story: Story, doctor: Desk, clock: FakeClock, relay: Relay
) -> None:
    await doctor.enrol()
    consultation = await story.ended()
    shown = await doctor.look(consultation["id"])
    for left in (4, 3, 2, 1, 0):
        wrong = await doctor.confirm(shown, "9999")
        assert (wrong.code, wrong.json["details"]["left"]) == ("signing_pin_wrong", left)
    locked = await doctor.confirm(shown)
    assert (locked.code, locked.json["retry_after"]) == ("signing_pin_locked", 60)
    assert "signing_pin_locked" in await story.inbox(doctor.person)
    assert len(await doctor.tasks()) == 1
    clock.advance(timedelta(seconds=61))
    await doctor.sign(consultation["id"])
    assert (await doctor.me())["pin_locked_until"] is None


async def test_no_pin_and_no_private_key_lies_in_the_database(
    story: Story, doctor: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    await doctor.enrol()
    consultation = await story.ended()
    await doctor.sign(consultation["id"])
    async with doctor.runtime.unit_of_work() as uow:
        tables = await uow.session.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        )
        for table in tables.all():
            rows = await uow.session.scalars(text(f'SELECT t::text FROM "{table}" t'))
            for row in rows.all():
                assert f'"{PIN}"' not in row, table
        key = await uow.session.scalar(
            select(SigningKey).where(SigningKey.state == KeyState.ACTIVE)
        )
        assert key is not None
        assert key.sealed is not None
        open_ones = await uow.session.scalars(
            select(SigningConfirmation.id).where(SigningConfirmation.sealed.is_not(None))
        )
        assert open_ones.all() == []
    printed = capsys.readouterr()
    assert f'"{PIN}"' not in printed.out + printed.err


async def test_a_changed_pin_keeps_the_certificate(story: Story, doctor: Desk) -> None:
    first = await doctor.enrol()
    body = {"old": PIN, "pin": "7392", "repeated": "7392"}
    wrong = await doctor.ask("PATCH", "/signing/me/pin", body | {"old": "1111"})
    assert wrong.code == "signing_pin_wrong"
    mine = (await doctor.ask("PATCH", "/signing/me/pin", body)).expect(200)
    assert mine["certificate"]["serial"] == first["certificate"]["serial"]
    consultation = await story.ended()
    shown = await doctor.look(consultation["id"])
    assert (await doctor.confirm(shown)).code == "signing_pin_wrong"
    await doctor.sign(consultation["id"], "7392")


class Phone:
    """The text messages that arrive."""

    def __init__(self) -> None:
        self.codes: list[str] = []

    async def send(self, phone: str, template: str, parameters: dict[str, str]) -> None:
        assert template == "signing_pin_code"
        self.codes.append(parameters["code"])


async def test_a_forgotten_pin_is_reset_by_text_message_with_a_new_certificate(
    story: Story, doctor: Desk, relay: Relay, clock: FakeClock
) -> None:
    first = await doctor.enrol()
    consultation = await story.ended()
    mark = await doctor.sign(consultation["id"])
    await relay.drain()
    phone = Phone()
    doctor.runtime.provide(SmsGateway, phone)
    sent = (await doctor.ask("POST", "/signing/me/pin-codes")).expect(200)
    assert "****" in sent["phone"]
    body = {"code": "000000", "pin": "7392", "repeated": "7392"}
    assert (await doctor.ask("PUT", "/signing/me/pin-reset", body)).code == "sms_code_wrong"
    body["code"] = phone.codes[-1]
    clock.advance(timedelta(seconds=2))
    mine = (await doctor.ask("PUT", "/signing/me/pin-reset", body)).expect(200)
    assert mine["standing"] == "ready"
    assert mine["certificate"]["serial"] != first["certificate"]["serial"]
    await relay.drain()
    async with doctor.runtime.unit_of_work() as uow:
        requests = await uow.session.execute(select(CaRequest.kind, CaRequest.state))
        assert (RequestKind.REVOKE, RequestState.DONE) in [tuple(row) for row in requests]
    # The certificate is no good any more; what it signed before stays good.
    found = await doctor.verify(mark["signature_id"])
    kinds = {each["name"]: each["answer"] for each in found["findings"]}
    assert (kinds["then"], kinds["now"], found["verdict"]) == ("yes", "no", "valid")
