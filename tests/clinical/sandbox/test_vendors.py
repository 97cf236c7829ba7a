"""SMS, the real-name registry and the HIS: the real clients against the simulators."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from clinical.consultation.gateway import HisVisitHistory
from clinical.people.gateway import HisVisitCards, NewFile
from clinical.sandbox import keys
from clinical.sandbox.faults import SWITCHES
from clinical.sandbox.server import SandboxServer
from clinical.sandbox.vendors import id_number_is_sound
from core.clock import FakeClock
from core.config import Config
from core.identity.gateway import IdentityCheckUnavailable, IdentityVerdict, SmsError
from core.identity.realname_http import HttpIdentityCheck
from core.identity.sms_http import HttpSmsGateway
from core.outside import OutsideRefused, OutsideUnavailable
from tests.support.outside import Payer

PHONE = "13800000001"
SOUND = "11010519491231002X"


@pytest.fixture
async def sms(sandbox: SandboxServer, clock: FakeClock) -> AsyncIterator[HttpSmsGateway]:
    secret = sandbox.world.keys.secrets.sms_secret
    gateway = HttpSmsGateway(sandbox.url, "zhenjian", secret, clock.now, timeout=2)
    yield gateway
    await gateway.aclose()


@pytest.fixture
async def registry(sandbox: SandboxServer, clock: FakeClock) -> AsyncIterator[HttpIdentityCheck]:
    secret = sandbox.world.keys.secrets.real_name_secret
    gateway = HttpIdentityCheck(sandbox.url, "zhenjian", secret, clock.now, timeout=2)
    yield gateway
    await gateway.aclose()


@pytest.fixture
async def history(sandbox: SandboxServer, clock: FakeClock) -> AsyncIterator[HisVisitHistory]:
    secret = sandbox.world.keys.secrets.his_secret
    gateway = HisVisitHistory(sandbox.url, "zhenjian", secret, clock.now, timeout=2)
    yield gateway
    await gateway.aclose()


@pytest.fixture
async def cards(sandbox: SandboxServer, clock: FakeClock) -> AsyncIterator[HisVisitCards]:
    secret = sandbox.world.keys.secrets.his_secret
    gateway = HisVisitCards(sandbox.url, "zhenjian", secret, clock.now, timeout=2)
    yield gateway
    await gateway.aclose()


@pytest.mark.requirement("S3-131")
async def test_a_login_code_arrives_and_is_readable_on_the_page(
    sms: HttpSmsGateway, payer: Payer
) -> None:
    await sms.send(PHONE, "login_code", {"code": "482913"})
    inbox = (await payer.get(f"/_sandbox/sms?phone={PHONE}"))["messages"]
    assert inbox[0]["params"] == {"code": "482913"}
    assert "482913" in inbox[0]["text"]
    shown = (await payer.get("/_sandbox/state"))["sms"][0]
    assert shown["code"] == "482913"
    assert PHONE not in str(shown)
    receipt = await payer.get(f"/sms/v1/messages/{inbox[0]['message_id']}")
    assert receipt["status"] == "DELIVERED"


@pytest.mark.parametrize(
    ("phone", "template", "parameters"),
    [
        ("12", "login_code", {"code": "1"}),
        ("１３８００００００００", "login_code", {"code": "1"}),
        (PHONE, "login_code", {}),
        (PHONE, "unknown_template", {"code": "1"}),
    ],
)
async def test_a_message_against_the_rules_is_refused(
    sms: HttpSmsGateway, phone: str, template: str, parameters: dict[str, str]
) -> None:
    with pytest.raises(SmsError):
        await sms.send(phone, template, parameters)


@pytest.mark.parametrize("mode", ["error", "refused"])
async def test_a_provider_that_is_down_or_refuses_is_a_named_error_and_sends_nothing(
    sms: HttpSmsGateway, payer: Payer, mode: str
) -> None:
    await payer.fault(sms=mode)
    with pytest.raises(SmsError):
        await sms.send(PHONE, "login_code", {"code": "482913"})
    assert (await payer.get("/_sandbox/sms"))["messages"] == []


async def test_a_wrong_secret_or_clock_is_refused_at_every_signed_door(
    sandbox: SandboxServer, clock: FakeClock
) -> None:
    from datetime import timedelta

    secret = sandbox.world.keys.secrets.sms_secret
    for key, value, now in (
        ("zhenjian", "wrong", clock.now),
        ("stranger", secret, clock.now),
        ("zhenjian", secret, lambda: clock.now() + timedelta(minutes=6)),
    ):
        gateway = HttpSmsGateway(sandbox.url, key, value, now)
        with pytest.raises(SmsError, match="401"):
            await gateway.send(PHONE, "login_code", {"code": "1"})
        await gateway.aclose()
    registry = HttpIdentityCheck(sandbox.url, "zhenjian", "wrong", clock.now)
    with pytest.raises(IdentityCheckUnavailable):
        await registry.check("张伟", SOUND)
    await registry.aclose()
    history = HisVisitHistory(sandbox.url, "zhenjian", "wrong", clock.now)
    with pytest.raises(OutsideRefused):
        await history.visits(id_number=SOUND, since=date(2026, 1, 1))
    await history.aclose()


async def test_the_registry_matches_by_rule_and_seeded_people_by_name(
    registry: HttpIdentityCheck, payer: Payer
) -> None:
    assert id_number_is_sound(SOUND)
    seeded = "110101199003077571"
    await payer.put("/_sandbox/people", {"people": [{"name": "王芳", "id_number": seeded}]})
    verdicts = {
        ("张伟", SOUND): IdentityVerdict.MATCH,
        ("张伟", SOUND.lower()): IdentityVerdict.MATCH,
        ("假名", SOUND): IdentityVerdict.MISMATCH,
        ("张伟", "110105194912310021"): IdentityVerdict.MISMATCH,
        ("王芳", seeded): IdentityVerdict.MATCH,
        ("王方", seeded): IdentityVerdict.MISMATCH,
    }
    for (name, number), verdict in verdicts.items():
        result = await registry.check(name, number)
        assert result.verdict is verdict, (name, number)
        assert result.reference.startswith("RN")


@pytest.mark.parametrize("mode", ["error", "unavailable"])
async def test_a_registry_that_cannot_answer_is_unavailable_not_a_mismatch(
    registry: HttpIdentityCheck, payer: Payer, mode: str
) -> None:
    await payer.fault(real_name=mode)
    with pytest.raises(IdentityCheckUnavailable):
        await registry.check("张伟", SOUND)


async def test_one_failure_of_the_registry_is_bridged(
    registry: HttpIdentityCheck, payer: Payer
) -> None:
    await payer.fault(real_name={"mode": "error", "times": 1})
    assert (await registry.check("张伟", SOUND)).verdict is IdentityVerdict.MATCH


PERSON: dict[str, Any] = {
    "name": "李建国",
    "id_number": SOUND,
    "card_number": "600000000001",
    "visits": [
        {"visit_date": "2026-03-02", "department": "心内科", "diagnosis": "高血压病"},
        {
            "visit_date": "2026-10-11",
            "department": "内分泌科",
            "diagnosis": "2型糖尿病",
            "doctor": "陈静",
        },
    ],
}


async def test_visits_are_found_by_number_or_card_since_a_day_newest_first(
    history: HisVisitHistory, payer: Payer
) -> None:
    await payer.put("/_sandbox/people", {"people": [PERSON]})
    found = await history.visits(id_number=SOUND.lower(), since=date(2026, 1, 1))
    assert [(visit.visit_date, visit.department) for visit in found] == [
        (date(2026, 10, 11), "内分泌科"),
        (date(2026, 3, 2), "心内科"),
    ]
    by_card = await history.visits(card_number="600000000001", since=date(2026, 10, 11))
    assert [visit.diagnosis for visit in by_card] == ["2型糖尿病"]
    assert await history.visits(id_number="110101199003077571", since=date(2026, 1, 1)) == []


async def test_seeding_twice_replaces_the_visits_and_keeps_the_card(
    history: HisVisitHistory, cards: HisVisitCards, payer: Payer
) -> None:
    await payer.put("/_sandbox/people", {"people": [PERSON]})
    await payer.put("/_sandbox/people", {"people": [{**PERSON, "visits": []}]})
    assert await history.visits(id_number=SOUND, since=date(2020, 1, 1)) == []
    holder = await cards.find(id_number=SOUND)
    assert holder is not None
    assert holder.card_number == "600000000001"


async def test_seeding_nonsense_changes_nothing_and_says_so(payer: Payer) -> None:
    for body in ({}, {"people": [{}]}, {"people": [{**PERSON, "visits": [{}]}]}):
        assert (await payer.put("/_sandbox/people", body))["code"] == "SEED_INVALID"


async def test_an_empty_or_silent_his_is_told_apart(history: HisVisitHistory, payer: Payer) -> None:
    await payer.put("/_sandbox/people", {"people": [PERSON]})
    await payer.fault(his="empty")
    assert await history.visits(id_number=SOUND, since=date(2020, 1, 1)) == []
    await payer.fault(his="error")
    with pytest.raises(OutsideUnavailable):
        await history.visits(id_number=SOUND, since=date(2020, 1, 1))


async def test_a_file_is_opened_once_and_found_by_card(cards: HisVisitCards) -> None:
    file = NewFile(
        name="周小宝",
        sex="male",
        birth_date=date(2024, 5, 1),
        id_number=None,
        phone=PHONE,
        guardian_id_number=SOUND,
    )
    assert await cards.find(card_number="600000000999") is None
    first = await cards.open_file(file)
    assert await cards.open_file(file) == first
    assert await cards.find(card_number=first.card_number) == first
    sibling = await cards.open_file(
        NewFile(
            name="周小贝",
            sex="female",
            birth_date=date(2025, 5, 1),
            id_number=None,
            phone=PHONE,
            guardian_id_number=SOUND,
        )
    )
    assert sibling.card_number != first.card_number


async def test_the_page_opens_and_names_every_switch(sandbox: SandboxServer, payer: Payer) -> None:
    async with aiohttp.ClientSession() as http, http.get(sandbox.url + "/") as answer:
        page = await answer.text()
    assert answer.status == 200
    assert "外部系统模拟器" in page
    assert set(await payer.get("/_sandbox/faults")) == set(SWITCHES)


async def test_a_counted_fault_is_used_up_and_an_unknown_one_refused(
    sms: HttpSmsGateway, payer: Payer
) -> None:
    await payer.fault(sms={"mode": "error", "times": 2})
    for _ in range(2):
        with pytest.raises(SmsError):
            await sms.send(PHONE, "login_code", {"code": "1"})
    await sms.send(PHONE, "login_code", {"code": "1"})
    for wrong in ({"sms": "fire"}, {"kitchen": "error"}, {"sms": {"mode": "error", "times": 0}}):
        assert (await payer.put("/_sandbox/faults", wrong))["code"] == "FAULT_UNKNOWN"


async def test_what_the_page_shows_names_nobody(
    registry: HttpIdentityCheck, cards: HisVisitCards, payer: Payer
) -> None:
    await payer.put("/_sandbox/people", {"people": [PERSON]})
    await registry.check("李建国", SOUND)
    await cards.find(id_number=SOUND)
    shown = str(await payer.get("/_sandbox/state"))
    assert "李建国" not in shown
    assert SOUND not in shown


def test_the_demos_settings_are_complete_private_and_stable(tmp_path: Path) -> None:
    first = keys.demo_settings(tmp_path, "http://127.0.0.1:8100")
    assert keys.demo_settings(tmp_path, "http://127.0.0.1:8100") == first
    known = {f"ZHENJIAN_{name.upper()}" for name in Config.model_fields}
    assert set(first) <= known
    for file in (tmp_path / "sandbox").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
