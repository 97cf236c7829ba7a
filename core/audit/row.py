"""The MAC of an audit entry."""

from typing import Any

from core.audit.models import AuditEntry
from core.crypto.keyring import Keyring
from core.crypto.row_mac import row_mac, row_mac_matches

TABLE = "audit_entries"
_COVERED = (
    "id",
    "at",
    "hospital_id",
    "user_id",
    "role",
    "session_id",
    "action",
    "object_type",
    "object_id",
    "patient_id",
    "detail",
    "request_id",
    "address",
)


def entry_mac(keyring: Keyring, entry: AuditEntry) -> str:
    """The MAC over every column but itself."""
    return row_mac(keyring, TABLE, _covered(entry))


def entry_is_genuine(keyring: Keyring, entry: AuditEntry) -> bool:
    """Whether no column was changed since the entry was written."""
    return row_mac_matches(keyring, TABLE, _covered(entry), entry.mac)


def _covered(entry: AuditEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in _COVERED}
