"""Routes of the keys page."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from admin.keys import access
from admin.keys.schemas import (
    BackupView,
    DataKeyView,
    DrillView,
    KekView,
    KeysView,
    RunPartView,
    RunView,
    StartRotation,
)
from core import audit
from core.access import find_grant
from core.crypto.errors import KeysElsewhere
from core.crypto.follow import announce
from core.crypto.kek import kept_path
from core.crypto.models import KeyDrill
from core.crypto.overview import KeyLine, KeyStage, Overview, RunLine, key_lines, overview
from core.crypto.recovery import DRILL_PROBLEMS
from core.crypto.rotation import start_rotation
from core.crypto.vault import Vault
from core.http import Context, Routes
from core.identity import second_factor
from core.identity.models import Hospital, User
from core.identity.second_factor import Action
from core.uow import UnitOfWork

routes = Routes(tag="keys", title="密钥")


@routes.get("/keys", roles=access.KEEPERS, summary="The state of the keys, without the keys")
async def show(ctx: Context) -> KeysView:
    limit = await access.visible_owner(ctx.uow, ctx.caller)
    kept = kept_path(ctx.runtime.config.keys)
    old = await asyncio.to_thread(kept.exists)
    found = await overview(ctx.uow, only=limit, old_key_file=old)
    may_rotate = bool(await find_grant(ctx.uow, ctx.caller, access.KEYS, "rotate"))
    managed = Vault in ctx.runtime.ports
    return KeysView(
        kek=_kek(found, ctx),
        backup=_backup(found),
        drill=_drill(found),
        runs=await _runs(ctx.uow, found.runs),
        warnings=list(found.warnings),
        may_rotate=managed and may_rotate,
        may_rotate_all=managed and may_rotate and limit is None,
    )


@routes.get("/keys/data", roles=access.KEEPERS, summary="Data keys, newest first")
async def data_keys(ctx: Context, retired: bool = False) -> list[DataKeyView]:
    limit = await access.visible_owner(ctx.uow, ctx.caller)
    lines = [
        line
        for line in await key_lines(ctx.uow, limit)
        if retired or line.stage in (KeyStage.CURRENT, KeyStage.PUBLISHED)
    ]
    names = await _names(ctx.uow, [line.hospital_id for line in lines])
    return [_line(line, names) for line in lines]


@routes.post(
    "/keys/rotations",
    roles=access.KEEPERS,
    status=201,
    idempotent=True,
    summary="Change data keys and re-encrypt in the background",
)
async def rotate(ctx: Context, body: StartRotation) -> RunView:
    scope = await access.rotation_scope(ctx.uow, ctx.caller, body.scope == "all")
    await second_factor.require(ctx.uow, ctx.caller, action=Action.CRITICAL)
    vault = ctx.runtime.ports.get(Vault)
    if vault is None:
        raise KeysElsewhere()
    run = await start_rotation(ctx.uow, vault, scope, ctx.caller.user_id)
    await audit.record(
        ctx.uow, ctx.caller, "keys.rotate", "key_run", run.id, detail={"scope": body.scope}
    )

    async def told() -> None:
        await announce(ctx.runtime)

    ctx.uow.after_commit(told)
    [view] = await _runs(ctx.uow, [RunLine(run, ())])
    return view


def _kek(found: Overview, ctx: Context) -> KekView | None:
    if found.kek is None:
        return None
    return KekView(
        id=found.kek.id,
        provider=found.kek.provider,
        activated_at=found.kek.activated_at,
        age_days=(ctx.now - found.kek.activated_at).days,
        old_versions=len(found.old_keks),
    )


def _backup(found: Overview) -> BackupView | None:
    if found.backup is None:
        return None
    return BackupView(
        at=found.backup.at,
        officers=found.backup.officers,
        needed=found.backup.needed,
        uncovered=found.uncovered,
    )


def _drill(found: Overview) -> DrillView | None:
    if found.drill is None:
        return None
    return DrillView(
        at=found.drill.at,
        ok=found.drill.ok,
        samples=found.drill.samples,
        problem=None if found.drill.ok else _drill_problem(found.drill),
    )


def _drill_problem(drill: KeyDrill) -> str:
    """In Chinese; the exact cause is in the audit and in the log of whoever ran the drill."""
    return DRILL_PROBLEMS.get(drill.detail.get("step", ""), "原因见演练时的命令输出")


async def _runs(uow: UnitOfWork, lines: Sequence[RunLine]) -> list[RunView]:
    wanted = {line.run.started_by for line in lines} - {None}
    rows = await uow.session.execute(select(User.id, User.name).where(User.id.in_(wanted)))
    names = {user_id: name for user_id, name in rows}
    hospitals = await _names(uow, [line.run.hospital_id for line in lines])
    return [
        RunView(
            id=line.run.id,
            kind=line.run.kind,
            hospital=hospitals.get(line.run.hospital_id) if line.run.hospital_id else None,
            state=line.run.state,
            started_at=line.run.started_at,
            begin_at=line.run.begin_at,
            finished_at=line.run.finished_at,
            started_by=names.get(line.run.started_by) if line.run.started_by else None,
            done=round(line.done, 4),
            failed=line.failed,
            parts=[
                RunPartView(
                    target=part.target,
                    total=part.total,
                    seen=part.seen,
                    changed=part.changed,
                    failed=part.failed,
                    error=part.error,
                    finished=part.finished_at is not None,
                )
                for part in line.parts
            ],
        )
        for line in lines
    ]


async def _names(uow: UnitOfWork, hospitals: Sequence[UUID | None]) -> dict[UUID, str]:
    rows = await uow.session.execute(
        select(Hospital.id, Hospital.name).where(Hospital.id.in_(set(hospitals) - {None}))
    )
    return {hospital_id: name for hospital_id, name in rows}


def _line(line: KeyLine, names: dict[UUID, str]) -> DataKeyView:
    return DataKeyView(
        purpose=line.purpose,
        id=line.id,
        hospital=names.get(line.hospital_id) if line.hospital_id else None,
        period=line.period,
        stage=line.stage,
        created_at=line.created_at,
        active_from=line.active_from,
        retired_at=line.retired_at,
        backed_up=line.backed_up,
    )
