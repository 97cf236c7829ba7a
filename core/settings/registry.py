"""What can be set: declarations with type, default and bounds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T", int, bool, str)


class Scope(StrEnum):
    """For whom a value holds, from the widest to the nearest."""

    GROUP = "group"
    HOSPITAL = "hospital"
    DEPARTMENT = "department"
    PERSON = "person"


class Kind(StrEnum):
    """How a value is entered and checked. `money` is integer fen."""

    INTEGER = "integer"
    BOOLEAN = "boolean"
    TEXT = "text"
    CHOICE = "choice"
    MONEY = "money"


_KINDS: dict[type, Kind] = {int: Kind.INTEGER, bool: Kind.BOOLEAN, str: Kind.TEXT}
_DEFAULT_SCOPES = (Scope.GROUP, Scope.HOSPITAL)
LONGEST_TEXT = 4000


class InvalidValue(ValueError):
    """A value does not fit its setting; the text is a Chinese sentence for the form."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting(Generic[T]):
    """One declared setting. `choices` maps each value to its Chinese label."""

    key: str
    kind: Kind
    default: T
    title: str
    description: str = ""
    unit: str = ""
    minimum: int | None = None
    maximum: int | None = None
    choices: Mapping[str, str] | None = None
    scopes: tuple[Scope, ...] = _DEFAULT_SCOPES

    def check(self, value: Any) -> T:
        """Return the value when it fits; raises `InvalidValue` with what is wrong."""
        match self.kind:
            case Kind.BOOLEAN:
                if not isinstance(value, bool):
                    raise InvalidValue("请选择是或否")
            case Kind.INTEGER | Kind.MONEY:
                self._check_number(value)
            case Kind.TEXT:
                if not isinstance(value, str) or len(value) > (self.maximum or LONGEST_TEXT):
                    raise InvalidValue(f"请填写不超过 {self.maximum or LONGEST_TEXT} 字的文字")
            case Kind.CHOICE:
                if value not in (self.choices or {}):
                    raise InvalidValue(f"可选值为：{'、'.join(self.choices or {})}")
        return cast(T, value)

    def _check_number(self, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidValue("请填写整数")
        if self.minimum is not None and value < self.minimum:
            raise InvalidValue(f"不能小于 {self.minimum}")
        if self.maximum is not None and value > self.maximum:
            raise InvalidValue(f"不能大于 {self.maximum}")
        if abs(value) > 2**53 - 1:
            raise InvalidValue("数值过大")


_declared: dict[str, Setting[Any]] = {}


def declare(
    key: str,
    type: type[T] | Kind,
    default: T,
    title: str,
    description: str = "",
    unit: str = "",
    *,
    minimum: int | None = None,
    maximum: int | None = None,
    choices: Mapping[str, str] | None = None,
    scopes: Iterable[Scope | str] = _DEFAULT_SCOPES,
) -> Setting[T]:
    """Declare a setting at import time of the module that reads it.

    `type` is `int`, `bool`, `str` or a `Kind` (`Kind.MONEY`, `Kind.CHOICE`); `maximum` bounds the
    length of texts. Declaring a key twice or a default that does not fit is a programming error
    and raises at import.
    """
    kind = type if isinstance(type, Kind) else Kind.CHOICE if choices else _KINDS[type]
    setting = Setting(
        key=key,
        kind=kind,
        default=default,
        title=title,
        description=description,
        unit=unit,
        minimum=minimum,
        maximum=maximum,
        choices=choices,
        scopes=tuple(sorted({Scope(scope) for scope in scopes}, key=list(Scope).index)),
    )
    setting.check(default)
    if key in _declared:
        raise ValueError(f"The setting '{key}' is declared twice.")
    _declared[key] = setting
    return setting


def declared() -> list[Setting[Any]]:
    """All settings that loaded modules have declared, by key."""
    return [_declared[key] for key in sorted(_declared)]


def find(key: str) -> Setting[Any] | None:
    """The setting with this key, or None."""
    return _declared.get(key)
