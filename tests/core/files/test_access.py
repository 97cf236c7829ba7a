"""Who may attach and see files, and how they are served."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from core import files
from core.clock import FakeClock
from core.files.errors import FileNotAttachable, FileTypeNotAllowed
from core.files.jobs import remove_orphans
from core.files.models import File, Purpose
from core.files.service import detach
from core.identity import sessions
from core.identity.caller import Caller
from core.identity.roles import Role
from core.jobs import JobRunner
from core.runtime import Runtime
from core.storage import ObjectMissing
from core.uow import UnitOfWork
from tests.core.files.conftest import Upload, picture
from tests.support.cast import Cast, Person
from tests.support.http import Client, Response

PDF = b"%PDF-1.4\n" + bytes(range(256)) * 40 + b"\n%%EOF\n"
SCOPE = "test-thing"
members: dict[UUID, set[UUID]] = {}


async def is_member(uow: UnitOfWork, caller: Caller, file: File) -> bool:
    return file.scope_id is not None and caller.user_id in members.get(file.scope_id, set())


files.register_viewer(SCOPE, is_member)


@pytest.fixture
async def thing(cast: Cast, upload: Upload, runtime: Runtime) -> tuple[UUID, str]:
    """A thing that patient and doctor share, and the file that hangs on it."""
    ref = (await upload(cast.patient.token, PDF, "报告 1.pdf")).expect(201)
    thing_id = uuid4()
    members[thing_id] = {cast.patient.user_id, cast.doctor.user_id, cast.foreign_doctor.user_id}
    async with runtime.unit_of_work() as uow:
        await files.attach(uow, [UUID(ref["id"])], SCOPE, thing_id, cast.patient.caller)
    return thing_id, ref["id"]


async def links(client: Client, person: Person, *ids: str) -> Any:
    answer = await client.post("/files/links", token=person.token, json={"ids": list(ids)})
    return answer.expect(200)


async def opened(client: Client, url: str, **headers: str) -> Response:
    return await client.get(url.removeprefix("/api/v1"), headers=headers)


async def test_only_who_shares_the_thing_gets_a_link(
    cast: Cast, client: Client, thing: tuple[UUID, str]
) -> None:
    file_id = thing[1]
    for person in (cast.patient, cast.doctor):
        link = (await links(client, person, file_id, str(uuid4())))[file_id]
        answer = await opened(client, link["url"])
        assert answer.status == 200
        assert answer.body == PDF
        assert link["thumbnail_url"] is None
    strangers = [cast.of(role) for role in Role if role not in (Role.PATIENT, Role.DOCTOR)]
    # The foreign doctor is on the list of members, but belongs to another hospital.
    for person in (*strangers, cast.other_patient, cast.other_doctor, cast.foreign_doctor):
        assert await links(client, person, file_id) == {}
    assert (await client.post("/files/links", json={"ids": [file_id]})).code == "unauthenticated"


async def test_access_is_asked_again_at_every_read(
    cast: Cast, client: Client, thing: tuple[UUID, str], runtime: Runtime, clock: FakeClock
) -> None:
    thing_id, file_id = thing
    url = (await links(client, cast.doctor, file_id))[file_id]["url"]
    assert (await opened(client, url)).status == 200
    members[thing_id].discard(cast.doctor.user_id)
    assert (await opened(client, url)).code == "not_found"
    members[thing_id].add(cast.doctor.user_id)
    assert (await opened(client, url)).status == 200
    async with runtime.unit_of_work() as uow:
        await sessions.logout(uow, cast.doctor.caller)
    assert (await opened(client, url)).code == "session_revoked"


async def test_a_ticket_is_for_one_file_and_ten_minutes(
    cast: Cast, client: Client, upload: Upload, thing: tuple[UUID, str], clock: FakeClock
) -> None:
    own = (await upload(cast.patient.token, PDF, "b.pdf")).expect(201)["id"]
    found = await links(client, cast.patient, thing[1], own)
    ticket = found[own]["url"].partition("ticket=")[2]
    base = f"/files/{thing[1]}/content?ticket="
    key, payload, mac = ticket.split(".")
    for bad in (
        ticket,
        "",
        "a.b.c",
        "é.é.é",
        f"{key}.{payload}.AAAA",
        f"{key}.{payload[:-2]}AA.{mac}",
        "x" * 5000,
    ):
        answer = await client.get(base + bad)
        assert answer.code in ("ticket_invalid", "invalid"), bad
        assert answer.status in (403, 422)
    url = found[thing[1]]["url"]
    clock.advance(timedelta(minutes=10))
    assert (await opened(client, url)).status == 200
    clock.advance(timedelta(minutes=1))
    assert (await opened(client, url)).code == "ticket_invalid"


async def test_an_unattached_file_shows_to_its_uploader_alone(
    cast: Cast, client: Client, upload: Upload
) -> None:
    own = (await upload(cast.patient.token, PDF, "b.pdf")).expect(201)["id"]
    assert set(await links(client, cast.patient, own)) == {own}
    assert await links(client, cast.doctor, own) == {}


@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [
        ("bytes=0-9", 206, 0, 10),
        ("bytes=100-", 206, 100, len(PDF)),
        ("bytes=-7", 206, len(PDF) - 7, len(PDF)),
        ("bytes=5-999999", 206, 5, len(PDF)),
        ("bytes=-999999", 206, 0, len(PDF)),
        ("bytes=0-0", 206, 0, 1),
        ("bytes=0-1,5-6", 200, 0, len(PDF)),
        ("lines=1-2", 200, 0, len(PDF)),
        ("bytes=-", 200, 0, len(PDF)),
        (f"bytes={len(PDF)}-", 416, 0, 0),
        ("bytes=9-3", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
    ],
)
async def test_ranges_are_served(
    cast: Cast,
    client: Client,
    thing: tuple[UUID, str],
    asked: str,
    status: int,
    start: int,
    end: int,
) -> None:
    url = (await links(client, cast.patient, thing[1]))[thing[1]]["url"]
    answer = await opened(client, url, range=asked)
    assert answer.status == status
    if status == 416:
        assert answer.code == "range_not_satisfiable"
        return
    assert answer.body == PDF[start:end]
    assert answer.headers["content-length"] == str(end - start)
    if status == 206:
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(PDF)}"


async def test_answers_carry_headers_that_keep_browsers_harmless(
    cast: Cast, client: Client, upload: Upload, thing: tuple[UUID, str]
) -> None:
    shown = (await upload(cast.patient.token, picture(), "照片.jpg")).expect(201)["id"]
    found = await links(client, cast.patient, thing[1], shown)
    document = await opened(client, found[thing[1]]["url"])
    image = await opened(client, found[shown]["url"])
    small = await opened(client, found[shown]["thumbnail_url"])
    assert document.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%E6")
    assert image.headers["content-disposition"].startswith("inline;")
    assert small.headers["content-type"] == "image/jpeg"
    for answer in (document, image, small):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "private, max-age=600"
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    etag = image.headers["etag"]
    again = await opened(client, found[shown]["url"], **{"if-none-match": etag})
    assert (again.status, again.body) == (304, b"")
    changed = await opened(client, found[shown]["url"], **{"range": "bytes=0-1", "if-range": '"x"'})
    assert (changed.status, changed.body) == (200, image.body)
    head = await client.request("HEAD", found[shown]["url"].removeprefix("/api/v1"))
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(image.body))


async def test_only_its_uploader_attaches_a_file_and_only_once(
    cast: Cast, runtime: Runtime, upload: Upload, thing: tuple[UUID, str]
) -> None:
    ref = (await upload(cast.patient.token, PDF, "b.pdf")).expect(201)
    file_id, used = UUID(ref["id"]), UUID(thing[1])

    async def attach(person: Person, *ids: UUID, scope_id: UUID | None = None, **more: Any) -> Any:
        async with runtime.unit_of_work() as uow:
            target = scope_id or uuid4()
            return await files.attach(uow, ids, SCOPE, target, person.caller, **more)

    for person in (cast.doctor, cast.other_patient, cast.foreign_patient):
        with pytest.raises(FileNotAttachable):
            await attach(person, file_id)
    with pytest.raises(FileNotAttachable):
        await attach(cast.patient, uuid4())
    with pytest.raises(FileNotAttachable):
        await attach(cast.patient, file_id, used)
    with pytest.raises(FileTypeNotAllowed):
        await attach(cast.patient, file_id, purposes=[Purpose.PROOF])
    again = await attach(cast.patient, used, file_id, scope_id=thing[0])
    assert [each.id for each in again] == [used, file_id]
    assert await attach(cast.patient) == []
    async with runtime.unit_of_work() as uow:
        assert [ref.id for ref in await files.file_refs(uow, [file_id, uuid4(), used])] == [
            file_id,
            used,
        ]


async def test_a_file_that_is_sent_at_the_moment_of_its_collection_is_kept_or_refused_whole(
    cast: Cast, runtime: Runtime, upload: Upload, clock: FakeClock, jobs: JobRunner
) -> None:
    ids = [UUID((await upload(cast.patient.token, PDF, "a.pdf")).expect(201)["id"])]
    for _ in range(11):
        ids.append(UUID((await upload(cast.patient.token, PDF, "a.pdf")).expect(201)["id"]))
    clock.advance(timedelta(hours=25))

    async def send(file_id: UUID) -> bool:
        try:
            async with runtime.unit_of_work() as uow:
                await files.attach(uow, [file_id], SCOPE, uuid4(), cast.patient.caller)
                # The transaction stays open for a moment, as that of a group of messages does.
                await asyncio.sleep(0.01)
        except FileNotAttachable:
            return False
        return True

    # The collection takes some of those that are just being sent, never one that was sent.
    sent = [asyncio.create_task(send(file_id)) for file_id in ids[:6]]
    await asyncio.sleep(0.005)
    collection = asyncio.create_task(jobs.run_due())
    sent += [asyncio.create_task(send(file_id)) for file_id in ids[6:]]
    kept = {file_id for file_id, done in zip(ids, await asyncio.gather(*sent), strict=True) if done}
    await collection
    await remove_orphans(runtime)
    async with runtime.unit_of_work() as uow:
        assert {ref.id for ref in await files.file_refs(uow, ids)} == kept
    for file_id in kept:
        key = f"files/{runtime.clock.now() - timedelta(hours=25):%Y/%m}/{file_id}/original"
        assert await runtime.storage.get(key) == PDF
    assert len(await runtime.storage.list("files")) == len(kept)


async def test_forgotten_uploads_are_removed_with_their_bytes(
    cast: Cast,
    runtime: Runtime,
    upload: Upload,
    thing: tuple[UUID, str],
    clock: FakeClock,
    jobs: JobRunner,
) -> None:
    orphan = (await upload(cast.patient.token, picture(), "a.jpg")).expect(201)["id"]
    detached = UUID((await upload(cast.patient.token, PDF, "a.pdf")).expect(201)["id"])
    async with runtime.unit_of_work() as uow:
        await files.attach(uow, [detached], SCOPE, thing[0], cast.patient.caller)
    clock.advance(timedelta(hours=20))
    async with runtime.unit_of_work() as uow:
        await detach(uow, [detached], SCOPE, thing[0], cast.patient.caller)
    await jobs.run_due()
    assert len(await runtime.storage.list("files")) == 5
    clock.advance(timedelta(hours=5))
    await jobs.run_due()
    keys = [info.key for info in await runtime.storage.list("files")]
    assert len(keys) == 2
    assert not [key for key in keys if orphan in key]
    async with runtime.unit_of_work() as uow:
        assert await files.file_refs(uow, [UUID(orphan)]) == []
    with pytest.raises(ObjectMissing):
        await runtime.storage.get(f"files/2026/11/{orphan}/original")
    clock.advance(timedelta(hours=25))
    await jobs.run_due()
    assert [key for key in keys if thing[1] in key] == [
        info.key for info in await runtime.storage.list("files")
    ]


async def test_a_scope_without_a_check_shows_to_nobody(
    cast: Cast, client: Client, upload: Upload, runtime: Runtime
) -> None:
    own = (await upload(cast.patient.token, PDF, "b.pdf")).expect(201)["id"]
    async with runtime.unit_of_work() as uow:
        await files.attach(uow, [UUID(own)], "unheard-of", uuid4(), cast.patient.caller)
    assert await links(client, cast.patient, own) == {}
    with pytest.raises(ValueError, match="already"):
        files.register_viewer(SCOPE, lambda uow, caller, file: is_member(uow, caller, file))
