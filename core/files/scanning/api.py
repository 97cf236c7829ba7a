"""The quarantine as officers see it."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from core import audit
from core.files.scanning import access
from core.http import Context, Page, Routes, encode_cursor
from core.http.pages import decode_moment

routes = Routes(tag="quarantine", title="文件隔离")
KEEPERS = access.KEEPERS
LIMIT = 100


class QuarantineView(BaseModel):
    """Refused content: its digest, what the scanner calls it, how often it was tried."""

    id: UUID
    sha256: str
    size: int
    signature: str
    times: int
    uploader_id: UUID
    first_at: datetime
    last_at: datetime


@routes.get("/quarantine", roles=KEEPERS, summary="Uploads that were refused as malicious")
async def listed(ctx: Context, cursor: str | None = None, limit: int = 20) -> Page[QuarantineView]:
    size = max(1, min(limit, LIMIT))
    rows = await access.quarantined(ctx.uow, ctx.caller, decode_moment(cursor), size + 1)
    items = [QuarantineView.model_validate(row, from_attributes=True) for row in rows[:size]]
    last = items[-1] if len(rows) > size else None
    return Page(items=items, next=encode_cursor(last.last_at, last.id) if last else None)


@routes.delete(
    "/quarantine/{entry_id}", roles=KEEPERS, status=204, summary="Let the content be scanned anew"
)
async def release(ctx: Context, entry_id: UUID) -> None:
    row = await access.quarantined_one(ctx.uow, ctx.caller, entry_id)
    await audit.record(
        ctx.uow,
        ctx.caller,
        "upload.release",
        "quarantined_upload",
        row.id,
        detail={"sha256": row.sha256, "signature": row.signature},
    )
    await ctx.uow.session.delete(row)
