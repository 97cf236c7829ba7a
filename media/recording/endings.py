"""What will be removed next, for whoever supervises the hospital: a look before it happens."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from core import settings
from core.access import READ, grant
from core.http import decode_cursor, encode_cursor
from core.identity.caller import Caller
from core.uow import UnitOfWork
from media.recording import access, footage_access, retention
from media.recording.models import RecordingRow, RecordingUploadRow
from media.recording.rules import Origin
from media.recording.schemas import EndingPage, EndingView
from media.recording.settings import KEEP_YEARS

PAGE = 50


async def endings_for(uow: UnitOfWork, caller: Caller, days: int, cursor: str | None) -> EndingPage:
    """What of the caller's hospital is over within `days`, the earliest first; that under a legal
    hold too. Raises NotPermitted.
    """
    await grant(uow, caller, access.RECORDING, READ)
    await grant(uow, caller, footage_access.FOOTAGE, READ)
    by = await retention.today_at(uow, caller.hospital_id) + timedelta(days=days)
    # On the day after its last one a recording goes.
    condition = await retention.over(uow, caller.hospital_id, by + timedelta(days=1))
    query = select(RecordingRow).where(condition)
    after = decode_cursor(cursor, 2)
    if after is not None:
        at, last = datetime.fromisoformat(str(after[0])), UUID(str(after[1]))
        query = query.where(
            (retention.ended > at) | ((retention.ended == at) & (RecordingRow.id > last))
        )
    query = query.order_by(retention.ended, RecordingRow.id).limit(PAGE + 1)
    rows = (await uow.session.scalars(query)).all()
    shown = rows[:PAGE]
    following = None
    if len(rows) > PAGE:
        following = encode_cursor(shown[-1].ended_at or shown[-1].started_at, shown[-1].id)
    return EndingPage(
        years=await settings.get(uow, KEEP_YEARS, hospital_id=caller.hospital_id),
        by=by,
        items=[await _view(uow, caller, row) for row in shown],
        next=following,
    )


async def _view(uow: UnitOfWork, caller: Caller, row: RecordingRow) -> EndingView:
    upload = await uow.session.get(RecordingUploadRow, row.id)
    names = await access.names_shown(uow, caller, row)
    return EndingView(
        id=row.id,
        origin=Origin(upload.kind) if upload else Origin.CALL,
        title=upload.title if upload else "、".join(names.values()),
        started_at=row.started_at,
        duration_ms=row.duration_ms or 0,
        bytes=await retention.size_of(uow, row.id),
        until=await retention.kept_until(uow, row),
        held=await retention.is_held(uow, row),
    )
