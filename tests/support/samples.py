"""Requests made from the description of the API: the least a route accepts, and its strings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any
from uuid import UUID, uuid4

from core.http.routes import Route

Path = tuple[str | int, ...]


def sample(schema: dict[str, Any], definitions: dict[str, Any] | None = None) -> Any:
    """A small value that fits a JSON schema, with every property given."""
    known = {**(definitions or {}), **schema.get("$defs", {})}
    if "$ref" in schema:
        return sample(known[schema["$ref"].rpartition("/")[2]], known)
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            choices = [each for each in schema[word] if each.get("type") != "null"]
            return sample(choices[0], known) if choices else None
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {
                name: sample(each, known) for name, each in schema.get("properties", {}).items()
            }
        case "array":
            count = schema.get("minItems", 1 if "items" in schema else 0)
            return [sample(schema.get("items", {}), known) for _ in range(count)]
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return True
        case "string":
            return _text(schema)
    return None


def _number(schema: dict[str, Any]) -> int:
    least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
    return int(min(least, schema.get("maximum", least)))


_FORMATS = {
    "uuid": "01a1fe2a-9dea-703a-8373-3b25a5e9b0e6",
    "date": "2026-11-20",
    "date-time": "2026-11-20T01:00:00Z",
    "time": "08:00:00",
    "binary": "",
}


def _text(schema: dict[str, Any]) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    if "pattern" in schema:
        for guess in ("13900001234", "123456", "renhe", "abc", "00000000", "a" * 32, "a" * 64):
            if re.fullmatch(schema["pattern"].strip("^$"), guess):
                return guess
    return "词" * max(1, min(schema.get("minLength", 1), 200))


def body_of(route: Route) -> Any:
    """The least body of a route, None when it takes none."""
    return None if route.body is None else sample(route.body.json_schema())


def path_of(route: Route, **given: Any) -> str:
    """The route's path with given or made-up identifiers."""

    def value(match: re.Match[str]) -> str:
        return str(given.get(match[1], uuid4()))

    return re.sub(r"{(\w+)(?::\w+)?}", value, route.path)


def query_of(route: Route) -> dict[str, str]:
    """A value for each query parameter that must be given."""
    if route.query_model is None:
        return {}
    schema = route.query_model.model_json_schema()
    needed = schema.get("required", [])
    made = {name: sample(schema["properties"][name], schema.get("$defs")) for name in needed}
    return {name: str(value) for name, value in made.items()}


def strings_in(value: Any, place: Path = ()) -> Iterator[Path]:
    """Where the strings of a body are."""
    if isinstance(value, str):
        yield place
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from strings_in(each, (*place, name))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from strings_in(each, (*place, number))


def replaced(value: Any, place: Path, by: Any) -> Any:
    """A copy of a body with one value changed."""
    changed = deepcopy(value)
    if not place:
        return by
    holder = changed
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = by
    return changed


def uuid_parameters(route: Route) -> list[str]:
    """The parameters of the path that name objects by UUID."""
    return [
        name
        for name, adapter in route.path_params.items()
        if adapter.json_schema().get("format") == "uuid"
    ]


def is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
