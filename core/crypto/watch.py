"""Looking after the keys: what goes wrong with them reaches the officers as an alarm, once.

A look opens every data key with its key-encryption key, so that a module that is gone or a row
that was changed is found while the other processes still work from memory, not at the next start.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import func, select

from core import settings
from core.alarms import Trouble, keep_alarms
from core.crypto.keys import KeyringError
from core.crypto.models import DataKey, KeyRun, KeyState, RunState
from core.crypto.overview import Overview, Warning, overview
from core.crypto.settings import DRILL_DAYS
from core.crypto.sm import DecryptionError
from core.crypto.vault import Vault
from core.runtime import Runtime
from core.uow import UnitOfWork

log = structlog.get_logger(__name__)

KIND: Final = "keys"
DATA_KEYS: Final = "data_keys"
#: A re-encryption that has done no batch for so long stands still.
STALLED: Final = timedelta(minutes=15)
#: A new installation has this long until its first backup.
FIRST_BACKUP: Final = timedelta(days=7)


@dataclass(frozen=True)
class Opened:
    """What came of opening the data keys: whether their keeper answers, and whose do not open."""

    reachable: bool
    broken: Sequence[DataKey]


async def look(runtime: Runtime) -> None:
    """Open every key, and let the alarms say what is wrong now."""
    vault = runtime.ports.get(Vault)
    if vault is None:
        # The keys were given to this process in memory.
        return
    async with runtime.unit_of_work() as uow:
        rows = await uow.session.scalars(select(DataKey).where(DataKey.state != KeyState.DESTROYED))
        keys = list(rows)
    opened = await asyncio.to_thread(open_all, vault, keys)
    async with runtime.unit_of_work() as uow:
        state = await overview(uow)
        troubles = [*_about_runs(state, uow.now), *await _about_backup(uow, state)]
        if not opened.reachable:
            troubles.append(UNREACHABLE)
        await keep_alarms(uow, KIND, troubles)
        if opened.reachable:
            # Otherwise nobody knows, and nothing is said to be well again.
            await keep_alarms(uow, DATA_KEYS, about_broken(opened.broken))


def open_all(vault: Vault, keys: Sequence[DataKey]) -> Opened:
    """Try every key; waits for the module, so it runs on a thread."""
    broken = []
    try:
        vault.keks.probe()
        for row in keys:
            try:
                vault.open(row)
            except KeyringError as error:
                if not isinstance(error.__cause__, DecryptionError):
                    raise
                log.error("data_key_does_not_open", key=row.id, error=str(error))
                broken.append(row)
    except KeyringError as error:
        log.error("key_encryption_key_unreachable", error=str(error))
        return Opened(False, broken)
    return Opened(True, broken)


UNREACHABLE: Final = Trouble(
    "kek",
    "主密钥无法访问",
    "密钥文件或硬件密码模块无法访问。正在运行的服务暂不受影响，但重启后将无法启动，"
    "也不能更换密钥。请运维人员立即检查。",
)


def about_broken(keys: Sequence[DataKey]) -> list[Trouble]:
    """Data keys that do not open, told to the hospital whose they are; the group's to all."""
    found = []
    by_owner: dict[UUID | None, list[str]] = {}
    for row in keys:
        by_owner.setdefault(row.hospital_id, []).append(row.id)
    for hospital_id, ids in by_owner.items():
        text = (
            f"有 {len(ids)} 个数据密钥无法解开（{'、'.join(ids[:3])}），可能被改动。"
            "请运维人员核查，必要时用备份恢复。"
        )
        found.append(Trouble(str(hospital_id or "group"), "数据密钥无法解开", text, hospital_id))
    return found


def _about_runs(state: Overview, now: datetime) -> list[Trouble]:
    """The latest re-encryption, where it stands still or left something behind."""
    found = []
    for line in state.runs[:1]:
        if stands_still(line.run, now):
            text = "更换密钥后的重新加密停滞不前，数据仍可正常读取。请运维人员检查后台服务和日志。"
            found.append(Trouble("run_stalled", "重新加密停滞", text, line.run.hospital_id))
        elif line.run.state == RunState.DONE and line.failed:
            text = (
                f"上次更换密钥后有 {line.failed} 项未能重新加密，仍使用旧密钥。原因见服务器日志。"
            )
            found.append(Trouble("run_failed", "重新加密未完成", text, line.run.hospital_id))
    return found


def stands_still(run: KeyRun, now: datetime) -> bool:
    """Whether a run that is under way has done nothing for too long."""
    since = run.moved_at or run.begin_at
    return run.state == RunState.RUNNING and now - since > STALLED


async def _about_backup(uow: UnitOfWork, state: Overview) -> list[Trouble]:
    """Backups and drills that are overdue or failed; a new installation has time for its first."""
    warnings = state.warnings
    age = await _age(uow)
    drill_days = timedelta(days=await settings.get(uow, DRILL_DAYS))
    found = []
    if Warning.BACKUP_OLD in warnings or (Warning.NO_BACKUP in warnings and age > FIRST_BACKUP):
        text = "距上次密钥备份已超过期限，密钥丢失后数据无法恢复。请运维人员备份并分发份额。"
        found.append(Trouble("backup", "密钥备份逾期", text))
    if Warning.DRILL_FAILED in warnings:
        text = "上次恢复演练没有通过，备份可能无法恢复数据。请在“密钥”页查看原因并尽快处理。"
        found.append(Trouble("drill_failed", "恢复演练未通过", text))
    elif Warning.DRILL_OLD in warnings or (Warning.NO_DRILL in warnings and age > drill_days):
        text = "距上次密钥恢复演练已超过期限。请保管人带上份额，由运维人员进行演练。"
        found.append(Trouble("drill", "恢复演练逾期", text))
    return found


async def _age(uow: UnitOfWork) -> timedelta:
    """How old the first key of the installation is."""
    first = await uow.session.scalar(select(func.min(DataKey.created_at)))
    return uow.now - first if first is not None else timedelta(0)
