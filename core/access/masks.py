"""Taking out of a view what its reader may not see."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

if TYPE_CHECKING:
    from core.access.registry import Resource

V = TypeVar("V", bound=BaseModel)
_EMPTY: tuple[type[Any], ...] = (str, list, dict)


def apply(view: V, resource: "Resource", hidden: frozenset[str], masked: frozenset[str]) -> V:
    """A copy of the view without the hidden fields and with the masked ones masked."""
    if not hidden and not masked:
        return view
    shown: Any = view
    for path in sorted(hidden):
        shown = _change(shown, path.split("."), None)
    for path in sorted(masked):
        shown = _change(shown, path.split("."), resource.fields[path].mask)
    if "withheld" in type(view).model_fields:
        shown = shown.model_copy(update={"withheld": sorted(hidden | masked)})
    return shown  # type: ignore[no-any-return]


def _change(value: Any, path: Sequence[str], mask: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return [_change(item, path, mask) for item in value]
    if not isinstance(value, BaseModel):
        raise TypeError(f"There is no field '{path[0]}' in {type(value).__name__}.")
    name, rest = path[0], path[1:]
    if name not in type(value).model_fields:
        raise TypeError(f"There is no field '{name}' in {type(value).__name__}.")
    old = getattr(value, name)
    if rest:
        new = _change(old, rest, mask)
    elif mask is None:
        new = _emptied(type(value), name, old)
    else:
        new = old if old is None else mask.apply(old)
    return value.model_copy(update={name: new})


def _emptied(model: type[BaseModel], name: str, old: Any) -> Any:
    """Null where the view allows it, else the empty value of its kind."""
    annotation = model.model_fields[name].annotation
    if type(None) in getattr(annotation, "__args__", ()):
        return None
    if isinstance(old, _EMPTY):
        return type(old)()
    raise TypeError(f"{model.__name__}.{name} cannot be hidden: it is never empty.")
