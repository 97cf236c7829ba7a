"""What comes in is recognised by content, rewritten, measured; what is bad is named."""

import hashlib
import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import av
import pillow_heif
import pytest
from PIL import Image
from sqlalchemy import text

from core.runtime import Runtime
from tests.core.files.conftest import (
    Upload,
    form,
    picture,
    probe,
    sideways,
    sound,
    sound_wav,
    video,
)
from tests.support.cast import Cast
from tests.support.http import Client


async def content(client: Client, token: str, file_id: str, what: str = "url") -> bytes:
    links = (await client.post("/files/links", token=token, json={"ids": [file_id]})).expect(200)
    answer = await client.get(links[file_id][what].removeprefix("/api/v1"))
    assert answer.status == 200
    return answer.body


async def test_a_photograph_is_turned_upright_and_loses_its_metadata(
    cast: Cast, client: Client, upload: Upload, runtime: Runtime
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # Turn a quarter to the right.
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825)[1] = "N"
    data = picture("JPEG", (400, 200), exif=exif)
    assert b"SecretCamera" in data
    token = cast.patient.token
    ref = (await upload(token, data + b"<script>alert(1)</script>PK\x03\x04", "IMG 1.JPG")).expect(
        201
    )
    assert (ref["kind"], ref["content_type"], ref["name"]) == ("image", "image/jpeg", "IMG 1.jpg")
    assert (ref["width"], ref["height"], ref["has_thumbnail"]) == (200, 400, True)
    stored = await content(client, token, ref["id"])
    assert len(stored) == ref["size"]
    for trace in (b"SecretCamera", b"script", b"Exif", b"PK\x03\x04"):
        assert trace not in stored
    with Image.open(io.BytesIO(stored)) as image:
        assert image.size == (200, 400)
        assert not image.getexif()
    with Image.open(io.BytesIO(await content(client, token, ref["id"], "thumbnail_url"))) as small:
        assert small.size == (200, 400)
    async with runtime.engine.connect() as connection:
        digest = await connection.scalar(text("SELECT sha256 FROM files"))
    assert digest == hashlib.sha256(stored).hexdigest()


@pytest.mark.parametrize(
    ("data", "name", "content_type"),
    [
        (picture("PNG"), "a.png", "image/jpeg"),
        (picture("PNG", mode="LA"), "a.jpg", "image/jpeg"),
        (picture("WEBP"), "a.webp", "image/jpeg"),
        (picture("GIF"), "a.gif", "image/jpeg"),
        (picture("BMP"), "a.bmp", "image/jpeg"),
        (picture("JPEG", mode="CMYK"), "a.jpg", "image/jpeg"),
        (picture("JPEG"), "", "image/jpeg"),
    ],
)
async def test_every_usual_picture_is_taken(
    cast: Cast, upload: Upload, data: bytes, name: str, content_type: str
) -> None:
    if not name:
        name = "blob"
    ref = (await upload(cast.patient.token, data, name)).expect(201)
    assert (ref["kind"], ref["content_type"]) == ("image", content_type)


async def test_transparency_is_kept_and_large_pictures_become_smaller(
    cast: Cast, upload: Upload
) -> None:
    image = Image.new("RGBA", (5000, 100), (255, 0, 0, 100))
    output = io.BytesIO()
    image.save(output, "PNG")
    ref = (await upload(cast.patient.token, output.getvalue(), "a.png")).expect(201)
    assert ref["content_type"] == "image/png"
    assert (ref["width"], ref["height"]) == (4096, 82)


async def test_an_avatar_is_square_and_seen_by_the_hospital(
    cast: Cast, client: Client, upload: Upload
) -> None:
    ref = (await upload(cast.doctor.token, picture(size=(900, 300)), "a.jpg", "avatar")).expect(201)
    assert (ref["width"], ref["height"]) == (640, 640)
    body = {"avatar_file_id": ref["id"]}
    me = (await client.patch("/me", token=cast.doctor.token, json=body)).expect(200)
    assert me["user"]["avatar"] == ref["id"]
    await content(client, cast.patient.token, ref["id"])
    ask = {"ids": [ref["id"]]}
    foreign = await client.post("/files/links", token=cast.foreign_patient.token, json=ask)
    assert foreign.expect(200) == {}
    taken = await client.patch("/me", token=cast.patient.token, json=body)
    assert taken.code == "file_not_found"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (sound("webm", "libopus"), "voice.webm"),
        (sound("ogg", "libopus"), "voice.ogg"),
        (sound("mp4", "aac"), "voice.m4a"),
        (sound("adts", "aac"), "voice.aac"),
        (sound("mp3", "libmp3lame"), "voice.mp3"),
        (sound_wav(), "voice.wav"),
        (sound("amr", "libopencore_amrnb"), "voice.amr"),
    ],
    ids=["webm", "ogg", "m4a", "aac", "mp3", "wav", "amr"],
)
async def test_a_voice_message_becomes_mp3_with_duration_and_waveform(
    cast: Cast, client: Client, upload: Upload, tmp_path: Path, data: bytes, name: str
) -> None:
    token = cast.patient.token
    ref = (await upload(token, data, name)).expect(201)
    assert (ref["kind"], ref["content_type"], ref["name"]) == ("voice", "audio/mpeg", "voice.mp3")
    assert abs(ref["duration_ms"] - 2000) < 150
    wave = ref["waveform"]
    assert len(wave) == 64
    assert max(wave) == 100
    assert sum(wave[:30]) < sum(wave[34:]) / 3
    stored = await content(client, token, ref["id"])
    form_name, codecs, frames, _ = probe(stored, tmp_path)
    assert (form_name, codecs) == ("mp3", ["mp3float"])
    assert frames > 50


@pytest.mark.parametrize(
    ("encoder", "name", "content_type", "codec"),
    [
        ("libx264", "v.mp4", "video/mp4", "h264"),
        ("libx264", "v.mov", "video/mp4", "h264"),
        ("libvpx", "v.webm", "video/webm", "vp8"),
        ("mpeg4", "v.mp4", "video/mp4", "h264"),
        ("libx265", "IMG_1.MOV", "video/mp4", "h264"),
    ],
    ids=["h264", "quicktime", "vp8", "mpeg4", "hevc"],
)
async def test_a_video_gets_a_duration_and_a_poster_and_loses_its_metadata(
    cast: Cast,
    client: Client,
    upload: Upload,
    tmp_path: Path,
    encoder: str,
    name: str,
    content_type: str,
    codec: str,
) -> None:
    token = cast.doctor.token
    data = video(name.rpartition(".")[2].lower(), encoder)
    ref = (await upload(token, data, name)).expect(201)
    assert (ref["kind"], ref["content_type"]) == ("video", content_type)
    assert (ref["width"], ref["height"]) == (160, 120)
    assert abs(ref["duration_ms"] - 1200) < 100
    stored = await content(client, token, ref["id"])
    assert b"secret-place" not in stored
    _, codecs, frames, _ = probe(stored, tmp_path)
    assert codecs[0].startswith(codec)
    assert frames >= 29
    with Image.open(io.BytesIO(await content(client, token, ref["id"], "thumbnail_url"))) as small:
        assert small.size == (160, 120)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
async def test_a_video_that_was_taken_upright_stays_upright(
    cast: Cast, client: Client, upload: Upload, tmp_path: Path, codec: str
) -> None:
    token = cast.patient.token
    ref = (await upload(token, sideways(video("mov", codec)), "v.mov")).expect(201)
    assert (ref["width"], ref["height"]) == (120, 160)
    path = tmp_path / "stored"
    path.write_bytes(await content(client, token, ref["id"]))
    poster = Image.open(io.BytesIO(await content(client, token, ref["id"], "thumbnail_url")))
    with av.open(str(path)) as film:
        frame: Any = next(film.decode(video=0))
        played = frame.to_image().rotate(frame.rotation, expand=True)
    for shown in (poster, played):
        assert shown.size == (120, 160)
        # The bar is at the left of the picture as the sensor saw it, hence above when it is turned.
        assert is_yellow(shown, (60, 6))
        assert not is_yellow(shown, (60, 150))


def is_yellow(image: Image.Image, place: tuple[int, int]) -> bool:
    pixel = image.convert("RGB").getpixel(place)
    assert isinstance(pixel, tuple)
    return pixel[0] > 180 and pixel[1] > 180 and pixel[2] < 90


async def test_colours_that_browsers_cannot_show_are_encoded_anew(
    cast: Cast, client: Client, upload: Upload, tmp_path: Path
) -> None:
    data = video("mp4", "libx264", pixels="yuv420p10le")
    ref = (await upload(cast.patient.token, data, "v.mp4")).expect(201)
    path = tmp_path / "stored"
    path.write_bytes(await content(client, cast.patient.token, ref["id"]))
    with av.open(str(path)) as film:
        assert film.streams.video[0].codec_context.pix_fmt == "yuv420p"


def heic(size: tuple[int, int] = (400, 200), **options: Any) -> bytes:
    image = pillow_heif.from_pillow(Image.linear_gradient("L").resize(size).convert("RGB"))
    output = io.BytesIO()
    image.save(output, quality=60, **options)
    return output.getvalue()


async def test_a_heic_photograph_becomes_an_upright_jpeg_without_its_place(
    cast: Cast, client: Client, upload: Upload
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # Turn a quarter to the right.
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825)[1] = "N"
    data = heic(exif=exif.tobytes())
    assert b"SecretCamera" in data
    token = cast.patient.token
    ref = (await upload(token, data, "IMG_0001.HEIC")).expect(201)
    assert (ref["kind"], ref["content_type"]) == ("image", "image/jpeg")
    assert (ref["name"], ref["width"], ref["height"]) == ("IMG_0001.jpg", 200, 400)
    stored = await content(client, token, ref["id"])
    assert b"SecretCamera" not in stored
    assert b"Exif" not in stored
    with Image.open(io.BytesIO(stored)) as image:
        assert image.size == (200, 400)


async def test_small_pictures_come_in_the_size_that_is_asked_for(
    cast: Cast, client: Client, upload: Upload
) -> None:
    token = cast.patient.token
    ref = (await upload(token, picture(size=(2000, 1000)), "a.jpg")).expect(201)
    links = (await client.post("/files/links", token=token, json={"ids": [ref["id"]]})).expect(200)
    url = links[ref["id"]]["thumbnail_url"].removeprefix("/api/v1")
    seen = {}
    for side in ("", "100", "160", "161", "1280", "5000"):
        answer = await client.get(f"{url}&side={side}" if side else url)
        with Image.open(io.BytesIO(answer.body)) as image:
            seen[side] = image.size[0], answer.headers["etag"]
    widths = {side: width for side, (width, _) in seen.items()}
    assert widths == {"": 480, "100": 160, "160": 160, "161": 480, "1280": 1280, "5000": 1280}
    assert len({etag for _, etag in seen.values()}) == 3
    small = (await upload(token, picture(size=(90, 60)), "a.jpg")).expect(201)
    found = await content(client, token, small["id"], "thumbnail_url")
    with Image.open(io.BytesIO(found)) as image:
        assert image.size == (90, 60)


def office(**parts: bytes) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, data in parts.items():
            archive.writestr(part.replace("__", "/"), data)
    return output.getvalue()


PDF = b"%PDF-1.4\n1 0 obj <<>> endobj\ntrailer <<>>\n%%EOF\n"
DOCX = office(**{"[Content_Types].xml": b"<Types/>", "word__document.xml": b"<w/>"})


@pytest.mark.parametrize(
    ("data", "name", "extension"),
    [(PDF, "报告.pdf", "pdf"), (DOCX, "a.docx", "docx"), ("血压 120".encode(), "a.txt", "txt")],
    ids=["pdf", "docx", "txt"],
)
async def test_documents_are_kept_as_they_are_and_offered_for_download(
    cast: Cast, client: Client, upload: Upload, data: bytes, name: str, extension: str
) -> None:
    token = cast.patient.token
    ref = (await upload(token, data, name)).expect(201)
    assert (ref["kind"], ref["name"]) == ("file", name)
    assert ref["name"].endswith(extension)
    assert await content(client, token, ref["id"]) == data


def bomb() -> bytes:
    """A PNG of a few kilobytes that unpacks to 400 million pixels."""
    output = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(output, "PNG")
    return output.getvalue()


HEIC = heic()


def claimed_size(data: bytes, width: int, height: int) -> bytes:
    """A HEIC whose header speaks of another size than its picture has."""
    place = data.index(b"ispe") + 8
    return data[:place] + struct.pack(">II", width, height) + data[place + 8 :]


HEIC_BOMB = claimed_size(HEIC, 30_000, 30_000)
EXE = b"MZ\x90\0" + b"x" * 90
JPEG, PNG, MP4 = picture("JPEG"), picture("PNG"), video("mp4")
MACRO = office(
    **{
        "[Content_Types].xml": b"<Types/>",
        "word__document.xml": b"<w/>",
        "word__vbaProject.bin": b"x",
    }
)


@pytest.mark.parametrize(
    ("data", "name", "purpose", "code"),
    [
        pytest.param(b"", "a.jpg", "message", "file_empty", id="empty"),
        pytest.param(
            b"MZ\x90\0" + b"x" * 90, "a.jpg", "message", "file_content_mismatch", id="exe"
        ),
        pytest.param(b"MZ\x90\0" + b"x" * 90, "a.exe", "message", "file_type_not_allowed", id="x"),
        pytest.param(PDF, "a.jpg", "message", "file_content_mismatch", id="pdf named jpg"),
        pytest.param(JPEG, "a.pdf", "message", "file_content_mismatch", id="jpg named pdf"),
        pytest.param(JPEG, "a.mp4", "message", "file_content_mismatch", id="jpg named mp4"),
        pytest.param(JPEG[:900], "a.jpg", "message", "file_content_mismatch", id="cut jpg"),
        pytest.param(JPEG[:4], "a.jpg", "message", "file_content_mismatch", id="jpg head only"),
        pytest.param(
            PNG[:60] + b"\0" * 60 + PNG[120:], "a.png", "message", "file_content_mismatch", id="png"
        ),
        pytest.param(MP4[:400], "a.mp4", "message", "file_content_mismatch", id="cut mp4"),
        pytest.param(
            b"\x1aE\xdf\xa3" + b"\xff" * 500,
            "a.webm",
            "message",
            "file_content_mismatch",
            id="webm",
        ),
        pytest.param(b"#EXTM3U\nfile:///etc/passwd\n", "a.mp4", "message", "file_content_mismatch"),
        pytest.param(
            b"#EXTM3U\nfile:///etc/passwd\n", "a.m3u8", "message", "file_type_not_allowed"
        ),
        pytest.param(
            b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
            "a.svg",
            "message",
            "file_type_not_allowed",
            id="svg",
        ),
        pytest.param(b"<html>", "a.html", "message", "file_type_not_allowed", id="html"),
        pytest.param(b"\0\1\2", "a.txt", "message", "file_content_mismatch", id="binary text"),
        pytest.param(PDF[:-8], "a.pdf", "message", "file_content_mismatch", id="cut pdf"),
        pytest.param(DOCX[:-30], "a.docx", "message", "file_content_mismatch", id="cut docx"),
        pytest.param(MACRO, "a.docx", "message", "file_type_not_allowed", id="macro"),
        pytest.param(
            office(**{"evil.exe": b"MZ"}), "a.docx", "message", "file_type_not_allowed", id="zip"
        ),
        pytest.param(bomb(), "a.png", "message", "file_too_large", id="bomb"),
        pytest.param(HEIC_BOMB, "a.heic", "message", "file_too_large", id="heic bomb"),
        pytest.param(HEIC[:-150], "a.heic", "message", "file_content_mismatch", id="cut heic"),
        pytest.param(MP4, "a.heic", "message", "file_content_mismatch", id="mp4 named heic"),
        pytest.param(
            b"\x02#!SILK_V3" + b"\1" * 500, "a.silk", "message", "file_type_not_allowed", id="silk"
        ),
        pytest.param(
            b"\x02#!SILK_V3" + b"\1" * 500, "a.amr", "message", "file_type_not_allowed", id="silk2"
        ),
        pytest.param(MP4, "a.mp4", "proof", "file_type_not_allowed", id="video as proof"),
        pytest.param(PDF, "a.pdf", "avatar", "file_type_not_allowed", id="pdf as avatar"),
        pytest.param(
            JPEG + b"\0" * 5 * 1024 * 1024, "a.jpg", "avatar", "file_too_large", id="large avatar"
        ),
        pytest.param(
            JPEG + b"\0" * 20 * 1024 * 1024, "a.jpg", "message", "file_too_large", id="large jpg"
        ),
        pytest.param(JPEG, "a.jpg", "nonsense", "invalid", id="purpose"),
        pytest.param(JPEG, "a.jpg", None, "invalid", id="no purpose"),
    ],
)
async def test_a_bad_upload_gets_its_named_error_and_leaves_nothing(
    cast: Cast,
    upload: Upload,
    runtime: Runtime,
    data: bytes,
    name: str,
    purpose: str | None,
    code: str,
) -> None:
    answer = await upload(cast.patient.token, data, name, purpose)
    assert answer.code == code
    assert answer.status < 500
    async with runtime.engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM files")) == 0
    assert await runtime.storage.list("files") == []
    assert not list((runtime.config.data_dir / "uploads").glob("*"))


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=", b"x"),
        ("multipart/form-data; boundary=a", b"garbage"),
        ("multipart/form-data; boundary=zhenjian-test", form(JPEG, "a.jpg")[:300]),
        ("multipart/form-data; boundary=zhenjian-test", b"--zhenjian-test--\r\n"),
        (
            "multipart/form-data; boundary=zhenjian-test",
            form(JPEG, "a.jpg").replace(b'name="file"', b'name="other"'),
        ),
    ],
)
async def test_a_malformed_form_is_refused(
    cast: Cast, client: Client, content_type: str, body: bytes
) -> None:
    answer = await client.post(
        "/files", token=cast.patient.token, body=body, headers={"content-type": content_type}
    )
    assert answer.code in ("upload_malformed", "invalid")
    assert answer.status in (400, 422)


async def test_a_body_that_lies_about_its_length_is_cut_off(cast: Cast, client: Client) -> None:
    headers = {
        "content-type": "multipart/form-data; boundary=zhenjian-test",
        "content-length": str(10**10),
    }
    answer = await client.post("/files", token=cast.patient.token, body=b"x", headers=headers)
    assert (answer.status, answer.code) == (413, "file_too_large")


async def test_unused_uploads_are_limited(cast: Cast, client: Client, upload: Upload) -> None:
    token = cast.administrator.token
    body = {"value": 5, "scope": "hospital"}
    (await client.put("/settings/files.unused_per_person", token=token, json=body)).expect(200)
    for _ in range(5):
        (await upload(cast.patient.token, PDF, "a.pdf")).expect(201)
    answer = await upload(cast.patient.token, PDF, "a.pdf")
    assert (answer.status, answer.code) == (429, "rate_limited")
    (await upload(cast.doctor.token, PDF, "a.pdf")).expect(201)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd.pdf", "passwd.pdf"),
        ("C:\\\\temp\\\\a.pdf", "a.pdf"),
        ("a\u202efdp.pdf", "afdp.pdf"),
        ("长" * 300 + ".pdf", "长" * 116 + ".pdf"),
        (".pdf", "pdf.pdf"),
    ],
)
async def test_names_are_harmless(cast: Cast, upload: Upload, given: str, shown: str) -> None:
    ref: Any = (await upload(cast.patient.token, PDF, given)).expect(201)
    assert ref["name"] == shown
