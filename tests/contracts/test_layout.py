"""The house: what may stand where, beyond what the import contracts say."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("core", "realtime", "media", "clinical", "admin")
LONGEST_FILE = 500


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """The modules that a file imports, whole names."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_nothing_imports_the_application_file() -> None:
    assert [str(path) for path in sources() if "app" in imported(path)] == []


def test_clinical_siblings_meet_only_through_events_and_access() -> None:
    allowed = {"events", "access", "errors", "schemas", "states"}
    trespasses = []
    for path in sorted((ROOT / "clinical").glob("*/*.py")):
        own = path.parent.name
        for name in imported(path):
            parts = name.split(".")
            if parts[0] != "clinical" or len(parts) < 3 or parts[1] == own:
                continue
            if not (ROOT / "clinical" / parts[1]).is_dir():
                continue
            if parts[2] not in allowed:
                trespasses.append(f"{path.relative_to(ROOT)} imports {name}")
    assert trespasses == []


def test_every_module_says_what_it_is_for() -> None:
    for path in sources():
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_no_file_becomes_a_hub() -> None:
    longest = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources()
        if "versions" not in path.parts
    }
    assert {name: lines for name, lines in longest.items() if lines > LONGEST_FILE} == {}


@pytest.mark.parametrize("word", ["TODO", "FIXME"])
def test_no_unfinished_place_is_left(word: str) -> None:
    assert [str(path) for path in sources() if word in path.read_text(encoding="utf-8")] == []
