"""Announcements as a hospital lives with them: written, shown, read, reminded of, withdrawn."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from sqlalchemy import select

from clinical.notifications.announcements.jobs import let_appear, remind_of_work
from clinical.notifications.models import Push
from core.clock import FakeClock
from core.identity.tokens import issue_access_token
from core.outbox import Relay
from core.runtime import Runtime
from realtime.models import InboxItemRow
from tests.core.files.conftest import form, picture
from tests.realtime.conftest import Connect, connect, node, start_node
from tests.support.cast import Cast, Person
from tests.support.http import Client, Response

__all__ = ["connect", "node", "start_node"]


class Board:
    """The verbs of these stories."""

    def __init__(self, client: Client, cast: Cast, runtime: Runtime) -> None:
        self.client, self.cast, self.runtime = client, cast, runtime

    async def ask(self, who: Person, method: str, path: str, body: Any = None) -> Response:
        token = issue_access_token(who.caller, self.runtime.clock.now(), self.runtime.keyring)
        return await self.client.request(method, path, token=token, json=body, key=str(uuid4()))

    async def keep(self, method: str, path: str, body: Any = None) -> Any:
        made = method == "POST" and path == "/announcements"
        answer = await self.ask(self.cast.administrator, method, path, body)
        return answer.expect(201 if made else 200)

    async def draft(self, **given: Any) -> Any:
        wanted = {
            "kind": "internal",
            "title": "周五停电检修",
            "text": "## 安排\n周五 20 点起停电。",
            "roles": ["doctor", "nurse"],
            **given,
        }
        return await self.keep("POST", "/announcements", wanted)

    async def publish(self, row: Any, at: str | None = None) -> Any:
        body = {"base_version": row["version"], "at": at}
        return await self.keep("POST", f"/announcements/{row['id']}/publish", body)

    async def titles(self, who: Person, query: str = "") -> list[str]:
        page = (await self.ask(who, "GET", f"/me/announcements{query}")).expect(200)
        return [each["title"] for each in page["items"]]

    async def told(self, who: Person) -> list[tuple[str, str]]:
        async with self.runtime.unit_of_work() as uow:
            rows = await uow.session.scalars(
                select(InboxItemRow)
                .where(InboxItemRow.user_id == who.user_id)
                .order_by(InboxItemRow.cursor)
            )
            return [(row.type, row.title) for row in rows]


async def uploaded(who: Person, client: Client) -> str:
    """A picture for an announcement; returns its id."""
    answer = await client.post(
        "/files",
        token=who.token,
        body=form(picture(), "排班.jpg", "announcement"),
        headers={"content-type": "multipart/form-data; boundary=zhenjian-test"},
    )
    return str(answer.expect(201)["id"])


@pytest.fixture
def board(client: Client, cast: Cast, runtime: Runtime) -> Board:
    return Board(client, cast, runtime)


async def test_an_internal_notice_reaches_those_whom_it_is_for_and_says_who_confirmed(
    board: Board, cast: Cast, relay: Relay, connect: Connect
) -> None:
    row = await board.draft(confirm=True)
    assert await board.titles(cast.doctor) == []
    there = await connect(cast.doctor)
    outsider = await connect(cast.patient)
    shown = await board.publish(row)
    assert (shown["phase_label"], shown["staff"]) == ("发布中", 3)
    await relay.drain()
    hint = await there.wait_event("notice")
    assert hint["code"] == "announcements_changed"
    assert hint["ref"]["id"] == row["id"]
    assert await board.told(cast.doctor) == [("announcement", "周五停电检修")]
    assert await board.titles(cast.nurse) == ["周五停电检修"]
    for who in (cast.patient, cast.pharmacist, cast.foreign_doctor):
        assert await board.titles(who) == []
        path = f"/me/announcements/{row['id']}"
        assert (await board.ask(who, "GET", path)).status == 404
        assert (await board.ask(who, "POST", f"{path}/confirm")).status == 404
    assert not [name for name, _ in outsider.events if name == "notice"]

    path = f"/me/announcements/{row['id']}"
    assert (await board.ask(cast.doctor, "GET", "/me/announcements/count")).json["unread"] == 1
    read = (await board.ask(cast.doctor, "POST", f"{path}/read")).expect(200)
    assert (read["read"], read["fresh"], read["confirmed_at"]) == (True, True, None)
    assert [each["kind"] for each in read["blocks"]] == ["heading", "paragraph"]
    (await board.ask(cast.doctor, "POST", f"{path}/confirm")).expect(200)
    (await board.ask(cast.doctor, "POST", f"{path}/confirm")).expect(200)
    assert (await board.ask(cast.doctor, "GET", "/me/announcements/count")).json["unread"] == 0
    counted = await board.keep("GET", f"/announcements/{row['id']}")
    assert (counted["read"], counted["confirmed"]) == (1, 1)
    everybody = await board.keep("GET", f"/announcements/{row['id']}/readers?limit=2")
    rest = await board.keep(
        "GET", f"/announcements/{row['id']}/readers?limit=2&cursor={everybody['next']}"
    )
    names = [each["name"] for each in everybody["items"] + rest["items"]]
    assert sorted(names) == sorted([cast.doctor.name, cast.other_doctor.name, cast.nurse.name])
    silent = await board.keep("GET", f"/announcements/{row['id']}/readers?reading=unconfirmed")
    assert cast.doctor.name not in [each["name"] for each in silent["items"]]


async def test_patients_see_what_is_for_them_and_staff_what_is_for_their_department(
    board: Board, cast: Cast
) -> None:
    await board.publish(
        await board.draft(kind="public", title="国庆门诊安排", roles=["patient", "doctor"])
    )
    here = [str(cast.department_id)]
    await board.publish(await board.draft(title="本科室排班", department_ids=here))
    await board.publish(
        await board.draft(title="只给沈医生", roles=[], people=[str(cast.other_doctor.user_id)])
    )
    assert await board.titles(cast.patient) == ["国庆门诊安排"]
    assert await board.told(cast.patient) == []
    assert await board.titles(cast.doctor) == ["本科室排班", "国庆门诊安排"]
    assert "只给沈医生" in await board.titles(cast.other_doctor)
    assert await board.titles(cast.doctor, "?kind=public,news") == ["国庆门诊安排"]
    assert await board.titles(cast.doctor, f"?q={quote('排班')}") == ["本科室排班"]
    assert await board.titles(cast.doctor, "?q=%25") == []


async def test_pinned_ones_come_first_over_all_pages(board: Board, cast: Cast) -> None:
    for number in range(3):
        await board.publish(await board.draft(title=f"通知{number}", pinned=number == 0))
    first = (await board.ask(cast.doctor, "GET", "/me/announcements?limit=2")).expect(200)
    rest = await board.titles(cast.doctor, f"?limit=2&cursor={first['next']}")
    assert [each["title"] for each in first["items"]] + rest == ["通知0", "通知2", "通知1"]
    assert (await board.ask(cast.doctor, "GET", "/me/announcements?cursor=x")).status == 422


async def test_one_appears_at_its_time_and_goes_when_it_is_over(
    board: Board, cast: Cast, clock: FakeClock, runtime: Runtime
) -> None:
    at, until = clock.now() + timedelta(minutes=10), clock.now() + timedelta(minutes=20)
    row = await board.publish(await board.draft(until=until.isoformat()), at.isoformat())
    assert row["phase"] == "scheduled"
    await let_appear(runtime)
    assert (await board.titles(cast.doctor), await board.told(cast.doctor)) == ([], [])
    clock.advance(timedelta(minutes=10))
    await let_appear(runtime)
    await let_appear(runtime)
    assert await board.titles(cast.doctor) == ["周五停电检修"]
    assert len(await board.told(cast.doctor)) == 1
    clock.advance(timedelta(minutes=10))
    assert await board.titles(cast.doctor) == []
    over = await board.keep("GET", "/announcements?phase=over")
    assert [each["id"] for each in over["items"]] == [row["id"]]


async def test_what_was_withdrawn_can_appear_again_and_nobody_is_told_twice(
    board: Board, cast: Cast
) -> None:
    row = await board.publish(await board.draft())
    (await board.ask(cast.doctor, "POST", f"/me/announcements/{row['id']}/read")).expect(200)
    path = f"/announcements/{row['id']}"
    withdrawn = await board.keep("POST", f"{path}/withdraw", {"reason": "时间有误"})
    assert withdrawn["phase"] == "withdrawn"
    assert await board.titles(cast.doctor) == []
    assert (await board.ask(cast.administrator, "DELETE", path)).code == "announcement_not_draft"
    again = await board.publish(withdrawn)
    assert (again["read"], again["published_at"]) == (1, row["published_at"])
    assert len(await board.told(cast.doctor)) == 1


async def test_every_wording_stays_and_a_colleague_s_change_is_not_overwritten(
    board: Board, cast: Cast
) -> None:
    row = await board.draft()
    path = f"/announcements/{row['id']}"
    wanted = {"kind": "internal", "title": "周六停电检修", "text": row["text"], "roles": ["nurse"]}
    changed = await board.keep("PUT", path, {**wanted, "base_version": 1})
    assert changed["version"] == 2
    stale = await board.ask(cast.administrator, "PUT", path, {**wanted, "base_version": 1})
    assert (stale.status, stale.code) == (409, "announcement_outdated")
    history = await board.keep("GET", f"{path}/versions")
    assert [(each["version"], each["title"]) for each in history] == [
        (2, "周六停电检修"),
        (1, "周五停电检修"),
    ]
    assert history[0]["changed"] == ["标题", "对象"]
    assert (await board.ask(cast.doctor, "GET", path)).status == 403
    assert (await board.ask(cast.administrator, "DELETE", path)).status == 204


async def test_files_are_seen_by_those_whom_the_announcement_is_for(
    board: Board, cast: Cast, client: Client
) -> None:
    file_id = await uploaded(cast.administrator, client)
    row = await board.draft(file_ids=[file_id])
    links = {"ids": [file_id]}
    assert (await board.ask(cast.doctor, "POST", "/files/links", links)).json == {}
    await board.publish(row)
    assert file_id in (await board.ask(cast.doctor, "POST", "/files/links", links)).json
    assert (await board.ask(cast.patient, "POST", "/files/links", links)).json == {}


async def test_a_draft_that_is_thrown_away_lets_go_of_its_files(
    board: Board, cast: Cast, client: Client
) -> None:
    file_id = await uploaded(cast.administrator, client)
    row = await board.draft(file_ids=[file_id])
    links = {"ids": [file_id]}
    assert file_id in (await board.ask(cast.administrator, "POST", "/files/links", links)).json
    path = f"/announcements/{row['id']}"
    assert (await board.ask(cast.administrator, "DELETE", path)).status == 204
    assert (await board.ask(cast.administrator, "POST", "/files/links", links)).json == {}


@pytest.mark.requirement("S1-122")
@pytest.mark.parametrize("kind", ["meeting", "course", "academic"])
async def test_people_are_reminded_of_work_and_hear_when_it_moves_or_falls_out(
    board: Board, cast: Cast, clock: FakeClock, runtime: Runtime, relay: Relay, kind: str
) -> None:
    starts = clock.now() + timedelta(minutes=75)
    wanted = {
        "kind": kind,
        "title": "疑难病例讨论",
        "starts_at": starts.isoformat(),
        "place": "三楼会议室",
        "roles": [],
        "people": [str(cast.doctor.user_id)],
    }
    row = await board.publish(await board.draft(**wanted))
    clock.advance(timedelta(minutes=14))
    await remind_of_work(runtime)
    assert [code for code, _ in await board.told(cast.doctor)] == ["work_announced"]
    clock.advance(timedelta(minutes=1))
    await remind_of_work(runtime)
    await remind_of_work(runtime)
    assert (await board.told(cast.doctor))[1:] == [("work_due", "即将开始：疑难病例讨论")]
    assert await board.told(cast.other_doctor) == []

    later = (starts + timedelta(minutes=15)).isoformat()
    moved = {**wanted, "text": "", "starts_at": later, "base_version": row["version"]}
    await board.keep("PUT", f"/announcements/{row['id']}", {**moved, "remind_minutes": 65})
    clock.advance(timedelta(minutes=9))
    await remind_of_work(runtime)
    assert (await board.told(cast.doctor))[2:] == [("work_changed", "时间或地点有变")]
    clock.advance(timedelta(minutes=1))
    await remind_of_work(runtime)
    await board.keep("POST", f"/announcements/{row['id']}/withdraw", {})
    assert [title for _, title in (await board.told(cast.doctor))[3:]] == [
        "即将开始：疑难病例讨论",
        "安排已取消",
    ]
    await relay.drain()
    async with runtime.unit_of_work() as uow:
        pushes = await uow.session.scalars(select(Push.code).order_by(Push.created_at, Push.id))
        assert list(pushes) == [code for code, _ in await board.told(cast.doctor)]


async def test_a_meeting_needs_a_time_a_place_and_people_of_the_house(
    board: Board, cast: Cast, clock: FakeClock
) -> None:
    wanted = {
        "kind": "meeting",
        "title": "院周会",
        "roles": [],
        "people": [str(cast.foreign_doctor.user_id)],
        "department_ids": [],
    }
    refused = await board.ask(cast.administrator, "POST", "/announcements", wanted)
    assert refused.status == 422
    assert {each["field"] for each in refused.json["fields"]} == {"starts_at", "place", "people"}
    past = (clock.now() - timedelta(minutes=1)).isoformat()
    row = await board.draft(kind="meeting", starts_at=past, place="会议室")
    body = {"base_version": row["version"]}
    late = await board.ask(cast.administrator, "POST", f"/announcements/{row['id']}/publish", body)
    assert [each["field"] for each in late.json["fields"]] == ["starts_at"]
