"""The HTTP kit: named errors for bad input, one transaction a request, idempotent retries."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, Field
from sqlalchemy import Text, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from core.errors import Conflict
from core.http import ANY_ROLE, PUBLIC, Context, Routes, decode_cursor, dispatch, encode_cursor
from core.http.middleware import RequestMiddleware
from core.http.openapi import document
from core.identity.roles import Role
from core.runtime import Runtime
from tests.support.cast import Cast
from tests.support.http import Client

routes = Routes(tag="lamps", title="灯")


class Lamps(DeclarativeBase):
    """Tables of this test alone, unknown to the migrations."""


class LampRow(Lamps):
    """One lamp."""

    __tablename__ = "test_lamps"

    name: Mapped[str] = mapped_column(Text, primary_key=True)


class NewLamp(BaseModel):
    name: str = Field(min_length=1, max_length=8)
    watts: int = Field(ge=1)


class Lamp(BaseModel):
    name: str
    by: str


@routes.post("/lamps", roles=[Role.ADMINISTRATOR], status=201, idempotent=True)
async def add_lamp(ctx: Context, body: NewLamp) -> Lamp:
    ctx.uow.session.add(LampRow(name=body.name))
    await ctx.uow.session.flush()
    if body.watts == 13:
        raise Conflict("十三瓦不吉利")
    return Lamp(name=body.name, by=str(ctx.caller.role))


class Change(BaseModel):
    watts: int = Field(ge=1)


@routes.patch("/lamps/{lamp_id}", roles=[Role.ADMINISTRATOR])
async def change_lamp(ctx: Context, lamp_id: UUID, body: Change) -> dict[str, int]:
    return {"watts": body.watts}


@routes.get("/lamps/{lamp_id}", roles=ANY_ROLE)
async def show_lamp(ctx: Context, lamp_id: UUID, bright: bool = False) -> Lamp:
    return Lamp(name=str(lamp_id), by=str(bright))


@routes.get("/lamps/count", roles=PUBLIC)
async def count_lamps(ctx: Context, limit: int = 5) -> dict[str, int]:
    rows = (await ctx.uow.session.scalars(select(LampRow))).all()
    return {"count": len(rows), "limit": limit}


@routes.delete("/lamps/{lamp_id}", roles=[Role.ADMINISTRATOR])
async def break_lamp(ctx: Context, lamp_id: UUID) -> None:
    raise ZeroDivisionError("nobody thought of this")


@pytest.fixture
async def lamps(runtime: Runtime) -> Client:
    async with runtime.engine.begin() as connection:
        await connection.run_sync(Lamps.metadata.create_all)
    application = Starlette(
        routes=dispatch.build_routes(runtime, routes.routes),
        exception_handlers={
            HTTPException: dispatch.on_http_exception,
            Exception: dispatch.on_unexpected,
        },
    )
    return Client(RequestMiddleware(application))


async def test_a_valid_request_is_answered_with_its_status(lamps: Client, cast: Cast) -> None:
    answer = await lamps.post(
        "/lamps", token=cast.administrator.token, json={"name": "台灯", "watts": 5}
    )
    assert answer.expect(201) == {"name": "台灯", "by": "administrator"}
    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (await lamps.get("/lamps/count")).expect(200)["count"] == 1


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{not json", "application/json", 400, "malformed"),
        (b"", "application/json", 400, "malformed"),
        (b"[1, 2]", "application/json", 422, "invalid"),
        (b'{"name": 5, "watts": 1}', "application/json", 422, "invalid"),
        (b'{"name": "x", "watts": "many"}', "application/json", 422, "invalid"),
        (b"name=x", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b'{"name": "' + b"x" * 300_000 + b'"}', "application/json", 413, "body_too_large"),
        (b"\xff\xfe\x00", "application/json", 400, "malformed"),
    ],
)
async def test_bad_bodies_get_their_named_error_and_change_nothing(
    lamps: Client, cast: Cast, body: bytes, content_type: str, status: int, code: str
) -> None:
    answer = await lamps.post(
        "/lamps",
        token=cast.administrator.token,
        body=body,
        headers={"content-type": content_type},
    )
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert (await lamps.get("/lamps/count")).expect(200)["count"] == 0


async def test_each_wrong_field_is_named_in_chinese(lamps: Client, cast: Cast) -> None:
    answer = await lamps.post(
        "/lamps", token=cast.administrator.token, json={"name": "一二三四五六七八九", "watts": 0}
    )
    assert answer.json["fields"] == [
        {"field": "name", "message": "最多 8 个字"},
        {"field": "watts", "message": "不能小于 1"},
    ]


async def test_who_is_not_logged_in_or_has_another_role_is_refused(
    lamps: Client, cast: Cast
) -> None:
    body = {"name": "台灯", "watts": 5}
    assert (await lamps.post("/lamps", json=body)).code == "unauthenticated"
    assert (await lamps.post("/lamps", json=body, token="nonsense")).code == "unauthenticated"
    assert (await lamps.post("/lamps", json=body, token=cast.patient.token)).code == "forbidden"


async def test_paths_and_queries_are_typed(lamps: Client, cast: Cast) -> None:
    token = cast.patient.token
    assert (await lamps.get("/lamps/not-an-id", token=token)).code == "not_found"
    assert (await lamps.get("/lamps/count?limit=x")).json["fields"] == [
        {"field": "limit", "message": "应为整数"}
    ]
    known = f"/lamps/{cast.hospital_id}?bright=true"
    assert (await lamps.get(known, token=token)).expect(200)["by"] == "True"
    assert (await lamps.patch("/lamps/count", token=token)).code == "method_not_allowed"
    assert (await lamps.get("/nowhere")).code == "not_found"


async def test_a_client_without_patch_posts_and_says_what_it_means(
    lamps: Client, cast: Cast
) -> None:
    path, token = f"/lamps/{UUID(int=7)}", cast.administrator.token
    for meant, status in (("PATCH", 200), ("patch", 200), ("DELETE", 405), ("", 405)):
        answer = await lamps.post(
            path, token=token, json={"watts": 5}, headers={"X-HTTP-Method-Override": meant}
        )
        assert answer.status == status, meant
    stranger = cast.patient.token
    headers = {"X-HTTP-Method-Override": "PATCH"}
    refused = await lamps.post(path, token=stranger, json={"watts": 5}, headers=headers)
    assert refused.status == 403


async def test_a_retry_gets_the_first_answer_and_nothing_happens_twice(
    lamps: Client, cast: Cast
) -> None:
    token, body = cast.administrator.token, {"name": "台灯", "watts": 5}
    first = await lamps.post("/lamps", token=token, json=body, key="k1")
    again = await lamps.post("/lamps", token=token, json=body, key="k1")
    assert first.expect(201) == again.expect(201)
    assert again.headers["idempotent-replayed"] == "true"
    other = await lamps.post("/lamps", token=token, json={"name": "吊灯", "watts": 5}, key="k1")
    assert other.code == "idempotency_key_reused"
    assert (await lamps.get("/lamps/count")).expect(200)["count"] == 1


async def test_twenty_simultaneous_retries_do_it_once(lamps: Client, cast: Cast) -> None:
    body = {"name": "台灯", "watts": 5}
    answers = await asyncio.gather(
        *(
            lamps.post("/lamps", token=cast.administrator.token, json=body, key="same")
            for _ in range(20)
        )
    )
    assert {answer.status for answer in answers} == {201}
    assert (await lamps.get("/lamps/count")).expect(200)["count"] == 1


async def test_a_missing_key_is_asked_for(lamps: Client, cast: Cast) -> None:
    answer = await lamps.post(
        "/lamps",
        token=cast.administrator.token,
        json={"name": "台灯", "watts": 5},
        headers={"idempotency-key": ""},
    )
    assert answer.code == "idempotency_key_required"


async def test_a_refused_request_changes_nothing_and_its_key_may_be_used_again(
    lamps: Client, cast: Cast
) -> None:
    token = cast.administrator.token
    refused = await lamps.post("/lamps", token=token, json={"name": "灯", "watts": 13}, key="k")
    assert (refused.status, refused.json["detail"]) == (409, "十三瓦不吉利")
    assert (await lamps.get("/lamps/count")).expect(200)["count"] == 0
    mended = await lamps.post("/lamps", token=token, json={"name": "灯", "watts": 12}, key="k")
    assert mended.status == 201


async def test_an_unexpected_failure_tells_nothing_of_the_inside(lamps: Client, cast: Cast) -> None:
    with pytest.raises(ZeroDivisionError):
        # Starlette answers with our page and raises on, so that the server logs it too.
        await lamps.delete(f"/lamps/{cast.hospital_id}", token=cast.administrator.token)


def test_a_cursor_comes_back_as_it_went_and_a_forged_one_is_refused() -> None:
    assert decode_cursor(encode_cursor("2026-11-21", 5), 2) == ["2026-11-21", 5]
    assert decode_cursor(None, 2) is None
    for forged in ("%%%", "e30", encode_cursor(1, 2, 3)):
        with pytest.raises(Exception, match="填写的内容有误"):
            decode_cursor(forged, 2)


def test_the_description_names_roles_bodies_and_problems() -> None:
    described = document(routes.routes, "1")
    operation = described["paths"]["/api/v1/lamps"]["post"]
    assert operation["x-roles"] == ["administrator"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/NewLamp"}
    assert "watts" in described["components"]["schemas"]["NewLamp"]["properties"]
    assert [p["name"] for p in operation["parameters"]] == ["Idempotency-Key"]
    assert "security" not in described["paths"]["/api/v1/lamps/count"]["get"]
    assert "default" in operation["responses"]


def test_a_route_must_say_who_may_use_it() -> None:
    unguarded: dict[str, Any] = {}
    with pytest.raises(TypeError):
        routes.get("/open", **unguarded)(show_lamp)
    assert all(
        dataclasses.is_dataclass(route) and route.access is not None for route in routes.routes
    )
