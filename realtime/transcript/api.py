"""HTTP routes of transcripts."""

from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from pydantic import Field
from starlette.responses import Response

from core.defence.kinds import Kind
from core.errors import NotFound
from core.http import PUBLIC, Context, Routes
from core.http.routes import PREFIX
from core.identity import sessions
from core.tickets import issue_ticket, read_ticket
from realtime.access import IN_ROOMS
from realtime.schemas import TranscriptCheck, TranscriptLinks, TranscriptView
from realtime.transcript import service
from realtime.transcript.service import CONTENT_TYPES

routes = Routes(tag="transcripts", title="沟通记录")
ROLES = sorted(IN_ROOMS)
#: Bytes of a file that is checked.
LARGEST = 32 * 1024 * 1024


@routes.post(
    "/rooms/{room_id}/transcripts", roles=ROLES, status=201, idempotent=True, limit=Kind.EXPORT
)
async def ask(ctx: Context, room_id: UUID) -> TranscriptView:
    """Have the room's log made into a document, in the background."""
    return service.view(await service.ask(ctx.uow, ctx.caller, room_id))


@routes.get("/rooms/{room_id}/transcripts", roles=ROLES)
async def of_room(ctx: Context, room_id: UUID) -> list[TranscriptView]:
    """The caller's own transcripts of a room, newest first."""
    return [service.view(row) for row in await service.of_room(ctx.uow, ctx.caller, room_id)]


@routes.get("/transcripts/{transcript_id}", roles=ROLES)
async def show(ctx: Context, transcript_id: UUID) -> TranscriptView:
    """How far a transcript of the caller's is."""
    return service.view(await service.own(ctx.uow, ctx.caller, transcript_id))


@routes.post("/transcripts/{transcript_id}/links", roles=ROLES)
async def links(ctx: Context, transcript_id: UUID) -> TranscriptLinks:
    """Addresses of the two files, good for some minutes and for this session alone."""
    row = await service.fetchable(ctx.uow, ctx.caller, transcript_id)
    await service.note_fetch(ctx.uow, ctx.caller, row)
    urls = {}
    for kind in CONTENT_TYPES:
        subject = _subject(transcript_id, kind)
        ticket, until = issue_ticket(ctx.runtime.keyring, ctx.caller, subject, ctx.now)
        urls[kind] = f"{PREFIX}/transcripts/{transcript_id}/files/{kind}?ticket={ticket}"
    return TranscriptLinks(json_url=urls["json"], pdf_url=urls["pdf"], expires_at=until)


def _subject(transcript_id: UUID, kind: str) -> str:
    return f"transcript:{transcript_id}:{kind}"


@routes.get("/transcripts/{transcript_id}/files/{kind}", roles=PUBLIC, transaction=False)
async def content(
    ctx: Context,
    transcript_id: UUID,
    kind: str,
    ticket: Annotated[str, Field(max_length=1024)],
) -> Response:
    """The bytes of a transcript, for the very session that the ticket names."""
    if kind not in CONTENT_TYPES:
        raise NotFound
    claimed = read_ticket(ctx.runtime.keyring, ticket, _subject(transcript_id, kind), ctx.now)
    caller = await sessions.live_caller(ctx.runtime, claimed)
    async with ctx.unit_of_work() as uow:
        row = await service.fetchable(uow, caller, transcript_id)
    name = quote(f"沟通记录-{row.created_at:%Y%m%d}.{kind}", safe="")
    return Response(
        await ctx.runtime.storage.get(row.key(kind)),
        media_type=CONTENT_TYPES[kind],
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
        },
    )


@routes.post("/transcripts/check", roles=ROLES, max_body=LARGEST)
async def check(ctx: Context, raw_body: bytes) -> TranscriptCheck:
    """Whether a file (the body of the request, JSON or PDF) is a transcript as it was made."""
    return await service.check(ctx.uow, ctx.caller, raw_body)
