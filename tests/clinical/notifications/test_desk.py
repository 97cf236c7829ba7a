"""What administrators keep: templates with versions and preview, the log; and who may not."""

from __future__ import annotations

from typing import Any

import pytest

from realtime.notices import Channel
from tests.clinical.notifications.desk import OPENID, Desk

CODE = "consultation_declined"
PATH = f"/notification-templates/{CODE}/wechat_mini"


def template(version: int, text: str = "预约有变动，请登录查看", **changes: Any) -> dict[str, Any]:
    return {
        "base_version": version,
        "provider_template": "SIM-notice",
        "fields": {"thing1": text, "time2": "{time}"},
        **changes,
    }


async def test_a_new_version_is_in_force_at_once_and_the_old_ones_stay(desk: Desk) -> None:
    keeper = desk.cast.administrator
    await desk.bind(desk.cast.patient, OPENID)
    await desk.subscribe(OPENID, times=2)
    shown = await desk.ask(keeper, "POST", f"{PATH}/preview", template(0))
    assert shown["problem"] is None
    assert shown["fields"]["time2"] == "2026年11月20日 09:00"
    for version, text in enumerate(["第一版", "第二版"]):
        await desk.ask(keeper, "PUT", PATH, template(version, text))
        await desk.tell(desk.cast.patient, CODE)
        await desk.push()
    assert [each["lines"][0] for each in await desk.wechat()] == ["第二版", "第一版"]
    versions = await desk.ask(keeper, "GET", f"{PATH}/versions")
    assert [each["version"] for each in versions] == [2, 1]
    assert versions[0]["created_by"] == keeper.name
    late = await desk.client.put(PATH, token=keeper.token, json=template(1))
    assert late.code == "template_outdated"


@pytest.mark.parametrize("text", ["您的手术已取消", "您有{content}", "{amount"])
async def test_a_template_that_says_too_much_is_refused_with_a_reason(
    desk: Desk, text: str
) -> None:
    keeper = desk.cast.administrator
    shown = await desk.ask(keeper, "POST", f"{PATH}/preview", template(0, text))
    assert shown["problem"]
    refused = await desk.client.put(PATH, token=keeper.token, json=template(0, text))
    assert refused.code == "template_unfit"


async def test_a_channel_that_is_switched_off_is_passed_over(desk: Desk) -> None:
    await desk.bind(desk.cast.patient, OPENID)
    await desk.subscribe(OPENID)
    await desk.ask(desk.cast.administrator, "PUT", PATH, template(0, enabled=False))
    await desk.tell(desk.cast.patient, CODE)
    await desk.push()
    assert await desk.wechat() == []
    assert len(await desk.sms(desk.cast.patient)) == 1


async def test_the_hospitals_own_words_stand_in_the_inbox_with_every_parameter(
    desk: Desk,
) -> None:
    wanted = {"base_version": 0, "title": "退款{amount}", "body": "{hospital}已退款"}
    await desk.ask(desk.cast.administrator, "PUT", "/notification-templates/refund/in_app", wanted)
    await desk.tell(desk.cast.patient, "refund", amount=3000)
    [item] = (await desk.ask(desk.cast.patient, "GET", "/inbox?after=0"))["items"]
    assert (item["title"], item["text"]) == ("退款¥30.00", "仁和示范医院已退款")


async def test_the_log_is_filtered_masks_people_and_belongs_to_one_hospital(desk: Desk) -> None:
    keeper = desk.cast.administrator
    await desk.connect(desk.cast.doctor)
    await desk.tell(desk.cast.patient, CODE)
    await desk.tell(desk.cast.doctor, "rating_received")
    await desk.push()
    everything = await desk.ask(keeper, "GET", "/notification-pushes")
    assert {each["state"] for each in everything["items"]} == {"sent", "skipped"}
    assert desk.cast.patient.name not in str(everything)
    [sent] = (await desk.ask(keeper, "GET", "/notification-pushes?state=sent"))["items"]
    detail = await desk.ask(keeper, "GET", f"/notification-pushes/{sent['id']}")
    assert [each["outcome"] for each in detail["attempts"]][-1] == "sent"
    assert detail["phone"] == "139****0001"
    by_channel = await desk.ask(keeper, "GET", f"/notification-pushes?channel={Channel.SMS.value}")
    assert len(by_channel["items"]) == 1
    foreign = desk.cast.foreign_administrator
    assert (await desk.ask(foreign, "GET", "/notification-pushes"))["items"] == []
    path = f"/notification-pushes/{sent['id']}"
    assert (await desk.client.get(path, token=foreign.token)).code == "not_found"


async def test_own_quiet_hours_and_none_stand_before_the_hospitals(desk: Desk) -> None:
    patient, other = desk.cast.patient, desk.cast.other_patient
    own = {"quiet_mode": "own", "quiet_from": 8 * 60, "quiet_until": 10 * 60}
    await desk.ask(patient, "PUT", "/me/notifications", own)  # It is nine in the morning.
    await desk.ask(other, "PUT", "/me/notifications", {"quiet_mode": "none"})
    for person in (patient, other):
        await desk.tell(person, CODE)
    await desk.push()
    assert await desk.states(patient) == ["due"]
    assert await desk.states(other) == ["sent"]
