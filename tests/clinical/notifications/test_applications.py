"""Other systems send messages: proved, allowed, once, and acknowledged where that is asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from core.clock import FakeClock
from core.jobs import JobRunner
from tests.clinical.notifications.desk import Desk
from tests.clinical.signature.caller import Caller
from tests.clinical.story import Story

POLICY = {
    "name": "检验信息系统",
    "codes": ["critical_value", "hospital_message"],
    "audiences": ["patients", "staff"],
}
CRITICAL = {
    "patient": "林小满",
    "item": "血钾",
    "value": "6.9 mmol/L",
    "reported_at": "2026-11-20T08:50:00+08:00",
}
PATH = "/notification-service/messages"
Register = Callable[..., Awaitable[Caller]]


@pytest.fixture
def register(desk: Desk, clock: FakeClock) -> Register:
    """Let the administrator register a system with a policy."""

    async def make(**changes: Any) -> Caller:
        made = await desk.ask(
            desk.cast.administrator, "POST", "/notification-applications", {**POLICY, **changes}
        )
        return Caller(desk.client, clock, made["code"], secret=made["secret"])

    return make


def message(desk: Desk, **changes: Any) -> dict[str, Any]:
    return {
        "request_id": "LIS-20261120-0001",
        "code": "critical_value",
        "recipients": [{"kind": "phone", "value": desk.cast.doctor.phone}],
        "parameters": CRITICAL,
        "acknowledge": True,
        **changes,
    }


@pytest.mark.requirement("S3-109")
async def test_a_critical_value_reaches_the_doctor_everywhere_and_is_told_until_acknowledged(
    desk: Desk, register: Register, story: Story, jobs: JobRunner, clock: FakeClock
) -> None:
    doctor = desk.cast.doctor
    system = await register()
    await desk.connect(doctor)
    sent = (await system.post(PATH, message(desk))).expect(200)
    await desk.push()
    [text] = await desk.sms(doctor)
    assert not any(word in text for word in ("血钾", "6.9", "林小满", "危急值"))
    [item] = (await story.get(doctor, "/inbox?after=0"))["items"]
    assert item["category"] == "critical"
    content = await story.get(doctor, f"/me/notifications/messages/{item['ref']['id']}")
    assert {"label": "结果", "text": "6.9 mmol/L"} in content["lines"]
    clock.advance(timedelta(minutes=6))
    await jobs.run_due()
    assert (await story.inbox(doctor)).count("critical_value") == 2
    await story.ask(doctor, "POST", f"/me/notifications/messages/{item['ref']['id']}/acknowledge")
    clock.advance(timedelta(hours=1))
    await jobs.run_due()
    assert (await story.inbox(doctor)).count("critical_value") == 2
    status = (await system.get(f"{PATH}/{sent['request_id']}")).expect(200)
    assert status["acknowledged_by"] == doctor.name
    assert status["reminders"] == 1


async def test_what_nobody_acknowledges_becomes_an_alarm(
    desk: Desk, register: Register, story: Story, jobs: JobRunner, clock: FakeClock
) -> None:
    await story.set("notifications.acknowledge_repeats", 2)
    await (await register()).post(PATH, message(desk))
    for _ in range(4):
        clock.advance(timedelta(minutes=6))
        await jobs.run_due()
    assert (await story.inbox(desk.cast.doctor)).count("critical_value") == 3
    alarms = await story.get(desk.cast.administrator, "/alarms")
    assert [each["kind"] for each in alarms["items"]] == ["message_unacknowledged"]


@pytest.mark.requirement("S1-065")
async def test_the_same_request_is_sent_once_and_its_id_serves_no_other_message(
    desk: Desk, register: Register, story: Story
) -> None:
    system = await register()
    body = message(
        desk,
        code="hospital_message",
        recipients=[{"kind": "phone", "value": desk.cast.patient.phone}],
        parameters={"subject": "体检预约", "content": "请于周三空腹到院"},
        acknowledge=False,
    )
    first = (await system.post(PATH, body)).expect(200)
    again = (await system.post(PATH, body)).expect(200)
    assert first["id"] == again["id"]
    assert await story.inbox(desk.cast.patient) == ["hospital_message"]
    other = {**body, "parameters": {"subject": "别的"}}
    assert (await system.post(PATH, other)).code == "request_id_taken"


@pytest.mark.parametrize(
    ("policy", "changes", "code"),
    [
        ({"codes": ["hospital_message"]}, {}, "notice_not_allowed"),
        ({}, {"code": "refund"}, "notice_not_allowed"),
        ({"enabled": False}, {}, "application_disabled"),
        ({"addresses": ["10.9.0.0/16"]}, {}, "address_not_allowed"),
        ({"audiences": ["patients"]}, {}, "recipient_not_found"),
        ({}, {"recipients": [{"kind": "phone", "value": "13999999999"}]}, "recipient_not_found"),
        ({}, {"parameters": {"diagnosis": "x"}}, "parameters_wrong"),
        ({}, {"request_id": "x"}, "invalid"),
    ],
)
async def test_a_policy_says_what_to_whom_and_from_where(
    desk: Desk, register: Register, policy: dict[str, Any], changes: dict[str, Any], code: str
) -> None:
    system = await register(**policy)
    assert (await system.post(PATH, message(desk, **changes))).code == code


async def test_a_wrong_secret_an_unknown_code_and_a_person_of_another_hospital_look_alike(
    desk: Desk, register: Register, clock: FakeClock
) -> None:
    system = await register()
    for stranger in (
        Caller(desk.client, clock, system.code, secret="wrong"),
        Caller(desk.client, clock, "msg-unknown", secret="wrong"),
    ):
        answer = await stranger.post(PATH, message(desk))
        assert answer.code == "application_not_proved"
    elsewhere = [{"kind": "phone", "value": desk.cast.foreign_doctor.phone}]
    answer = await system.post(PATH, message(desk, recipients=elsewhere))
    assert answer.code == "recipient_not_found"


async def test_a_message_for_a_patient_reaches_the_accounts_that_act_for_him_and_nobody_else(
    desk: Desk, register: Register, story: Story
) -> None:
    await story.add_patient()
    number = story.adult_form()["id_number"]
    body = message(
        desk,
        code="hospital_message",
        recipients=[{"kind": "id_number", "value": number}],
        parameters={"subject": "通知"},
        acknowledge=False,
    )
    sent = (await (await register()).post(PATH, body)).expect(200)
    assert sent["recipients"] == 1
    [item] = (await story.get(desk.cast.patient, "/inbox?after=0"))["items"]
    other = await story.ask(
        desk.cast.other_patient, "GET", f"/me/notifications/messages/{item['ref']['id']}"
    )
    assert other.code == "not_found"
