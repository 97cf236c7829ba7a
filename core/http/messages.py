"""Chinese sentences for validation errors."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from core.errors import FieldProblem

_MESSAGES = {
    "missing": "请填写此项",
    "extra_forbidden": "不支持此项",
    "string_too_short": "至少需要 {min_length} 个字",
    "string_too_long": "最多 {max_length} 个字",
    "string_pattern_mismatch": "格式不正确",
    "string_type": "应为文字",
    "int_type": "应为整数",
    "int_parsing": "应为整数",
    "bool_type": "应为是或否",
    "bool_parsing": "应为是或否",
    "list_type": "应为列表",
    "dict_type": "格式不正确",
    "model_type": "格式不正确",
    "model_attributes_type": "格式不正确",
    "too_short": "至少需要 {min_length} 项",
    "too_long": "最多 {max_length} 项",
    "greater_than": "应大于 {gt}",
    "greater_than_equal": "不能小于 {ge}",
    "less_than": "应小于 {lt}",
    "less_than_equal": "不能大于 {le}",
    "uuid_parsing": "编号格式不正确",
    "uuid_type": "编号格式不正确",
    "enum": "不在可选范围内",
    "literal_error": "不在可选范围内",
    "date_from_datetime_parsing": "日期格式不正确",
    "date_parsing": "日期格式不正确",
    "date_type": "日期格式不正确",
    "datetime_parsing": "时间格式不正确",
}


def field_problems(error: ValidationError) -> list[FieldProblem]:
    """What is wrong with each field, in words for the person who filled it in."""
    return [
        FieldProblem(".".join(str(part) for part in problem["loc"]) or "body", _sentence(problem))
        for problem in error.errors(include_url=False, include_input=False)
    ]


def _sentence(problem: Any) -> str:
    if problem["type"] == "value_error":
        # A validator of ours raised ValueError with a Chinese sentence.
        return str(problem.get("ctx", {}).get("error", "内容不正确"))
    template = _MESSAGES.get(problem["type"], "内容不正确")
    context: dict[str, Any] = problem.get("ctx", {})
    return template.format(**context) if context else template
