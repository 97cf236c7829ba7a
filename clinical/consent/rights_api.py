"""Routes of a person's rights: what is held, asking, copies, closing the account."""

from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from pydantic import Field
from sqlalchemy import select
from starlette.responses import Response

from clinical.consent import access, copies, errors, rights, rights_views, settings
from clinical.consent.models import RightsRequest
from clinical.consent.policies import READERS, RIGHTS
from clinical.consent.rights import SCOPE, Wish
from clinical.consent.rights_schemas import (
    ClosingView,
    HoldingView,
    LinkView,
    NewRequest,
    ProveInput,
    RequestView,
)
from clinical.consent.states import Right
from core import audit
from core import settings as core_settings
from core.access import find_grant
from core.errors import FieldProblem, InvalidRequest, NotFound
from core.files import register_viewer
from core.files.models import File
from core.http import PUBLIC, Context, Routes
from core.http.routes import PREFIX
from core.identity import sessions
from core.identity.caller import Caller
from core.identity.roles import Role
from core.tickets import issue_ticket, read_ticket
from core.uow import UnitOfWork

routes = Routes(tag="rights", title="个人信息权利")
PATIENT = [Role.PATIENT]


async def _may_see_papers(uow: UnitOfWork, caller: Caller, file: File) -> bool:
    """Papers of a request are seen by its author and by officers."""
    allowed = await find_grant(uow, caller, RIGHTS)
    found = select(RightsRequest.id).where(RightsRequest.id == file.scope_id, allowed.condition)
    return await uow.session.scalar(found) is not None


register_viewer(SCOPE, _may_see_papers)


async def _view(ctx: Context, row: RightsRequest) -> RequestView:
    await ctx.uow.session.flush()
    return (await rights_views.request_views(ctx.uow, ctx.caller, [row]))[0]


@routes.get("/rights/holdings", roles=PATIENT)
async def holdings(ctx: Context) -> list[HoldingView]:
    """What is held about the account and its patients, by category, and until when."""
    caller = ctx.caller
    detail = {"own": True}
    await audit.record(ctx.uow, caller, "rights.access", "user", caller.user_id, detail=detail)
    return await rights_views.holding_views(ctx.uow, caller.hospital_id, caller.user_id)


@routes.get("/rights/closing", roles=PATIENT)
async def closing(ctx: Context) -> ClosingView:
    """What stands in the way of closing the account, what would go and what would stay."""
    caller = ctx.caller
    days = await core_settings.get(ctx.uow, settings.COOLING_DAYS, hospital_id=caller.hospital_id)
    pending = await rights.pending_closing(ctx.uow, caller)
    return ClosingView(
        obstacles=await rights.closing_obstacles(ctx.uow, caller),
        cooling_days=days,
        pending=await _view(ctx, pending) if pending else None,
        holdings=await rights_views.holding_views(ctx.uow, caller.hospital_id, caller.user_id),
    )


@routes.post("/rights/requests", roles=PATIENT, status=201, idempotent=True)
async def ask(ctx: Context, body: NewRequest) -> RequestView:
    """Ask for a right; a copy and a closing begin by themselves."""
    _complete(body)
    wish = Wish(**body.model_dump(exclude={"file_ids"}), file_ids=tuple(body.file_ids))
    return await _view(ctx, await rights.ask(ctx.uow, ctx.caller, wish))


def _complete(body: NewRequest) -> None:
    if body.right is Right.ACCESS:
        raise InvalidRequest(fields=[FieldProblem("right", "查阅无需申请，请直接打开")])
    if body.right is Right.CORRECTION:
        problems = [
            FieldProblem(name, words)
            for name, words in (("field", "请选择要更正的内容"), ("wish", "请填写正确的内容"))
            if not getattr(body, name)
        ]
        if problems:
            raise InvalidRequest(fields=problems)
    if body.right in (Right.DELETION, Right.RESTRICTION) and not body.words:
        raise InvalidRequest(fields=[FieldProblem("words", "请说明要处理的内容和理由")])


@routes.get("/rights/requests", roles=PATIENT)
async def mine(ctx: Context) -> list[RequestView]:
    """The caller's own requests, newest first."""
    rows = await ctx.uow.session.scalars(
        select(RightsRequest)
        .where(await access.requests_visible_to(ctx.uow, ctx.caller))
        .order_by(RightsRequest.created_at.desc(), RightsRequest.id.desc())
        .limit(100)
    )
    return await rights_views.request_views(ctx.uow, ctx.caller, list(rows))


@routes.get("/rights/requests/{request_id}", roles=READERS)
async def show(ctx: Context, request_id: UUID) -> RequestView:
    """One request with its steps."""
    row = await access.request_for(ctx.uow.session, ctx.caller, request_id)
    await audit.look(ctx.uow, ctx.caller, "rights_request", row.id, row.patient_id)
    return await _view(ctx, row)


@routes.post("/rights/requests/{request_id}/cancel", roles=PATIENT)
async def cancel(ctx: Context, request_id: UUID) -> RequestView:
    """Think again; a closing can be cancelled until its cooling-off time is over."""
    return await _view(ctx, await rights.cancel(ctx.uow, ctx.caller, request_id))


# --- copies --------------------------------------------------------------------------------------


@routes.post("/rights/copies/{copy_id}/link", roles=PATIENT, transaction=False)
async def link(ctx: Context, copy_id: UUID, body: ProveInput) -> LinkView:
    """Addresses of the two files, after a second check of who asks."""
    async with ctx.unit_of_work() as uow:
        await copies.own_copy(uow, ctx.caller, copy_id)
    await copies.prove_identity(ctx.runtime, ctx.caller, body.id_tail)
    async with ctx.unit_of_work() as uow:
        row = await copies.own_copy(uow, ctx.caller, copy_id)
        await copies.note_fetch(uow, ctx.caller, row, "json+pdf")
        now = uow.now
    urls = {}
    for kind in copies.CONTENT_TYPES:
        ticket, until = issue_ticket(ctx.runtime.keyring, ctx.caller, _subject(copy_id, kind), now)
        urls[kind] = f"{PREFIX}/rights/copies/{copy_id}/files/{kind}?ticket={ticket}"
    return LinkView(json_url=urls["json"], pdf_url=urls["pdf"], expires_at=until)


def _subject(copy_id: UUID, kind: str) -> str:
    return f"data-copy:{copy_id}:{kind}"


@routes.get("/rights/copies/{copy_id}/files/{kind}", roles=PUBLIC, transaction=False)
async def content(
    ctx: Context,
    copy_id: UUID,
    kind: str,
    ticket: Annotated[str, Field(max_length=1024)],
) -> Response:
    """The bytes of a copy, for the very session that the ticket names."""
    if kind not in copies.CONTENT_TYPES:
        raise NotFound()
    claimed = read_ticket(ctx.runtime.keyring, ticket, _subject(copy_id, kind), ctx.now)
    caller = await sessions.live_caller(ctx.runtime, claimed)
    async with ctx.unit_of_work() as uow:
        row = await copies.own_copy(uow, caller, copy_id)
    if row.json_size is None:
        raise errors.CopyNotReady()
    name = quote(f"个人信息副本-{row.created_at:%Y%m%d}.{kind}", safe="")
    return Response(
        await ctx.runtime.storage.get(row.key(kind)),
        media_type=copies.CONTENT_TYPES[kind],
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
        },
    )
