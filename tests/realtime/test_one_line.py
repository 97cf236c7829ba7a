"""A message in one line: the server and the clients say the same."""

import json
import re
from typing import Any

import pytest

from core.modules import Modules
from realtime import attachments
from realtime.one_line import STICKERS, one_line
from tests.support.demo import ROOT

CASES: list[dict[str, Any]] = json.loads((ROOT / "clients/behaviour/one-line.json").read_text())
SOURCES = ROOT / "clients" / "realtime" / "src"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["line"])
def test_a_message_is_said_in_one_line_as_the_clients_say_it(
    case: dict[str, Any], modules: Modules
) -> None:
    said = one_line(case["kind"], case["body"], recalled=case.get("recalled", False))
    assert said == case["line"]


def test_the_clients_know_every_sticker_and_every_registered_card_by_the_same_name(
    modules: Modules,
) -> None:
    drawn = re.findall(r'^ +\[?"(\w+)",\s+"([^"]+)",', (SOURCES / "stickers.ts").read_text(), re.M)
    assert dict(drawn) == STICKERS
    [table] = re.findall(r"const CARDS.*?\{(.*?)\};", (SOURCES / "one-line.ts").read_text(), re.S)
    shown = dict(re.findall(r'(\w+): "([^"]+)"', table))
    assert shown == {key: card.name for key, card in attachments._card_types.items()}
