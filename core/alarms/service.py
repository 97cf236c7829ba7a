"""The verbs of alarms: raise, keep, acknowledge, resolve."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import insert

from core import audit
from core.alarms import access
from core.alarms.errors import AlarmResolved
from core.alarms.events import AlarmRaised, AlarmSettled
from core.alarms.models import Alarm
from core.ids import new_id

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork


#: A trouble that lasts although an officer has resolved its alarm is told again after this time.
HUSHED = timedelta(days=1)
CLEARED = "问题已消除，系统自动解除"


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong as long as it lasts. `hospital_id` None: at every hospital."""

    ref: str
    title: str
    text: str
    hospital_id: UUID | None = None


async def keep_alarms(uow: "UnitOfWork", kind: str, troubles: Sequence[Trouble]) -> None:
    """Let the open alarms of a kind be those of what is wrong now, for whoever looks regularly.

    A new trouble is told once and not counted up by each look; one that is over is cleared. When
    an officer has resolved an alarm and the trouble lasts, it is told anew after a day. The refs
    of the alarms are `(kind, trouble.ref)`.
    """
    places = await access.hospitals(uow)
    wanted = {
        (place, trouble.ref): trouble
        for trouble in troubles
        for place in ([trouble.hospital_id] if trouble.hospital_id else places)
    }
    known = set()
    for row in await access.standing(uow, kind, uow.now - HUSHED):
        place = (row.hospital_id, row.ref_id or "")
        if row.resolved_at is not None:
            # Resolved by a person, who need not hear of it again at once.
            known |= {place} if row.resolved_by is not None else set()
        elif place in wanted:
            known.add(place)
        else:
            await _clear(uow, row)
    for (place_id, ref), trouble in wanted.items():
        if (place_id, ref) not in known:
            await _raise(uow, place_id, kind, trouble.title, trouble.text, (kind, ref))


async def _clear(uow: "UnitOfWork", row: Alarm) -> None:
    row.resolved_at, row.resolution = uow.now, CLEARED
    await audit.record(
        uow, None, "alarm.clear", "alarm", row.id, detail={"kind": row.kind},
        hospital_id=row.hospital_id,
    )  # fmt: skip
    uow.record(
        AlarmSettled(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            state=row.state,
        )
    )


async def raise_alarm(
    uow: "UnitOfWork",
    hospital_id: UUID | None,
    kind: str,
    title: str,
    text: str,
    ref: tuple[str, UUID | str] | None = None,
) -> None:
    """Raise an alarm at a hospital, with the change that caused it; None: at every hospital.

    `kind` is a stable name of at most 40 characters, `title` and `text` are Chinese and shown to
    officers alone. While an alarm with this kind and `ref` is open, raising it again counts it up
    and tells nobody anew. Without `ref` every call is a new alarm.
    """
    places = [hospital_id] if hospital_id is not None else await access.hospitals(uow)
    for place in places:
        await _raise(uow, place, kind, title, text, ref)


async def _raise(
    uow: "UnitOfWork",
    hospital_id: UUID,
    kind: str,
    title: str,
    text: str,
    ref: tuple[str, UUID | str] | None,
) -> None:
    statement = insert(Alarm).values(
        id=new_id(),
        hospital_id=hospital_id,
        kind=kind,
        title=title,
        text=text,
        ref_type=ref[0] if ref else None,
        ref_id=str(ref[1]) if ref else None,
        times=1,
        raised_at=uow.now,
        last_at=uow.now,
    )
    found = await uow.session.execute(
        statement.on_conflict_do_update(
            index_elements=[Alarm.hospital_id, Alarm.kind, Alarm.ref_type, Alarm.ref_id],
            index_where=sql("resolved_at IS NULL"),
            set_={"times": Alarm.times + 1, "last_at": statement.excluded.last_at},
        ).returning(Alarm.id, Alarm.times)
    )
    alarm_id, times = found.one()
    if times == 1:
        uow.record(
            AlarmRaised(
                hospital_id=hospital_id,
                aggregate_id=alarm_id,
                occurred_at=uow.now,
                kind=kind,
                title=title,
            )
        )


async def acknowledge(uow: "UnitOfWork", caller: "Caller", alarm_id: UUID) -> Alarm:
    """Say that somebody has seen it and is on it. Again is the same. Raises NotFound."""
    row = await access.alarm_for(uow, caller, alarm_id, lock=True)
    if row.acknowledged_at is None and row.resolved_at is None:
        row.acknowledged_at, row.acknowledged_by = uow.now, caller.user_id
        await _settled(uow, caller, row, "acknowledge", {})
    return row


async def resolve(uow: "UnitOfWork", caller: "Caller", alarm_id: UUID, note: str) -> Alarm:
    """Close an alarm with what came of it. Raises NotFound, AlarmResolved."""
    row = await access.alarm_for(uow, caller, alarm_id, lock=True)
    if row.resolved_at is not None:
        raise AlarmResolved()
    if row.acknowledged_at is None:
        row.acknowledged_at, row.acknowledged_by = uow.now, caller.user_id
    row.resolved_at, row.resolved_by, row.resolution = uow.now, caller.user_id, note
    await _settled(uow, caller, row, "resolve", {"note": note})
    return row


async def _settled(
    uow: "UnitOfWork", caller: "Caller", row: Alarm, verb: str, detail: dict[str, str]
) -> None:
    await audit.record(
        uow, caller, f"alarm.{verb}", "alarm", row.id, detail={"kind": row.kind, **detail}
    )
    uow.record(
        AlarmSettled(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            state=row.state,
        )
    )
