"""The verbs of recognised speech. Each runs in the caller's unit of work and never commits."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from core.ids import new_id
from core.uow import UnitOfWork
from media.speech.models import SpeechTextRow
from media.speech.rules import MAX_ATTEMPTS, Segment, SpeechKind, SpeechState, pause_after

LEASE = timedelta(seconds=60)


async def ask(
    uow: UnitOfWork,
    *,
    hospital_id: UUID,
    room_id: UUID | None,
    kind: SpeechKind,
    subject_id: UUID,
    anew: bool = False,
) -> None:
    """Have something recognised. Asking again changes nothing, unless it failed, or `anew`: the
    sound is another one now.
    """
    await uow.session.execute(
        insert(SpeechTextRow)
        .values(
            id=new_id(),
            hospital_id=hospital_id,
            room_id=room_id,
            kind=kind.value,
            subject_id=subject_id,
            state=SpeechState.WAITING.value,
            progress=0.0,
            attempts=0,
            asked_at=uow.now,
        )
        .on_conflict_do_nothing(index_elements=["kind", "subject_id"])
    )
    row = await uow.session.scalar(
        select(SpeechTextRow)
        .where(SpeechTextRow.kind == kind, SpeechTextRow.subject_id == subject_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is not None and (anew or row.state == SpeechState.FAILED):
        row.state, row.attempts, row.progress = SpeechState.WAITING.value, 0, 0.0
        row.not_before = row.claimed_until = None
        row.asked_at = uow.now
        await uow.session.flush()


async def claim(uow: UnitOfWork) -> SpeechTextRow | None:
    """Take the oldest that waits, voice messages first: somebody looks at them."""
    row = await uow.session.scalar(
        select(SpeechTextRow)
        .where(
            SpeechTextRow.state == SpeechState.WAITING,
            or_(SpeechTextRow.not_before.is_(None), SpeechTextRow.not_before <= uow.now),
            or_(SpeechTextRow.claimed_until.is_(None), SpeechTextRow.claimed_until <= uow.now),
        )
        .order_by(SpeechTextRow.kind.desc(), SpeechTextRow.asked_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if row is not None:
        row.claimed_until = uow.now + LEASE
        await uow.session.flush()
    return row


async def renew(uow: UnitOfWork, text_id: UUID, progress: float) -> None:
    """Store how far it has come and keep the lease."""
    await uow.session.execute(
        update(SpeechTextRow)
        .where(SpeechTextRow.id == text_id)
        .values(progress=progress, claimed_until=uow.now + LEASE)
    )


async def made(uow: UnitOfWork, text_id: UUID, engine: str, segments: Sequence[Segment]) -> None:
    """The text is there."""
    row = await uow.session.get(SpeechTextRow, text_id, with_for_update=True)
    if row is None:
        return
    row.state, row.engine, row.progress = SpeechState.READY.value, engine, 1.0
    row.content = {"segments": [asdict(each) for each in segments]}
    row.ready_at, row.claimed_until, row.last_error = uow.now, None, None


async def forget(uow: UnitOfWork, kind: SpeechKind, subject_id: UUID) -> None:
    """The sound is no longer there: neither are its words."""
    await uow.session.execute(
        delete(SpeechTextRow).where(
            SpeechTextRow.kind == kind, SpeechTextRow.subject_id == subject_id
        )
    )


async def failed(uow: UnitOfWork, text_id: UUID, error: str, *, final: bool = False) -> None:
    """An attempt failed: it is repeated a few times, unless nothing would change."""
    row = await uow.session.get(SpeechTextRow, text_id, with_for_update=True)
    if row is None:
        return
    row.attempts += 1
    row.last_error, row.claimed_until = error[:2000], None
    if not final and row.attempts < MAX_ATTEMPTS:
        row.not_before = uow.now + pause_after(row.attempts)
    else:
        row.state = SpeechState.FAILED.value
