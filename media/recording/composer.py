"""Composes finished recordings, one at a time in a process, beside everything else it does.

The heavy work runs in a child process at low priority; here it is fetched, watched and stored.
"""

import asyncio
import shutil
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core import settings
from core.identity.models import Hospital
from core.ids import new_id
from core.runtime import Runtime
from core.storage import StorageError
from core.uow import UnitOfWork
from media.calls import access as calls
from media.one_at_a_time import OneAtATime
from media.recording import access, service
from media.recording.frames import MANIFEST_NAME, SUFFIX
from media.recording.models import RecordingFileRow, RecordingOutlineRow, RecordingRow
from media.recording.orders import NothingToProduce, Order, Product, Result
from media.recording.process import ProductionFailed, run_production
from media.recording.rules import PREFIX, FileKind, Next, Note, TakeStatus, next_step, note_of
from media.recording.settings import LAYOUT, WAIT_MINUTES

log = structlog.get_logger(__name__)

FOLDER = "composing"
TELL_SECONDS = 2.0


@dataclass
class Stored:
    """What lies in the store for one call: keys of segments and manifest, bytes per take."""

    keys: dict[str, list[str]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def statuses(self, announced: set[str]) -> list[TakeStatus]:
        """Every take that was announced or found."""
        return [self._status(take) for take in sorted(announced | self.keys.keys())]

    def _status(self, take: str) -> TakeStatus:
        names = [key.rpartition("/")[2] for key in self.keys.get(take, [])]
        segments = sum(name.endswith(SUFFIX) for name in names)
        return TakeStatus(take, MANIFEST_NAME in names, segments)


class Composer(OneAtATime[RecordingRow]):
    """The composition of one process."""

    verb = "compose"

    async def _claim(self, uow: UnitOfWork) -> RecordingRow | None:
        return await service.claim(uow)

    async def _guarded(self, row: RecordingRow) -> None:
        work = self._runtime.config.data_dir / FOLDER / str(row.id)
        try:
            await self._compose(row, work)
        except NothingToProduce as error:
            await self._failed(row.id, Note.NOTHING_RECORDED, str(error))
        except (ProductionFailed, StorageError, OSError, SQLAlchemyError) as error:
            log.error("composition_failed", recording=str(row.id), error=repr(error))
            await self._failed(row.id, Note.COMPOSITION_FAILED, repr(error))
        finally:
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)

    async def _compose(self, row: RecordingRow, work: Path) -> None:
        order, takes = await self._order(row, work)
        if order is None:
            async with self._runtime.unit_of_work() as uow:
                await service.release(uow, row.id)
            return
        result = await run_production(order, Teller(self._runtime, row.id))
        await self._store(row, order, result, takes)

    async def _order(self, row: RecordingRow, work: Path) -> tuple[Order | None, list[TakeStatus]]:
        """What to make, with everything it needs laid into `work`; None when it is too early."""
        await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
        order = await self._plain_order(row, work)
        if row.arranging:
            return replace(order, **await self._fetch_sides(row, work / "sides")), []
        assert row.call_id is not None
        found = await self._look(row.call_id)
        step, takes = await self._decide(row, found)
        if step is Next.WAIT:
            return None, takes
        if step is Next.GIVE_UP:
            raise NothingToProduce("no take has reached the store")
        await self._fetch(found, work / "takes")
        return order, takes

    async def _plain_order(self, row: RecordingRow, work: Path) -> Order:
        async with self._runtime.unit_of_work() as uow:
            assert row.call_id is not None
            names = await calls.names_of(uow, row.call_id)
            usual = await settings.get(uow, LAYOUT, hospital_id=row.hospital_id)
            hospital = await uow.session.get_one(Hospital, row.hospital_id)
        return Order(
            takes=str(work / "takes"),
            out=str(work / "out"),
            names={str(user_id): name for user_id, name in names.items()},
            layout=row.layout or usual,
            zone=hospital.time_zone,
        )

    async def _fetch_sides(self, row: RecordingRow, folder: Path) -> dict[str, Any]:
        """The finished sides as they were made, for an order that only composes them again."""
        async with self._runtime.unit_of_work() as uow:
            outline = await uow.session.get_one(RecordingOutlineRow, row.id)
            files = await access.files_of(uow, row.id)
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        stored = [file for file in files if file.kind != FileKind.COMPOSED]
        sides = []
        for facts, file in zip(outline.content["sides"], stored, strict=True):
            path = folder / file.storage_key.rpartition("/")[2]
            await self._runtime.storage.download(file.storage_key, path)
            sides.append({**facts, "path": str(path)})
        return {"sides": sides, "origin_us": round(outline.origin_at.timestamp() * 1_000_000)}

    async def _look(self, call_id: UUID) -> Stored:
        found = Stored()
        prefix = f"{PREFIX}/{call_id}/"
        for info in await self._runtime.storage.list(prefix.rstrip("/")):
            take, _, name = info.key.removeprefix(prefix).partition("/")
            if name.endswith(SUFFIX) or name == MANIFEST_NAME:
                found.keys.setdefault(take, []).append(info.key)
                found.sizes[take] = found.sizes.get(take, 0) + info.size
        return found

    async def _decide(self, row: RecordingRow, found: Stored) -> tuple[Next, list[TakeStatus]]:
        async with self._runtime.unit_of_work() as uow:
            takes = found.statuses(await service.known_takes(uow, row.id))
            await service.store_takes(uow, row.id, takes, found.sizes)
            minutes = await settings.get(uow, WAIT_MINUTES, hospital_id=row.hospital_id)
            assert row.ended_at is not None
            step = next_step(takes, row.ended_at, uow.now, timedelta(minutes=minutes))
        return step, takes

    async def _fetch(self, found: Stored, folder: Path) -> None:
        for take, keys in found.keys.items():
            target = folder / take
            await asyncio.to_thread(target.mkdir, parents=True, exist_ok=True)
            for key in keys:
                await self._runtime.storage.download(key, target / key.rpartition("/")[2])

    async def _store(
        self, row: RecordingRow, order: Order, result: Result, takes: list[TakeStatus]
    ) -> None:
        made = new_id().hex
        files = []
        for position, product in enumerate(result.products):
            file = self._file(row, product, position, made)
            await self._runtime.storage.put(file.storage_key, Path(product.path), row.hospital_id)
            files.append(file)
        async with self._runtime.unit_of_work() as uow:
            if order.sides:
                unused = await service.arranged(uow, row.id, files[0], order.layout)
            else:
                missing = not all(take.sealed for take in takes)
                note = Note.TAKE_MISSING if missing else note_of(result.damaged, result.dropped)
                outline = service.Outlined(
                    origin_at=datetime.fromtimestamp(0, UTC)
                    + timedelta(microseconds=result.started_us),
                    layout=order.layout,
                    content={"outline": result.outline, "sides": result.sides},
                )
                unused = await service.made(uow, row.id, files, result.duration_ms, note, outline)
        for key in unused:
            await self._runtime.storage.delete(key)
        log.info("recording_ready", recording=str(row.id), duration_ms=result.duration_ms)

    def _file(
        self,
        row: RecordingRow,
        product: Product,
        position: int,
        made: str,
    ) -> RecordingFileRow:
        user_id = UUID(product.user) if product.user is not None else None
        suffix = Path(product.path).suffix
        day = row.started_at.strftime("%Y%m%d-%H%M%S")
        # The name of a file lies in the clear and travels with downloads: it names nobody.
        kind = FileKind(product.kind)
        whose = {
            FileKind.COMPOSED: "完整录像",
            FileKind.SIDE: f"第{position}方的画面",
            FileKind.SCREEN: f"第{position}路共享屏幕",
        }[kind]
        return RecordingFileRow(
            id=new_id(),
            recording_id=row.id,
            kind=kind.value,
            user_id=user_id,
            name=f"{whose}-{day}{suffix}",
            content_type=product.content_type,
            size=product.size,
            duration_ms=product.duration_ms,
            sha256=product.sha256,
            storage_key=f"{PREFIX}/{row.call_id}/files/{made}/{Path(product.path).name}",
            position=position,
            created_at=self._runtime.clock.now(),
        )

    async def _failed(self, recording_id: UUID, note: Note, error: str) -> None:
        async with self._runtime.unit_of_work() as uow:
            await service.failed(uow, recording_id, note, error)


class Teller:
    """Stores the progress of a composition, every two seconds at most."""

    def __init__(self, runtime: Runtime, recording_id: UUID) -> None:
        self._runtime = runtime
        self._recording_id = recording_id
        self._told = 0.0

    def __call__(self, done: float) -> Awaitable[None]:
        return self._tell(done)

    async def _tell(self, done: float) -> None:
        if time.monotonic() - self._told < TELL_SECONDS:
            return
        self._told = time.monotonic()
        async with self._runtime.unit_of_work() as uow:
            await service.renew(uow, self._recording_id, done)
