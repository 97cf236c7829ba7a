"""What a file is, by its first bytes and structure; its name may only contradict."""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePath

from core.files.errors import FileContentMismatch, FileTypeNotAllowed
from core.files.schemas import FileKind

HEAD_BYTES = 192
#: Bytes of a packet of a transport stream, which begins with the first of them.
TS_PACKET, TS_SYNC = 188, 0x47
TAIL_BYTES = 2048
#: Office files are small zips; more than this unpacked is an attack on whoever opens it.
LARGEST_UNPACKED = 200 * 1024 * 1024
LARGEST_TEXT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Recognised:
    """A type by content. `media` is True where a decoder has to tell voice from video."""

    kind: FileKind
    content_type: str
    extension: str
    media: bool = False
    demuxer: str = ""


_IMAGES = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/bmp": "bmp",
    "image/heic": "heic",
    "image/avif": "avif",
}
#: Pictures share their container with films; the brand tells. Sequences of pictures are not taken.
_PICTURE_BRANDS = {
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"heim": "image/heic",
    b"mif1": "image/heic",
    b"avif": "image/avif",
}
_SEQUENCE_BRANDS = (b"hevc", b"hevx", b"msf1", b"avis")
_OFFICE = {
    "word/document.xml": (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "docx",
    ),
    "xl/workbook.xml": (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "xlsx",
    ),
    "ppt/presentation.xml": (
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "pptx",
    ),
}

#: What an extension promises; content of another family is a contradiction.
_FAMILIES: dict[str, str] = {
    **dict.fromkeys(("jpg", "jpeg", "png", "webp", "gif", "bmp"), "image"),
    **dict.fromkeys(("heic", "heif", "hif", "avif"), "image"),
    **dict.fromkeys(("webm", "mkv", "mp4", "mov", "m4v", "3gp", "avi", "ts", "mts"), "media"),
    **dict.fromkeys(("mp3", "m4a", "aac", "ogg", "oga", "opus", "wav", "amr"), "media"),
    "pdf": "pdf",
    **dict.fromkeys(("docx", "xlsx", "pptx"), "office"),
    **dict.fromkeys(("txt", "csv", "md"), "text"),
}


def recognise(path: Path, name: str) -> Recognised:
    """Name the type of a stored upload.

    Raises `FileTypeNotAllowed` for a type that is not taken and `FileContentMismatch` when the
    content is damaged or contradicts what the name promises.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if b"#!SILK" in head[:8]:
        raise FileTypeNotAllowed("不支持 SILK 格式的语音，请用本应用录音后发送")
    promised = _FAMILIES.get(PurePath(name.lower()).suffix.lstrip("."))
    found = _by_magic(head) or _document(path, head, promised)
    if found is None:
        raise FileContentMismatch() if promised else FileTypeNotAllowed()
    if promised is not None and promised != _family(found):
        raise FileContentMismatch()
    return found


def _family(found: Recognised) -> str:
    if found.media:
        return "media"
    if found.kind is FileKind.IMAGE:
        return "image"
    return {"pdf": "pdf", "txt": "text"}.get(found.extension, "office")


def _by_magic(head: bytes) -> Recognised | None:
    image = _image(head)
    if image:
        return Recognised(FileKind.IMAGE, image, _IMAGES[image])
    demuxer = _demuxer(head)
    if demuxer:
        # Voice until the decoder finds a moving picture.
        return Recognised(FileKind.VOICE, "audio/mpeg", "mp3", media=True, demuxer=demuxer)
    return None


def _image(head: bytes) -> str | None:
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return "image/bmp"
    if head[4:8] == b"ftyp":
        return _PICTURE_BRANDS.get(head[8:12])
    return None


def _demuxer(head: bytes) -> str | None:
    """The one FFmpeg demuxer for a container: never guessed, so that no playlist is followed."""
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "matroska"
    if head[4:8] == b"ftyp":
        return None if head[8:12] in _SEQUENCE_BRANDS else "mov"
    if head.startswith(b"OggS"):
        return "ogg"
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if len(head) > TS_PACKET and head[0] == head[TS_PACKET] == TS_SYNC:
        return "mpegts"
    if head.startswith(b"#!AMR"):
        return "amr"
    if head.startswith(b"ID3") or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2):
        return "mp3"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "aac"
    return None


def _document(path: Path, head: bytes, promised: str | None) -> Recognised | None:
    if head.startswith(b"%PDF-"):
        return _pdf(path)
    if head.startswith(b"PK\x03\x04"):
        return _office(path)
    if promised == "text":
        return _text(path)
    return None


def _pdf(path: Path) -> Recognised:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        if b"%%EOF" not in file.read():
            raise FileContentMismatch()
    return Recognised(FileKind.FILE, "application/pdf", "pdf")


def _office(path: Path) -> Recognised:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        raise FileContentMismatch() from error
    names = {entry.filename for entry in entries}
    if sum(entry.file_size for entry in entries) > LARGEST_UNPACKED:
        raise FileTypeNotAllowed()
    for part, (content_type, extension) in _OFFICE.items():
        if part in names and "[Content_Types].xml" in names:
            if any(name.endswith("vbaProject.bin") for name in names):
                raise FileTypeNotAllowed()
            return Recognised(FileKind.FILE, content_type, extension)
    raise FileTypeNotAllowed()


def _text(path: Path) -> Recognised:
    if path.stat().st_size > LARGEST_TEXT:
        raise FileTypeNotAllowed()
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = data.decode("gb18030")
        except UnicodeDecodeError as error:
            raise FileContentMismatch() from error
    if re.search(r"[\x00-\x08\x0e-\x1f]", text):
        raise FileContentMismatch()
    return Recognised(FileKind.FILE, "text/plain", "txt")
