"""Business settings: the nearest value wins, every change is kept, nothing needs a restart."""

import asyncio
from typing import Any

import pytest

from core import settings
from core.runtime import Runtime
from core.settings.cache import CHANNEL
from core.settings.registry import InvalidValue, Kind, Scope, declare
from tests.support.cast import Cast
from tests.support.http import Client, Response

EVERY = tuple(Scope)
MINUTES = declare(
    "test.minutes", int, 30, "测试分钟", "说明", "分钟", minimum=1, maximum=120, scopes=EVERY
)
PRICE = declare("test.price", Kind.MONEY, 3000, "测试价格", unit="分", minimum=0)
OPEN = declare("test.open", bool, True, "测试开关")
WORDS = declare("test.words", str, "您好", "测试文字", maximum=10)
COLOUR = declare("test.colour", str, "red", "测试选项", choices={"red": "红", "blue": "蓝"})


async def put(client: Client, token: str, key: str, value: Any, **more: Any) -> Response:
    body = {"value": value, "scope": "hospital", **more}
    return await client.put(f"/settings/{key}", token=token, json=body)


async def minutes(runtime: Runtime, cast: Cast, **place: Any) -> int:
    async with runtime.unit_of_work() as uow:
        return await settings.get(uow, MINUTES, **({"hospital_id": cast.hospital_id} | place))


async def test_the_nearest_value_wins(runtime: Runtime, cast: Cast, client: Client) -> None:
    token, department, person = (
        cast.administrator.token,
        cast.department_id,
        cast.doctor.user_id,
    )
    assert await minutes(runtime, cast) == 30
    operator = cast.operator.token
    (await put(client, operator, "test.minutes", 10, scope="group")).expect(200)
    assert await minutes(runtime, cast, user_id=person, department_id=department) == 10
    (await put(client, token, "test.minutes", 20)).expect(200)
    assert await minutes(runtime, cast, user_id=person, department_id=department) == 20
    chosen = {"scope": "department", "scope_id": str(department)}
    (await put(client, token, "test.minutes", 40, **chosen)).expect(200)
    assert await minutes(runtime, cast, user_id=person, department_id=department) == 40
    chosen = {"scope": "person", "scope_id": str(person)}
    (await put(client, token, "test.minutes", 50, **chosen)).expect(200)
    assert await minutes(runtime, cast, user_id=person, department_id=department) == 50
    assert await minutes(runtime, cast, department_id=department) == 40
    assert await minutes(runtime, cast) == 20
    assert await minutes(runtime, cast, hospital_id=cast.other_hospital_id) == 10
    assert await minutes(runtime, cast, hospital_id=cast.other_hospital_id, user_id=person) == 10
    path = "/settings/test.minutes"
    (await client.delete(path, token=token, query={"scope": "hospital"})).expect(204)
    assert await minutes(runtime, cast) == 10


async def test_a_value_of_another_hospital_cannot_be_touched(
    cast: Cast, client: Client, runtime: Runtime
) -> None:
    token = cast.foreign_administrator.token
    for scope, scope_id in (
        ("hospital", cast.hospital_id),
        ("department", cast.department_id),
        ("person", cast.doctor.user_id),
    ):
        answer = await put(client, token, "test.minutes", 5, scope=scope, scope_id=str(scope_id))
        assert (answer.status, answer.code) == (404, "not_found")
    assert (await put(client, token, "test.minutes", 5, scope="group")).code == (
        "group_setting_forbidden"
    )
    (await put(client, token, "test.minutes", 5)).expect(200)
    assert await minutes(runtime, cast) == 30
    own = cast.administrator.token
    assert (await client.get("/settings/test.minutes/history", token=own)).expect(200) == []


async def test_every_change_is_kept_with_who_when_and_why(
    cast: Cast, client: Client, runtime: Runtime
) -> None:
    token = cast.administrator.token
    (await put(client, token, "test.minutes", 20, reason="试行")).expect(200)
    (await put(client, token, "test.minutes", 20, reason="没有变化")).expect(200)
    (await put(client, token, "test.minutes", 25)).expect(200)
    (await client.delete("/settings/test.minutes", token=token)).expect(204)
    history = (await client.get("/settings/test.minutes/history", token=token)).expect(200)
    assert [(each["old_value"], each["value"], each["reason"]) for each in history] == [
        (25, None, ""),
        (20, 25, ""),
        (None, 20, "试行"),
    ]
    assert history[0]["changed_by"]["name"] == "管一成"
    page = (
        await client.get("/audit", token=cast.supervisor.token, query={"action": "setting.change"})
    ).expect(200)
    assert len(page["items"]) == 3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("test.minutes", 0),
        ("test.minutes", 121),
        ("test.minutes", "20"),
        ("test.minutes", True),
        ("test.price", -1),
        ("test.price", 2**60),
        ("test.open", 1),
        ("test.open", "true"),
        ("test.words", "一二三四五六七八九十百"),
        ("test.words", 5),
        ("test.colour", "green"),
    ],
)
async def test_a_value_that_does_not_fit_is_refused_by_name(
    cast: Cast, client: Client, key: str, value: Any
) -> None:
    answer = await put(client, cast.administrator.token, key, value)
    assert (answer.status, answer.code) == (422, "setting_invalid")
    assert answer.json["fields"][0]["field"] == "value"


async def test_unknown_keys_and_scopes_are_refused(cast: Cast, client: Client) -> None:
    token = cast.administrator.token
    assert (await put(client, token, "test.unknown", 1)).code == "not_found"
    assert (await client.get("/settings/test.unknown/history", token=token)).code == "not_found"
    chosen = {"scope": "person", "scope_id": str(cast.doctor.user_id)}
    assert (await put(client, token, "test.open", False, **chosen)).code == "setting_invalid"
    assert (await put(client, token, "test.minutes", 5, scope="department")).code == (
        "setting_invalid"
    )
    for person in (cast.patient, cast.doctor, cast.supervisor):
        assert (await put(client, person.token, "test.minutes", 5)).code == "forbidden"


async def test_the_list_shows_value_default_and_origin(cast: Cast, client: Client) -> None:
    token = cast.administrator.token
    (await put(client, token, "test.colour", "blue")).expect(200)
    listed = {
        each["key"]: each for each in (await client.get("/settings", token=token)).expect(200)
    }
    assert listed["test.colour"]["value"] == "blue"
    assert listed["test.colour"]["default"] == "red"
    assert listed["test.colour"]["scope"] == "hospital"
    assert listed["test.colour"]["type"] == "choice"
    assert listed["test.colour"]["choices"] == [
        {"value": "red", "label": "红"},
        {"value": "blue", "label": "蓝"},
    ]
    assert listed["test.price"]["type"] == "money"
    assert listed["test.open"]["value"] is True
    assert listed["test.open"]["scope"] is None


async def test_a_change_reaches_another_process_without_a_restart(
    cast: Cast, client: Client, runtime: Runtime, second_runtime: Runtime
) -> None:
    place = {"hospital_id": cast.hospital_id}
    assert await settings.current(second_runtime, MINUTES, **place) == 30
    told = asyncio.Event()

    async def hear(payload: dict[str, Any]) -> None:
        told.set()

    second_runtime.bus.subscribe(CHANNEL, hear)
    (await put(client, cast.administrator.token, "test.minutes", 15)).expect(200)
    await asyncio.wait_for(told.wait(), 10)
    assert await settings.current(second_runtime, MINUTES, **place) == 15
    assert await settings.current(runtime, MINUTES, **place) == 15


async def test_a_rolled_back_change_leaves_the_cache_alone(cast: Cast, runtime: Runtime) -> None:
    from core.settings.service import set_value

    async def fail() -> None:
        async with runtime.unit_of_work() as uow:
            caller = cast.administrator.caller
            await set_value(uow, caller, "test.minutes", 99, Scope.HOSPITAL, None)
            assert await settings.get(uow, MINUTES, hospital_id=cast.hospital_id) == 99
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await minutes(runtime, cast) == 30


def test_a_declaration_that_contradicts_itself_fails_at_import() -> None:
    with pytest.raises(ValueError, match="twice"):
        declare("test.minutes", int, 1, "又一个")
    with pytest.raises(InvalidValue):
        declare("test.broken", int, 5, "默认值过大", maximum=3)
