"""Routes of break-glass access: find by exact identity, open, close; the list and the review."""

from uuid import UUID

from admin.access import views
from admin.access.paging import Limit, page_of
from admin.access.schemas import (
    EmergencyView,
    FindPatient,
    FoundPatient,
    OpenEmergency,
    ReviewEmergency,
)
from clinical.days import business_day
from clinical.people import access as people
from clinical.people.access import EmergencyPatient
from core import audit
from core.access import access as rows
from core.access import emergencies
from core.access.models import EmergencyAccess
from core.access.own import CLINICIANS, OFFICERS
from core.errors import NotFound
from core.http import Context, Page, Routes

routes = Routes(tag="access", title="权限")


async def _find(ctx: Context, wanted: FindPatient) -> EmergencyPatient:
    """The patient; each search is in the audit, found or not, without what was typed."""
    await emergencies.require_open(ctx.uow, ctx.caller)
    today = await business_day(ctx.uow, ctx.caller.hospital_id)
    found = await people.emergency_patient(
        ctx.uow.session, ctx.caller.hospital_id, wanted.name, wanted.number, today
    )
    await audit.record(
        ctx.uow,
        ctx.caller,
        "break_glass.search",
        "patient",
        found.id if found else "none",
        found.id if found else None,
    )
    if found is None:
        raise NotFound("没有找到与姓名和号码完全一致的患者")
    return found


@routes.post(
    "/access/emergencies/search", roles=CLINICIANS, summary="A patient by exact name and number"
)
async def search(ctx: Context, body: FindPatient) -> FoundPatient:
    found = await _find(ctx, body)
    return FoundPatient(
        id=found.id, name_masked=found.name_masked, sex=found.sex, age_text=found.age_text
    )


@routes.post(
    "/access/emergencies",
    roles=CLINICIANS,
    status=201,
    idempotent=True,
    summary="Open one patient in an emergency",
)
async def open_patient(ctx: Context, body: OpenEmergency) -> EmergencyView:
    found = await _find(ctx, body)
    row = await emergencies.open_patient(
        ctx.uow, ctx.caller, found.id, found.name_masked, body.category, body.reason
    )
    return await _view(ctx, row)


@routes.get("/access/emergencies/mine", roles=CLINICIANS, summary="What the caller opened")
async def mine(ctx: Context) -> list[EmergencyView]:
    return await views.emergencies(ctx.uow, await rows.own_emergencies(ctx.uow, ctx.caller))


@routes.post("/access/emergencies/{emergency_id}/close", roles=CLINICIANS, summary="Done")
async def close(ctx: Context, emergency_id: UUID) -> EmergencyView:
    return await _view(ctx, await emergencies.close(ctx.uow, ctx.caller, emergency_id))


@routes.get("/access/emergencies", roles=OFFICERS, summary="Every break-glass access, newest first")
async def list_emergencies(
    ctx: Context, reviewed: bool | None = None, cursor: str | None = None, limit: Limit = 20
) -> Page[EmergencyView]:
    return await page_of(
        cursor,
        limit,
        lambda before, size: rows.emergencies(
            ctx.uow, ctx.caller, reviewed=reviewed, before=before, limit=size
        ),
        lambda row: (row.opened_at, row.id),
        lambda page: views.emergencies(ctx.uow, page),
    )


@routes.post(
    "/access/emergencies/{emergency_id}/review", roles=OFFICERS, summary="Justified or not"
)
async def review(ctx: Context, emergency_id: UUID, body: ReviewEmergency) -> EmergencyView:
    row = await emergencies.review(
        ctx.uow, ctx.caller, emergency_id, justified=body.justified, note=body.note
    )
    return await _view(ctx, row)


async def _view(ctx: Context, row: EmergencyAccess) -> EmergencyView:
    return (await views.emergencies(ctx.uow, [row]))[0]
