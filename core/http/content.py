"""Stored objects as HTTP answers: ranges, validators and headers that keep browsers harmless."""

import re
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from core.errors import ProblemError
from core.storage import Storage

#: Types that a browser may show in place; everything else is offered for download.
INLINE_TYPES = frozenset(
    {
        "image/jpeg",
        "image/png",
        "image/webp",
        "audio/mpeg",
        "audio/mp4",
        "audio/ogg",
        "audio/webm",
        "video/mp4",
        "video/webm",
    }
)
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class RangeNotSatisfiable(ProblemError):
    code, status, title = "range_not_satisfiable", 416, "请求的范围无效"


def stored_object_response(
    request: Request,
    storage: Storage,
    key: str,
    *,
    size: int,
    content_type: str,
    name: str,
    digest: str,
    attachment: bool = False,
) -> Response:
    """Answer a GET or HEAD with an object or the asked part of it.

    `digest` identifies the bytes (ETag). The answer is private, never sniffed, and shown in place
    only for pictures, sound and video, and not where an `attachment` is asked for.
    """
    etag = f'"{digest[:32]}"'
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Cache-Control": "private, max-age=600",
        "Content-Disposition": _disposition(content_type, name, attachment=attachment),
        "Content-Type": content_type,
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    status, start, end = 200, 0, size
    asked = _asked_range(request, etag, size)
    if asked is not None:
        status, (start, end) = 206, asked
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - start)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    return StreamingResponse(storage.stream(key, start, end), status, headers=headers)


def _asked_range(request: Request, etag: str, size: int) -> tuple[int, int] | None:
    """The half-open byte range, None for the whole; several ranges are answered with the whole."""
    match = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if match is None or match.group(0) == "bytes=-":
        return None
    if request.headers.get("if-range", etag) != etag:
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start = int(first)
        end = min(int(last) + 1, size) if last else size
    if start >= end:
        raise RangeNotSatisfiable(details={"size": size})
    return start, end


def _disposition(content_type: str, name: str, *, attachment: bool) -> str:
    kind = "inline" if content_type in INLINE_TYPES and not attachment else "attachment"
    return f"{kind}; filename*=UTF-8''{quote(name, safe='')}"
