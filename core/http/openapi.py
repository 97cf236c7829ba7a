"""OpenAPI 3.1, generated from the typed routes, and its viewer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import TypeAdapter

from core.http.routes import Route

TEMPLATE = "#/components/schemas/{model}"
Mode = Literal["validation", "serialization"]


def document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """The whole description of the API."""
    ordered = sorted(routes, key=lambda r: (r.full_path, r.method))
    shapes = _Shapes(ordered)
    paths: dict[str, dict[str, Any]] = {}
    for route in ordered:
        paths.setdefault(route.full_path, {})[route.method.lower()] = _operation(route, shapes)
    tags = {route.tag: route.title for route in routes}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Zhenjian", "version": version},
        "tags": [{"name": tag, "description": title} for tag, title in sorted(tags.items())],
        "paths": paths,
        "components": {
            "schemas": shapes.named | {"Problem": _problem_schema()},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


class _Shapes:
    """The schemas of all routes, made together: types of one name in two modules get two names."""

    def __init__(self, routes: Sequence[Route]) -> None:
        wanted: list[tuple[Any, Mode, TypeAdapter[Any]]] = []
        for number, route in enumerate(routes):
            wanted += [
                ((number, "path", name), "validation", adapter)
                for name, adapter in route.path_params.items()
            ]
            if route.query_model is not None:
                wanted.append(((number, "query"), "validation", TypeAdapter(route.query_model)))
            if route.body is not None:
                wanted.append(((number, "body"), "validation", route.body))
            if route.result is not None:
                wanted.append(((number, "result"), "serialization", route.result))
        found, definitions = TypeAdapter.json_schemas(wanted, ref_template=TEMPLATE)
        self.named: dict[str, Any] = definitions.get("$defs", {})
        self._found = {key: schema for (key, _), schema in found.items()}
        self._numbers = {id(route): number for number, route in enumerate(routes)}
        for key, schema in self._found.items():
            # A query is told parameter by parameter, not as the object that holds them.
            if key[1] == "query" and "$ref" in schema:
                self._found[key] = self.named.pop(schema["$ref"].rpartition("/")[2])

    def of(self, route: Route, *part: str) -> dict[str, Any]:
        """The schema of `"body"`, `"result"`, `"query"`, or `"path"` and a name."""
        found: dict[str, Any] = self._found[self._numbers[id(route)], *part]
        return found


def _operation(route: Route, shapes: _Shapes) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{route.tag}_{route.endpoint.__name__}",
        "tags": [route.tag],
        "summary": route.summary,
        "parameters": _parameters(route, shapes),
        "responses": _responses(route, shapes),
    }
    if not route.is_public:
        operation["security"] = [{"bearer": []}]
        operation["x-roles"] = sorted(route.roles)
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": shapes.of(route, "body")}},
        }
    return operation


def _parameters(route: Route, shapes: _Shapes) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": shapes.of(route, "path", name)}
        for name in route.path_params
    ]
    if route.query_model is not None:
        schema = shapes.of(route, "query")
        required = schema.get("required", [])
        for name, property_schema in schema.get("properties", {}).items():
            parameters.append(
                {
                    "name": name,
                    "in": "query",
                    "required": name in required,
                    "schema": property_schema,
                }
            )
    if route.idempotent:
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": True,
                "schema": {"type": "string", "maxLength": 200},
            }
        )
    return parameters


def _responses(route: Route, shapes: _Shapes) -> dict[str, Any]:
    status = (
        route.status if route.result is not None else (204 if route.status == 200 else route.status)
    )
    success: dict[str, Any] = {"description": "成功"}
    if route.result is not None:
        success["content"] = {"application/json": {"schema": shapes.of(route, "result")}}
    problem = {
        "description": "失败",
        "content": {
            "application/problem+json": {"schema": {"$ref": TEMPLATE.format(model="Problem")}}
        },
    }
    return {str(status): success, "default": problem}


def _problem_schema() -> dict[str, Any]:
    field = {
        "type": "object",
        "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
    }
    return {
        "type": "object",
        "required": ["type", "title", "status", "code"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string"},
            "detail": {"type": "string"},
            "fields": {"type": "array", "items": field},
            "retry_after": {"type": "integer"},
            "request_id": {"type": "string"},
        },
    }
