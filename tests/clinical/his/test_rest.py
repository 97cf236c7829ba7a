"""The REST codec against the simulated HIS, over its real protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from clinical.his.gateway import PersonKey, PersonUnknown, RecordUnknown, Span
from clinical.his.rest import RestHospital, sniffed
from clinical.his.states import ReportKind
from clinical.sandbox.server import SandboxServer
from core.clock import FakeClock
from core.outside import OutsideGarbled, OutsideRefused, OutsideUnavailable
from tests.clinical.his.papers import EXAM, LAB, person
from tests.support.outside import Payer, made_keys, payer, sandbox

__all__ = ["made_keys", "payer", "sandbox"]

NUMBER = "11010519491231002X"
YEAR = Span(since=date(2026, 1, 1), until=date(2026, 11, 20))


@pytest.fixture
async def his(sandbox: SandboxServer, clock: FakeClock) -> AsyncIterator[RestHospital]:
    secret = sandbox.world.keys.secrets.his_secret
    system = RestHospital(sandbox.url, "zhenjian", secret, clock.now, timeout=2)
    yield system
    await system.aclose()


@pytest.fixture
async def person_no(his: RestHospital, payer: Payer) -> str:
    """李建国, filed with his papers."""
    await payer.put("/_sandbox/people", {"people": [person("李建国", NUMBER)]})
    return (await his.find_person(PersonKey(id_number=NUMBER, card_number=None))).person_no


async def test_somebody_is_found_by_identity_card_or_visit_card(
    his: RestHospital, payer: Payer
) -> None:
    await payer.put("/_sandbox/people", {"people": [person("李建国", NUMBER, card_number="6001")]})
    by_number = await his.find_person(PersonKey(id_number=NUMBER, card_number=None))
    assert by_number.name == "李建国"
    assert await his.find_person(PersonKey(id_number=None, card_number="6001")) == by_number
    with pytest.raises(PersonUnknown):
        await his.find_person(PersonKey(id_number=None, card_number="6002"))
    with pytest.raises(PersonUnknown):
        await his.records("P404", YEAR)


async def test_lists_hold_what_lies_in_the_span_newest_first(
    his: RestHospital, person_no: str
) -> None:
    labs = await his.reports(person_no, ReportKind.LAB, YEAR)
    assert [each.report_no for each in labs] == ["L1", "L0"]
    # The hospital writes wall-clock time of China.
    assert labs[0].released_at == datetime(2026, 11, 3, 2, 21, tzinfo=UTC)
    assert [each.abnormal for each in labs] == [None, False]
    spring = Span(since=date(2026, 6, 30), until=date(2026, 6, 30))
    assert [r.report_no for r in await his.reports(person_no, ReportKind.LAB, spring)] == ["L0"]
    assert [r.category for r in await his.reports(person_no, ReportKind.EXAM, YEAR)] == ["CT"]
    [record] = await his.records(person_no, YEAR)
    assert (record.visit_date, record.diagnosis) == (date(2026, 10, 1), "急性支气管炎")
    assert record.medicines == ("氨溴索口服液",)
    assert await his.records(person_no, spring) == []


async def test_a_report_comes_whole_and_a_picture_as_what_its_bytes_are(
    his: RestHospital, person_no: str
) -> None:
    lab = await his.report(person_no, ReportKind.LAB, "L1")
    assert [(each.name, each.value, each.flag) for each in lab.results] == [
        ("白细胞", "11.2", ""),
        ("血红蛋白", "131", ""),
        ("钾", "2.4", "LL"),
    ]
    exam = await his.report(person_no, ReportKind.EXAM, "E1")
    assert exam.conclusion == EXAM["conclusion"]
    [reference] = exam.pictures
    picture = await his.picture(person_no, "E1", reference.picture_no)
    assert picture.content_type == "image/png"
    assert picture.content.startswith(b"\x89PNG")
    with pytest.raises(RecordUnknown):
        await his.report(person_no, ReportKind.LAB, "L9")
    with pytest.raises(RecordUnknown):
        await his.picture(person_no, "E1", "E1P9")
    assert sniffed(b"%PDF-1.7 ...") == "application/pdf"
    assert sniffed(b"<html>") is None


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("error", OutsideUnavailable),
        ("refused", OutsideRefused),
        ("garbled", OutsideGarbled),
        ("other_person", OutsideGarbled),
    ],
)
async def test_what_goes_wrong_has_a_name_and_nothing_of_it_is_believed(
    his: RestHospital, person_no: str, payer: Payer, fault: str, error: type[Exception]
) -> None:
    await payer.fault(his_records=fault)
    with pytest.raises(error):
        await his.records(person_no, YEAR)
    with pytest.raises(error):
        await his.reports(person_no, ReportKind.EXAM, YEAR)
    with pytest.raises(error):
        await his.report(person_no, ReportKind.EXAM, "E1")
    with pytest.raises(error):
        await his.picture(person_no, "E1", "E1P1")


async def test_a_report_of_the_other_kind_is_no_answer(his: RestHospital, person_no: str) -> None:
    with pytest.raises(OutsideGarbled):
        await his.report(person_no, ReportKind.EXAM, "L1")


@pytest.mark.parametrize(
    "broken",
    [
        {"title": None},
        {"title": 7},
        {"released_at": "2026-11-03T10:21:00Z"},
        {"report_no": "../L1"},
        {"abnormal": "yes"},
        {"title": "长" * 301},
    ],
)
async def test_a_list_with_one_unreadable_line_is_refused_and_tells_no_values(
    his: RestHospital, sandbox: SandboxServer, person_no: str, broken: dict[str, Any]
) -> None:
    stored = sandbox.world.store.get("person", NUMBER)
    assert stored is not None
    changed = {**stored, "reports": [{**LAB, **broken}]}
    sandbox.world.store.put("person", NUMBER, changed)
    with pytest.raises(OutsideGarbled) as told:
        await his.reports(person_no, ReportKind.LAB, YEAR)
    assert "reports.0." in told.value.reason
    assert str(next(iter(broken.values()))) not in told.value.reason


async def test_a_wrong_key_is_refused(sandbox: SandboxServer, clock: FakeClock) -> None:
    system = RestHospital(sandbox.url, "zhenjian", "wrong", clock.now, timeout=2)
    with pytest.raises(OutsideRefused):
        await system.records("P1", YEAR)
    await system.aclose()
