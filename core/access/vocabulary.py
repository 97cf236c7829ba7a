"""The words of the access engine: scopes, masks, actions, fields, policies."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import ColumnElement
from sqlalchemy.orm import InstrumentedAttribute

from core.identity.roles import Role
from core.masking import mask_address, mask_id_number, mask_name, mask_phone, mask_text

if TYPE_CHECKING:
    from core.identity.caller import Caller


class Scope(StrEnum):
    """Which rows an action reaches, from the narrowest to the widest."""

    NONE = "none"
    OWN = "own"
    ROOMS = "rooms"
    PATIENTS = "patients"
    DEPARTMENT = "department"
    HOSPITAL = "hospital"
    GROUP = "group"

    @property
    def label(self) -> str:
        """The Chinese label for screens."""
        return _SCOPES[self]

    @property
    def width(self) -> int:
        """Greater is wider."""
        return list(Scope).index(self)


_SCOPES: dict[Scope, str] = {
    Scope.NONE: "无",
    Scope.OWN: "本人的",
    Scope.ROOMS: "本人所在诊间",
    Scope.PATIENTS: "本人的患者",
    Scope.DEPARTMENT: "本科室",
    Scope.HOSPITAL: "本院",
    Scope.GROUP: "全集团",
}


class Mask(StrEnum):
    """How a masked value is shown."""

    NAME = "name"
    PHONE = "phone"
    ID_NUMBER = "id_number"
    ADDRESS = "address"
    TEXT = "text"

    def apply(self, value: str) -> str:
        """The value as somebody without the right to it sees it; masking twice changes nothing."""
        return _MASKS[self](value)


_MASKS: dict[Mask, Callable[[str], str]] = {
    Mask.NAME: mask_name,
    Mask.PHONE: mask_phone,
    Mask.ID_NUMBER: mask_id_number,
    Mask.ADDRESS: mask_address,
    Mask.TEXT: mask_text,
}

Condition: TypeAlias = ColumnElement[bool]
#: The rows of a scope, for a caller; the hospital is added by the engine.
Rows: TypeAlias = Callable[["Caller"], Condition]
Column: TypeAlias = InstrumentedAttribute[Any]

#: What every resource has: to see it.
READ = "read"


@dataclass(frozen=True)
class Action:
    """Something to do with a resource, and the base roles for whom a cell of the matrix exists.

    The routes' own `roles` are the outer gate: an action is never open to a role that is not named
    here. `delegable` actions can be handed to a colleague for a time. `on_request` is the scope
    that somebody gets who asks for the permission and is granted it for a time.
    """

    title: str
    roles: tuple[Role, ...]
    delegable: bool = False
    on_request: Scope | None = None


@dataclass(frozen=True)
class Field:
    """A part of a view that may be withheld: its dotted path, a title, how it is masked.

    A hidden field is null, or empty where the view has no null. `mask` None: hiding only.
    `follows` names a field of another resource (`consultation:patient.name`): what is withheld
    there is withheld here too, so that no second view gives it away.
    """

    path: str
    title: str
    mask: Mask | None = None
    follows: str | None = None


@dataclass(frozen=True)
class RowFilter:
    """A further condition that a policy may put on the rows of its scope."""

    title: str
    rows: Rows


@dataclass(frozen=True)
class Policy:
    """What one role may do with one action of one resource."""

    scope: Scope
    filters: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    masked: frozenset[str] = frozenset()


NOTHING = Policy(Scope.NONE)


@dataclass(frozen=True)
class Emergency:
    """How break-glass access reaches a resource: the column with the patient, and which rows."""

    patient: Column
    within: Rows
