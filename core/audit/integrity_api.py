"""HTTP routes of integrity, for the audit page: how it stands, check now, explain a finding."""

from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select

from core.access import grant
from core.audit import service
from core.audit.access import AUDIT, OFFICERS
from core.audit.alarming import LABELS
from core.audit.schemas import (
    ActorView,
    AnchorView,
    CheckView,
    Explanation,
    FindingView,
    IntegrityView,
)
from core.errors import NotFound
from core.http import Context, Routes
from core.identity.models import User
from core.integrity import checker
from core.integrity.models import (
    AnchorMark,
    CheckOrigin,
    IntegrityCheck,
    IntegrityFinding,
    LedgerRow,
)
from core.integrity.protection import protections
from core.integrity.sealer import chain_head
from core.uow import UnitOfWork

routes = Routes(tag="audit", title="审计日志")
_SHOWN = 200


@routes.get(
    "/audit/integrity", roles=OFFICERS, summary="Chain, anchors, the last check, what is wrong"
)
async def integrity(ctx: Context) -> IntegrityView:
    await grant(ctx.uow, ctx.caller, AUDIT, "check")
    session = ctx.uow.session
    head = await chain_head(session)
    unsealed = await session.scalar(
        select(func.count()).select_from(LedgerRow).where(LedgerRow.seal_seq.is_(None))
    )
    check = await session.scalar(
        select(IntegrityCheck).order_by(IntegrityCheck.started_at.desc()).limit(1)
    )
    marks = await session.scalars(select(AnchorMark).order_by(AnchorMark.name))
    return IntegrityView(
        protected_tables=len(protections()),
        blocks=head.number if head else 0,
        sealed_rows=head.last_seq if head else 0,
        unsealed_rows=unsealed or 0,
        sealed_at=head.sealed_at if head else None,
        anchors=[
            AnchorView(name=mark.name, block=mark.block, anchored_at=mark.anchored_at)
            for mark in marks
        ],
        check=await _check_view(ctx, check) if check else None,
        findings=await _findings(ctx),
    )


@routes.post(
    "/audit/integrity/checks",
    roles=OFFICERS,
    status=202,
    idempotent=True,
    summary="Check everything now; joins a check that is under way",
)
async def check_now(ctx: Context) -> CheckView:
    await grant(ctx.uow, ctx.caller, AUDIT, "check")
    check, new = await checker.begin(
        ctx.uow, CheckOrigin.PERSON, ctx.caller.hospital_id, ctx.caller.user_id
    )
    if new:
        await service.record(ctx.uow, ctx.caller, "integrity.check", "integrity", check.id)
    return await _check_view(ctx, check)


@routes.post(
    "/audit/integrity/findings/{finding_id}/explanation",
    roles=OFFICERS,
    idempotent=True,
    summary="Say what was behind a finding; it raises no alarm again as it stands",
)
async def explain(ctx: Context, finding_id: UUID, body: Explanation) -> FindingView:
    await grant(ctx.uow, ctx.caller, AUDIT, "check")
    row = await ctx.uow.session.scalar(
        select(IntegrityFinding)
        .where(IntegrityFinding.id == finding_id, _visible(ctx))
        .with_for_update()
    )
    if row is None:
        raise NotFound()
    if row.explained_at is None:
        row.explained_at, row.explained_by = ctx.now, ctx.caller.user_id
        row.explanation = body.words
        await service.record(
            ctx.uow,
            ctx.caller,
            "integrity.explain",
            "integrity_finding",
            row.id,
            detail={"kind": row.kind.value, "table": row.table_name, "row": row.row_id},
            reason=body.words,
        )
    return (await _views(ctx.uow, [row]))[0]


def _visible(ctx: Context) -> ColumnElement[bool]:
    return or_(
        IntegrityFinding.hospital_id == ctx.caller.hospital_id,
        IntegrityFinding.hospital_id.is_(None),
    )


async def _findings(ctx: Context) -> list[FindingView]:
    """Unexplained ones first, then the newest."""
    rows = await ctx.uow.session.scalars(
        select(IntegrityFinding)
        .where(_visible(ctx))
        .order_by(IntegrityFinding.explained_at.is_not(None), IntegrityFinding.last_seen_at.desc())
        .limit(_SHOWN)
    )
    return await _views(ctx.uow, list(rows))


async def _views(uow: UnitOfWork, rows: list[IntegrityFinding]) -> list[FindingView]:
    names = await _names(uow, [row.explained_by for row in rows if row.explained_by])
    return [
        FindingView(
            id=row.id,
            kind=row.kind.value,
            label=LABELS[row.kind],
            table=row.table_name,
            row_id=row.row_id,
            words=row.words,
            found_at=row.found_at,
            last_seen_at=row.last_seen_at,
            explained_at=row.explained_at,
            explained_by=names.get(row.explained_by) if row.explained_by else None,
            explanation=row.explanation,
        )
        for row in rows
    ]


async def _names(uow: UnitOfWork, ids: list[UUID]) -> dict[UUID, ActorView]:
    rows = await uow.session.execute(select(User.id, User.name).where(User.id.in_(ids)))
    return {user_id: ActorView(id=user_id, name=name) for user_id, name in rows}


async def _check_view(ctx: Context, check: IntegrityCheck) -> CheckView:
    # Who asked at another hospital is not told here.
    here = check.hospital_id == ctx.caller.hospital_id
    names = await _names(ctx.uow, [check.user_id] if check.user_id and here else [])
    return CheckView(
        id=check.id,
        origin=check.origin.value,
        started_by=names.get(check.user_id) if check.user_id else None,
        started_at=check.started_at,
        finished_at=check.finished_at,
        stage=check.stage,
        done=check.done,
        total=max(check.total, check.done),
        found=check.found,
    )
