"""What recordings hold about a person: recorded calls, and what was uploaded about a patient."""

from sqlalchemy import ColumnElement, select

from core.personal_data import (
    Erased,
    Holding,
    RecordClass,
    Section,
    Subject,
    counted,
    keep_until,
    register,
)
from core.uow import UnitOfWork
from media.calls.models import CallParticipantRow
from media.recording.models import RecordingRow, RecordingUploadRow
from media.recording.rules import RecordingState


def _mine(subject: Subject) -> ColumnElement[bool]:
    calls = select(CallParticipantRow.call_id).where(CallParticipantRow.user_id == subject.user_id)
    uploads = select(RecordingUploadRow.recording_id).where(
        RecordingUploadRow.patient_id.in_(subject.patient_ids)
    )
    return (
        (RecordingRow.hospital_id == subject.hospital_id)
        & (RecordingRow.state != RecordingState.REMOVED)
        & (RecordingRow.call_id.in_(calls) | RecordingRow.id.in_(uploads))
    )


class RecordingData:
    """Recorded calls in which the account took part, and what was uploaded about its patients."""

    name = "recording"

    async def holdings(self, uow: UnitOfWork, subject: Subject) -> list[Holding]:
        """How many calls were recorded, kept three years."""
        return [
            await counted(
                uow,
                "通话录音录像",
                RecordClass.COMMUNICATION,
                (RecordingRow.started_at, RecordingRow.started_at),
                _mine(subject),
                note="可在问诊记录中回看",
            )
        ]

    async def export(self, uow: UnitOfWork, subject: Subject) -> list[Section]:
        """When was recorded and for how long; films are played in the record itself."""
        rows = await uow.session.scalars(
            select(RecordingRow).where(_mine(subject)).order_by(RecordingRow.started_at)
        )
        return [
            Section(
                title="通话录音录像",
                fields=(
                    ("started_at", "开始时间"),
                    ("ended_at", "结束时间"),
                    ("seconds", "时长（秒）"),
                ),
                records=[
                    {
                        "started_at": row.started_at,
                        "ended_at": row.ended_at,
                        "seconds": (row.duration_ms or 0) // 1000,
                    }
                    for row in rows
                ],
            )
        ]

    async def erase(self, uow: UnitOfWork, subject: Subject) -> list[Erased]:
        """Nothing before its time."""
        [held] = await self.holdings(uow, subject)
        if not held.count or held.newest is None:
            return []
        until = keep_until(RecordClass.COMMUNICATION, held.newest)
        why = "图文、音视频资料保存不少于3年"
        return [Erased(title=held.title, kept=held.count, until=until, why=why)]


register(RecordingData())
