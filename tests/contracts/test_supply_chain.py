"""What a release is made of is fixed, proved by digests, and can be listed."""

import json
import re
from pathlib import Path

import pytest

from tests.support.demo import ROOT

PYTHON_LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
NPM_LOCKS = sorted((ROOT / "clients").glob("*/package-lock.json"))


@pytest.mark.parametrize("lock", PYTHON_LOCKS, ids=lambda path: path.name)
def test_every_python_package_is_pinned_with_digests(lock: Path) -> None:
    entries = re.findall(r"^([a-z0-9][^\n]*?(?:\\\n[^\n]*)*)$", lock.read_text(), re.MULTILINE)
    assert len(entries) > 50
    for entry in entries:
        assert re.match(r"[\w.\-\[\],]+==[^\s;]+", entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("lock", NPM_LOCKS, ids=lambda path: path.parent.name)
def test_every_npm_package_is_pinned_with_a_digest(lock: Path) -> None:
    packages = json.loads(lock.read_text())["packages"]
    outside = {name: each for name, each in packages.items() if name and not each.get("link")}
    assert len(outside) > 50
    for name, package in outside.items():
        assert package["version"], name
        if not package.get("inBundle"):
            assert package["integrity"].startswith("sha512-"), name


@pytest.mark.parametrize(
    "lock", [*PYTHON_LOCKS, *NPM_LOCKS], ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_no_lock_names_a_registry(lock: Path) -> None:
    text = lock.read_text()
    assert "--index-url" not in text
    assert '"resolved": "http' not in text


def test_every_dependency_has_its_reason_beside_it() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    block = text.split("dependencies = [", 1)[1].split("\n]", 1)[0]
    lines = [line.strip() for line in block.splitlines() if line.strip()]
    assert len(lines) > 20
    assert [line for line in lines if "# " not in line] == []
