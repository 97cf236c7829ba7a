"""Copies of a person's data: made in the background with progress, kept encrypted for some days."""

from datetime import timedelta
from uuid import UUID

import orjson
import structlog
from anyio import to_thread
from sqlalchemy import or_, select, update

from clinical.consent import errors, rights, settings, subjects
from clinical.consent.models import DataCopy, RightsRequest
from clinical.consent.paper import Cover, draw
from clinical.consent.states import CopyState, Outcome, RequestState
from clinical.days import zone_of
from core import audit
from core import settings as core_settings
from core.crypto.sm import sm3
from core.errors import NotFound
from core.identity import second_factor, throttle
from core.identity.caller import Caller
from core.identity.models import Hospital, User
from core.personal_data import Section, registered
from core.runtime import Runtime
from core.storage import StorageError
from core.uow import UnitOfWork

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=2)
MAX_ATTEMPTS = 3
FORMAT = "zhenjian.personal-data/1"
CONTENT_TYPES = {"json": "application/json", "pdf": "application/pdf"}


async def make_waiting(runtime: Runtime) -> None:
    """Make every copy that waits, one after the other."""
    while (copy := await _claim(runtime)) is not None:
        try:
            await _make(runtime, copy)
        except (StorageError, OSError) as error:
            await _failed(runtime, copy.id, str(error))


async def _claim(runtime: Runtime) -> DataCopy | None:
    async with runtime.unit_of_work() as uow:
        row = await uow.session.scalar(
            select(DataCopy)
            .where(
                DataCopy.state.in_((CopyState.QUEUED, CopyState.RUNNING)),
                or_(DataCopy.claimed_until.is_(None), DataCopy.claimed_until <= uow.now),
            )
            .order_by(DataCopy.created_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if row is not None:
            row.state, row.progress = CopyState.RUNNING, 0.0
            row.claimed_until = uow.now + LEASE
            row.attempts += 1
        return row


async def _make(runtime: Runtime, copy: DataCopy) -> None:
    parts = list(registered())
    sections: list[Section] = []
    for done, part in enumerate(parts):
        async with runtime.unit_of_work() as uow:
            subject = await subjects.subject_of(uow, copy.hospital_id, copy.user_id)
            sections += await part.export(uow, subject)
            await _progress(uow, copy.id, (done + 1) / (len(parts) + 2), sections[-1:])
    async with runtime.unit_of_work() as uow:
        request = await uow.session.get_one(RightsRequest, copy.request_id)
        hospital = await uow.session.get_one(Hospital, copy.hospital_id)
        user = await uow.session.get_one(User, copy.user_id)
        cover = Cover(
            hospital=hospital.name,
            holder=user.real_name or user.name,
            number=request.number,
            made_at=uow.now,
            zone=await zone_of(uow, copy.hospital_id),
        )
    data = orjson.dumps(_document(cover, sections), default=str, option=orjson.OPT_INDENT_2)
    paper = await to_thread.run_sync(draw, cover, sections)
    await runtime.storage.put(copy.key("json"), data)
    await runtime.storage.put(copy.key("pdf"), paper)
    async with runtime.unit_of_work() as uow:
        await _ready(uow, copy.id, data, paper)


def _document(cover: Cover, sections: list[Section]) -> dict[str, object]:
    return {
        "format": FORMAT,
        "hospital": cover.hospital,
        "holder": cover.holder,
        "request": cover.number,
        "made_at": cover.made_at,
        "sections": [
            {
                "title": section.title,
                "fields": dict(section.fields),
                "records": list(section.records),
            }
            for section in sections
        ],
    }


async def _progress(uow: UnitOfWork, copy_id: UUID, share: float, newest: list[Section]) -> None:
    await uow.session.execute(
        update(DataCopy)
        .where(DataCopy.id == copy_id, DataCopy.state == CopyState.RUNNING)
        .values(
            progress=share,
            stage=newest[0].title if newest else "",
            claimed_until=uow.now + LEASE,
        )
    )


async def _ready(uow: UnitOfWork, copy_id: UUID, data: bytes, paper: bytes) -> None:
    request_id = await uow.session.scalar(select(DataCopy.request_id).where(DataCopy.id == copy_id))
    # The request first: whoever cancels takes the two rows in this order.
    request = await uow.session.get_one(RightsRequest, request_id, with_for_update=True)
    row = await uow.session.get_one(DataCopy, copy_id, with_for_update=True)
    days = await core_settings.get(uow, settings.COPY_DAYS, hospital_id=row.hospital_id)
    row.expires_at = uow.now + timedelta(days=days)
    row.ready_at, row.claimed_until, row.progress, row.stage = uow.now, None, 1.0, ""
    row.json_size, row.json_digest = len(data), sm3(data).hex()
    row.pdf_size, row.pdf_digest = len(paper), sm3(paper).hex()
    if row.state is not CopyState.RUNNING:
        # Cancelled meanwhile: the daily job removes the files.
        return
    row.state = CopyState.READY
    if request.state is RequestState.IN_PROGRESS:
        request.state, request.closed_at = RequestState.DONE, uow.now
        request.outcome = Outcome.GRANTED
        await rights.answered(uow, request, Outcome.GRANTED)


async def _failed(runtime: Runtime, copy_id: UUID, error: str) -> None:
    log.error("data_copy_failed", copy=str(copy_id), error=error)
    async with runtime.unit_of_work() as uow:
        row = await uow.session.get_one(DataCopy, copy_id, with_for_update=True)
        row.last_error = error[:2000]
        row.claimed_until = uow.now + LEASE
        if row.attempts >= MAX_ATTEMPTS:
            row.state = CopyState.FAILED


async def expire(runtime: Runtime) -> int:
    """Delete the files of copies whose days are over; returns how many."""
    async with runtime.unit_of_work() as uow:
        rows = list(
            await uow.session.scalars(
                select(DataCopy)
                .where(
                    DataCopy.state.in_((CopyState.READY, CopyState.EXPIRED)),
                    DataCopy.expires_at <= uow.now,
                )
                .limit(200)
            )
        )
    for row in rows:
        await runtime.storage.delete(row.key("json"))
        await runtime.storage.delete(row.key("pdf"))
        async with runtime.unit_of_work() as uow:
            await uow.session.execute(
                update(DataCopy)
                .where(DataCopy.id == row.id)
                .values(state=CopyState.EXPIRED, expires_at=None)
            )
    return len(rows)


# --- fetching ------------------------------------------------------------------------------------


async def own_copy(uow: UnitOfWork, caller: Caller, copy_id: UUID) -> DataCopy:
    """The caller's own copy that can be fetched now. Raises NotFound, CopyNotReady."""
    row = await uow.session.scalar(
        select(DataCopy).where(
            DataCopy.id == copy_id,
            DataCopy.user_id == caller.user_id,
            DataCopy.hospital_id == caller.hospital_id,
        )
    )
    if row is None:
        raise NotFound()
    if row.state is not CopyState.READY or row.expires_at is None or row.expires_at <= uow.now:
        raise errors.CopyNotReady()
    return row


async def prove_identity(runtime: Runtime, caller: Caller, tail: str) -> None:
    """A second check before a copy leaves: the end of the own identity number, or a second factor.

    Raises IdentityWrong, TooManyAttempts; SecondFactorRequired where no number is known.
    """
    async with runtime.unit_of_work() as uow:
        number = await uow.session.scalar(select(User.id_number).where(User.id == caller.user_id))
        if number is None:
            await second_factor.require(uow, caller, action=second_factor.Action.CRITICAL)
            return
    account = f"data-copy:{caller.user_id}"
    await throttle.claim_attempt(runtime, account, user_id=caller.user_id)
    if number[-6:].upper() != tail.strip().upper():
        raise errors.IdentityWrong()
    await throttle.forgive_now(runtime, account)


async def note_fetch(uow: UnitOfWork, caller: Caller, row: DataCopy, kind: str) -> None:
    """Remember that a link was given out; that is audited, a patient's own one too."""
    await uow.session.execute(
        update(DataCopy).where(DataCopy.id == row.id).values(fetched_at=uow.now)
    )
    detail = {"kind": kind, "request": row.request_id}
    await audit.record(uow, caller, "data_copy.link", "data_copy", row.id, detail=detail)
