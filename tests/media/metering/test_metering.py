"""Minutes and bytes against what was agreed: who sees them, what is counted, when it is told."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete

from core import integrity
from core.clock import FakeClock
from core.runtime import Runtime
from media.calls.models import CallParticipantRow, CallRow
from media.metering import access
from media.metering.jobs import count_usage
from media.metering.rules import Quota, term_start
from media.recording.models import RecordingRow, RecordingTakeRow
from tests.media.recording.test_recordings import Story, story
from tests.support.cast import Cast
from tests.support.http import Client

__all__ = ["story"]


@pytest.mark.parametrize(
    ("used", "limit", "level"),
    [(5, 0, "none"), (79, 100, "fine"), (80, 100, "near"), (100, 100, "over"), (300, 100, "over")],
)
def test_a_quota_is_worth_a_word_from_its_warning_line_on(
    used: int, limit: int, level: str
) -> None:
    assert Quota(used, limit, 80).level == level


def test_a_term_that_is_no_date_counts_from_the_beginning() -> None:
    assert term_start("2026-01-31") is not None
    assert term_start("") is None
    assert term_start("去年") is None


async def put(client: Client, cast: Cast, key: str, value: int | str) -> None:
    body = {"value": value, "scope": "hospital"}
    path = f"/settings/metering.{key}"
    (await client.put(path, token=cast.administrator.token, json=body)).expect(200)


async def used(runtime: Runtime, cast: Cast) -> dict[str, Any]:
    """What the administrator is shown, whatever has become of the session meanwhile."""
    async with runtime.unit_of_work() as uow:
        view = await access.usage_for(uow, cast.administrator.caller, 90)
    return view.model_dump(mode="json")


@pytest.mark.requirement("S0-N-021", "S0-N-022")
async def test_usage_is_counted_by_the_day_and_stays_when_calls_are_gone(
    client: Client, cast: Cast, story: Story, runtime: Runtime, clock: FakeClock
) -> None:
    async with runtime.unit_of_work() as uow:
        recording = await uow.session.scalar(
            RecordingRow.__table__.select().with_only_columns(RecordingRow.id)
        )
        uow.session.add(RecordingTakeRow(recording_id=recording, take="t1", bytes=3_000_000_000))
    for person in (cast.doctor, cast.supervisor):
        assert (await client.get("/media-usage", token=person.token)).code == "forbidden"
    (await client.get("/media-usage", token=cast.administrator.token)).expect(200)
    clock.advance(timedelta(days=2))
    await count_usage(runtime)
    await count_usage(runtime)
    found = await used(runtime, cast)
    assert [day["calls"] for day in found["days"]] == [1, 0, 0]
    [first, *_] = found["days"]
    assert (first["minutes"], first["participant_minutes"], first["recordings"]) == (2, 3, 1)
    assert found["minutes"] == {"used": 3, "limit": 0, "percent": None, "level": "none"}
    assert found["storage"]["used"] == 3_000_000_000
    async with runtime.unit_of_work() as uow:
        await uow.session.execute(delete(RecordingTakeRow))
        await integrity.remove(uow.session, RecordingRow, RecordingRow.id == recording)
        await uow.session.execute(delete(CallParticipantRow))
        await uow.session.execute(delete(CallRow))
    await count_usage(runtime)
    found = await used(runtime, cast)
    assert found["days"][0]["minutes"] == 2
    assert found["storage"]["used"] == 0


async def test_officers_hear_once_that_a_quota_is_nearly_used_and_then_that_it_is_over(
    client: Client, cast: Cast, story: Story, runtime: Runtime, clock: FakeClock
) -> None:
    await put(client, cast, "call_minutes", 3)
    await put(client, cast, "warn_percent", 100)

    async def open_alarms() -> list[str]:
        await count_usage(runtime)
        await count_usage(runtime)
        answer = await client.get("/alarms", token=cast.administrator.token)
        items = answer.expect(200)["items"]
        return [
            each["title"] for each in items if "额度" in each["title"] and not each["resolved_at"]
        ]

    assert await open_alarms() == ["音视频分钟数已超出额度"]
    await put(client, cast, "warn_percent", 50)
    await put(client, cast, "call_minutes", 4)
    assert await open_alarms() == ["音视频分钟数接近额度"]
    await put(client, cast, "call_minutes", 100)
    assert await open_alarms() == []
