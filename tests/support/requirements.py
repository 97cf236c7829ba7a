"""Requirement traceability: which rows of the catalogues a passing test shows.

The plugin in ``tests/conftest.py`` notes the outcome of every marked test in
``var/requirements.json``; ``make requirements`` prints, per module, how many rows are shown.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CATALOGUES = ROOT / "docs" / "requirements"
RESULTS = ROOT / "var" / "requirements.json"


@dataclass(frozen=True)
class Row:
    """One requirement: its id, module and what it asks for."""

    id: str
    module: str
    function: str


def rows() -> list[Row]:
    """Every row of every catalogue, in order."""
    found = []
    for path in sorted(CATALOGUES.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            found += [
                Row(row["id"], row["module"], row["function"]) for row in csv.DictReader(file)
            ]
    return found


class Record:
    """Outcomes of marked tests: a row is shown when its tests passed and none failed."""

    def __init__(self) -> None:
        self._passed: dict[str, set[str]] = defaultdict(set)
        self._failed: dict[str, set[str]] = defaultdict(set)

    def note(self, test: str, ids: Iterable[str], passed: bool) -> None:
        for row_id in ids:
            (self._passed if passed else self._failed)[row_id].add(test)

    def write(self) -> None:
        shown = {
            row_id: sorted(tests)
            for row_id, tests in sorted(self._passed.items())
            if row_id not in self._failed
        }
        failed = {row_id: sorted(tests) for row_id, tests in sorted(self._failed.items())}
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps({"shown": shown, "failed": failed}, indent=1))


def report(all_rows: list[Row], shown: dict[str, list[str]], *, verbose: bool) -> str:
    """The table that ``make requirements`` prints."""
    by_module: dict[str, list[Row]] = defaultdict(list)
    for row in all_rows:
        by_module[row.module].append(row)
    lines = [f"{'module':<24}{'rows':>6}{'shown':>7}{'open':>7}"]
    for module, members in sorted(by_module.items()):
        done = [row for row in members if row.id in shown]
        lines.append(f"{module:<24}{len(members):>6}{len(done):>7}{len(members) - len(done):>7}")
        if verbose and done:
            lines += [f"    + {row.id:<10} {row.function}" for row in done]
        if verbose and done:
            lines += [f"    - {row.id:<10} {row.function}" for row in members if row not in done]
    total = len([row for row in all_rows if row.id in shown])
    lines.append(f"{'all':<24}{len(all_rows):>6}{total:>7}{len(all_rows) - total:>7}")
    return "\n".join(lines)


def main() -> int:
    if not RESULTS.exists():
        print("No test run is on record: run make test first.")
        return 1
    results = json.loads(RESULTS.read_text())
    print(report(rows(), results["shown"], verbose="-v" in sys.argv))
    for row_id, tests in results["failed"].items():
        print(f"failed: {row_id}: {', '.join(tests)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
