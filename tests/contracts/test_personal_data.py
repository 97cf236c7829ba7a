"""Whatever is held about people is part of what they may see, copy and have erased."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from sqlalchemy import Table

from core.data_classes import DataClass, class_of
from core.db import Base
from core.modules import Modules
from tests.contracts.test_layout import ROOT

#: Columns that name a person without a foreign key.
NAMES = {"user_id", "patient_id"}
PEOPLE = {"users", "patients"}

#: Tables about people that no module's `personal_data.py` covers, each with why.
ELSEWHERE = {
    "the record of what the hospital's people did: kept by law, shown by officers": (
        "alarms",
        "audit_entries",
        "call_observers",
        "emergency_accesses",
        "integrity_findings",
        "legal_holds",
    ),
    "about staff as staff; they ask their employer, and such an account is not closed by itself": (
        "clinicians",
        "profile_submissions",
        "staff_certificates",
        "staff_profiles",
    ),
    "gone by itself within minutes or hours": ("gateway_connections",),
    "notices that repeat in short what the records say, which are covered": ("inbox_items",),
    "a part of a recording, a signature or a key that is listed and kept with its whole": (
        "recording_files",
        "recording_outlines",
        "signing_confirmations",
        "signing_keys",
    ),
}


def about_people() -> Iterator[Table]:
    """Tables that hold personal or sensitive values and lead to a user or a patient."""
    for table in Base.metadata.sorted_tables:
        held = [class_of(column) for column in table.columns]
        if any(grade and grade >= DataClass.PERSONAL for grade in held) and leads_to_people(table):
            yield table


def leads_to_people(table: Table) -> bool:
    """By a foreign key, its own or that of the row it belongs to, or by a column's name."""
    seen, waiting = set[str](), [table]
    while waiting:
        each = waiting.pop()
        if each.name in PEOPLE or NAMES & set(each.columns.keys()):
            return True
        seen.add(each.name)
        owners = (key.column.table for column in each.columns for key in column.foreign_keys)
        waiting += [owner for owner in owners if owner.name not in seen]
    return False


def covered() -> set[str]:
    """Tables whose model is named in a `personal_data.py`."""
    named = set[str]()
    for folder in ("core", "realtime", "media", "clinical", "admin"):
        for path in (ROOT / folder).rglob("personal_data.py"):
            if path != ROOT / "core" / "personal_data.py":
                tree = ast.parse(path.read_text())
                named |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return {
        mapper.local_table.name
        for mapper in Base.registry.mappers
        if mapper.class_.__name__ in named and isinstance(mapper.local_table, Table)
    }


def test_every_table_about_people_is_covered_or_says_why_not(modules: Modules) -> None:
    excused = {name for names in ELSEWHERE.values() for name in names}
    open_ends = [table.name for table in about_people() if table.name not in covered() | excused]
    assert open_ends == [], "add them to a personal_data.py, or say in ELSEWHERE why not"


def test_no_excuse_is_kept_for_a_table_that_needs_none(modules: Modules) -> None:
    excused = [name for names in ELSEWHERE.values() for name in names]
    assert len(excused) == len(set(excused))
    needed = {table.name for table in about_people()} - covered()
    assert sorted(set(excused) - needed) == []
