"""Letting an upload pass or refusing it."""

import asyncio
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from anyio import to_thread
from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert

from core import audit
from core.alarms import raise_alarm
from core.defence.metrics import UPLOADS_SCANNED
from core.files.errors import FileTooLarge
from core.files.scanning.errors import FileInfected, ScanUnavailable
from core.files.scanning.models import QuarantinedUpload
from core.files.scanning.port import ScannerUnavailable, ScanTooLarge, Verdict, VirusScanner
from core.ids import new_id

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.runtime import Runtime

log = structlog.get_logger(__name__)

#: Seconds between two questions while an upload waits for the scanner to come back.
PAUSE_SECONDS = 1.0
RETRY_SECONDS = 60


async def let_pass(runtime: "Runtime", caller: "Caller", path: Path) -> None:
    """Return when the upload may be taken; by setting everything may.

    Raises FileInfected, FileTooLarge (for the scanner), or ScanUnavailable when no verdict came
    within ZHENJIAN_SCANNER_WAIT seconds.
    """
    if runtime.config.scanner == "off":
        return
    digest, size = await to_thread.run_sync(_measure, path)
    if await _is_quarantined(runtime, caller, digest):
        UPLOADS_SCANNED.labels("quarantined").inc()
        raise FileInfected()
    verdict = await _verdict(runtime, path)
    UPLOADS_SCANNED.labels("clean" if verdict.clean else "infected").inc()
    if verdict.signature is not None:
        await _quarantine(runtime, caller, digest, size, verdict.signature)
        raise FileInfected()


def _measure(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size


async def _verdict(runtime: "Runtime", path: Path) -> Verdict:
    scanner = runtime.port(VirusScanner)
    loop = asyncio.get_running_loop()
    until = loop.time() + runtime.config.scanner_wait
    while True:
        try:
            return await scanner.scan(path)
        except ScanTooLarge as error:
            UPLOADS_SCANNED.labels("too_large").inc()
            raise FileTooLarge("文件超过安全检查的大小上限") from error
        except ScannerUnavailable as error:
            if loop.time() >= until:
                UPLOADS_SCANNED.labels("unavailable").inc()
                log.error("scanner_unavailable", error=str(error))
                raise ScanUnavailable(retry_after=RETRY_SECONDS) from error
        await asyncio.sleep(PAUSE_SECONDS)


async def _is_quarantined(runtime: "Runtime", caller: "Caller", digest: str) -> bool:
    """Whether the content is known already; the attempt is counted."""
    async with runtime.unit_of_work() as uow:
        known = await uow.session.execute(
            update(QuarantinedUpload)
            .where(
                QuarantinedUpload.hospital_id == caller.hospital_id,
                QuarantinedUpload.sha256 == digest,
            )
            .values(times=QuarantinedUpload.times + 1, last_at=uow.now)
            .returning(QuarantinedUpload.id, QuarantinedUpload.signature)
        )
        row = known.first()
        if row is not None:
            await audit.record(
                uow, caller, "upload.refuse", "quarantined_upload", row[0],
                detail={"signature": row[1], "known": True},
            )  # fmt: skip
    return row is not None


async def _quarantine(
    runtime: "Runtime", caller: "Caller", digest: str, size: int, signature: str
) -> None:
    """Keep the digest, note who brought it, and tell the officers: one transaction."""
    async with runtime.unit_of_work() as uow:
        statement = insert(QuarantinedUpload).values(
            id=new_id(),
            hospital_id=caller.hospital_id,
            uploader_id=caller.user_id,
            sha256=digest,
            size=size,
            signature=signature,
            times=1,
            first_at=uow.now,
            last_at=uow.now,
        )
        # Two uploads of the same content may have been scanned at the same time.
        kept = await uow.session.execute(
            statement.on_conflict_do_update(
                index_elements=[QuarantinedUpload.hospital_id, QuarantinedUpload.sha256],
                set_={"times": QuarantinedUpload.times + 1, "last_at": uow.now},
            ).returning(QuarantinedUpload.id)
        )
        entry_id = kept.scalar_one()
        await audit.record(
            uow, caller, "upload.refuse", "quarantined_upload", entry_id,
            detail={"signature": signature, "sha256": digest, "size": size},
        )  # fmt: skip
        await raise_alarm(
            uow,
            caller.hospital_id,
            "infected_upload",
            "上传的文件未通过病毒检查",
            f"有人上传的文件被识别为“{signature}”，已拒绝接收。请核实上传者的设备是否安全。",
            ref=("quarantined_upload", entry_id),
        )
    log.warning("upload_infected", signature=signature, sha256=digest)
