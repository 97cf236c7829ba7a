"""HTTP routes of alarms."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter, ValidationError

from core.alarms import access, service
from core.alarms.models import Alarm
from core.errors import FieldProblem, InvalidRequest
from core.http import Context, Page, Routes, decode_cursor, encode_cursor

routes = Routes(tag="alarms", title="安全告警")
_CURSOR: TypeAdapter[tuple[datetime, UUID]] = TypeAdapter(tuple[datetime, UUID])
Note = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class OfficerView(BaseModel):
    id: UUID
    name: str


class AlarmView(BaseModel):
    """An alarm; `times` is how often it was raised while it was open."""

    id: UUID
    kind: str
    title: str
    text: str
    ref_type: str | None
    ref_id: str | None
    state: Literal["open", "acknowledged", "resolved"]
    times: int
    raised_at: datetime
    last_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: OfficerView | None
    resolved_at: datetime | None
    resolved_by: OfficerView | None
    resolution: str | None


class AlarmCount(BaseModel):
    """How many alarms wait for an officer."""

    open: int


class Resolve(BaseModel):
    note: Note


@routes.get("/alarms", roles=access.OFFICERS, summary="Alarms of this hospital, newest first")
async def list_alarms(
    ctx: Context,
    kind: str | None = None,
    resolved: bool | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Field(ge=1, le=100)] = 20,
) -> Page[AlarmView]:
    rows = await access.alarms_for(
        ctx.uow, ctx.caller, kind=kind, resolved=resolved, before=_before(cursor), limit=limit + 1
    )
    shown = rows[:limit]
    following = None
    if len(rows) > limit:
        following = encode_cursor(shown[-1].raised_at.isoformat(), shown[-1].id)
    return Page(items=await _views(ctx, shown), next=following)


@routes.get("/alarms/count", roles=access.OFFICERS, summary="How many alarms are open")
async def count(ctx: Context) -> AlarmCount:
    return AlarmCount(open=await access.open_count(ctx.uow, ctx.caller))


@routes.post("/alarms/{alarm_id}/acknowledge", roles=access.OFFICERS, summary="I am on it")
async def acknowledge(ctx: Context, alarm_id: UUID) -> AlarmView:
    return (await _views(ctx, [await service.acknowledge(ctx.uow, ctx.caller, alarm_id)]))[0]


@routes.post("/alarms/{alarm_id}/resolve", roles=access.OFFICERS, summary="Say what came of it")
async def resolve(ctx: Context, alarm_id: UUID, body: Resolve) -> AlarmView:
    row = await service.resolve(ctx.uow, ctx.caller, alarm_id, body.note)
    return (await _views(ctx, [row]))[0]


def _before(cursor: str | None) -> tuple[datetime, UUID] | None:
    values = decode_cursor(cursor, 2)
    if values is None:
        return None
    try:
        return _CURSOR.validate_python(values)
    except ValidationError as error:
        raise InvalidRequest(
            fields=[FieldProblem("cursor", "翻页参数无效，请从第一页重新开始")]
        ) from error


async def _views(ctx: Context, rows: Sequence[Alarm]) -> list[AlarmView]:
    involved = {row.acknowledged_by for row in rows} | {row.resolved_by for row in rows}
    names = await access.names(ctx.uow, {each for each in involved if each is not None})

    def officer(user_id: UUID | None) -> OfficerView | None:
        return OfficerView(id=user_id, name=names.get(user_id, "")) if user_id else None

    return [
        AlarmView(
            id=row.id,
            kind=row.kind,
            title=row.title,
            text=row.text,
            ref_type=row.ref_type,
            ref_id=row.ref_id,
            state=row.state,
            times=row.times,
            raised_at=row.raised_at,
            last_at=row.last_at,
            acknowledged_at=row.acknowledged_at,
            acknowledged_by=officer(row.acknowledged_by),
            resolved_at=row.resolved_at,
            resolved_by=officer(row.resolved_by),
            resolution=row.resolution,
        )
        for row in rows
    ]
