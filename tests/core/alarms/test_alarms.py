"""Alarms reach the officers, once, and stay until one of them has said what came of it."""

from __future__ import annotations

from typing import Any

from core.alarms import raise_alarm
from core.outbox import Relay
from core.runtime import Runtime
from tests.support.cast import Cast, Person
from tests.support.http import Client


async def ring(runtime: Runtime, cast: Cast, ref: str = "a") -> None:
    async with runtime.unit_of_work() as uow:
        await raise_alarm(
            uow, cast.hospital_id, "lock_out", "账号锁定", "何清的账号已锁定", ("user", ref)
        )


async def inbox(client: Client, person: Person) -> list[dict[str, Any]]:
    page = (await client.get("/inbox", token=person.token)).expect(200)
    return [item for item in page["items"] if item["type"] == "alarm"]


async def test_administrators_and_supervisors_of_the_hospital_hear_of_an_alarm_and_nobody_else(
    runtime: Runtime, client: Client, cast: Cast, relay: Relay
) -> None:
    await ring(runtime, cast)
    await relay.drain()
    for officer in (cast.administrator, cast.supervisor):
        (item,) = await inbox(client, officer)
        assert item["ref"]["type"] == "alarm"
        assert "何清" not in item["title"] + item["text"]
    for other in (cast.doctor, cast.operator, cast.foreign_administrator, cast.foreign_supervisor):
        assert await inbox(client, other) == []


async def test_the_same_thing_raised_again_counts_up_and_tells_nobody_anew(
    runtime: Runtime, client: Client, cast: Cast, relay: Relay
) -> None:
    for _ in range(3):
        await ring(runtime, cast)
    await relay.drain()
    page = (await client.get("/alarms", token=cast.supervisor.token)).expect(200)
    assert [(item["times"], item["state"]) for item in page["items"]] == [(3, "open")]
    assert len(await inbox(client, cast.supervisor)) == 1


async def test_a_resolved_alarm_rings_again(
    runtime: Runtime, client: Client, cast: Cast, relay: Relay
) -> None:
    await ring(runtime, cast)
    (row,) = (await client.get("/alarms", token=cast.administrator.token)).expect(200)["items"]
    path = f"/alarms/{row['id']}"
    seen = (await client.post(f"{path}/acknowledge", token=cast.administrator.token)).expect(200)
    assert seen["acknowledged_by"]["name"] == cast.administrator.name
    note = {"note": "本人输错，已解锁"}
    done = await client.post(f"{path}/resolve", token=cast.supervisor.token, json=note)
    assert done.expect(200)["resolved_by"]["name"] == cast.supervisor.name
    again = await client.post(f"{path}/resolve", token=cast.supervisor.token, json=note)
    assert again.code == "alarm_resolved"
    await ring(runtime, cast)
    await relay.drain()
    count = await client.get("/alarms/count", token=cast.administrator.token)
    assert count.expect(200) == {"open": 1}
    assert len(await inbox(client, cast.administrator)) == 2


async def test_an_alarm_of_another_hospital_does_not_exist(
    runtime: Runtime, client: Client, cast: Cast
) -> None:
    await ring(runtime, cast)
    (row,) = (await client.get("/alarms", token=cast.administrator.token)).expect(200)["items"]
    foreign = cast.foreign_administrator.token
    assert (await client.get("/alarms", token=foreign)).expect(200)["items"] == []
    answer = await client.post(f"/alarms/{row['id']}/acknowledge", token=foreign)
    assert answer.code == "not_found"
