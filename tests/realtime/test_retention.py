"""What retention removes leaves its number; what was recalled is read by auditors alone."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from PIL import Image
from sqlalchemy import select

from core.audit.models import AuditEntry
from core.clock import FakeClock
from core.files.jobs import remove_orphans
from core.files.models import File
from core.identity.roles import Role
from core.ids import new_id
from core.runtime import Runtime
from realtime import access, entries, service
from realtime.models import MessageRow, RoomRow
from realtime.retention import clear_what_is_over
from realtime.rules import CloseReason, MessageKind
from realtime.schemas import FileBody, TextBody
from realtime.sending import Send, Sent, send_messages
from tests.support.cast import Cast, Person
from tests.support.http import Client
from tests.support.policies import put_policy


async def upload(client: Client, person: Person) -> str:
    picture = io.BytesIO()
    Image.linear_gradient("L").resize((64, 48)).convert("RGB").save(picture, "PNG")
    body = (
        b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nmessage'
        b'\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n'
        b"Content-Type: image/png\r\n\r\n" + picture.getvalue() + b"\r\n--b--\r\n"
    )
    headers = {"content-type": "multipart/form-data; boundary=b"}
    answer = await client.post("/files", token=person.token, body=body, headers=headers)
    return str(answer.expect(201)["id"])


async def say(runtime: Runtime, room: UUID, who: Person, *bodies: str | FileBody) -> list[int]:
    """Say texts, or send pictures; the numbers of what was said."""
    sends = [
        Send(who.caller, room, new_id(), MessageKind.TEXT, TextBody(text=each), None)
        if isinstance(each, str)
        else Send(who.caller, room, new_id(), MessageKind.IMAGE, each, None)
        for each in bodies
    ]
    async with runtime.unit_of_work() as uow:
        outcomes = await send_messages(uow, sends)
    return [sent.seq for sent in outcomes if isinstance(sent, Sent)]


@pytest.fixture
async def old(
    runtime: Runtime, room: UUID, cast: Cast, client: Client, clock: FakeClock
) -> dict[str, Any]:
    """A closed room with words, a picture and a system line, on the last day it must be there."""
    file_id = await upload(client, cast.patient)
    await say(
        runtime, room, cast.patient, "咳嗽三天", FileBody.model_validate({"file": {"id": file_id}})
    )
    async with runtime.unit_of_work() as uow:
        await service.system_message(uow, room, "red_flag", "患者提到胸痛", {"words": "胸痛"})
        await service.close_room(uow, room, CloseReason.COMPLETED, cast.doctor.user_id)
    clock.advance(timedelta(days=3 * 365))
    return {"room": room, "file": file_id}


async def log_of(runtime: Runtime, room: UUID) -> list[MessageRow]:
    async with runtime.unit_of_work() as uow:
        found = await uow.session.scalars(
            select(MessageRow).where(MessageRow.room_id == room).order_by(MessageRow.seq)
        )
        return list(found)


async def test_a_room_is_cleared_after_three_years_and_every_number_stays(
    runtime: Runtime, old: dict[str, Any], clock: FakeClock
) -> None:
    room = old["room"]
    before = await log_of(runtime, room)
    await clear_what_is_over(runtime)
    assert [row.body for row in await log_of(runtime, room)] == [row.body for row in before]

    clock.advance(timedelta(days=3))
    await clear_what_is_over(runtime)
    after = await log_of(runtime, room)
    assert [(row.seq, row.kind, row.client_id) for row in after] == [
        (row.seq, row.kind, row.client_id) for row in before
    ]
    told = {row.seq: row.body for row in after}
    assert told[2] == told[3] == {"removed": True}
    assert told[4] == {"removed": True, "event": "red_flag", "text": "内容已过保存期限"}
    # The frame still rebuilds the room: who was in it, and how it ended.
    async with runtime.unit_of_work() as uow:
        row = await uow.session.get_one(RoomRow, room)
        members = await access.participants_of(uow, room)
        log = [
            (each.seq, each.body if each.kind == MessageKind.SYSTEM.value else None)
            for each in after
        ]
        rebuilt = entries.replay(room, row.hospital_id, log)
        stored = access.as_room(row, members)
        assert rebuilt == replace(stored, ref_type=None, ref_id=None)
        assert row.cleared_at is not None
        noted = await uow.session.scalar(
            select(AuditEntry).where(AuditEntry.action == "room.clear")
        )
        assert noted is not None
        assert noted.detail["messages"] == 2
        assert noted.detail["files"] == 1


async def test_the_files_of_a_cleared_room_are_deleted_and_nothing_is_found_in_it(
    runtime: Runtime, old: dict[str, Any], clock: FakeClock
) -> None:
    async with runtime.unit_of_work() as uow:
        key = (await uow.session.get_one(File, UUID(old["file"]))).storage_key
    clock.advance(timedelta(days=3))
    await clear_what_is_over(runtime)
    await remove_orphans(runtime)
    async with runtime.unit_of_work() as uow:
        assert await uow.session.get(File, UUID(old["file"])) is None
    assert await runtime.storage.list(key) == []


async def test_a_hospital_may_keep_longer_but_not_shorter(
    client: Client, cast: Cast, runtime: Runtime, room: UUID, clock: FakeClock
) -> None:
    async def set_years(years: int) -> int:
        body = {"value": years, "scope": "hospital"}
        token = cast.administrator.token
        return (await client.put("/settings/rooms.keep_years", token=token, json=body)).status

    assert await set_years(2) == 422
    assert await set_years(15) < 300
    [seq] = await say(runtime, room, cast.patient, "咳嗽三天")
    async with runtime.unit_of_work() as uow:
        await service.close_room(uow, room, CloseReason.COMPLETED, cast.doctor.user_id)
    clock.advance(timedelta(days=14 * 365))
    await clear_what_is_over(runtime)
    assert (await log_of(runtime, room))[seq - 1].body == {"text": "咳嗽三天"}
    clock.advance(timedelta(days=400))
    await clear_what_is_over(runtime)
    assert (await log_of(runtime, room))[seq - 1].body == {"removed": True}


async def test_a_recalled_message_is_read_by_auditors_with_a_reason_and_by_nobody_else(
    client: Client, cast: Cast, room: UUID, runtime: Runtime
) -> None:
    file_id = await upload(client, cast.patient)
    words, picture = await say(
        runtime,
        room,
        cast.patient,
        "我想撤回这句",
        FileBody.model_validate({"file": {"id": file_id}}),
    )
    path = f"/rooms/{room}/messages/{words}/original"
    reason = {"reason": "投诉核查"}

    async def read(person: Person, where: str, body: dict[str, str]) -> Any:
        return await client.post(where, token=person.token, json=body)

    # As long as it stands it is no matter for auditors.
    assert (await read(cast.supervisor, path, reason)).code == "not_found"
    async with runtime.unit_of_work() as uow:
        await service.recall(uow, cast.patient.caller, room, words)
        await service.recall(uow, cast.patient.caller, room, picture)

    seen = (await read(cast.supervisor, path, reason)).expect(200)
    assert seen["body"] == {"text": "我想撤回这句"}
    assert seen["sender"]["name"] == "林小满"
    image = (
        await read(cast.supervisor, f"/rooms/{room}/messages/{picture}/original", reason)
    ).expect(200)
    assert image["preview"].startswith("data:image/")
    assert (await read(cast.supervisor, path, {"reason": " "})).code == "invalid"
    for person in (cast.patient, cast.doctor, cast.nurse, cast.administrator):
        assert (await read(person, path, reason)).code == "forbidden"
    assert (await read(cast.foreign_supervisor, path, reason)).code == "not_found"
    async with runtime.unit_of_work() as uow:
        looks = list(
            await uow.session.scalars(
                select(AuditEntry).where(AuditEntry.action == "recalled_message.look")
            )
        )
    assert {(look.detail["seq"], look.reason) for look in looks} == {
        (words, "投诉核查"),
        (picture, "投诉核查"),
    }


async def test_the_file_of_a_recalled_message_opens_for_the_auditor_who_gave_a_reason(
    client: Client, cast: Cast, room: UUID, runtime: Runtime, clock: FakeClock
) -> None:
    file_id = await upload(client, cast.patient)
    words, picture = await say(
        runtime, room, cast.patient, "也撤回", FileBody.model_validate({"file": {"id": file_id}})
    )
    async with runtime.unit_of_work() as uow:
        stored = await runtime.storage.get(
            (await uow.session.get_one(File, UUID(file_id))).storage_key
        )
        await service.recall(uow, cast.patient.caller, room, words)
        await service.recall(uow, cast.patient.caller, room, picture)
    auditor, path = cast.supervisor, f"/rooms/{room}/messages/{picture}/original"

    async def original(seq: int) -> Any:
        where = f"/rooms/{room}/messages/{seq}/original"
        body = {"reason": "投诉核查"}
        return (await client.post(where, token=auditor.token, json=body)).expect(200)

    assert (await original(words))["link"] is None
    link = (await original(picture))["link"]["url"].removeprefix("/api/v1")
    opened = await client.get(link)
    assert (opened.status, opened.body) == (200, stored)
    assert opened.headers["content-type"].startswith("image/")
    async with runtime.unit_of_work() as uow:
        looks = await uow.session.scalars(
            select(AuditEntry)
            .where(AuditEntry.action == "recalled_message.look")
            .order_by(AuditEntry.id)
        )
        told = [(look.detail["seq"], look.detail.get("file"), look.reason) for look in looks]
    assert told == [(words, None, "投诉核查"), (picture, file_id, "投诉核查")]

    # Nobody else and nothing else opens by it, and the file itself stays closed.
    ticket = link.partition("?")[2]
    elsewhere = f"/rooms/{room}/messages/{words}/original/content?{ticket}"
    assert (await client.get(elsewhere)).code == "ticket_invalid"
    assert (await client.get(f"{path}/content")).status == 422
    assert (await client.get(f"/files/{file_id}/content?{ticket}")).code == "ticket_invalid"
    links = await client.post("/files/links", token=auditor.token, json={"ids": [file_id]})
    assert links.expect(200) == {}
    # It ends with the permission, with the session, and with time.
    await put_policy(runtime, cast.hospital_id, Role.SUPERVISOR, "room.recalled", "none")
    assert (await client.get(link)).code == "not_found"
    clock.advance(timedelta(minutes=12))
    assert (await client.get(link)).code == "ticket_invalid"
