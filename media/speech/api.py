"""Asking for the text of voice messages and recordings, and reading it."""

from uuid import UUID

from starlette.responses import Response

from core.http import Context, Routes
from media.recording import access as recordings
from media.recording.access import WATCHERS
from media.speech import access, service
from media.speech.errors import SpeechNotConfigured, SpeechNotReady
from media.speech.rules import SpeechKind, subtitles
from media.speech.schemas import SpeechTextView, SpokenPage
from media.speech.search import spoken
from realtime.access import IN_ROOMS

routes = Routes(tag="speech", title="语音转文字")


@routes.get(
    "/rooms/{room_id}/messages/{seq}/text",
    roles=sorted(IN_ROOMS),
    summary="What a voice message says, as far as it has been recognised",
)
async def voice_text(ctx: Context, room_id: UUID, seq: int) -> SpeechTextView:
    row = await access.voice_message(ctx.uow, ctx.caller, room_id, seq)
    return await _view(ctx, SpeechKind.VOICE, row.id)


@routes.post(
    "/rooms/{room_id}/messages/{seq}/text",
    roles=sorted(IN_ROOMS),
    summary="Have a voice message recognised; asking again changes nothing unless it failed",
)
async def ask_for_voice(ctx: Context, room_id: UUID, seq: int) -> SpeechTextView:
    row = await access.voice_message(ctx.uow, ctx.caller, room_id, seq)
    await _ask(ctx, room_id, SpeechKind.VOICE, row.id)
    return await _view(ctx, SpeechKind.VOICE, row.id)


@routes.get(
    "/spoken-words",
    roles=sorted(WATCHERS),
    summary="Where something was said in recordings that the caller may watch, the latest first",
)
async def find_spoken(
    ctx: Context, q: str, room: UUID | None = None, cursor: str | None = None
) -> SpokenPage:
    return await spoken(ctx.uow, ctx.caller, q, room, cursor)


@routes.get(
    "/recordings/{recording_id}/text",
    roles=sorted(WATCHERS),
    summary="What was said in a recording, by whom and when",
)
async def recording_text(ctx: Context, recording_id: UUID) -> SpeechTextView:
    row = await access.recording(ctx.uow, ctx.caller, recording_id)
    return await _view(ctx, SpeechKind.RECORDING, row.id)


@routes.post(
    "/recordings/{recording_id}/text",
    roles=sorted(WATCHERS),
    summary="Have a recording recognised; asking again changes nothing unless it failed",
)
async def ask_for_recording(ctx: Context, recording_id: UUID) -> SpeechTextView:
    row = await access.recording(ctx.uow, ctx.caller, recording_id)
    await _ask(ctx, row.room_id, SpeechKind.RECORDING, row.id)
    return await _view(ctx, SpeechKind.RECORDING, row.id)


@routes.get(
    "/recordings/{recording_id}/subtitles.vtt",
    roles=sorted(WATCHERS),
    summary="The text of a recording as a WebVTT file",
)
async def vtt(ctx: Context, recording_id: UUID) -> Response:
    row = await access.recording(ctx.uow, ctx.caller, recording_id)
    segments = await access.segments_of(ctx.uow, SpeechKind.RECORDING, row.id)
    if segments is None:
        raise SpeechNotReady
    names = await recordings.names_shown(ctx.uow, ctx.caller, row)
    return Response(
        subtitles(segments, {str(user_id): name for user_id, name in names.items()}),
        media_type="text/vtt",
        headers={"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"},
    )


async def _ask(ctx: Context, room_id: UUID | None, kind: SpeechKind, subject_id: UUID) -> None:
    if not access.available(ctx.runtime):
        raise SpeechNotConfigured
    await service.ask(
        ctx.uow,
        hospital_id=ctx.caller.hospital_id,
        room_id=room_id,
        kind=kind,
        subject_id=subject_id,
    )


async def _view(ctx: Context, kind: SpeechKind, subject_id: UUID) -> SpeechTextView:
    return await access.text_of(ctx.uow, kind, subject_id, available=access.available(ctx.runtime))
