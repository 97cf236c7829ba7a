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
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {}
    for route in sorted(routes, key=lambda r: (r.full_path, r.method)):
        operation = _operation(route, schemas)
        paths.setdefault(route.full_path, {})[route.method.lower()] = operation
    tags = {route.tag: route.title for route in routes}
    schemas["Problem"] = _problem_schema()
    return {
        "openapi": "3.1.0",
        "info": {"title": "Zhenjian", "version": version},
        "tags": [{"name": tag, "description": title} for tag, title in sorted(tags.items())],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{route.tag}_{route.endpoint.__name__}",
        "tags": [route.tag],
        "summary": route.summary,
        "parameters": _parameters(route),
        "responses": _responses(route, schemas),
    }
    if not route.is_public:
        operation["security"] = [{"bearer": []}]
        operation["x-roles"] = sorted(route.roles)
    if route.body is not None:
        schema = _schema(route.body, "validation", schemas)
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    return operation


def _parameters(route: Route) -> list[dict[str, Any]]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": adapter.json_schema()}
        for name, adapter in route.path_params.items()
    ]
    if route.query_model is not None:
        schema = route.query_model.model_json_schema()
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


def _responses(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    status = (
        route.status if route.result is not None else (204 if route.status == 200 else route.status)
    )
    success: dict[str, Any] = {"description": "成功"}
    if route.result is not None:
        schema = _schema(route.result, "serialization", schemas)
        success["content"] = {"application/json": {"schema": schema}}
    problem = {
        "description": "失败",
        "content": {
            "application/problem+json": {"schema": {"$ref": TEMPLATE.format(model="Problem")}}
        },
    }
    return {str(status): success, "default": problem}


def _schema(adapter: TypeAdapter[Any], mode: Mode, schemas: dict[str, Any]) -> dict[str, Any]:
    schema = adapter.json_schema(mode=mode, ref_template=TEMPLATE)
    schemas.update(schema.pop("$defs", {}))
    return schema


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
