"""Row integrity: HMAC-SM3 over the canonical form of a row, with the key id in front.

The MAC of a row is `<key id>:<hex>`. The canonical form is a JSON object with sorted keys where
times are UTC with microseconds, ids and enumerations are strings and bytes are hexadecimal, so
that the same row gives the same bytes before it is written and after it is read back.
"""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from core.crypto.keyring import Keyring, Purpose, UnknownKeyError
from core.crypto.sm import equal, hmac_sm3


def canonical(values: Mapping[str, Any]) -> bytes:
    """The canonical bytes of a row; raises `TypeError` for a value without a stable form."""
    return json.dumps(
        _plain(values), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()


def row_mac(
    keyring: Keyring, table: str, values: Mapping[str, Any], hospital_id: UUID | None = None
) -> str:
    """The MAC of a row under the current key of its hospital, bound to its table.

    The hospital is `hospital_id`, or the value of that name; without either the group's key serves.
    """
    owner = hospital_id or values.get("hospital_id")
    key_id = keyring.current(Purpose.ROW, owner if isinstance(owner, UUID) else None).id
    return f"{key_id}:{_mac(keyring, key_id, table, values).hex()}"


def row_mac_matches(keyring: Keyring, table: str, values: Mapping[str, Any], mac: str) -> bool:
    """Whether `mac` was made for exactly these values; an unknown key counts as changed."""
    key_id, _, digest = mac.partition(":")
    try:
        return equal(bytes.fromhex(digest), _mac(keyring, key_id, table, values))
    except (UnknownKeyError, ValueError):
        return False


def _mac(keyring: Keyring, key_id: str, table: str, values: Mapping[str, Any]) -> bytes:
    key = keyring.derive(Purpose.ROW, f"row:{table}", key_id=key_id)
    return hmac_sm3(key, canonical(values))


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | str() if not isinstance(value, Enum):
            return value
        case Enum():
            return _plain(value.value)
        case datetime():
            if value.tzinfo is None:
                raise TypeError("A time in a row MAC must be aware.")
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case date() | UUID() | Decimal():
            return str(value)
        case float():
            return repr(value)
        case bytes() | bytearray() | memoryview():
            return bytes(value).hex()
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case set() | frozenset():
            return sorted(str(_plain(item)) for item in value)
    raise TypeError(f"{type(value).__name__} has no canonical form.")
