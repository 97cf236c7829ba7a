"""How good the connections of a call were: collected by the minute, kept with the call.

Each process collects what workers tell about the sessions that it connected, and writes it down
when a minute is over or a session ends. What a killed process had collected of the current minute
is lost; the level that the monitor shows is written when it changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from core.uow import UnitOfWork
from media.calls.models import CallParticipantRow, CallQualityRow
from media.calls.rules import Place
from media.calls.schemas import QualityView

GOOD = 4
#: Of a level, worst first, as the room monitor and the doctor's screen say it.
WARNINGS = {1: "网络很差，画面可能暂停", 2: "网络较差，画面可能变得模糊"}


#: From so many seconds without movement in a minute on it is worth a word.
_MUCH_FROZEN = 3
_FROZEN = "画面多次卡顿"


@dataclass
class Minute:
    """What was told of one session since ``begun``."""

    call_id: UUID
    user_id: UUID
    begun: datetime
    samples: int = 0
    worst: int = GOOD
    level: int = 0
    rtt_ms: int = 0
    rtt_samples: int = 0
    loss: float = 0.0
    jitter_ms: int = 0
    bitrate: int = 0
    paused: int = 0

    def add(self, event: dict[str, Any], *, paused: bool) -> None:
        """One judgement of the worker (every two seconds)."""
        self.samples += 1
        self.level = int(event["level"])
        self.worst = min(self.worst, self.level)
        if event.get("rtt_ms") is not None:
            self.rtt_ms += int(event["rtt_ms"])
            self.rtt_samples += 1
        self.loss += float(event["loss"])
        self.jitter_ms += int(event.get("jitter_ms") or 0)
        self.bitrate += int(event["bitrate"])
        self.paused += paused

    def due(self, now: datetime) -> bool:
        return (now - self.begun).total_seconds() >= 60


async def keep(uow: UnitOfWork, minute: Minute) -> None:
    """Write a minute down; of several in one minute (another session) the sums are kept."""
    if not minute.samples:
        return
    row = CallQualityRow
    values = {
        "samples": minute.samples,
        "rtt_ms": minute.rtt_ms,
        "rtt_samples": minute.rtt_samples,
        "loss": minute.loss,
        "jitter_ms": minute.jitter_ms,
        "bitrate": minute.bitrate,
        "paused": minute.paused,
    }
    statement = insert(row).values(
        call_id=minute.call_id,
        user_id=minute.user_id,
        begun_at=minute.begun,
        worst=minute.worst,
        **values,
    )
    sums = {name: getattr(row, name) + statement.excluded[name] for name in values}
    await uow.session.execute(
        statement.on_conflict_do_update(
            index_elements=[row.call_id, row.user_id, row.begun_at],
            set_={**sums, "worst": func.least(row.worst, statement.excluded.worst)},
        )
    )


async def freeze(
    uow: UnitOfWork, call_id: UUID, user_id: UUID, freezes: int, frozen_ms: int
) -> None:
    """Add what stood still on somebody's screen to his minute."""
    row = CallQualityRow
    statement = insert(row).values(
        call_id=call_id,
        user_id=user_id,
        begun_at=uow.now.replace(second=0, microsecond=0),
        worst=GOOD,
        samples=0, rtt_ms=0, rtt_samples=0, loss=0.0, jitter_ms=0, bitrate=0, paused=0,
        freezes=freezes,
        frozen_ms=frozen_ms,
    )  # fmt: skip
    await uow.session.execute(
        statement.on_conflict_do_update(
            index_elements=[row.call_id, row.user_id, row.begun_at],
            set_={
                "freezes": row.freezes + statement.excluded.freezes,
                # Several pictures stand still at once; a minute has no more than sixty seconds.
                "frozen_ms": func.least(row.frozen_ms + statement.excluded.frozen_ms, 60_000),
            },
        )
    )


async def show_level(uow: UnitOfWork, call_id: UUID, user_id: UUID, level: int) -> None:
    """The level of a participant's connection as the monitor shows it."""
    await uow.session.execute(
        update(CallParticipantRow)
        .where(CallParticipantRow.call_id == call_id, CallParticipantRow.user_id == user_id)
        .values(quality=level)
    )


async def worst_levels(uow: UnitOfWork, call_ids: list[UUID]) -> dict[UUID, int]:
    """The worst level of those who are in each call, as far as anything is known."""
    rows = await uow.session.execute(
        select(CallParticipantRow.call_id, CallParticipantRow.quality).where(
            CallParticipantRow.call_id.in_(call_ids),
            CallParticipantRow.place == Place.JOINED,
        )
    )
    worst: dict[UUID, int] = {}
    for call_id, level in rows:
        if level is None:
            continue
        worst[call_id] = min(level, worst.get(call_id, level))
    return worst


async def of_call(uow: UnitOfWork, call_id: UUID) -> list[QualityView]:
    """Every minute of every participant, in order."""
    rows = await uow.session.scalars(
        select(CallQualityRow)
        .where(CallQualityRow.call_id == call_id)
        .order_by(CallQualityRow.begun_at, CallQualityRow.user_id)
    )
    return [
        QualityView(
            user_id=row.user_id,
            at=row.begun_at,
            worst=row.worst,
            warning=_warning(row),
            rtt_ms=round(row.rtt_ms / row.rtt_samples) if row.rtt_samples else None,
            loss=round(row.loss / max(row.samples, 1), 4),
            jitter_ms=round(row.jitter_ms / max(row.samples, 1)),
            bitrate=row.bitrate // max(row.samples, 1),
            paused_seconds=2 * row.paused,
            freezes=row.freezes,
            frozen_seconds=round(row.frozen_ms / 1000, 1),
        )
        for row in rows
    ]


def _warning(row: CallQualityRow) -> str | None:
    found = WARNINGS.get(row.worst)
    return _FROZEN if found is None and row.frozen_ms >= 1000 * _MUCH_FROZEN else found
