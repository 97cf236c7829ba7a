"""Odd and hostile input gets its named refusal and disturbs nothing."""

from typing import Any
from uuid import uuid4

import pytest

from tests.clinical.story import Story


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/consultations?q=%00"),
        ("GET", "/consultations?state=ended&cursor=%00"),
        ("GET", "/consultations?limit=99999999999999999999"),
        ("GET", "/consultations?from=not-a-day"),
        ("GET", "/consultations?from=0001-01-01"),
        ("GET", "/consultations?to=9999-12-31"),
        ("GET", "/consultations?patient_id=nobody"),
        ("GET", "/consultations/not-an-id"),
        ("GET", "/doctors?q=%00"),
        ("GET", "/doctors?q=%25%27%22%5C_"),
        ("GET", "/doctors?title=%00"),
        ("GET", "/doctors?mode=%00"),
        ("GET", "/doctors?sort=nonsense"),
        ("GET", "/doctors?cursor=WyJOYU4iLCJhIl0"),
        ("GET", "/doctors?cursor=WyJpbmYiLCIwMTlmZDdkMy0zNzcyLTdmNDgtOTllYy1lZDUzMmEwYjFmNDYiXQ"),
        ("GET", "/ratings/mine?cursor=WyIyMDI2LTAxLTAxIiwieCJd"),
    ],
)
async def test_odd_queries_never_break_the_server(story: Story, method: str, path: str) -> None:
    answer = await story.ask(story.cast.patient, method, path)
    assert answer.status in (200, 404, 422), (path, answer.status, answer.body)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"patient_id": "x", "doctor_id": "y", "mode": "text"},
        {"patient_id": str(uuid4()), "doctor_id": str(uuid4()), "mode": "telepathy"},
        {"patient_id": str(uuid4()), "doctor_id": str(uuid4()), "mode": "text", "kind": "first"},
        {"patient_id": str(uuid4()), "doctor_id": str(uuid4()), "mode": "text"},
    ],
)
async def test_odd_drafts_are_refused(story: Story, body: Any) -> None:
    answer = await story.ask(story.cast.patient, "POST", "/consultations", body)
    assert answer.status in (400, 404, 415, 422)
    assert answer.code


@pytest.mark.parametrize(
    "edit",
    [
        {"description": "长" * 4001},
        {"description": 5},
        {"answers": {"unknown": True}},
        {"answers": {"chest_pain": "maybe"}},
        {"answers": []},
        {"attachment_ids": [str(uuid4())]},
        {"attachment_ids": [str(uuid4()) for _ in range(10)]},
        {"attachment_ids": ["x"]},
    ],
)
async def test_odd_edits_change_nothing(story: Story, edit: dict[str, Any]) -> None:
    draft = await story.draft()
    path = f"/consultations/{draft['id']}"
    answer = await story.ask(story.cast.patient, "PATCH", path, edit)
    assert answer.status in (404, 422)
    assert await story.get(story.cast.patient, path) == draft


@pytest.mark.parametrize("text", ["零\u0000字符", "\U0001f600 表情", "  \n\t 空白 "])
async def test_any_text_is_kept_as_it_was_typed(story: Story, text: str) -> None:
    draft = await story.draft()
    path = f"/consultations/{draft['id']}"
    shown = await story.ask(story.cast.patient, "PATCH", path, {"description": text})
    assert shown.expect(200)["description"] == text


async def test_a_phrase_with_a_null_character_is_refused(story: Story) -> None:
    form = {"category": "问候", "text": "您\u0000好"}
    answer = await story.ask(story.cast.doctor, "POST", "/phrases", form)
    assert (answer.status, answer.code) == (422, "invalid")


@pytest.mark.parametrize(
    "form",
    [
        {"name": ""},
        {"name": "长" * 51},
        {"phone": "12345"},
        {"kind": "robot"},
        {"relation": "boss"},
        {"id_number": "1"},
        {"id_number": "119999198503140\u0660\u0661X"},
        {"birth_date": "2026-13-01"},
        {"guardian": {"name": "x"}},
    ],
)
async def test_odd_people_are_refused_beside_the_field(story: Story, form: dict[str, Any]) -> None:
    answer = await story.ask(story.cast.patient, "POST", "/patients", story.adult_form() | form)
    assert answer.status == 422
    assert answer.json["fields"]
