"""Receiving request bodies: bounded in size, and at a pace that no attacker can stretch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from starlette.requests import ClientDisconnect, Request

from core.errors import BodyTooLarge, BodyTooSlow, MalformedRequest, UnsupportedMediaType

#: Seconds before the pace counts, and between two pieces at most.
GRACE_SECONDS = 20.0
IDLE_SECONDS = 15.0
#: Bytes a second on average: half of what the worst mobile network gives.
SLOWEST_PACE = 4 * 1024


def refuse_encoded(request: Request) -> None:
    """Nothing is ever unpacked here, so no small body can become a large one."""
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMediaType("请求正文不得压缩。")


async def read_body(request: Request, most: int) -> bytes:
    """The whole body. Raises BodyTooLarge, BodyTooSlow, UnsupportedMediaType, MalformedRequest."""
    refuse_encoded(request)
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise BodyTooLarge()
    chunks, size = [], 0
    try:
        async for chunk in paced(request):
            size += len(chunk)
            if size > most:
                raise BodyTooLarge()
            chunks.append(chunk)
    except ClientDisconnect as error:
        raise MalformedRequest() from error
    return b"".join(chunks)


async def paced(request: Request) -> AsyncGenerator[bytes, None]:
    """The pieces of a body as they come. Raises BodyTooSlow, or Starlette's ClientDisconnect."""
    loop = asyncio.get_running_loop()
    began, size = loop.time(), 0
    stream = request.stream().__aiter__()
    while True:
        allowed = GRACE_SECONDS + size / SLOWEST_PACE - (loop.time() - began)
        try:
            async with asyncio.timeout(min(IDLE_SECONDS, allowed)):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise BodyTooSlow() from error
        size += len(chunk)
        yield chunk
