"""What is taken out of everything that reaches somebody who may not read patients' names.

A room shows people by name in many places: members, senders, calls, entries about who came. So the
names are taken out of the finished answer or event, wherever in it they stand, and nothing that is
added to the protocol later can give them away.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel

from core.access import Grant
from core.access.vocabulary import Mask
from core.identity.roles import Role
from realtime.outgoing import Frame

V = TypeVar("V", bound=BaseModel)
_ANONYMOUS = "患者"


@dataclass(frozen=True)
class Veil:
    """`hidden`: a patient is only called a patient; else the middle of the name is masked."""

    hidden: bool

    def name(self, name: str) -> str:
        return _ANONYMOUS if self.hidden else Mask.NAME.apply(name)

    def over(self, value: Any) -> Any:
        """JSON-ready data without patients' names: people are objects with a role and a name, and
        the title of a room names the patient.
        """
        if isinstance(value, list | tuple):
            return [self.over(item) for item in value]
        if not isinstance(value, Mapping):
            return value
        found = {key: self.over(item) for key, item in value.items()}
        if found.get("role") == Role.PATIENT and isinstance(found.get("name"), str):
            found["name"] = self.name(found["name"])
        if isinstance(found.get("subject"), Mapping) and "title" in found["subject"]:
            found["subject"] = {**found["subject"], "title": ""}
        return found

    def over_view(self, view: V) -> V:
        """The same view without patients' names."""
        return type(view).model_validate(self.over(view.model_dump(mode="json")))

    def over_frame(self, frame: Frame) -> Frame:
        """The same frame without patients' names; frames that are no JSON pass as they are."""
        start = frame.data.find(b"[")
        if not frame.data.startswith(b"4") or start < 0:
            return frame
        data = self.over(orjson.loads(frame.data[start:]))
        return Frame(frame.data[:start] + orjson.dumps(data))


def veil_of(grant: Grant) -> Veil | None:
    """What a grant for rooms withholds; None: nothing."""
    if "patient_names" in grant.hidden:
        return Veil(hidden=True)
    return Veil(hidden=False) if "patient_names" in grant.masked else None


def shown(veil: Veil | None, view: V) -> V:
    """The view as somebody with this veil sees it."""
    return view if veil is None else veil.over_view(view)
