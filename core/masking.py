"""Masks for personal data: on screens, in answers of the interface and in logs."""

import re
from collections.abc import Iterable, Mapping, MutableMapping
from datetime import date
from typing import Any

HIDDEN = "***"

#: Fields whose whole value is a secret.
_SECRET_FIELDS = frozenset(
    {
        "password",
        "old",
        "new",
        "token",
        "access_token",
        "refresh_token",
        "authorization",
        "cookie",
        "secret",
        "credential",
        "ticket",
        "pin",
        "sms_code",
        "signature",
    }
)
_PHONE_FIELDS = frozenset({"phone", "mobile", "login"})
_NAME_FIELDS = frozenset({"real_name", "patient_name", "guardian_name", "user_name"})
_ID_FIELDS = frozenset({"id_number", "guardian_id_number", "card_number"})
_ADDRESS_FIELDS = frozenset({"home_address", "street"})

#: Fields named like a classed column, filled by `learn` when the models are known; the lists above
#: are for what is no column.
_personal: set[str] = set()
_sensitive: set[str] = set()

_PHONE = re.compile(r"(?<![0-9A-Za-z])((?:\+?86)?1[3-9]\d)\d{4}(\d{4})(?![0-9A-Za-z])")
_ID_NUMBER = re.compile(r"(?<![0-9A-Za-z])([1-9]\d{2})\d{11}(\d{3}[\dXx])(?![0-9A-Za-z])")
_JWT = re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]+")
#: Where the database and its driver quote what was to be written; ends with the line, also in repr.
_QUOTED_BY_DATABASE = re.compile(r"((?:DETAIL|query argument \$\d+): ).*?(?=\n|\\n|$)")
_SECRET_PARAMETER = re.compile(r"(?i)\b(ticket|token|password|refresh_token)=[^&\s\"']+")


def mask_name(name: str) -> str:
    """Hide the middle of a name: 张三 → 张*, 张小三 → 张*三, 欧阳小三 → 欧**三."""
    name = name.strip()
    match len(name):
        case 0:
            return ""
        case 1:
            return "*"
        case 2:
            return f"{name[0]}*"
        case length:
            return f"{name[0]}{'*' * min(length - 2, 4)}{name[-1]}"


def mask_phone(phone: str) -> str:
    """Hide the middle of a telephone number: 13800000001 → 138****0001."""
    if len(phone) < 7:
        return "*" * len(phone)
    return f"{phone[:-8] if len(phone) > 8 else ''}****{phone[-4:]}"


def mask_id_number(number: str) -> str:
    """Hide all but three characters in front and the last: birth date and serial stay private."""
    if len(number) < 6:
        return "*" * len(number)
    head, tail = (3, 4) if len(number) >= 15 else (1, 2)
    return f"{number[:head]}{'*' * (len(number) - head - tail)}{number[-tail:]}"


def mask_address(address: str) -> str:
    """Keep the first six characters, about province and city."""
    return address if len(address) <= 6 else f"{address[:6]}****"


def mask_text(text: str) -> str:
    """Mask telephone numbers, identity numbers, tokens and what a database quotes, in any text."""
    text = _QUOTED_BY_DATABASE.sub(rf"\1{HIDDEN}", text)
    text = _ID_NUMBER.sub(rf"\1{'*' * 11}\2", text)
    text = _PHONE.sub(r"\1****\2", text)
    text = _JWT.sub(HIDDEN, text)
    return _SECRET_PARAMETER.sub(rf"\1={HIDDEN}", text)


def learn(personal: Iterable[str], sensitive: Iterable[str]) -> None:
    """Mask fields with these names in logs from now on: personal values partly, sensitive whole."""
    _personal.update(personal)
    _sensitive.update(sensitive)


def mask_log_event(
    logger: Any, method: str, entry: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """structlog processor: place it after exceptions are rendered and before the renderer."""
    for field in list(entry):
        entry[field] = _mask_field(field, entry[field])
    return entry


def _mask_field(field: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _mask_field(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mask_field(field, item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if field in _SECRET_FIELDS or field in _sensitive:
        return HIDDEN
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if not isinstance(value, str):
        # Foreign objects are rendered by repr later, which may hold anything.
        return value if isinstance(value, int | float) else mask_text(repr(value))
    return _mask_string(field, value)


def _mask_string(field: str, value: str) -> str:
    if field in _PHONE_FIELDS:
        return mask_phone(value)
    if field in _NAME_FIELDS:
        return mask_name(value)
    if field in _ID_FIELDS:
        return mask_id_number(value)
    if field in _ADDRESS_FIELDS:
        return mask_address(value)
    if field in _personal:
        return mask_personal(field, value)
    return mask_text(value)


def mask_personal(name: str, value: Any) -> str:
    """Mask a personal value as its column's name suggests; what is unknown keeps one character."""
    if isinstance(value, date):
        return f"{value.year}-**-**"
    text = str(value)
    if "phone" in name or "mobile" in name:
        return mask_phone(text)
    if "id_number" in name or "card_number" in name or name.endswith("_number"):
        return mask_id_number(text)
    if "address" in name:
        return mask_address(text)
    if name == "name" or name.endswith("_name"):
        return mask_name(text)
    return f"{text[:1]}***" if len(text) > 1 else "*"
