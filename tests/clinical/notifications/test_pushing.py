"""The way of a notice out of the house, through the real protocols of the simulators."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from clinical.notifications import channels, pushing, service
from clinical.notifications.channels import Letter, Result
from clinical.notifications.gateway import SendRefused, WechatMessages
from clinical.notifications.handlers import plan_pushes
from clinical.notifications.schemas import PreferencesInput
from clinical.notifications.tokens import Tokens
from core.clock import FakeClock
from core.runtime import Runtime
from realtime import message_centre
from realtime.events import NoticeStored
from realtime.notices import Channel
from tests.clinical.notifications.desk import DOCTOR_OPENID, OPENID, Desk

MINI, SMS = Channel.WECHAT_MINI, Channel.SMS
CODE = "consultation_declined"


async def test_who_is_away_gets_a_subscription_message_with_a_page_behind_the_login(
    desk: Desk,
) -> None:
    patient = desk.cast.patient
    await desk.bind(patient, OPENID)
    await desk.template(CODE, MINI)
    await desk.subscribe(OPENID)
    await desk.tell(patient, CODE, text="医生建议到心内科就诊", mode="text")
    await desk.push()
    [message] = await desk.wechat()
    assert message["application"] == "mini"
    assert message["lines"][0] == "您有一条新的提醒"
    assert message["page"].startswith("pages/consultation/index?id=")
    assert "心内科" not in str(message)
    assert await desk.states(patient) == ["sent"]
    assert await desk.sms(patient) == []


async def test_who_is_connected_or_has_read_or_switched_it_off_hears_nothing_outside(
    desk: Desk, runtime: Runtime
) -> None:
    patient, doctor, other = desk.cast.patient, desk.cast.doctor, desk.cast.other_patient
    await desk.connect(doctor)
    async with runtime.unit_of_work() as uow:
        off = PreferencesInput.model_validate({"off": ["consultation"]})
        await service.choose(uow, other.caller, off)
    for person in (patient, doctor, other):
        await desk.tell(person, CODE)
    async with runtime.unit_of_work() as uow:
        await message_centre.read_one(uow, patient.caller, 1)
    await desk.push()
    assert await desk.states(patient) == ["read"]
    assert await desk.states(doctor) == ["connected"]
    assert await desk.states(other) == ["switched_off"]
    assert await desk.attempts() == []


@pytest.mark.requirement("S1-034")
async def test_a_category_is_switched_off_and_on_but_not_one_that_the_law_makes_us_tell(
    desk: Desk,
) -> None:
    client = desk.client
    patient = desk.cast.patient
    put = await client.put(
        "/me/notifications", token=patient.token, json={"off": ["consultation", "chat"]}
    )
    shown = {each["category"]: each["on"] for each in put.expect(200)["categories"]}
    assert shown["consultation"] is False
    assert shown["payment"] is True
    await desk.tell(patient, CODE)
    await desk.push()
    inbox = (await client.get("/inbox?after=0", token=patient.token)).expect(200)
    assert len(inbox["items"]) == 1
    refused = await client.put("/me/notifications", token=patient.token, json={"off": ["security"]})
    assert refused.code == "category_statutory"
    (await client.put("/me/notifications", token=patient.token, json={})).expect(200)
    await desk.tell(patient, CODE)
    await desk.push()
    assert await desk.states(patient) == ["switched_off", "sent"]
    assert len(await desk.sms(patient)) == 1


async def test_who_has_not_subscribed_gets_a_text_message_where_the_notice_allows_it(
    desk: Desk,
) -> None:
    patient = desk.cast.patient
    await desk.bind(patient, OPENID)
    for code in (CODE, "consultation_ended"):
        await desk.template(code, MINI)
        await desk.tell(patient, code)
    await desk.push()
    assert sorted(await desk.attempts()) == sorted(
        [
            ("wechat_mini", "not_subscribed"),
            ("wechat_service", "no_template"),
            ("sms", "sent"),
            ("wechat_mini", "not_subscribed"),
            ("wechat_service", "no_template"),
        ]
    )
    assert sorted(await desk.states(patient)) == ["sent", "unreachable"]
    [text] = await desk.sms(patient)
    assert "/m/#/pages/consultation/index?id=" in text


@pytest.mark.requirement("S1-064")
async def test_the_service_account_reaches_who_follows_it(desk: Desk) -> None:
    doctor = desk.cast.doctor
    await desk.bind(doctor, DOCTOR_OPENID, service=True)
    await desk.template("consultation_waiting", Channel.WECHAT_SERVICE, "SIM-service-notice")
    await desk.tell(doctor, "consultation_waiting")
    await desk.push()
    [message] = await desk.wechat()
    assert message["application"] == "service"
    assert "clinician/consultation/index?id=" in message["page"]
    await desk.post("/_sandbox/wechat/followers", {"openid": f"w{DOCTOR_OPENID}", "follows": False})
    await desk.tell(doctor, "consultation_waiting")
    await desk.push()
    assert len(await desk.wechat()) == 1
    assert len(await desk.sms(doctor)) == 1


async def test_in_quiet_hours_only_what_is_urgent_goes_out_and_the_rest_in_the_morning(
    desk: Desk, clock: FakeClock
) -> None:
    patient, doctor = desk.cast.patient, desk.cast.doctor
    clock.advance(timedelta(hours=15))  # Midnight in Shanghai.
    await desk.tell(patient, CODE)
    await desk.tell(doctor, "consultation_waiting")
    await desk.push()
    assert await desk.states(patient) == ["due"]
    assert await desk.states(doctor) == ["sent"]
    clock.advance(timedelta(hours=6, minutes=59))
    await desk.push()
    assert await desk.sms(patient) == []
    clock.advance(timedelta(minutes=1))
    await desk.push()
    assert len(await desk.sms(patient)) == 1


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("bad_template", "misconfigured"),
        ("bad_parameters", "misconfigured"),
        ("not_subscribed", "not_subscribed"),
        ("busy", "busy"),
        ("quota", "busy"),
        ("error", "unanswered"),
    ],
)
async def test_every_word_of_wechat_is_understood(desk: Desk, fault: str, outcome: str) -> None:
    await desk.bind(desk.cast.patient, OPENID)
    await desk.template(CODE, MINI)
    await desk.subscribe(OPENID)
    await desk.hands.fault(wechat_message={"mode": fault, "times": 1})
    await desk.tell(desk.cast.patient, CODE)
    await desk.push()
    assert (await desk.attempts())[0] == ("wechat_mini", outcome)


async def test_what_fails_for_a_while_is_tried_again_later_and_parked_in_the_end(
    desk: Desk, clock: FakeClock
) -> None:
    patient = desk.cast.patient
    await desk.hands.fault(sms="error")
    await desk.tell(patient, CODE)
    for _ in range(6):
        await desk.push()
        clock.advance(timedelta(minutes=5))
    assert await desk.states(patient) == ["parked"]
    assert (await desk.attempts()).count(("sms", "unanswered")) == 4
    await desk.hands.fault(sms="ok")
    clock.advance(timedelta(minutes=5))
    [push] = await desk.pushes(patient)
    retried = await desk.ask(
        desk.cast.administrator, "POST", f"/notification-pushes/{push.id}/retry"
    )
    assert retried["state"] == "due"
    assert desk.cast.patient.name not in str(retried)
    assert retried["phone"] == "139****0001"
    await desk.push()
    assert await desk.states(patient) == ["sent"]
    assert len(await desk.sms(patient)) == 1


async def test_a_message_whose_answer_was_lost_is_not_sent_twice(
    desk: Desk, clock: FakeClock
) -> None:
    patient = desk.cast.patient
    await desk.hands.fault(sms={"mode": "answer_lost", "times": 1})
    await desk.tell(patient, CODE)
    await desk.push()
    assert await desk.states(patient) == ["due"]
    clock.advance(timedelta(minutes=1))
    await desk.push()
    assert await desk.states(patient) == ["sent"]
    assert (await desk.attempts())[-2:] == [("sms", "unanswered"), ("sms", "sent")]
    assert len(await desk.sms(patient)) == 1


class Killed(BaseException):
    """A process that dies."""


async def test_a_process_that_dies_between_call_and_record_repeats_with_the_same_id(
    desk: Desk, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = desk.cast.patient
    await desk.tell(patient, CODE)
    await desk.relay.drain()
    [push] = await desk.pushes(patient)

    async def sent_then_dead(runtime: Runtime, letter: Letter) -> Result:
        await channels.send(runtime, letter)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(pushing.channels, "send", _once(channels.send, sent_then_dead))
        with pytest.raises(Killed):
            await pushing.step(desk.runtime, push.id)
    assert not await pushing.step(desk.runtime, push.id), "its lease still runs"
    clock.advance(timedelta(minutes=3))
    await desk.push()
    assert (await desk.attempts())[-2:] == [("sms", "lost"), ("sms", "sent")]
    assert len(await desk.sms(patient)) == 1


def _once(real: object, replaced: object) -> object:
    """The replacement for the first call, which itself uses the real one."""
    calls: list[object] = []

    async def send(runtime: Runtime, letter: Letter) -> Result:
        chosen = real if calls else replaced
        calls.append(letter)
        result: Result = await chosen(runtime, letter)  # type: ignore[operator]
        return result

    return send


async def test_a_cause_that_comes_twice_is_pushed_once(desk: Desk) -> None:
    patient = desk.cast.patient
    await desk.tell(patient, CODE)
    await desk.relay.drain()
    again = NoticeStored(
        hospital_id=desk.cast.hospital_id,
        aggregate_id=patient.user_id,
        occurred_at=desk.runtime.clock.now(),
        code=CODE,
        items=((patient.user_id, 1),),
        parameters={},
        ref_type=None,
        ref_id=None,
    )
    await plan_pushes(desk.runtime, again)
    await asyncio.gather(*(pushing.deliver_due(desk.runtime) for _ in range(4)))
    assert await desk.states(patient) == ["sent"]
    assert len(await desk.sms(patient)) == 1


async def test_many_processes_ask_wechat_for_one_token_and_renew_a_bad_one_once(
    desk: Desk, runtime: Runtime
) -> None:
    gateway = runtime.port(WechatMessages)
    asked: list[bool] = []
    real = gateway.new_token

    async def counted(app: object, *, force: bool) -> tuple[str, int]:
        asked.append(force)
        return await real(app, force=force)  # type: ignore[arg-type]

    gateway.new_token = counted  # type: ignore[method-assign]
    nodes = [Tokens(runtime) for _ in range(5)]
    found = set(await asyncio.gather(*(node.get(desk.mini) for node in nodes)))
    assert len(found) == 1
    assert asked == [False]
    [bad] = found
    renewed = set(await asyncio.gather(*(node.get(desk.mini, bad=bad) for node in nodes)))
    assert len(renewed) == 1
    assert renewed != found
    assert asked == [False, True]


async def test_a_token_that_somebody_else_made_bad_costs_one_more_call_and_no_message(
    desk: Desk,
) -> None:
    await desk.bind(desk.cast.patient, OPENID)
    await desk.template(CODE, MINI)
    await desk.subscribe(OPENID, times=2)
    await desk.hands.fault(wechat_message={"mode": "token_revoked", "times": 1})
    await desk.tell(desk.cast.patient, CODE)
    await desk.push()
    assert await desk.attempts() == [("wechat_mini", "sent")]
    assert len(await desk.wechat()) == 1


async def test_a_wrong_secret_is_a_fault_of_ours_and_not_of_the_person(
    desk: Desk, runtime: Runtime
) -> None:
    with pytest.raises(SendRefused) as refused:
        await runtime.port(WechatMessages).new_token(
            type(desk.mini)(desk.mini.appid, "wrong"), force=False
        )
    assert refused.value.code == "40125"
