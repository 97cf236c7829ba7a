"""One engine decides: every `access.py` asks it, and none decides by a role on the side."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import core

ROOT = Path(core.__file__).parents[1]
PACKAGES = ("core", "realtime", "media", "clinical", "admin")

#: Files that do not ask, and why.
NOT_ASKING = {
    "core/audit/access.py": "every query is handed the grant that its route was given",
    "core/files/access.py": "asks the owner of what a file hangs on, who asks the engine",
    "core/files/resumable/access.py": "an unfinished upload is nobody's but its uploader's",
    "media/speech/access.py": "asks the room or the recording in which it was said",
}
#: Functions that look at the caller's role, and why they may.
BY_ROLE = {
    ("clinical/consent/access.py", "require_for_identity"): "patients agree, staff have a contract",
    ("clinical/consultation/access.py", "find"): "which action is asked for: booking or treating",
    ("clinical/consultation/access.py", "_on_an_errand"): "a nurse comes for a task, not a past",
    ("clinical/consultation/access.py", "_of_the_pool"): "orders of a department wait for doctors",
    ("media/recording/footage_access.py", "_open_to"): "patients have rooms, staff also uploads",
    ("media/recording/footage_access.py", "require_shared"): "a hospital's setting about patients",
}


def files() -> list[tuple[str, ast.Module]]:
    found = [path for package in PACKAGES for path in (ROOT / package).rglob("*access.py")]
    found = [path for path in found if "versions" not in path.parts]
    return [(str(path.relative_to(ROOT)), ast.parse(path.read_text())) for path in sorted(found)]


def asks(tree: ast.Module) -> bool:
    """Whether the engine's decisions are imported and called."""
    names = {"grant", "require", "condition", "find_grant", "permitted"}
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("core.access")
        for alias in node.names
    }
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    return bool(names & imported & called)


def compares_role(node: ast.AST) -> bool:
    """`caller.role is Role.X`, `caller.role in OFFICERS`, `match caller.role`; rows may be looked
    up by the role (`Row.role == caller.role`).
    """
    found = [each.left for each in ast.walk(node) if isinstance(each, ast.Compare)]
    found += [each.subject for each in ast.walk(node) if isinstance(each, ast.Match)]
    return any(ast.unparse(each) == "caller.role" for each in found)


@pytest.mark.requirement("S3-018", "S0-N-038", "S0-N-041")
def test_every_access_file_asks_the_engine_or_says_here_why_not() -> None:
    silent = {path for path, tree in files() if not asks(tree)}
    assert silent == NOT_ASKING.keys()


def test_no_access_file_decides_by_a_role_on_the_side() -> None:
    found = {
        (path, function.name)
        for path, tree in files()
        if path not in NOT_ASKING
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and compares_role(function)
    }
    assert found == BY_ROLE.keys()
