"""What the console shows of names that the server gives has Chinese words."""

import re

import pytest

from clinical.consent.states import HeldThing
from core.documents import document_types
from core.modules import Modules
from tests.support.demo import ROOT
from tests.support.written_names import Source

CONSOLE = ROOT / "clients" / "console" / "src"
#: What only the data tells: the table of a damaged row, a signed document, a held thing.
TOLD_BY_DATA = {
    "core/audit/alarming.py: table",
    "clinical/signature/api.py: kind of document",
    "clinical/signature/documents.py: task.document_type",
    "clinical/consent/retention.py: thing.value",
    "clinical/consent/retention.py: row.thing.value",
}


def labels(file: str, name: str) -> set[str]:
    """The keys of a table of labels in the console."""
    found = re.search(
        rf"const {name}: Record<string, string> = {{\n(.*?)\n}};",
        (CONSOLE / file).read_text(),
        re.S,
    )
    assert found, f"{file} has no table {name}"
    return set(re.findall(r'^  "?([\w.]+)"?: "[^"]*[一-鿿]', found[1], re.MULTILINE))


@pytest.fixture(scope="module")
def source() -> Source:
    return Source()


def test_every_action_and_object_that_the_audit_can_hold_has_a_label(
    source: Source, modules: Modules
) -> None:
    entries = source.calls("record", least=4)
    actions = {action for call in entries for action in source.texts(call, 2)}
    objects = {thing for call in entries for thing in source.texts(call, 3)}
    assert source.untold <= TOLD_BY_DATA, "write the action so that it can be read from the source"
    objects |= {kind.name for kind in document_types()} | {thing.value for thing in HeldThing}
    assert {"login.accept", "consultation.end", "queue_call.look", "shift.extra"} <= actions

    known = labels("supervise/audit-labels.ts", "OBJECTS")
    assert sorted(objects - known) == []
    general = {f"{thing}.{verb}" for thing in known for verb in ("look", "export")}
    assert sorted(actions - general - labels("supervise/audit-labels.ts", "ACTIONS")) == []


def test_every_outside_system_of_the_system_page_has_a_label(source: Source) -> None:
    named = {name for call in source.calls("OutsideClient", 1) for name in source.texts(call, 0)}
    assert {"his", "wechat_messages", "tsa"} <= named
    assert sorted(named - labels("manage/OutsideSystems.vue", "names")) == []
