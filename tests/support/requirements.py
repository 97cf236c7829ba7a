"""Requirement traceability: which rows of the catalogues a passing test shows.

The plugin in ``tests/conftest.py`` notes the outcome of every marked test in
``var/requirements.json``; ``make requirements`` prints, per module, how many rows are shown.
"""

from __future__ import annotations

import csv
import fcntl
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
    """Outcomes of marked tests, by test file: ``{file: {row: {test: passed}}}``."""

    def __init__(self) -> None:
        self._files: dict[str, dict[str, dict[str, bool]]] = defaultdict(lambda: defaultdict(dict))

    def note(self, test: str, ids: Iterable[str], passed: bool) -> None:
        for row_id in ids:
            self._files[test.partition("::")[0]][row_id][test] = passed

    def write(self) -> None:
        """Replace what is on record of the files that ran; forget files that are gone."""
        RESULTS.parent.mkdir(exist_ok=True)
        # `make test` runs two sessions beside each other.
        with RESULTS.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            kept = {name: found for name, found in load().items() if (ROOT / name).exists()}
            RESULTS.write_text(json.dumps(kept | self._files, indent=1, sort_keys=True))


def load() -> dict[str, dict[str, dict[str, bool]]]:
    """The outcomes on record."""
    found: dict[str, dict[str, dict[str, bool]]] = {}
    if RESULTS.exists():
        found = json.loads(RESULTS.read_text())
    return found


def outcome() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Rows shown (all their tests passed) and rows with a failed test, each with the tests."""
    tests: dict[str, dict[str, bool]] = defaultdict(dict)
    for rows_of_file in load().values():
        for row_id, results in rows_of_file.items():
            tests[row_id] |= results
    shown = {row_id: sorted(each) for row_id, each in tests.items() if all(each.values())}
    failed = {
        row_id: sorted(test for test, passed in each.items() if not passed)
        for row_id, each in tests.items()
        if not all(each.values())
    }
    return shown, failed


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
    shown, failed = outcome()
    print(report(rows(), shown, verbose="-v" in sys.argv))
    for row_id, tests in sorted(failed.items()):
        print(f"failed: {row_id}: {', '.join(tests)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
