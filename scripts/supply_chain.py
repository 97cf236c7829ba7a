"""What a release consists of, and whether any part of it is known to be vulnerable.

`sbom` writes CycloneDX lists of the locked packages to var/sbom. `audit` asks the advisory services
of PyPI and npm about them and keeps the answer in var/sbom/audit.json: exit code 1 when a part is
vulnerable, and when a service cannot be asked while AUDIT=required; otherwise an unasked service is
told plainly and passes.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "var" / "sbom"
CLIENTS = ("realtime", "console", "mobile")
LOCK = ROOT / "requirements" / "base.txt"
SECONDS = 180


def run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def tool(name: str) -> str:
    """A command of this environment."""
    return str(Path(sys.executable).parent / name)


def sbom() -> int:
    """Write the lists. Returns 1 when one cannot be made."""
    TARGET.mkdir(parents=True, exist_ok=True)
    made = {
        "python": run(
            tool("cyclonedx-py"), "requirements", str(LOCK), "--output-reproducible",
            "--pyproject", "pyproject.toml",
        )
    }  # fmt: skip
    for client in CLIENTS:
        made[client] = run(
            "npm", "sbom", "--sbom-format", "cyclonedx", "--package-lock-only",
            cwd=ROOT / "clients" / client,
        )  # fmt: skip
    for name, done in made.items():
        if done.returncode != 0:
            print(f"The components of {name} cannot be listed: {done.stderr.strip()}")
            return 1
        components = json.loads(done.stdout)["components"]
        (TARGET / f"{name}.json").write_text(done.stdout)
        print(f"{name}: {len(components)} components, var/sbom/{name}.json")
    return 0


def audit() -> int:
    """Ask about every locked package, and keep what was answered."""
    unasked, found = [], []
    for name, finding in (*python_findings(), *npm_findings()):
        (unasked if finding is None else found).append((name, finding))
    for name, finding in found:
        print(f"Vulnerable: {name}: {finding}")
    for name, _ in unasked:
        print(f"Not checked, the advisory service cannot be asked: {name}")
    if not found and not unasked:
        print("No locked package is known to be vulnerable.")
    TARGET.mkdir(parents=True, exist_ok=True)
    kept = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "vulnerable": [f"{name}: {finding}" for name, finding in found],
        "unasked": [name for name, _ in unasked],
    }
    (TARGET / "audit.json").write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n")
    return 1 if found or (unasked and os.environ.get("AUDIT") == "required") else 0


def python_findings() -> Iterator[tuple[str, str | None]]:
    """`(package, advisory)`; advisory None: nobody could be asked."""
    done = run(
        tool("pip-audit"), "-r", str(LOCK), "--no-deps", "--disable-pip", "-f", "json",
        "--progress-spinner", "off",
    )  # fmt: skip
    answer = parsed(done.stdout)
    packages = answer.get("dependencies", [])
    if not packages or all("skip_reason" in each for each in packages):
        yield "Python packages", None
        return
    for package in packages:
        for advisory in package.get("vulns", []):
            fixed = ", ".join(advisory.get("fix_versions", [])) or "no fix yet"
            yield f"{package['name']} {package['version']}", f"{advisory['id']} (fixed: {fixed})"


def npm_findings() -> Iterator[tuple[str, str | None]]:
    """The same for what the clients ship (not their build tools)."""
    for client in CLIENTS:
        done = run(
            "npm", "audit", "--json", "--omit=dev", "--package-lock-only",
            cwd=ROOT / "clients" / client,
        )  # fmt: skip
        answer = parsed(done.stdout)
        if "vulnerabilities" not in answer:
            yield f"packages of the client {client}", None
            continue
        for name, entry in answer["vulnerabilities"].items():
            yield f"{client}: {name}", f"{entry['severity']}, {entry['range']}"


def parsed(text: str) -> dict[str, Any]:
    """The JSON object that a tool printed; empty when it printed none."""
    try:
        answer = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}


def main() -> int:
    actions = {"sbom": sbom, "audit": audit}
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        print("usage: supply_chain.py sbom | audit")
        return 2
    return actions[sys.argv[1]]()


if __name__ == "__main__":
    sys.exit(main())
