"""How the installation is doing, asked of each part with a short patience."""

import asyncio
from importlib import metadata

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from admin.operations.schemas import (
    DatabaseStatus,
    OutboxStatus,
    OutsideView,
    ScannerStatus,
    StorageStatus,
    SystemStatus,
    WorkerView,
)
from core import outbox
from core.defence.breaker import views
from core.files.scanning.port import ScannerUnavailable, VirusScanner
from core.runtime import PortMissing, Runtime
from core.storage import StorageError
from media.calls.controller import Controller

PATIENCE_SECONDS = 2.0
CONNECT_SECONDS = 0.5


async def system_status(runtime: Runtime) -> SystemStatus:
    """Never fails: a part that does not answer is shown as such."""
    database, storage, workers, scanner = await asyncio.gather(
        _database(runtime), _storage(runtime), _workers(runtime), _scanner(runtime)
    )
    return SystemStatus(
        version=metadata.version("zhenjian"),
        demo=runtime.config.demo,
        database=database,
        storage=storage,
        media_workers=workers,
        outbox=await _outbox(runtime),
        outside=[OutsideView.model_validate(view, from_attributes=True) for view in views()],
        scanner=scanner,
    )


async def _database(runtime: Runtime) -> DatabaseStatus:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), runtime.engine.connect() as connection:
            version = (await connection.execute(text("SHOW server_version"))).scalar_one()
            size = (
                await connection.execute(text("SELECT pg_database_size(current_database())"))
            ).scalar_one()
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        return DatabaseStatus(ok=False, error=type(error).__name__)
    return DatabaseStatus(ok=True, version=str(version), bytes=int(size))


async def _storage(runtime: Runtime) -> StorageStatus:
    kind = runtime.config.storage.partition(":")[0]
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await runtime.storage.check()
    except (StorageError, TimeoutError) as error:
        return StorageStatus(ok=False, kind=kind, error=type(error).__name__)
    return StorageStatus(ok=True, kind=kind)


async def _scanner(runtime: Runtime) -> ScannerStatus | None:
    if runtime.config.scanner == "off":
        return None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return ScannerStatus(ok=True, version=await runtime.port(VirusScanner).version())
    except (ScannerUnavailable, PortMissing, TimeoutError):
        return ScannerStatus(ok=False)


async def _workers(runtime: Runtime) -> list[WorkerView]:
    links = (await Controller.of(runtime)).links
    if links and not any(link.alive for link in links):
        # The first question of a process may come before its connections stand.
        waits = [asyncio.ensure_future(link.wait_up()) for link in links]
        await asyncio.wait(waits, timeout=CONNECT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
    return [
        WorkerView(url=link.url, alive=link.alive, calls=link.status.calls, peers=link.status.peers)
        for link in links
    ]


async def _outbox(runtime: Runtime) -> OutboxStatus:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), runtime.unit_of_work() as uow:
            counts = await outbox.counts(uow.session)
    except (SQLAlchemyError, OSError, TimeoutError):
        return OutboxStatus(pending=None, parked=None)
    return OutboxStatus(pending=counts["pending"], parked=counts["parked"])
