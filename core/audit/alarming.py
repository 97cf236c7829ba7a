"""What follows from a finding: an alarm to the officers, an audit entry, a line in the log."""

from collections import defaultdict
from uuid import UUID

import structlog
from sqlalchemy import func, select

from core.alarms import raise_alarm
from core.audit.service import record
from core.integrity.findings import keep
from core.integrity.metrics import FINDINGS
from core.integrity.models import IntegrityFinding, Kind
from core.integrity.reporting import Found
from core.uow import UnitOfWork

log = structlog.get_logger(__name__)

#: Ids that an alarm and its audit entry quote of many rows with the same trouble.
QUOTED = 20

LABELS: dict[Kind, str] = {
    Kind.ROW_CHANGED: "数据被改动",
    Kind.ROW_REMOVED: "数据被删除",
    Kind.ROW_SWAPPED: "数据被调换",
    Kind.ROW_ROLLED_BACK: "数据被恢复成旧版本",
    Kind.ROW_FORGED: "数据被伪造",
    Kind.LEDGER_CHANGED: "台账被改动",
    Kind.LEDGER_UNSEALED: "台账未及时封存",
    Kind.BLOCK_CHANGED: "封存块被改动",
    Kind.BLOCK_REMOVED: "封存块被删除",
    Kind.TAIL_CUT: "封存链被截断",
    Kind.CHAIN_REPLACED: "封存链被替换",
    Kind.ANCHOR_CHANGED: "锚点被改动",
    Kind.ANCHOR_REMOVED: "锚点被删除",
}


async def report(uow: UnitOfWork, found: list[Found]) -> None:
    """Raise one alarm and write one audit entry for each kind, table and hospital."""
    groups: dict[tuple[Kind, str, UUID | None], list[Found]] = defaultdict(list)
    for item in found:
        groups[item.kind, item.table, item.hospital_id].append(item)
        log.error("integrity_broken", kind=item.kind.value, table=item.table, row=item.row_id)
    for (kind, table, hospital_id), items in groups.items():
        ids = [item.row_id for item in items[:QUOTED]]
        text = f"{table}：{items[0].words}"
        if len(items) > 1:
            text += f"（共 {len(items)} 处）"
        await raise_alarm(
            uow,
            hospital_id,
            "integrity",
            f"完整性核验：{LABELS[kind]}",
            text,
            ("integrity", f"{kind.value}:{table}"),
        )
        await record(
            uow,
            None,
            "integrity.find",
            table,
            ids[0],
            detail={"kind": kind.value, "rows": ids, "count": len(items)},
            reason=items[0].words,
            hospital_id=hospital_id,
        )


async def report_at_once(uow: UnitOfWork, found: list[Found]) -> None:
    """Keep and report what was found outside a check."""
    new = await keep(uow, None, found)
    if new:
        await report(uow, new)


async def count_open(uow: UnitOfWork) -> int:
    """How many findings nobody has explained; sets the metric too."""
    count = await uow.session.scalar(
        select(func.count())
        .select_from(IntegrityFinding)
        .where(IntegrityFinding.explained_at.is_(None))
    )
    FINDINGS.set(count or 0)
    return count or 0
