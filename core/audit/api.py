"""HTTP routes of the audit."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import orjson
from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError
from starlette.responses import Response

from core import exports
from core.access import READ, find_grant, grant
from core.audit import access, integrity_api, service
from core.audit.access import AUDIT, READERS, AuditFilter, Listed
from core.audit.categories import Category, category_of
from core.audit.models import AuditEntry
from core.audit.schemas import AuditView, DayView, audit_view
from core.data_classes import DataClass
from core.defence.kinds import Kind
from core.errors import FieldProblem, InvalidRequest
from core.http import Context, Page, Routes, decode_cursor, encode_cursor

routes = Routes(tag="audit", title="审计日志")
_CURSOR: TypeAdapter[tuple[datetime, UUID]] = TypeAdapter(tuple[datetime, UUID])
Since = Annotated[AwareDatetime | None, Field(alias="from")]
Until = Annotated[AwareDatetime | None, Field(alias="to")]
Words = Annotated[str | None, Field(max_length=100)]


@routes.get("/audit", roles=READERS, summary="Who did or saw what, newest first")
async def list_audit(
    ctx: Context,
    person: Words = None,
    user_id: UUID | None = None,
    patient_id: UUID | None = None,
    action: Words = None,
    category: Category | None = None,
    object_type: Words = None,
    object_id: Words = None,
    since: Since = None,
    until: Until = None,
    cursor: str | None = None,
    hospital_id: UUID | None = None,
    limit: Annotated[int, Field(ge=1, le=200)] = 50,
) -> Page[AuditView]:
    wanted = AuditFilter(
        hospital_id=hospital_id,
        person=person or None,
        user_id=user_id,
        patient_id=patient_id,
        action=action or None,
        category=category,
        object_type=object_type or None,
        object_id=object_id or None,
        since=since,
        until=until,
    )
    allowed = await grant(ctx.uow, ctx.caller, AUDIT, READ)
    rows = await access.entries(ctx.uow, allowed, wanted, _before(cursor), limit + 1)
    if cursor is None:
        # Reading the audit is a look like any other; turning its pages is the same look.
        await service.look(ctx.uow, ctx.caller, "audit", "list", patient_id, wanted.words())
    shown = rows[:limit]
    sealing = await access.sealing_of(ctx.uow, [row.entry.id for row in shown])
    last = shown[-1].entry if len(rows) > limit else None
    return Page[AuditView](
        items=[audit_view(row, sealing.get(row.entry.id)) for row in shown],
        next=encode_cursor(last.at.isoformat(), last.id) if last else None,
    )


@routes.get("/audit/days", roles=READERS, summary="Entries per day and heading")
async def days(
    ctx: Context,
    since: Annotated[AwareDatetime, Field(alias="from")],
    until: Annotated[AwareDatetime, Field(alias="to")],
    person: Words = None,
    user_id: UUID | None = None,
    patient_id: UUID | None = None,
    action: Words = None,
    category: Category | None = None,
    object_type: Words = None,
    object_id: Words = None,
    hospital_id: UUID | None = None,
) -> list[DayView]:
    wanted = AuditFilter(
        hospital_id=hospital_id,
        person=person or None,
        user_id=user_id,
        patient_id=patient_id,
        action=action or None,
        category=category,
        object_type=object_type or None,
        object_id=object_id or None,
        since=since,
        until=until,
    )
    allowed = await grant(ctx.uow, ctx.caller, AUDIT, READ)
    zone = await access.zone_of(ctx.uow, ctx.caller.hospital_id)
    found: dict[object, DayView] = {}
    for day, heading, count in await access.per_day(ctx.uow, allowed, wanted, zone):
        found.setdefault(day, DayView(day=day, counts={})).counts[heading] = count
    return sorted(found.values(), key=lambda view: view.day)


@routes.get(
    "/audit/export",
    roles=READERS,
    limit=Kind.EXPORT,
    summary="The list as CSV; personal values are masked",
)
async def export(
    ctx: Context,
    person: Words = None,
    user_id: UUID | None = None,
    patient_id: UUID | None = None,
    action: Words = None,
    category: Category | None = None,
    object_type: Words = None,
    object_id: Words = None,
    since: Since = None,
    until: Until = None,
    hospital_id: UUID | None = None,
) -> Response:
    wanted = AuditFilter(
        hospital_id=hospital_id,
        person=person or None,
        user_id=user_id,
        patient_id=patient_id,
        action=action or None,
        category=category,
        object_type=object_type or None,
        object_id=object_id or None,
        since=since,
        until=until,
    )
    allowed = await grant(ctx.uow, ctx.caller, AUDIT, "export")
    unmasked = bool(await find_grant(ctx.uow, ctx.caller, AUDIT, "export_whole"))
    data, rows = await exports.as_csv(
        EXPORTED,
        access.pages(ctx.uow, allowed, wanted),
        whole=_WHOLE if unmasked else (),
    )
    await exports.note(ctx.uow, ctx.caller, "audit", rows, wanted.words(), unmasked=unmasked)
    name = f"audit-{ctx.now:%Y%m%d-%H%M%S}.csv"
    return Response(
        data,
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )


@routes.get("/audit/entries/{entry_id}", roles=READERS, summary="One entry with its changes")
async def show(ctx: Context, entry_id: UUID) -> AuditView:
    allowed = await grant(ctx.uow, ctx.caller, AUDIT, READ)
    found = await access.entry_for(ctx.uow, allowed, entry_id)
    await service.look(ctx.uow, ctx.caller, "audit", entry_id, found.entry.patient_id)
    sealing = await access.sealing_of(ctx.uow, [entry_id])
    return audit_view(found, sealing.get(entry_id))


def _json(value: object) -> str | None:
    return orjson.dumps(value).decode() if value else None


EXPORTED: tuple[exports.Field[Listed], ...] = (
    exports.Field("时间（UTC）", lambda row: row.entry.at.strftime("%Y-%m-%d %H:%M:%S")),
    exports.Field("医院", lambda row: row.hospital),
    exports.Field("类别", lambda row: category_of(row.entry.action).label),
    # Who acted is the point of the record, and staff act under their public names.
    exports.Field("人员", lambda row: row.name or "系统"),
    exports.Field("角色", lambda row: row.entry.role or ""),
    exports.Field("操作", lambda row: row.entry.action),
    exports.Field("对象", lambda row: row.entry.object_type),
    exports.Field("对象编号", lambda row: row.entry.object_id),
    exports.Field("患者编号", lambda row: row.entry.patient_id),
    exports.Field("原因", lambda row: row.entry.reason, AuditEntry.reason, "reason"),
    exports.Field(
        "变更的项目", lambda row: "、".join(row.entry.changes) if row.entry.changes else None
    ),
    exports.Field("变更", lambda row: _json(row.entry.changes), AuditEntry.changes, "changes"),
    exports.Field("详情", lambda row: _json(row.entry.detail), AuditEntry.detail, "detail"),
    exports.Field("来源地址", lambda row: row.entry.address, DataClass.PERSONAL, "address"),
    exports.Field("请求编号", lambda row: row.entry.request_id),
)
_WHOLE = frozenset({"reason", "changes", "detail", "address"})


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


routes.routes.extend(integrity_api.routes.routes)
