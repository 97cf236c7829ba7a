"""How the text of an announcement is read, and what stands against one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clinical.notifications.announcements import rules
from clinical.notifications.announcements.rules import Span
from clinical.notifications.announcements.states import BlockKind, Kind, Phase, State
from core.identity.roles import Role

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def drawn(text: str) -> list[tuple[str, str]]:
    return [(b.kind.value, "".join(s.text for s in b.spans)) for b in rules.blocks(text)]


def test_lines_become_headings_items_and_paragraphs() -> None:
    text = "## 停诊安排\r\n周五下午停诊。\r\n请改约。\n\n- 内科\n- 外科\n##无空格\n\n"
    assert drawn(text) == [
        ("heading", "停诊安排"),
        ("paragraph", "周五下午停诊。\n请改约。"),
        ("item", "内科"),
        ("item", "外科"),
        ("paragraph", "##无空格"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '<img src=x onerror="alert(1)">',
        "[点这里](javascript:alert(1))",
        "[点这里](data:text/html,x)",
        "[点这里](//evil.example)",
        "[点这里](https://user:pass@evil.example)",
        "[点这里](https://[::1)",
    ],
)
def test_nobody_s_markup_becomes_anything_but_text(text: str) -> None:
    (block,) = rules.blocks(text)
    assert block.spans == (Span(text),)


def test_a_link_to_a_web_page_keeps_its_words_and_its_address() -> None:
    (block,) = rules.blocks("详见[卫健委通知](https://example.org/a?b=1)。")
    assert block.kind is BlockKind.PARAGRAPH
    assert block.spans == (
        Span("详见"),
        Span("卫健委通知", "https://example.org/a?b=1"),
        Span("。"),
    )


def test_what_cannot_be_seen_is_taken_out() -> None:
    assert rules.clean("停\u202e诊\x00\u200b 通知\r\n") == "停诊 通知"


def test_a_summary_is_one_short_line_without_headings() -> None:
    text = "## 标题\n第一句[链接](https://example.org)。\n第二句"
    assert rules.summary(text) == "第一句链接。 第二句"
    assert len(rules.summary("很" * 200)) == rules.SUMMARY_LENGTH


@pytest.mark.parametrize(
    ("state", "published", "until", "expected"),
    [
        (State.DRAFT, None, None, Phase.DRAFT),
        (State.PUBLISHED, timedelta(hours=1), None, Phase.SCHEDULED),
        (State.PUBLISHED, timedelta(0), None, Phase.SHOWN),
        (State.PUBLISHED, -timedelta(days=2), timedelta(minutes=1), Phase.SHOWN),
        (State.PUBLISHED, -timedelta(days=2), timedelta(0), Phase.OVER),
        (State.WITHDRAWN, -timedelta(days=2), None, Phase.WITHDRAWN),
    ],
)
def test_how_an_announcement_stands(
    state: State, published: timedelta | None, until: timedelta | None, expected: Phase
) -> None:
    def moment(after: timedelta | None) -> datetime | None:
        return None if after is None else NOW + after

    assert rules.phase(state, moment(published), moment(until), NOW) is expected


def against(**changed: Any) -> list[str]:
    given: dict[str, Any] = {
        "kind": Kind.MEETING,
        "roles": frozenset({Role.DOCTOR}),
        "departments": False,
        "people": False,
        "confirm": False,
        "starts_at": NOW,
        "ends_at": None,
        "place": "三楼会议室",
        "until": None,
        **changed,
    }
    return [field for field, _ in rules.problems(**given)]


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({}, []),
        ({"roles": frozenset()}, ["roles"]),
        ({"roles": frozenset(), "people": True}, []),
        ({"roles": frozenset({Role.PATIENT})}, ["roles"]),
        ({"kind": Kind.PUBLIC, "roles": frozenset({Role.PATIENT}), "starts_at": None}, []),
        ({"kind": Kind.NEWS, "confirm": True}, ["confirm"]),
        (
            {"kind": Kind.NEWS, "roles": frozenset({Role.PATIENT}), "departments": True},
            ["department_ids"],
        ),
        ({"starts_at": None, "place": ""}, ["starts_at", "place"]),
        ({"ends_at": NOW}, ["ends_at"]),
        ({"until": NOW - timedelta(hours=1)}, ["until"]),
    ],
)
def test_what_stands_against_an_announcement(changed: dict[str, Any], fields: list[str]) -> None:
    assert against(**changed) == fields
