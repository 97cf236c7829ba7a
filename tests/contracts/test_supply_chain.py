"""What a release is made of is fixed, proved by digests, and can be listed."""

import importlib.util
import json
import re
import subprocess
from pathlib import Path
from types import ModuleType

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


@pytest.fixture
def supply_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script of `make supply-chain`, which writes into a folder of the test."""
    spec = importlib.util.spec_from_file_location("chain", ROOT / "scripts" / "supply_chain.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "TARGET", tmp_path)
    return module


@pytest.mark.requirement("S1-248")
def test_the_python_components_of_a_release_are_listed_with_their_versions(
    supply_chain: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # npm lists the clients the same way, where it is installed.
    monkeypatch.setattr(supply_chain, "CLIENTS", ())
    assert supply_chain.sbom() == 0
    listed = json.loads((tmp_path / "python.json").read_text())
    versions = {each["name"]: each["version"] for each in listed["components"]}
    locked = dict(re.findall(r"^([\w.-]+)(?:\[[^]]*])?==([^\s;\\]+)", _base_lock(), re.MULTILINE))
    assert versions == locked


def _base_lock() -> str:
    return (ROOT / "requirements" / "base.txt").read_text()


KNOWN = {
    "dependencies": [
        {"name": "starlette", "version": "0.1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
    ]
}


@pytest.mark.requirement("S1-248", "S4-107")
@pytest.mark.parametrize(
    ("python", "npm", "code", "vulnerable", "unasked"),
    [
        (KNOWN, {"vulnerabilities": {}}, 1, ["starlette 0.1: CVE-1 (fixed: 2)"], []),
        ({}, {"vulnerabilities": {}}, 0, [], ["Python packages"]),
        (
            {"dependencies": [{"name": "a", "version": "1", "vulns": []}]},
            {"vulnerabilities": {"vue": {"severity": "high", "range": "<3"}}},
            1,
            ["console: vue: high, <3"],
            [],
        ),
    ],
    ids=["python", "unasked", "npm"],
)
def test_a_release_with_a_known_vulnerability_fails_and_the_answer_is_kept(
    supply_chain: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    python: dict[str, object],
    npm: dict[str, object],
    code: int,
    vulnerable: list[str],
    unasked: list[str],
) -> None:
    def answer(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        said = npm if command[0] == "npm" else python
        return subprocess.CompletedProcess(command, 0, json.dumps(said), "")

    monkeypatch.setattr(supply_chain, "run", answer)
    monkeypatch.setattr(supply_chain, "CLIENTS", ("console",))
    monkeypatch.delenv("AUDIT", raising=False)
    assert supply_chain.audit() == code
    kept = json.loads((tmp_path / "audit.json").read_text())
    assert (kept["vulnerable"], kept["unasked"]) == (vulnerable, unasked)
