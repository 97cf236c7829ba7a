"""Sentences with parameters: rendered for the inbox, and for outside where little may be said.

Pure: no I/O. Money is integer fen, moments are aware and shown in the hospital's time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from realtime import notices
from realtime.notices import Channel, Kind, Notice, Parameter, SensitiveOutside

#: Words that say something about somebody's health: no sentence outside may hold one, whoever
#: wrote it. The list is a net below the rule that free text never leaves.
HEALTH_WORDS = (
    "诊断", "病情", "病史", "病历", "症状", "检查结果", "检验结果", "化验", "阳性", "阴性",
    "危急值", "癌", "瘤", "炎", "感染", "抑郁", "焦虑", "精神", "艾滋", "梅毒", "肝", "糖尿",
    "血压", "血糖", "妊娠", "怀孕", "流产", "不孕", "手术", "复诊", "用药", "剂量",
)  # fmt: skip
LONGEST = 200
#: What stands outside for a parameter that the sender left out.
ABSENT = "—"

#: How long WeChat lets a value be, by the kind of its keyword (`thing1`, `time2`).
WECHAT_LIMITS: Mapping[str, int] = {
    "thing": 20,
    "phrase": 5,
    "character_string": 32,
    "name": 10,
    "time": 32,
    "date": 32,
    "amount": 13,
    "number": 32,
}


class UnfitTemplate(ValueError):
    """A template cannot be used; the text is a Chinese sentence for the form."""


@dataclass(frozen=True)
class Surroundings:
    """What every sentence may name."""

    hospital: str
    link: str
    time: datetime
    zone: ZoneInfo


def health_word_in(text: str) -> str | None:
    """The first word of a text that says something about health, or None."""
    return next((each for each in HEALTH_WORDS if each in text), None)


def shown(parameter: Parameter, value: Any, zone: ZoneInfo) -> str:
    """A value as people read it."""
    match parameter.kind:
        case Kind.MONEY:
            return f"¥{value // 100}.{value % 100:02d}"
        case Kind.MOMENT:
            return moment(datetime.fromisoformat(value), zone)
        case Kind.WORD:
            return parameter.words[value]
    return str(value)


def moment(at: datetime, zone: ZoneInfo) -> str:
    """A time as WeChat and people read it."""
    return f"{at.astimezone(zone):%Y年%m月%d日 %H:%M}"


def inside(notice: Notice, pattern: str, values: Mapping[str, Any], around: Surroundings) -> str:
    """A sentence for the inbox, where every parameter may stand."""
    return _filled(pattern, lambda name: _value(notice, name, values, around))


def outside(notice: Notice, pattern: str, values: Mapping[str, Any], around: Surroundings) -> str:
    """A sentence that leaves the house: should it say something about health, the plain one.

    Raises SensitiveOutside when the sentence takes what must stay inside.
    """
    notices.check_outside(notice, pattern)
    text = _filled(pattern, lambda name: _value(notice, name, values, around))
    if health_word_in(text) is None:
        return text
    return "您有一条新的提醒，请登录查看"


def _value(notice: Notice, name: str, values: Mapping[str, Any], around: Surroundings) -> str:
    if name == "hospital":
        return around.hospital
    if name == "link":
        return around.link
    if name == "time":
        return moment(around.time, around.zone)
    parameter = notice.parameter(name)
    if parameter is None or name not in values:
        return ABSENT
    return shown(parameter, values[name], around.zone)


def _filled(pattern: str, value_of: Callable[[str], str]) -> str:
    parts, rest = [], pattern
    while rest:
        before, opened, after = rest.partition("{")
        parts.append(before)
        if not opened:
            break
        name, _, rest = after.partition("}")
        parts.append(value_of(name))
    return "".join(parts)


def keyword_value(keyword: str, text: str) -> str:
    """A value cut to what WeChat takes under this keyword."""
    most = WECHAT_LIMITS.get(keyword.rstrip("0123456789"), 20)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def check_template(
    notice: Notice, channel: Channel, title: str, body: str, fields: Mapping[str, str]
) -> None:
    """Refuse a template that cannot be filled or says too much. Raises UnfitTemplate."""
    for pattern in (title, body, *fields.values()):
        if len(pattern) > LONGEST:
            raise UnfitTemplate(f"每段文字不能超过 {LONGEST} 字")
        try:
            names = notices.names_in(pattern)
            if channel is not Channel.IN_APP:
                notices.check_outside(notice, pattern)
        except SensitiveOutside as error:
            raise UnfitTemplate("推送内容不能使用含健康信息或自由文本的参数") from error
        except ValueError as error:
            raise UnfitTemplate("参数请写成 {名称}，花括号要成对") from error
        unknown = names - notices.STANDARD - {each.name for each in notice.parameters}
        if unknown:
            raise UnfitTemplate(f"没有参数 {'、'.join(sorted(unknown))}")
        if channel is not Channel.IN_APP and (found := health_word_in(pattern)):
            raise UnfitTemplate(f"推送内容不能出现健康信息（“{found}”），只提示有事项待查看")
