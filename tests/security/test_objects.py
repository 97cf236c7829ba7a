"""Other people's objects: every route is asked for real ones by somebody who must not see them.

The answer must be the one that an identifier nobody has gets: same status, same code, same shape,
and the same number of questions to the database, so that neither words nor time tell them apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Uuid, event, text

from core import remembered
from core.db import Base
from core.http.routes import Route
from core.identity import session_cache
from core.identity.roles import Role
from core.modules import Modules
from core.runtime import Runtime
from tests.clinical.story import Story
from tests.support.cast import Cast, Person
from tests.support.http import Client, Response
from tests.support.samples import body_of, is_uuid, path_of, query_of, uuid_parameters

#: What a foreign hospital may see of everybody: the public pages of doctors.
OPEN = {"/doctors/{doctor_id}", "/doctors/{doctor_id}/ratings"}
#: Rows looked at for one parameter at most.
MOST_IDS = 4


async def ids_in_house(runtime: Runtime, hospital_id: UUID) -> dict[str, list[UUID]]:
    """The newest identifiers of every table, as far as they belong to the hospital."""
    found: dict[str, list[UUID]] = {}
    async with runtime.engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            if "id" not in table.c or not isinstance(table.c.id.type, Uuid):
                continue
            where = f"WHERE hospital_id = '{hospital_id}'"
            if table.name == "users":
                # An account belongs to no hospital; its roles do.
                where = f"WHERE id IN (SELECT user_id FROM role_assignments {where})"
            elif "hospital_id" not in table.c:
                continue
            rows = await connection.execute(
                text(f'SELECT id FROM "{table.name}" {where} ORDER BY id DESC LIMIT {MOST_IDS}')
            )
            if ids := [row[0] for row in rows]:
                found[table.name] = ids
    return found


def candidates(parameter: str, ids: dict[str, list[UUID]]) -> list[UUID]:
    """Identifiers that the parameter may mean: tables with its name, else one of each table."""
    stem = parameter.removesuffix("_id").split("_")[-1]
    named = [each for table, own in ids.items() if stem in table for each in own]
    return named[: 2 * MOST_IDS] or [own[0] for own in ids.values()]


@contextmanager
def counted(runtime: Runtime) -> Iterator[list[str]]:
    """The statements that are sent to the database meanwhile."""
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        statements.append(statement)

    engine = runtime.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def shape(answer: Response) -> tuple[int, str, tuple[str, ...]]:
    """What an answer gives away besides its request id."""
    if not answer.body:
        return answer.status, "", ()
    value = answer.json
    code = str(value.get("code", "")) if isinstance(value, dict) else ""
    return answer.status, code, tuple(sorted(value)) if isinstance(value, dict) else ("list",)


async def ask(client: Client, route: Route, person: Person, given: dict[str, Any]) -> Response:
    headers = {"if-match": "0"}
    return await client.request(
        route.method,
        path_of(route, **given),
        token=person.token,
        json=body_of(route),
        query=query_of(route),
        headers=headers,
    )


async def lived_in(story: Story) -> dict[str, list[UUID]]:
    """A hospital in which something has happened, and its identifiers."""
    await story.ended()
    await story.ask(story.cast.doctor, "POST", "/phrases", {"title": "问好", "text": "您好。"})
    return await ids_in_house(story.runtime, story.cast.hospital_id)


def strangers(cast: Cast, route: Route) -> list[Person]:
    """People whom the route admits and the objects of the story do not concern."""
    found = [
        person
        for role, person in (
            (Role.PATIENT, cast.other_patient),
            (Role.PATIENT, cast.foreign_patient),
            (Role.DOCTOR, cast.foreign_doctor),
            (Role.ADMINISTRATOR, cast.foreign_administrator),
            (Role.SUPERVISOR, cast.foreign_supervisor),
        )
        if role in route.roles
    ]
    return found[:2]


@pytest.mark.requirement("S1-250")
async def test_foreign_objects_are_like_objects_that_do_not_exist(
    story: Story, modules: Modules, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a process remembers of sessions, policies and settings is not read again meanwhile: a
    # slow machine would count that as a difference.
    monkeypatch.setattr(session_cache, "FRESH_SECONDS", 3600.0)
    monkeypatch.setattr(remembered, "RELOAD_SECONDS", 3600.0)
    ids = await lived_in(story)
    asked, tellers = 0, []
    for route in modules.routes:
        names = uuid_parameters(route)
        if not names or route.is_public or route.path in OPEN:
            continue
        for person in strangers(story.cast, route):
            await ask(story.client, route, person, {})
            with counted(story.runtime) as statements:
                unknown = await ask(story.client, route, person, {})
            expected, queries = shape(unknown), len(statements)
            for known in candidates(names[0], ids):
                given = {name: known if name == names[0] else uuid4() for name in names}
                with counted(story.runtime) as statements:
                    answer = await ask(story.client, route, person, given)
                asked += 1
                where = f"{route.method} {route.path} as {person.name}"
                if shape(answer) != expected:
                    tellers.append(f"{where}: {shape(answer)} for a real one, {expected} for none")
                elif abs(len(statements) - queries) > 1:
                    tellers.append(f"{where}: {len(statements)} statements instead of {queries}")
    assert asked > 100
    assert not tellers, "\n".join(sorted(set(tellers)))


async def test_lists_and_answers_of_one_hospital_name_nothing_of_another(
    story: Story, modules: Modules
) -> None:
    """Every list without parameters is read by the foreign hospital's people."""
    ids = await lived_in(story)
    ours = {str(each) for table, own in ids.items() if table not in SHARED for each in own}
    leaks = []
    for route in modules.routes:
        if route.method != "GET" or route.path_params or route.is_public:
            continue
        for person in strangers(story.cast, route):
            if person is story.cast.other_patient:
                continue
            answer = await ask(story.client, route, person, {})
            named = {
                each for each in re.findall(r"[0-9a-f-]{36}", answer.body.decode(errors="replace"))
            }
            if leaked := {each for each in named if is_uuid(each)} & ours:
                leaks.append(f"{route.path} tells {person.name} of {sorted(leaked)[:3]}")
    assert not leaks, "\n".join(leaks)


#: Tables whose rows belong to all hospitals.
SHARED = {"hospitals"}


async def test_numbers_and_identifiers_cannot_be_guessed(story: Story) -> None:
    """Identifiers are random beyond their time; the number of a consultation opens nothing."""
    consultation = await story.waiting()
    first, second = uuid4(), UUID(consultation["id"])
    assert first.version == 4
    assert second.version == 7
    assert second.int & (2**62 - 1) > 2**40
    number = consultation["number"]
    for who in (story.cast.other_patient, story.cast.foreign_administrator):
        for path in (f"/consultations/{number}", f"/consultations/{consultation['id']}"):
            assert (await story.ask(who, "GET", path)).code == "not_found"
    found = await story.ask(story.cast.foreign_supervisor, "GET", f"/consultations?q={number}")
    assert found.json["items"] == []
