"""Requests made from the OpenAPI document by schemathesis, against the application in this process.

Bounded examples with a fixed seed: valid ones and broken ones for every operation.
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode

from clinical.consent import states as consent
from clinical.consultation import states as consultation
from core.http.openapi import document
from core.modules import Modules
from tests.clinical.story import Story
from tests.security.test_injection import caller_of, complaint, still_logged_in

EXAMPLES = 2
Request = tuple[str, str, dict[str, Any], Any]


def requests_of(operation: Any, mode: GenerationMode) -> list[Request]:
    """A few requests to one operation; the strategy is drawn here, asked later."""
    made: list[Request] = []

    @seed(20261120)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def draw(case: Any) -> None:
        body = case.body if case.body.__class__.__name__ != "NotSet" else None
        made.append((case.method, case.formatted_path, dict(case.query or {}), body))

    # Some operations have nothing that could be broken.
    with contextlib.suppress(Unsatisfiable):
        draw()
    return made


def test_every_type_of_the_description_is_told_under_a_name_of_its_own(modules: Modules) -> None:
    described = document(modules.routes, "1")
    named = described["components"]["schemas"]
    told = orjson.dumps(described).decode()
    assert set(re.findall(r"#/components/schemas/([^\"]+)", told)) == set(named)
    listed = [schema["enum"] for schema in named.values() if "enum" in schema]
    for kind in (consent.Kind, consultation.Kind):
        assert [each.value for each in kind] in listed


@pytest.mark.slow
@pytest.mark.requirement("S4-074")
async def test_no_request_that_the_description_suggests_fails_without_a_name(
    adapters: None, story: Story, modules: Modules
) -> None:
    routes = {(route.method, route.full_path): route for route in modules.routes}
    schema = schemathesis.openapi.from_dict(
        orjson.loads(orjson.dumps(document(modules.routes, "1")))
    )
    asked, found = 0, []
    for each in schema.get_all_operations():
        operation = each.ok()
        route = routes[operation.method.upper(), operation.path]
        if route.path == "/auth/logout":
            continue
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            for method, path, query, body in requests_of(operation, mode):
                target = path.removeprefix("/api/v1")
                plain = {name: str(value)[:500] for name, value in query.items()}
                wrong = await send(story, route, target, plain, body)
                asked += 1
                if wrong:
                    found.append(f"{method} {target}: {wrong} <- {query} {str(body)[:300]}")
    assert asked > 300
    assert not found, "\n".join(found)
    await still_logged_in(story)


async def send(story: Story, route: Any, target: str, query: dict[str, str], body: Any) -> str:
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    try:
        answer = await story.client.request(
            route.method,
            target,
            token=caller_of(story.cast, route),
            body=raw,
            query=query,
            headers={"content-type": "application/json"},
        )
    # Whatever comes out of the application is the finding.
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {str(error)[:200]}"
    return complaint(answer)
