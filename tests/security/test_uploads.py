"""Uploads: scanned by a real clamd; polyglots; names that want to be paths; swollen forms.

The signatures are this test's own (a word that no real file holds); nothing is fetched from anyone.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import shutil
import struct
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from typing import Any
from zlib import compress, crc32

import pytest
from PIL import Image
from sqlalchemy import select

from core.audit.models import AuditEntry
from core.files.models import File
from core.files.scanning.clamd import Clamd
from core.files.scanning.port import ScannerUnavailable, ScanTooLarge, VirusScanner
from core.runtime import Runtime
from tests.support.cast import Cast
from tests.support.demo import free_port
from tests.support.http import Client, Response

MARK = b"zhenjian-malicious-word-5d1f"
KNOWN = b"%PDF-1.4\nknown by its digest\n%%EOF\n"


@dataclass
class Daemon:
    """A running clamd."""

    port: int
    socket: Path
    process: asyncio.subprocess.Process

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def running_clamd(folder: Path) -> AsyncIterator[Daemon]:
    """ClamAV's daemon with two signatures: a byte pattern and a digest."""
    program = shutil.which("clamd") or shutil.which("clamd", path="/usr/sbin")
    if program is None:
        pytest.skip("clamd is not installed (scripts/tools.sh clamav)")
    base = folder / "signatures"
    base.mkdir()
    (base / "own.ndb").write_text(f"Zhenjian.Test.Word:0:*:{MARK.hex()}\n")
    digest = md5(KNOWN, usedforsecurity=False).hexdigest()
    (base / "own.hdb").write_text(f"{digest}:{len(KNOWN)}:Zhenjian.Test.Digest\n")
    port, socket = free_port(), folder / "clamd.ctl"
    settings = folder / "clamd.conf"
    settings.write_text(
        f"DatabaseDirectory {base}\nLocalSocket {socket}\nTCPSocket {port}\n"
        "TCPAddr 127.0.0.1\nForeground yes\nStreamMaxLength 1M\nMaxThreads 4\n"
        f"TemporaryDirectory {folder}\n"
    )
    process = await asyncio.create_subprocess_exec(
        program, "--config-file", str(settings),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(60):
            while not await _answers(socket):
                assert process.returncode is None, "clamd has ended"
                await asyncio.sleep(0.05)
        yield Daemon(port, socket, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _answers(socket: Path) -> bool:
    try:
        return (await Clamd(f"unix://{socket}").version()).startswith("ClamAV")
    except ScannerUnavailable:
        return False


def form(data: bytes, name: str, purpose: str = "message") -> bytes:
    return (
        b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n'
        + purpose.encode()
        + b'\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="'
        + name.encode()
        + b'"\r\nContent-Type: application/octet-stream\r\n\r\n'
        + data
        + b"\r\n--b--\r\n"
    )


async def upload(client: Client, token: str, data: bytes, name: str) -> Response:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    return await client.post("/files", token=token, body=form(data, name), headers=headers)


def picture(word: bytes = b"") -> bytes:
    output = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(output, "JPEG", comment=word)
    return output.getvalue()


def required(runtime: Runtime, scanner: Any, wait: float = 0.0) -> None:
    """Turn scanning on, as the setting does."""
    changes = {"scanner": "required", "scanner_wait": wait}
    runtime.config = runtime.config.model_copy(update=changes)
    runtime.provide(VirusScanner, scanner)


async def files_of(runtime: Runtime) -> int:
    async with runtime.unit_of_work() as uow:
        return len((await uow.session.scalars(select(File))).all())


# --- The scanner ----------------------------------------------------------------------------------


@pytest.mark.requirement("S0-N-042", "S4-074")
async def test_infected_uploads_are_refused_kept_by_digest_and_told_to_the_officers(
    client: Client, cast: Cast, runtime: Runtime, tmp_path: Path
) -> None:
    async with running_clamd(tmp_path) as daemon:
        required(runtime, Clamd(daemon.url))
        patient = cast.patient.token
        clean = await upload(client, patient, picture(), "好.jpg")
        assert clean.status == 201, clean.body
        infected = picture(MARK)
        for data, name in ((infected, "坏.jpg"), (KNOWN, "坏.pdf"), (infected, "又一次.jpg")):
            refused = await upload(client, patient, data, name)
            assert (refused.status, refused.code) == (422, "file_infected")
        assert await files_of(runtime) == 1

        # The scanner goes away; what is known stays refused, everything else waits for it.
        daemon.process.kill()
        await daemon.process.wait()
        refused = await upload(client, patient, infected, "x.jpg")
        assert refused.code == "file_infected"
        waiting = await upload(client, patient, picture(), "好.jpg")
        assert (waiting.status, waiting.code) == (503, "scan_unavailable")
        assert waiting.headers["retry-after"] == "60"
        assert await files_of(runtime) == 1

    listed = (await client.get("/quarantine", token=cast.administrator.token)).expect(200)
    assert {(each["signature"], each["times"]) for each in listed["items"]} == {
        ("Zhenjian.Test.Word.UNOFFICIAL", 3),
        ("Zhenjian.Test.Digest.UNOFFICIAL", 1),
    }
    assert (await client.get("/quarantine", token=cast.foreign_administrator.token)).json[
        "items"
    ] == []
    async with runtime.unit_of_work() as uow:
        actions = list(await uow.session.scalars(select(AuditEntry.action)))
    assert actions.count("upload.refuse") == 4
    alarms = (await client.get("/alarms", token=cast.administrator.token)).expect(200)
    assert [each["kind"] for each in alarms["items"]].count("infected_upload") == 2

    entry = listed["items"][0]["id"]
    foreign = await client.delete(f"/quarantine/{entry}", token=cast.foreign_administrator.token)
    assert foreign.code == "not_found"
    assert (
        await client.delete(f"/quarantine/{entry}", token=cast.administrator.token)
    ).status == 204


async def test_the_client_speaks_over_both_sockets_in_pieces_and_knows_the_limits(
    tmp_path: Path,
) -> None:
    async with running_clamd(tmp_path) as daemon:
        file = tmp_path / "file"
        for url in (daemon.url, f"unix://{daemon.socket}"):
            scanner = Clamd(url)
            # The pattern lies across two pieces.
            file.write_bytes(b"x" * (128 * 1024 - 10) + MARK + b"x" * 1000)
            assert (await scanner.scan(file)).signature == "Zhenjian.Test.Word.UNOFFICIAL"
            file.write_bytes(b"")
            assert (await scanner.scan(file)).clean
            file.write_bytes(b"y" * 3_000_000)
            with pytest.raises(ScanTooLarge):
                await scanner.scan(file)
            file.write_bytes(b"y" * 500_000)
            verdicts = await asyncio.gather(*(scanner.scan(file) for _ in range(8)))
            assert all(verdict.clean for verdict in verdicts)
            assert (await scanner.version()).startswith("ClamAV")


@pytest.mark.parametrize(
    "reply", [b"", b"stream: OK", b"ERROR\0", b"\0", b"x" * 9000, b"stream: not OK FOUND OK\0"]
)
async def test_only_a_whole_and_known_reply_is_a_verdict(reply: bytes, tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    file = tmp_path / "file"
    file.write_bytes(b"content")
    with pytest.raises(ScannerUnavailable):
        await Clamd(f"tcp://127.0.0.1:{port}").scan(file)
    server.close()


async def test_a_scanner_that_says_nothing_is_unavailable(tmp_path: Path) -> None:
    silent = await asyncio.start_server(lambda *_: asyncio.sleep(5), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    file = tmp_path / "file"
    file.write_bytes(b"content")
    with pytest.raises(ScannerUnavailable):
        await Clamd(f"tcp://127.0.0.1:{port}", scan_seconds=0.2).scan(file)
    silent.close()
    with pytest.raises(ValueError, match="neither"):
        Clamd("http://localhost")


async def test_an_upload_waits_for_a_scanner_that_comes_back(
    client: Client, cast: Cast, runtime: Runtime
) -> None:
    class Flickering:
        calls = 0

        async def scan(self, path: Path) -> Any:
            self.calls += 1
            if self.calls == 1:
                raise ScannerUnavailable("restarting")
            return type("Verdict", (), {"clean": True, "signature": None})

    required(runtime, Flickering(), wait=5.0)
    assert (await upload(client, cast.patient.token, picture(), "a.jpg")).status == 201


async def test_without_a_scanner_a_required_scan_is_an_error_and_nothing_is_taken(
    client: Client, cast: Cast, runtime: Runtime
) -> None:
    runtime.config = runtime.config.model_copy(update={"scanner": "required"})
    answer = await upload(client, cast.patient.token, picture(), "a.jpg")
    assert (answer.status, answer.code) == (503, "not_configured")
    assert await files_of(runtime) == 0


# --- Polyglots ------------------------------------------------------------------------------------

SCRIPT = b"<script>alert(document.cookie)</script>"


def archive(**parts: bytes) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts.items():
            made.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return output.getvalue()


POLYGLOTS = {
    "html in a picture": (picture(SCRIPT), "a.jpg"),
    "picture with a zip behind it": (picture() + archive(a=SCRIPT), "a.jpg"),
    "picture with PHP behind it": (picture() + b"<?php system($_GET[0]); ?>", "a.php.jpg"),
    "GIF that is JavaScript": (b"GIF89a/*" + b"\0" * 20 + b"*/=1;alert(1)", "a.gif"),
    "SVG named as a picture": (b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>", "a.png"),
    "SVG by its own name": (b"<svg onload='x()'/>", "a.svg"),
    "HTML as text": (SCRIPT, "a.txt"),
    "HTML by its own name": (b"<html>" + SCRIPT, "a.html"),
    "PDF with a picture in front": (picture() + b"%PDF-1.4 %%EOF", "a.pdf"),
    "program": (b"MZ" + b"\0" * 200, "a.exe"),
    "program named as a picture": (b"\x7fELF" + b"\0" * 200, "a.jpg"),
    "playlist for the decoder": (b"#EXTM3U\nfile:///etc/passwd\n", "a.mp4"),
    "concatenation for the decoder": (b"ffconcat version 1.0\nfile /etc/passwd\n", "a.webm"),
    "bare zip": (archive(a=SCRIPT), "a.zip"),
    "zip named as a document": (archive(a=SCRIPT), "a.docx"),
    "document with macros": (
        archive(
            **{
                "[Content_Types]_dot_xml": b"<Types/>",
                "word__document_dot_xml": b"<w/>",
                "word__vbaProject_dot_bin": b"macro",
            }
        ),
        "a.docx",
    ),
    "zip bomb as a document": (
        archive(
            **{
                "[Content_Types]_dot_xml": b"<Types/>",
                "word__document_dot_xml": b"\0" * 210_000_000,
            }
        ),
        "a.docx",
    ),
    "archive that climbs": (
        archive(
            **{
                "[Content_Types]_dot_xml": b"<Types/>",
                "word__document_dot_xml": b"<w/>",
                "..__..__etc__cron_dot_d": b"x",
            }
        ),
        "a.docx",
    ),
}


def pixel_bomb() -> bytes:
    """A PNG of a few bytes that says it is 30,000 by 30,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", crc32(kind + data))

    head = struct.pack("!IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    pixels = compress(b"\0" * 3751 * 100)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.mark.requirement("S4-074")
async def test_what_is_two_things_at_once_is_refused_or_becomes_harmless(
    client: Client, cast: Cast
) -> None:
    token = cast.patient.token
    for what, (data, name) in POLYGLOTS.items():
        answer = await upload(client, token, data, name)
        if answer.status != 201:
            assert answer.status in (413, 415, 422), (what, answer.status, answer.body)
            continue
        link = await client.post("/files/links", token=token, json={"ids": [answer.json["id"]]})
        address = next(iter(link.json.values()))["url"]
        served = await client.get("/" + address)
        assert served.status == 200, what
        assert served.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in served.headers["content-security-policy"]
        assert served.headers["content-type"].partition(";")[0] in {
            "image/jpeg", "image/png", "text/plain", "application/pdf",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        }, what  # fmt: skip
        if served.headers["content-type"].startswith("image/"):
            assert b"<" + b"script" not in served.body, what
            assert b"PK\x03\x04" not in served.body, what
            assert b"<?php" not in served.body, what
        else:
            assert served.headers["content-disposition"].startswith("attachment"), what


async def test_a_picture_that_would_fill_the_memory_is_refused(client: Client, cast: Cast) -> None:
    answer = await upload(client, cast.patient.token, pixel_bomb(), "a.png")
    assert answer.code == "file_too_large"


NAMES = [
    "../../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "/etc/passwd",
    "C:\\x.jpg",
    "a\x00.jpg",
    "a.jpg\x00.exe",
    "%2e%2e%2f%2e%2e%2fx.jpg",
    "....//....//x.jpg",
    "\u202egpj.exe",
    "a\r\nX-Injected: 1.jpg",
    "x" * 5000 + ".jpg",
    ".htaccess",
    "con.jpg",
    "  ..  ",
    "=cmd|' /C calc'!A0.jpg",
    "<img src=x onerror=alert(1)>.jpg",
    "'; DROP TABLE files; --.jpg",
]


async def test_a_name_is_only_a_name(client: Client, cast: Cast, runtime: Runtime) -> None:
    token = cast.patient.token
    for name in NAMES:
        answer = await upload(client, token, picture(), name)
        assert answer.status in (201, 400, 422), (name, answer.body)
        if answer.status == 201:
            kept = answer.json["name"]
            assert "/" not in kept, name
            assert "\\" not in kept, name
            assert kept.isprintable(), name
            assert len(kept) <= 130, name
            assert kept.endswith(".jpg"), name
    async with runtime.unit_of_work() as uow:
        for file in await uow.session.scalars(select(File)):
            assert file.storage_key.startswith("files/2026/11/")
            assert ".." not in file.storage_key
    assert not list((runtime.config.data_dir / "uploads").glob("*"))


def _many_parts() -> bytes:
    part = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n'
    return part * 500 + b"--b--\r\n"


FORMS = {
    "many fields": (_many_parts(), "b"),
    "two files": (form(picture(), "a.jpg")[:-7] + b"\r\n" + form(picture(), "b.jpg"), "b"),
    "a field as large as a file": (
        b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n'
        + b"x" * 100_000 + b"\r\n--b--\r\n", "b"),
    "a header without end": (b"--b\r\nX: " + b"y" * 200_000, "b"),
    "many headers": (b"--b\r\n" + b"X: y\r\n" * 5000 + b"\r\nz\r\n--b--\r\n", "b"),
    "no boundary": (b"x", ""),
    "a boundary that never comes": (b"z" * 1000, "b"),
    "nothing": (b"", "b"),
    "cut short": (form(picture(), "a.jpg")[:200], "b"),
}  # fmt: skip


async def test_forms_are_bounded_in_parts_fields_and_headers(client: Client, cast: Cast) -> None:
    for what, (data, boundary) in FORMS.items():
        kind = "multipart/form-data" + (f"; boundary={boundary}" if boundary else "")
        answer = await client.post(
            "/files", token=cast.patient.token, body=data, headers={"content-type": kind}
        )
        assert answer.status in (400, 422), (what, answer.status, answer.body)
