"""A large upload survives cut connections, restarts and impatience, and belongs to one person."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp
import pytest
from sqlalchemy import text

import app as zhenjian
from core import files
from core.clock import FakeClock
from core.config import Config
from core.crypto.keyring import Keyring
from core.errors import NotFound
from core.files.conversion import Converter
from core.files.resumable import finishing, service
from core.files.resumable.access import own_upload
from core.files.resumable.finishing import Finisher
from core.jobs import JobRunner
from core.modules import Modules
from core.runtime import Runtime
from tests.core.files.conftest import picture, video
from tests.support.cast import Cast, Person
from tests.support.http import Client, Response
from tests.support.nodes import Node, serving

MIB = 1024 * 1024
TYPE = {"content-type": "application/offset+octet-stream", "tus-resumable": "1.0.0"}
Begin = Callable[..., Coroutine[Any, Any, Response]]


def metadata(**fields: str) -> str:
    given = {"purpose": "message", "filename": "a.pdf"} | fields
    return ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in given.items() if v)


def pdf(size: int) -> bytes:
    return b"%PDF-1.4\n" + os.urandom(size - 15) + b"%%EOF\n"


@pytest.fixture
def begin(client: Client) -> Begin:
    async def send(person: Person, length: int, **fields: str) -> Response:
        headers = {"upload-length": str(length), "upload-metadata": metadata(**fields)}
        return await client.post("/uploads", token=person.token, headers=headers)

    return send


async def append(
    client: Client, person: Person, upload: str, offset: int, data: bytes, **headers: str
) -> Response:
    given = TYPE | {"upload-offset": str(offset)} | headers
    path = f"/uploads/{upload}"
    return await client.patch(path, token=person.token, body=data, headers=given)


def caller_of(node: Node) -> Client:
    """The node's API without its port."""
    modules = zhenjian.all_modules(node.runtime.config)
    return Client(zhenjian.build_asgi(node.runtime, modules))


async def finish(client: Client, person: Person, upload: str) -> Any:
    """Asks until the file is there."""
    async with asyncio.timeout(60):
        while True:
            answer = await client.post(f"/uploads/{upload}/file", token=person.token)
            if answer.expect(200)["file"] is not None:
                return answer.json["file"]


async def kept(runtime: Runtime) -> tuple[int, int]:
    """How many files there are, and how many objects of uploads."""
    async with runtime.engine.connect() as connection:
        count = await connection.scalar(text("SELECT count(*) FROM files"))
    return count or 0, len(await runtime.storage.list("uploads"))


class Uploader:
    """Somebody at the other end of a real connection."""

    def __init__(self, person: Person) -> None:
        self._auth = {"authorization": f"Bearer {person.token}"}

    async def call(self, node: Node, method: str, path: str, **options: Any) -> Any:
        headers = self._auth | options.pop("headers", {})
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method, f"{node.url}/api/v1{path}", headers=headers, **options
            ) as answer,
        ):
            return answer.status, answer.headers, await answer.read()

    async def offset(self, node: Node, upload: str) -> int:
        status, headers, _ = await self.call(node, "HEAD", f"/uploads/{upload}")
        assert status == 200
        return int(headers["Upload-Offset"])

    async def cut_off(self, node: Node, upload: str, offset: int, data: bytes, after: int) -> None:
        """Promise all of `data`, send `after` bytes of it, and let the connection break."""
        place = urlsplit(node.url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        fields = self._auth | TYPE | {"upload-offset": str(offset), "host": "hospital.test"}
        fields["content-length"] = str(len(data))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"PATCH /api/v1/uploads/{upload} HTTP/1.1\r\n{head}\r\n".encode())
        writer.write(data[:after])
        await writer.drain()
        while await self.offset(node, upload) < after // service.PIECE_BYTES * service.PIECE_BYTES:
            await asyncio.sleep(0.02)
        writer.transport.abort()
        del reader


async def test_a_cut_connection_and_a_restart_of_the_node_cost_nothing_that_had_arrived(
    config: Config, modules: Modules, keyring: Keyring, clock: FakeClock, cast: Cast
) -> None:
    data, her = pdf(11 * MIB + 123), Uploader(cast.patient)
    digest = hashlib.sha256(data).hexdigest()
    async with serving(config, modules, keyring, clock) as node:
        headers = {
            "upload-length": str(len(data)),
            "upload-metadata": metadata(filename="CT 报告.pdf", sha256=digest),
            "idempotency-key": "one-upload",
        }
        status, answer, _ = await her.call(node, "POST", "/uploads", headers=headers)
        assert (status, answer["Upload-Offset"]) == (201, "0")
        upload = answer["Location"].rpartition("/")[2]
        await her.cut_off(node, upload, 0, data, 6 * MIB)
        while (at := await her.offset(node, upload)) == 4 * MIB:
            await asyncio.sleep(0.02)
        assert at == 6 * MIB, "what had come of the unfinished piece is kept too"
    async with serving(config, modules, keyring, clock) as node:
        # A client that lost the first answer asks again and gets the same upload.
        _, _, again = await her.call(node, "POST", "/uploads", headers=headers)
        assert upload.encode() in again
        at = await her.offset(node, upload)
        assert at == 6 * MIB
        headers = TYPE | {"upload-offset": str(at)}
        status, answer, _ = await her.call(
            node, "PATCH", f"/uploads/{upload}", headers=headers, data=data[at:]
        )
        assert (status, int(answer["Upload-Offset"])) == (204, len(data))
        file = await finish(caller_of(node), cast.patient, upload)
        assert (file["name"], file["kind"], file["size"]) == ("CT 报告.pdf", "file", len(data))
        async with node.runtime.engine.connect() as connection:
            assert await connection.scalar(text("SELECT sha256 FROM files")) == digest
        assert await kept(node.runtime) == (1, 0)


async def test_a_piece_is_added_once_and_only_where_the_upload_stands(
    cast: Cast, client: Client, begin: Begin
) -> None:
    data = pdf(3000)
    upload = (await begin(cast.patient, len(data))).expect(201)["id"]
    first = await append(client, cast.patient, upload, 0, data[:1000])
    assert (first.status, first.headers["upload-offset"]) == (204, "1000")
    # The answer was lost, the client sends the same again, or skips something.
    for offset in (0, 2000):
        wrong = await append(client, cast.patient, upload, offset, data[offset : offset + 500])
        assert wrong.code == "upload_offset_conflict"
        assert wrong.json["details"] == {"offset": 1000}
    early = await client.post(f"/uploads/{upload}/file", token=cast.patient.token)
    assert early.code == "upload_incomplete"
    both = await asyncio.gather(
        *(append(client, cast.patient, upload, 1000, data[1000:]) for _ in range(2))
    )
    assert sorted(each.status for each in both) == [204, 409]
    more = await append(client, cast.patient, upload, 3000, b"x")
    assert more.code == "file_too_large"
    file = await finish(client, cast.patient, upload)
    assert file["size"] == 3000
    assert await finish(client, cast.patient, upload) == file, "asking again makes no second file"


async def test_a_piece_with_a_checksum_is_taken_whole_or_not_at_all(
    cast: Cast, client: Client, begin: Begin, runtime: Runtime
) -> None:
    data = pdf(5000)
    upload = (await begin(cast.patient, len(data))).expect(201)["id"]
    right = base64.b64encode(hashlib.sha256(data).digest()).decode()
    for checksum, sent, code in (
        (f"sha256 {right}", data[:-1] + b"x", "checksum_mismatch"),
        ("md5 xxxx", data, "upload_malformed"),
        ("sha256 ???", data, "upload_malformed"),
    ):
        answer = await append(
            client, cast.patient, upload, 0, sent, **{"upload-checksum": checksum}
        )
        assert answer.code == code
    assert await kept(runtime) == (0, 0)
    answer = await append(
        client, cast.patient, upload, 0, data, **{"upload-checksum": f"sha256 {right}"}
    )
    assert (answer.status, answer.headers["upload-offset"]) == (204, "5000")


async def test_what_differs_from_the_announced_digest_or_type_is_refused_for_good(
    cast: Cast, client: Client, begin: Begin, runtime: Runtime
) -> None:
    data = pdf(2000)
    for fields, sent, code in (
        ({"sha256": "0" * 64}, data, "content_digest_mismatch"),
        ({"filename": "a.jpg"}, data, "file_content_mismatch"),
        ({"filename": "a.exe"}, b"MZ" + data[:1998], "file_type_not_allowed"),
    ):
        upload = (await begin(cast.patient, len(sent), **fields)).expect(201)["id"]
        assert (await append(client, cast.patient, upload, 0, sent)).status == 204
        for _ in range(2):
            answer = await client.post(f"/uploads/{upload}/file", token=cast.patient.token)
            assert answer.code == code
    assert await kept(runtime) == (0, 0)


async def test_an_upload_belongs_to_its_uploader_alone(
    cast: Cast, client: Client, begin: Begin
) -> None:
    data = pdf(2000)
    upload = (await begin(cast.patient, len(data))).expect(201)["id"]
    path = f"/uploads/{upload}"
    for person in (cast.doctor, cast.other_patient, cast.foreign_patient, cast.administrator):
        answers = [
            await client.get(path, token=person.token),
            await append(client, person, upload, 0, data),
            await client.post(f"{path}/file", token=person.token),
        ]
        assert {answer.code for answer in answers} == {"not_found"}, person.name
        await client.delete(path, token=person.token)
    assert (await append(client, cast.patient, upload, 0, data)).status == 204
    assert (await client.delete(path, token=cast.patient.token)).status == 204
    assert (await client.get(path, token=cast.patient.token)).code == "not_found"


async def test_what_is_begun_has_limits(cast: Cast, client: Client, begin: Begin) -> None:
    token = cast.administrator.token
    for name, value in (("open_uploads_per_person", 2), ("open_megabytes_per_person", 100)):
        body = {"value": value, "scope": "hospital"}
        (await client.put(f"/settings/files.{name}", token=token, json=body)).expect(200)
    assert (await begin(cast.patient, 0)).code == "file_empty"
    assert (await begin(cast.patient, 300 * MIB)).code == "file_too_large"
    assert (await begin(cast.patient, 6 * MIB, purpose="avatar")).code == "file_too_large"
    assert (await begin(cast.patient, 10, purpose="nonsense")).code == "invalid"
    assert (await begin(cast.patient, 10, sha256="xyz")).code == "invalid"
    (await begin(cast.patient, 60 * MIB)).expect(201)
    assert (await begin(cast.patient, 60 * MIB)).code == "rate_limited"
    together = await asyncio.gather(*(begin(cast.patient, MIB) for _ in range(3)))
    assert sorted(each.status for each in together) == [201, 429, 429]
    (await begin(cast.doctor, 60 * MIB)).expect(201)
    other = await client.post(
        "/uploads", token=cast.doctor.token, headers={"tus-resumable": "0.2.2"}
    )
    assert other.code == "upload_version_unsupported"


async def test_the_sender_sees_how_far_a_conversion_is_and_another_node_takes_over_a_dead_one(
    cast: Cast,
    client: Client,
    begin: Begin,
    runtime: Runtime,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finishing, "WAIT_SECONDS", 0.7)
    data = video("mov", "libx265", 30)
    upload = (await begin(cast.patient, len(data), filename="IMG_1.MOV")).expect(201)["id"]
    await append(client, cast.patient, upload, 0, data)
    holding, really = asyncio.Event(), Converter.convert

    async def slow(self: Converter, *given: Any, pace: Any, **more: Any) -> Any:
        pace.hear(0.42)
        await holding.wait()
        return await really(self, *given, pace=pace, **more)

    monkeypatch.setattr(Converter, "convert", slow)
    path = f"/uploads/{upload}/file"
    seen = [(await client.post(path, token=cast.patient.token)).expect(200) for _ in range(2)]
    assert [each["state"] for each in seen] == ["converting"] * 2
    assert (seen[1]["percent"], seen[1]["file"]) == (42, None)
    # The node dies in the middle; its lease runs out, and the question to another goes on.
    await Finisher.of(runtime).aclose()
    waiting = (await client.post(path, token=cast.patient.token)).expect(200)
    assert waiting["state"] == "converting"
    clock.advance(timedelta(minutes=1))
    holding.set()
    file = await finish(client, cast.patient, upload)
    assert (file["kind"], file["content_type"], file["name"]) == (
        "video",
        "video/mp4",
        "IMG_1.mp4",
    )
    assert await kept(runtime) == (1, 0)


async def test_an_upload_that_was_given_up_while_it_was_converted_leaves_nothing(
    cast: Cast,
    client: Client,
    begin: Begin,
    runtime: Runtime,
    jobs: JobRunner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finishing, "WAIT_SECONDS", 0.05)
    data = picture()
    upload = (await begin(cast.patient, len(data), filename="a.jpg")).expect(201)["id"]
    await append(client, cast.patient, upload, 0, data)
    going, really = asyncio.Event(), Converter.convert

    async def slow(self: Converter, *given: Any, **more: Any) -> Any:
        await going.wait()
        return await really(self, *given, **more)

    monkeypatch.setattr(Converter, "convert", slow)
    await client.post(f"/uploads/{upload}/file", token=cast.patient.token)
    [task] = Finisher.of(runtime)._tasks.values()
    await client.delete(f"/uploads/{upload}", token=cast.patient.token)
    going.set()
    await task
    await jobs.run_due()
    assert await kept(runtime) == (0, 0)
    assert await runtime.storage.list("files") == []


async def test_unfinished_uploads_are_collected_after_a_day_and_never_the_file_of_a_message(
    cast: Cast,
    client: Client,
    begin: Begin,
    runtime: Runtime,
    clock: FakeClock,
    jobs: JobRunner,
) -> None:
    data = pdf(2000)
    half, whole = [(await begin(cast.patient, len(data))).expect(201)["id"] for _ in range(2)]
    await append(client, cast.patient, half, 0, data[:900])
    await append(client, cast.patient, whole, 0, data)
    file = await finish(client, cast.patient, whole)
    async with runtime.unit_of_work() as uow:
        await files.attach(uow, [UUID(file["id"])], "a", UUID(int=1), cast.patient.caller)
    clock.advance(timedelta(hours=23))
    await jobs.run_due()
    assert await kept(runtime) == (1, 1)
    clock.advance(timedelta(hours=2))
    async with runtime.unit_of_work() as uow:
        with pytest.raises(NotFound):
            await own_upload(uow, cast.patient.caller, UUID(half))
    await jobs.run_due()
    assert await kept(runtime) == (1, 0)
    async with runtime.engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM uploads")) == 0
