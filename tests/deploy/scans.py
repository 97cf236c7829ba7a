"""Several scans of testssl.sh put together, check by check."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypedDict

# How testssl.sh says that it could not look; every other warning is something that it saw.
NOT_LOOKED = re.compile(
    r"connect|not possible|couldn't be (performed|tested)|request (failed|stalled)|empty", re.I
)


class Finding(TypedDict):
    """One check of a scan: its name, "OK" to "CRITICAL", "WARN" or "FATAL", and what was found."""

    id: str
    severity: str
    finding: str


@dataclass
class Scans:
    """What all scans together say. What was found once is never forgotten."""

    checked: set[str] = field(default_factory=set)
    bad: list[Finding] = field(default_factory=list)
    _asked: set[str] = field(default_factory=set)
    _whole: bool = False

    def add(self, findings: Sequence[Finding]) -> None:
        not_looked = {each["id"] for each in findings if could_not_look(each)}
        self._asked |= {each["id"] for each in findings if each["severity"] != "FATAL"}
        self.checked |= {each["id"] for each in findings} - not_looked
        self.bad += [each for each in findings if is_bad(each)]
        # A scan that gave up in the middle does not even name the checks that it owes.
        self._whole |= all(each["severity"] != "FATAL" for each in findings)

    @property
    def owed(self) -> set[str]:
        """The checks that no scan could perform; "a whole scan" when each of them gave up."""
        return (self._asked - self.checked) | (set() if self._whole else {"a whole scan"})


def could_not_look(finding: Finding) -> bool:
    if finding["severity"] == "FATAL":
        return True
    return finding["severity"] == "WARN" and NOT_LOOKED.search(finding["finding"]) is not None


def is_bad(finding: Finding) -> bool:
    if could_not_look(finding):
        return False
    return finding["severity"] in ("MEDIUM", "HIGH", "CRITICAL", "WARN")
