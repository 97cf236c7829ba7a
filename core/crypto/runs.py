"""Carrying runs out: batch by batch, so that a crash or a stop costs one batch.

Where a part has come to is stored after each batch, by whoever did it first: two processes that
work on one part at once do some rows twice and count them once.
"""

import time
from dataclasses import dataclass
from typing import Any, Final, Self
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.exc import DBAPIError

from core import audit
from core.crypto.cells import EncryptedTable, encrypted_table
from core.crypto.follow import announce
from core.crypto.models import KeyRun, KeyRunPart, RunKind, RunState
from core.crypto.reseal import count, refused, reseal_batch
from core.crypto.rotation import FILES
from core.crypto.vault import Vault
from core.runtime import Runtime
from core.storage.owners import owners_of
from core.storage.reseal import all_paths, reseal_objects
from core.storage.storage import SUFFIX
from core.uow import UnitOfWork

log = structlog.get_logger(__name__)

#: How long one turn of the job lasts; the job comes round again at once.
TURN_SECONDS: Final = 2.0
FILES_AT_ONCE: Final = 20


@dataclass(frozen=True, slots=True)
class _Step:
    """What a batch has done. `cursor` None: the part is through."""

    cursor: list[Any] | None
    seen: int = 0
    changed: int = 0
    failed: int = 0


class Resealer:
    """Works on the runs of the installation."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._paths: tuple[UUID, list[str]] | None = None

    @classmethod
    def of(cls, runtime: Runtime) -> Self:
        """The one of this process."""
        found = runtime.ports.get(cls)
        if found is None:
            found = runtime.ports[cls] = cls(runtime)
        resealer: Self = found
        return resealer

    async def turn(self, seconds: float = TURN_SECONDS) -> bool:
        """Work for a while; returns whether anything is left that could be done now."""
        until = time.monotonic() + seconds
        while (found := await self._next()) is not None:
            run, part = found
            while time.monotonic() < until:
                if await self._batch(run, part):
                    break
            else:
                return True
        return False

    async def _next(self) -> tuple[KeyRun, KeyRunPart] | None:
        """The next part that is not through; runs whose parts all are get closed."""
        async with self._runtime.unit_of_work() as uow:
            runs = list(
                await uow.session.scalars(
                    select(KeyRun)
                    .where(KeyRun.state == RunState.RUNNING, KeyRun.begin_at <= uow.now)
                    .order_by(KeyRun.started_at, KeyRun.id)
                )
            )
            for run in runs:
                part = await uow.session.scalar(
                    select(KeyRunPart)
                    .where(KeyRunPart.run_id == run.id, KeyRunPart.finished_at.is_(None))
                    .order_by(KeyRunPart.target)
                    .limit(1)
                )
                if part is not None:
                    if part.cursor is None:
                        await self._begin(part)
                    return run, part
                await self._close(uow, run)
        return None

    async def _begin(self, part: KeyRunPart) -> None:
        # The keys that the run is about may have been made by another process a moment ago.
        await self._runtime.port(Vault).refresh(self._runtime.keyring)
        place = encrypted_table(part.target)
        if place is not None:
            part.total = await count(self._runtime.engine, place)

    async def _close(self, uow: UnitOfWork, run: KeyRun) -> None:
        run.state, run.finished_at = RunState.DONE, uow.now
        self._paths = None
        changed, failed = (
            await uow.session.execute(
                select(
                    func.coalesce(func.sum(KeyRunPart.changed), 0),
                    func.coalesce(func.sum(KeyRunPart.failed), 0),
                ).where(KeyRunPart.run_id == run.id)
            )
        ).one()
        detail = {"kind": run.kind, "changed": int(changed), "failed": int(failed)}
        await audit.record(
            uow,
            None,
            "keys.resealed",
            "key_run",
            run.id,
            detail=detail,
            hospital_id=run.hospital_id,
        )
        log.info("key_run_done", run=str(run.id), **detail)

        async def told() -> None:
            await announce(self._runtime)

        uow.after_commit(told)

    async def _batch(self, run: KeyRun, part: KeyRunPart) -> bool:
        """One batch of a part; returns whether the part is through."""
        error = None
        place = encrypted_table(part.target)
        try:
            if part.target == FILES:
                step = await self._files(run, part)
            elif place is not None:
                step = await self._cells(run, part, place)
            else:
                step = _Step(None)
        except DBAPIError as failure:
            if not refused(failure):
                raise
            # A trigger forbids it: its cells keep their keys, and the others go on.
            log.error("table_not_sealed_anew", table=part.target, error=str(failure.orig))
            step, error = _Step(None), str(failure.orig)[:500]
        await self._note(part, step, error)
        return step.cursor is None

    async def _cells(self, run: KeyRun, part: KeyRunPart, place: EncryptedTable) -> _Step:
        done = await reseal_batch(
            self._runtime.engine, self._runtime.keyring, place, part.cursor, run.hospital_id
        )
        return _Step(done.cursor, done.seen, done.changed, done.failed)

    async def _files(self, run: KeyRun, part: KeyRunPart) -> _Step:
        storage = self._runtime.storage
        if self._paths is None or self._paths[0] != run.id:
            paths = await all_paths(storage)
            if run.kind == RunKind.CONVERT:
                paths = [path for path in paths if not path.endswith(SUFFIX)]
            self._paths = (run.id, paths)
            part.total = len(paths)
        after = part.cursor[0] if part.cursor else ""
        batch = [path for path in self._paths[1] if path > after][:FILES_AT_ONCE]
        if not batch:
            return _Step(None)
        async with self._runtime.unit_of_work() as uow:
            owners = await owners_of(uow, [path.removesuffix(SUFFIX) for path in batch])
        done = await reseal_objects(storage, self._runtime.keyring, batch, owners, run.hospital_id)
        return _Step([batch[-1]], done.seen, done.changed, done.failed)

    async def _note(self, part: KeyRunPart, step: _Step, error: str | None) -> None:
        async with self._runtime.unit_of_work() as uow:
            noted = await uow.session.execute(
                update(KeyRunPart)
                .where(
                    KeyRunPart.run_id == part.run_id,
                    KeyRunPart.target == part.target,
                    KeyRunPart.finished_at.is_(None),
                    _same(part.cursor),
                )
                .values(
                    cursor=step.cursor if step.cursor is not None else part.cursor,
                    total=part.total,
                    seen=KeyRunPart.seen + step.seen,
                    changed=KeyRunPart.changed + step.changed,
                    failed=KeyRunPart.failed + step.failed,
                    error=error,
                    finished_at=uow.now if step.cursor is None else None,
                )
                .returning(KeyRunPart.run_id)
            )
            first = noted.first() is not None
            if first:
                await uow.session.execute(
                    update(KeyRun).where(KeyRun.id == part.run_id).values(moved_at=uow.now)
                )
        if first:
            part.cursor = step.cursor
        else:
            async with self._runtime.unit_of_work() as uow:
                fresh = await uow.session.get(KeyRunPart, (part.run_id, part.target))
                part.cursor = fresh.cursor if fresh is not None else None


def _same(cursor: list[Any] | None) -> ColumnElement[bool]:
    return KeyRunPart.cursor.is_(None) if cursor is None else KeyRunPart.cursor == cursor
