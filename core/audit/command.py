"""`zhenjian check integrity`: the whole check at once, with its progress."""

import asyncio
from collections.abc import Callable

from sqlalchemy import select

from core.audit.alarming import report
from core.audit.service import record
from core.integrity import checker
from core.integrity.adoption import adopt
from core.integrity.anchoring import restart
from core.integrity.models import CheckOrigin, IntegrityCheck, IntegrityFinding
from core.runtime import Runtime

Say = Callable[[str], None]


async def check(runtime: Runtime, say: Say) -> int:
    """Check everything; returns how many findings nobody has explained.

    Joins a check under way: worker processes may do some of its slices.
    """
    await adopt(runtime)
    async with runtime.unit_of_work() as uow:
        begun, new = await checker.begin(uow, CheckOrigin.COMMAND)
        check_id = begun.id
    if not new:
        say("A check is under way; helping with it.")
    shown = -1
    while True:
        worked = await checker.advance(runtime, report)
        async with runtime.unit_of_work() as uow:
            row = await uow.session.get_one(IntegrityCheck, check_id)
        percent = min(100, row.done * 100 // row.total) if row.total else 0
        if percent // 5 != shown or row.finished_at is not None:
            shown = percent // 5
            say(f"{percent:3d} %  {row.done} of about {max(row.total, row.done)} rows  {row.stage}")
        if row.finished_at is not None:
            break
        if not worked:
            await asyncio.sleep(0.2)
    async with runtime.unit_of_work() as uow:
        found = list(
            await uow.session.scalars(
                select(IntegrityFinding)
                .where(IntegrityFinding.explained_at.is_(None))
                .order_by(IntegrityFinding.found_at)
            )
        )
    for item in found:
        say(f"{item.kind.value}  {item.table_name}  {item.row_id}  {item.words}")
    say("Everything is as it was written." if not found else f"{len(found)} findings.")
    return len(found)


async def restart_anchors(runtime: Runtime, reason: str, say: Say) -> None:
    """Begin the anchors anew after a backup was lawfully restored."""
    async with runtime.unit_of_work() as uow:
        await record(uow, None, "integrity.restart_anchors", "integrity", "anchors", reason=reason)
    count = await restart(runtime, reason)
    say(f"{count} anchors begin anew at the present head of the chain.")
