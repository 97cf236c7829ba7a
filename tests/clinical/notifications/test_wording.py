"""What leaves the house says that something waits, and nothing about anybody's health."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.notifications import wording
from clinical.notifications.wording import Surroundings
from core.data_classes import DataClass
from core.modules import Modules
from realtime import notices
from realtime.notices import Category, Channel, Kind, Parameter, SensitiveOutside

AROUND = Surroundings(
    hospital="仁和示范医院",
    link="https://renhe.example/m/",
    time=datetime(2026, 11, 20, 1, 0, tzinfo=UTC),
    zone=ZoneInfo("Asia/Shanghai"),
)


@pytest.fixture(autouse=True)
def _declared(modules: Modules) -> None:
    """Loading the modules declares their notices."""
    assert modules.all


@pytest.mark.parametrize(
    "parameter",
    [
        Parameter("what", "内容", Kind.TEXT),
        Parameter("what", "人数", Kind.NUMBER, DataClass.SENSITIVE),
    ],
)
def test_a_notice_whose_sentence_takes_free_text_or_sensitive_data_cannot_be_declared(
    parameter: Parameter,
) -> None:
    with pytest.raises(SensitiveOutside):
        notices.declare(
            "test_leaky",
            Category.HOSPITAL,
            "试",
            outside="您有{what}",
            channels=[Channel.SMS],
            parameters=[parameter],
        )
    assert notices.find("test_leaky") is None


def test_no_declared_notice_says_anything_about_health_outside() -> None:
    spoken = [each for each in notices.declared() if each.outside]
    assert len(spoken) > 10
    assert [each.code for each in spoken if wording.health_word_in(each.outside or "")] == []


@given(st.text(max_size=40), st.sampled_from(wording.HEALTH_WORDS))
def test_words_of_free_text_never_reach_a_push(text: str, word: str) -> None:
    notice = notices.notice_of("hospital_message")
    values = notice.check({"subject": f"{text}{word}", "content": word})
    for pattern in ("您有一条消息", "{hospital}提醒您"):
        assert word not in wording.outside(notice, pattern, values, AROUND)
    for name in ("subject", "content"):
        with pytest.raises(SensitiveOutside):
            wording.outside(notice, f"您有{{{name}}}", values, AROUND)


def test_a_sentence_that_speaks_of_health_all_the_same_gives_way_to_the_plain_one() -> None:
    notice = notices.notice_of("hospital_message")
    assert wording.outside(notice, "您的化验单", {}, AROUND) == "您有一条新的提醒，请登录查看"


def test_values_read_as_people_and_wechat_write_them() -> None:
    notice = notices.notice_of("consultation_payment_due")
    values = notice.check({"amount": 3005, "pay_by": datetime(2026, 11, 20, 16, 30, tzinfo=UTC)})
    text = wording.outside(notice, "{amount}，{pay_by}前；{mode}", values, AROUND)
    assert text == "¥30.05，2026年11月21日 00:30前；—"
    assert len(wording.keyword_value("thing1", "一" * 30)) == 20


@pytest.mark.parametrize(
    ("channel", "body", "problem"),
    [
        (Channel.SMS, "您有{amount}待支付", None),
        (Channel.SMS, "您的手术费待支付", "手术"),
        (Channel.SMS, "您有{amount", "花括号"),
        (Channel.SMS, "您有{anything}", "不能使用"),
        (Channel.IN_APP, "您有{anything}", "没有参数"),
        (Channel.IN_APP, "手术费{amount}", None),
    ],
)
def test_an_administrators_sentence_is_judged_before_it_is_kept(
    channel: Channel, body: str, problem: str | None
) -> None:
    notice = notices.notice_of("consultation_payment_due")
    if problem is None:
        wording.check_template(notice, channel, "", body, {})
        return
    with pytest.raises(wording.UnfitTemplate, match=problem):
        wording.check_template(notice, channel, "", body, {})
