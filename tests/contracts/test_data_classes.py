"""Every column says how sensitive it is, and what is sensitive lies encrypted."""

from __future__ import annotations

import ast

import pytest
from sqlalchemy import Column, Enum, LargeBinary, String

from core.crypto.columns import is_encrypted
from core.data_classes import DataClass, class_of, unclassified
from core.data_report import HANDLING, lines
from core.db import Base
from core.integrity.protection import protections
from core.modules import Modules
from tests.contracts.test_layout import ROOT, sources

#: Columns with personal or sensitive text or bytes in the clear, each with why.
IN_THE_CLEAR = {
    "a network address: rates and lock-outs are counted by it, and supervisors search by it": (
        "audit_entries.address",
        "consent_records.address",
        "device_sessions.address",
        "login_attempts.address",
        "signature_log.address",
        "sms_codes.address",
    ),
    "names a device, not its owner; compared when a login comes back": (
        "call_observers.device",
        "call_participants.device",
        "consent_records.device",
        "device_sessions.device_id",
        "device_sessions.device_name",
        "device_sessions.label",
        "gateway_connections.device",
        "login_attempts.device_id",
        "refresh_tokens.used_agent",
    ),
    "the account name of staff, and the name shown to others: searched and sorted in SQL": (
        "users.login",
        "users.name",
    ),
    "a keyed digest (HMAC-SM3 blind index), made to be searched": (
        "external_identities.subject_index",
        "external_identities.union_index",
        "patients.card_number_index",
        "patients.id_number_index",
        "patients.name_index",
        "sms_codes.phone_index",
        "users.id_number_index",
        "users.phone_index",
    ),
    "a digest of a secret, never the secret": (
        "login_attempts.state_digest",
        "password_history.password_hash",
        "recovery_codes.code_digest",
        "sms_codes.code_digest",
        "users.password_hash",
    ),
    "a key, wrapped by the key-encryption key": ("data_keys.wrapped", "data_keys.escrow"),
    "a public certificate, a request for one, or a signature: shown to whoever verifies": (
        "certificates.common_name",
        "certificates.der",
        "certificates.subject",
        "document_signatures.cms",
        "document_signatures.signer_name",
        "signing_keys.certificate",
        "signing_keys.csr",
    ),
    "a word of a fixed list": ("consent_records.relation",),
    "names of files made before version 0.2; newer ones name nobody": ("recording_files.name",),
}


def test_every_column_has_a_data_class(modules: Modules) -> None:
    assert modules.all
    assert [str(column) for column in unclassified(Base.metadata)] == []
    assert list(lines(Base.metadata)) == []


@pytest.mark.requirement("S1-219")
@pytest.mark.requirement("S0-N-041")
def test_personal_and_sensitive_text_is_encrypted_or_says_why_not(modules: Modules) -> None:
    assert modules.all
    clear = {
        str(column)
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if (class_of(column) or 0) >= DataClass.PERSONAL
        and _holds_text(column)
        and not is_encrypted(column)
    }
    assert clear == {name for names in IN_THE_CLEAR.values() for name in names}


def _holds_text(column: Column[object]) -> bool:
    kind = getattr(column.type, "impl_instance", column.type)
    return isinstance(kind, String | LargeBinary) and not isinstance(kind, Enum)


def test_every_class_has_its_own_handling() -> None:
    assert set(HANDLING) == set(DataClass)
    assert len({HANDLING[each] for each in DataClass}) == len(DataClass)


def test_protected_columns_are_filled_by_the_program_and_never_cascade_away(
    modules: Modules,
) -> None:
    assert modules.all
    for protection in protections():
        table = protection.model.__table__
        cascades = [key for key in table.foreign_keys if key.ondelete is not None]
        assert cascades == [], f"{table.name} would lose rows without a tombstone"
        # What only the database fills in is not known when the MAC is made.
        assert [
            name
            for name in protection.covered
            if table.c[name].server_default is not None and table.c[name].default is None
        ] == []


def test_no_statement_in_the_code_goes_around_the_ledger(modules: Modules) -> None:
    """`insert(X)` and `delete(X)` of a protected table never, `update(X)` of a covered column."""
    assert modules.all
    protected = {each.model.__name__: each for each in protections()}
    trespasses = []
    for path in sources():
        if path.parent.name == "integrity":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            first = node.args[0] if node.args else None
            around = isinstance(first, ast.Name) and first.id in protected
            if around and node.func.id in ("insert", "delete"):
                trespasses.append(f"{path.relative_to(ROOT)}:{node.lineno}")
        trespasses += _updates(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
    assert trespasses == []


def _updates(source: str, name: str) -> list[str]:
    protected = {each.model.__name__: set(each.covered) for each in protections()}
    found = []
    for node in ast.walk(ast.parse(source)):
        if not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "values"
        ):
            continue
        model = _updated(node.func.value)
        given = {keyword.arg for keyword in node.keywords}
        if model in protected and (None in given or given & protected[model]):
            found.append(f"{name}:{node.lineno}")
    return found


def _updated(node: ast.expr) -> str | None:
    """The model of `update(Model).where(...)`, however long the chain is."""
    while isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name):
            first = node.args[0] if node.args else None
            is_update = node.func.id == "update" and isinstance(first, ast.Name)
            return first.id if is_update and isinstance(first, ast.Name) else None
        if not isinstance(node.func, ast.Attribute):
            return None
        node = node.func.value
    return None
