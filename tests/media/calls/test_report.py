"""The quality of a period's calls, for supervisors and administrators."""

import csv
import io
from datetime import timedelta
from uuid import UUID

import pytest

from core.http import encode_cursor
from core.ids import new_id
from core.runtime import Runtime
from media.calls.models import CallParticipantRow, CallQualityRow, CallRow
from realtime import service as rooms
from realtime.rules import RoomState
from realtime.service import NewMember
from tests.support.cast import Cast
from tests.support.http import Client

Story = dict[str, UUID]


async def add_call(
    runtime: Runtime, cast: Cast, *, worst: int, loss: float, days_ago: int = 0
) -> UUID:
    """A call of a minute in which the patient's connection was as told."""
    async with runtime.unit_of_work() as uow:
        room = await rooms.open_room(
            uow,
            hospital_id=cast.hospital_id,
            title="复诊",
            members=[NewMember(p.user_id, p.caller.role) for p in (cast.patient, cast.doctor)],
            ref_type="consultation",
            ref_id=new_id(),
            state=RoomState.ACTIVE,
        )
        began = uow.now - timedelta(days=days_ago, minutes=2)
        call = CallRow(
            id=new_id(),
            hospital_id=cast.hospital_id,
            room_id=room,
            media="video",
            state="ended",
            started_by=cast.doctor.user_id,
            started_at=began,
            ring_until=began,
            answered_at=began + timedelta(seconds=5),
            ended_at=began + timedelta(seconds=65),
            end_reason="hung_up",
            record=True,
            worker="ws://nowhere",
            assigned_at=began,
        )
        uow.session.add(call)
        await uow.session.flush()
        for position, person in enumerate((cast.doctor, cast.patient)):
            uow.session.add(
                CallParticipantRow(
                    call_id=call.id,
                    user_id=person.user_id,
                    position=position,
                    role=person.caller.role.value,
                    name=person.name,
                    place="left",
                    device="d",
                    audio=True,
                    video=True,
                    seconds=60,
                    connect_ms=300 + 100 * position,
                )
            )
            bad = person is cast.patient
            uow.session.add(
                CallQualityRow(
                    call_id=call.id,
                    user_id=person.user_id,
                    begun_at=began.replace(second=0, microsecond=0),
                    samples=10,
                    worst=worst if bad else 4,
                    rtt_ms=2000 if bad else 400,
                    rtt_samples=10,
                    loss=20 * loss if bad else 0.0,
                    jitter_ms=100,
                    bitrate=5_000_000,
                    paused=1 if bad else 0,
                    freezes=2 if bad else 0,
                    frozen_ms=1500 if bad else 0,
                )
            )
    return call.id


@pytest.fixture
async def story(runtime: Runtime, cast: Cast) -> Story:
    return {
        "good": await add_call(runtime, cast, worst=4, loss=0.0),
        "bad": await add_call(runtime, cast, worst=1, loss=0.1, days_ago=1),
        "old": await add_call(runtime, cast, worst=1, loss=0.2, days_ago=30),
    }


async def test_the_calls_of_the_latest_week_come_worst_first_with_their_figures(
    client: Client, cast: Cast, story: Story, runtime: Runtime
) -> None:
    token = cast.supervisor.token
    found = (await client.get("/calls", token=token)).expect(200)
    assert [each["id"] for each in found["items"]] == [str(story["bad"]), str(story["good"])]
    bad = found["items"][0]
    expected = {
        "worst": 1, "loss": 0.1, "rtt_ms": 120, "jitter_ms": 10, "bitrate": 500_000,
        "paused_seconds": 2, "freezes": 2, "frozen_seconds": 1.5, "connect_ms": 400,
        "people": 2, "seconds": 60, "staff": [cast.doctor.name],
    }  # fmt: skip
    assert {name: bad[name] for name in expected} == expected

    first = (await client.get("/calls", token=token, query={"limit": 1})).expect(200)
    second = (
        await client.get("/calls", token=token, query={"limit": 1, "cursor": first["next"]})
    ).expect(200)
    assert [each["id"] for each in second["items"]] == [str(story["good"])]
    assert second["next"] is None
    # A worse call that comes in between two pages moves nothing from one to the other.
    worse = await add_call(runtime, cast, worst=1, loss=0.3)
    again = await client.get("/calls", token=token, query={"limit": 1, "cursor": first["next"]})
    assert [each["id"] for each in again.expect(200)["items"]] == [str(story["good"])]
    poor = (await client.get("/calls", token=token, query={"level": 2})).expect(200)
    assert [each["id"] for each in poor["items"]] == [str(worse), str(story["bad"])]
    newest: list[str] = []
    cursor = None
    while cursor or not newest:
        query = {"order": "newest", "limit": 1, **({"cursor": cursor} if cursor else {})}
        page = (await client.get("/calls", token=token, query=query)).expect(200)
        newest += [each["id"] for each in page["items"]]
        cursor = page["next"]
    assert newest == [str(worse), str(story["good"]), str(story["bad"])]
    wrong = {"order": "worst", "cursor": encode_cursor("2026-11-22T00:00:00+00:00", str(worse))}
    assert (await client.get("/calls", token=token, query=wrong)).status == 422

    totals = (await client.get("/calls/totals", token=token)).expect(200)
    assert (totals["calls"], totals["poor"]) == (3, 2)
    assert [day["connect_ms_p95"] for day in totals["days"]] == [400, 400]


async def test_one_call_is_shown_by_the_minute_without_the_patients_name(
    client: Client, cast: Cast, story: Story
) -> None:
    path = f"/calls/{story['bad']}/quality"
    shown = (await client.get(path, token=cast.administrator.token)).expect(200)
    names = {each["user_id"]: each["name"] for each in shown["people"]}
    assert names == {str(cast.doctor.user_id): cast.doctor.name, str(cast.patient.user_id): None}
    assert [each["worst"] for each in shown["minutes"]].count(1) == 1
    assert (await client.get(path, token=cast.doctor.token)).code == "forbidden"
    unknown = await client.get(f"/calls/{new_id()}/quality", token=cast.supervisor.token)
    assert unknown.code == "not_found"


async def test_the_table_for_spreadsheets_holds_the_same_calls_and_periods_are_bounded(
    client: Client, cast: Cast, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media.calls.report.CHUNK", 1)
    answer = await client.get("/calls/export.csv", token=cast.supervisor.token)
    answer_text = answer.body.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(answer_text)))
    assert [row["通话编号"] for row in rows] == [str(story["good"]), str(story["bad"])]
    assert cast.patient.name not in answer_text
    long = {"from": "2020-01-01", "to": "2026-01-01"}
    refused = await client.get("/calls", token=cast.supervisor.token, query=long)
    assert refused.status == 422
