"""HTTP routes of the audit."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError

from core.audit import access, service
from core.audit.access import AuditFilter
from core.audit.models import AuditEntry
from core.errors import FieldProblem, InvalidRequest
from core.http import Context, Page, Routes, decode_cursor, encode_cursor
from core.identity.roles import Role

routes = Routes(tag="audit", title="审计日志")
_CURSOR: TypeAdapter[tuple[datetime, UUID]] = TypeAdapter(tuple[datetime, UUID])


class ActorView(BaseModel):
    id: UUID
    name: str


class AuditView(BaseModel):
    """One entry; `user` is null for what the system did by itself."""

    id: UUID
    at: datetime
    user: ActorView | None
    role: Role | None
    action: str
    object_type: str
    object_id: str
    patient_id: UUID | None
    detail: dict[str, Any]
    request_id: str
    address: str


@routes.get(
    "/audit",
    roles=[Role.ADMINISTRATOR, Role.SUPERVISOR],
    summary="Who did or saw what at this hospital, newest first",
)
async def list_audit(
    ctx: Context,
    user_id: UUID | None = None,
    patient_id: UUID | None = None,
    action: str | None = None,
    object_type: str | None = None,
    object_id: str | None = None,
    since: Annotated[AwareDatetime | None, Field(alias="from")] = None,
    until: Annotated[AwareDatetime | None, Field(alias="to")] = None,
    cursor: str | None = None,
    limit: Annotated[int, Field(ge=1, le=200)] = 50,
) -> Page[AuditView]:
    wanted = AuditFilter(
        user_id=user_id,
        patient_id=patient_id,
        action=action,
        object_type=object_type,
        object_id=object_id,
        since=since,
        until=until,
    )
    rows = await access.entries(ctx.uow, ctx.caller, wanted, _before(cursor), limit + 1)
    if cursor is None:
        # Reading the audit is a look like any other; turning its pages is the same look.
        await service.look(
            ctx.uow, ctx.caller, "audit", "list", patient_id, {"action": action, "user": user_id}
        )
    shown = rows[:limit]
    more = len(rows) > limit
    return Page[AuditView](
        items=[_view(entry, name) for entry, name in shown],
        next=encode_cursor(shown[-1][0].at.isoformat(), shown[-1][0].id) if more else None,
    )


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


def _view(entry: AuditEntry, name: str | None) -> AuditView:
    return AuditView(
        id=entry.id,
        at=entry.at,
        user=ActorView(id=entry.user_id, name=name or "") if entry.user_id else None,
        role=Role(entry.role) if entry.role else None,
        action=entry.action,
        object_type=entry.object_type,
        object_id=entry.object_id,
        patient_id=entry.patient_id,
        detail=entry.detail,
        request_id=entry.request_id,
        address=entry.address,
    )
