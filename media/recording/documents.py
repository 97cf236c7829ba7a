"""What recordings give to be sealed: the digests of their finished files."""

from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from core.documents import Content, DocumentType, Field, register_document
from core.errors import ProblemError
from core.identity.caller import Caller
from core.identity.models import Hospital
from core.uow import UnitOfWork
from media.recording import access
from media.recording.models import RecordingRow, RecordingUploadRow
from media.recording.rules import RecordingState

RECORDING = "recording"


async def read_recording(
    uow: UnitOfWork, document_id: UUID, *, lock: bool = False
) -> Content | None:
    """A recording with its files; None for an unknown one. Not ready before it can be played.

    Each file stands there with its size in bytes and the SHA-256 of what is stored, so that the
    seal over this text is a seal over the files.
    """
    query = select(RecordingRow).where(RecordingRow.id == document_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = await uow.session.scalar(query)
    if row is None:
        return None
    hospital = await uow.session.get_one(Hospital, row.hospital_id)
    began = row.started_at.astimezone(ZoneInfo(hospital.time_zone)).strftime("%Y-%m-%d %H:%M:%S")
    lines = [
        ("hospital", "医疗机构", hospital.name),
        *await _where(uow, row),
        ("started_at", "开始时间", began),
        ("duration", "时长", f"{(row.duration_ms or 0) / 1000:.1f} 秒"),
    ]
    upload = await uow.session.get(RecordingUploadRow, row.id)
    came = upload.source.get("sha256") if upload else None
    if came:
        lines.append(("came", "上传时的文件", f"SHA-256 {came}"))
    for each in await access.files_of(uow, row.id):
        value = f"{each.name} · {each.size} 字节 · SHA-256 {each.sha256}"
        lines.append((f"file_{each.position}", f"文件 {each.position + 1}", value))
    return Content(
        hospital_id=row.hospital_id,
        title="诊间录像" if row.call_id else "上传的录像",
        subject=began,
        fields=tuple(Field(*line) for line in lines),
        ready=row.state == RecordingState.READY,
    )


async def _where(uow: UnitOfWork, row: RecordingRow) -> list[tuple[str, str, str]]:
    """Of which call it is, or what was said when it was uploaded."""
    upload = await uow.session.get(RecordingUploadRow, row.id)
    if upload is None:
        return [("room", "诊间编号", str(row.room_id)), ("call", "通话编号", str(row.call_id))]
    room = [("room", "诊间编号", str(row.room_id))] if row.room_id else []
    return [("title", "标题", upload.title), *room]


async def may_see_recording(uow: UnitOfWork, caller: Caller, document_id: UUID) -> bool:
    """Whoever may watch the recording may see its seal."""
    try:
        await access.recording_for(uow, caller, document_id)
    except ProblemError:
        return False
    return True


register_document(DocumentType(RECORDING, "诊间录像", read_recording, may_see_recording))
