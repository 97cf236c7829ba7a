"""The people of a run as they are handed from who makes them to who plays them.

Apart from the stage, because importing Locust changes the process that does it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

#: Where a scenario finds its people, and after how many seconds it ends.
PEOPLE = "ZHENJIAN_LOAD_PEOPLE"
SECONDS = "ZHENJIAN_LOAD_SECONDS"


@dataclass(frozen=True)
class Person:
    """Somebody with a token. `room` is empty for a supervisor."""

    name: str
    user: str
    role: str
    token: str
    room: str
    #: `member`, `speaker` or `supervisor`.
    part: str


def write(people: Sequence[Person], path: Path) -> None:
    """The tokens are nobody else's to read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump([asdict(person) for person in people], file)


def read(path: Path) -> list[Person]:
    return [Person(**each) for each in json.loads(path.read_text())]
