"""What consultations hold about a person: drafts, and the records of treatment."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from clinical.consultation.models import Consultation, NoteVersion, PatientTags
from clinical.consultation.states import CLOSE_TEXT, STATE_TEXT, State, service_text
from core.files.models import File
from core.integrity import remove
from core.personal_data import (
    Erased,
    Holding,
    RecordClass,
    Section,
    Subject,
    Tally,
    counted,
    register,
)
from core.uow import UnitOfWork


def _mine(subject: Subject) -> ColumnElement[bool]:
    """What this account began, for the patients that it may ask for."""
    return (
        (Consultation.hospital_id == subject.hospital_id)
        & (Consultation.payer_id == subject.user_id)
        & Consultation.patient_id.in_(subject.patient_ids)
    )


class ConsultationData:
    """Consultations with intake, evidence and closing note."""

    name = "consultation"

    async def holdings(self, uow: UnitOfWork, subject: Subject) -> list[Holding]:
        """Drafts, and records with the day until which they are kept."""
        drafts = await uow.session.scalar(
            select(func.count()).where(_mine(subject), Consultation.state == State.DRAFT)
        )
        return [
            await counted(
                uow,
                "问诊病历",
                RecordClass.MEDICAL,
                (Consultation.created_at, self._finished()),
                _mine(subject),
                Consultation.state != State.DRAFT,
                note="病情描述、就诊证明、诊断与建议",
            ),
            Holding(title="未提交的问诊草稿", record_class=RecordClass.FREE, count=drafts or 0),
        ]

    @staticmethod
    def _finished() -> ColumnElement[Any]:
        return func.coalesce(Consultation.ended_at, Consultation.changed_at)

    async def export(self, uow: UnitOfWork, subject: Subject) -> list[Section]:
        """Every consultation with what was written in it; unfinished notes are the doctor's."""
        rows = await uow.session.scalars(
            select(Consultation).where(_mine(subject)).order_by(Consultation.created_at)
        )
        return [
            Section(
                title="问诊病历",
                fields=(
                    ("number", "问诊编号"),
                    ("mode", "方式"),
                    ("state", "状态"),
                    ("created_at", "开始时间"),
                    ("ended_at", "结束时间"),
                    ("ending", "结束原因"),
                    ("description", "病情描述"),
                    ("onset", "发病时间"),
                    ("evidence", "复诊依据"),
                    ("diagnosis", "诊断"),
                    ("advice", "建议"),
                ),
                records=[
                    {
                        "number": row.number,
                        "mode": service_text(row.kind, row.mode),
                        "state": STATE_TEXT[row.state],
                        "created_at": row.created_at,
                        "ended_at": row.ended_at,
                        "ending": CLOSE_TEXT[row.close_reason] if row.close_reason else None,
                        "description": row.description,
                        "onset": row.onset,
                        "evidence": "；".join(
                            f"{each['visit_date']} {each['department']} {each['diagnosis']}"
                            for each in row.evidence
                        ),
                        "diagnosis": row.diagnosis if row.note_final_at else None,
                        "advice": row.advice if row.note_final_at else None,
                    }
                    for row in rows
                ],
            )
        ]

    async def erase(self, uow: UnitOfWork, subject: Subject) -> list[Erased]:
        """Drafts go at once; records are blanked when their time is over and nothing holds them."""
        rows = await uow.session.scalars(
            select(Consultation).where(_mine(subject)).order_by(Consultation.id).with_for_update()
        )
        drafts, records = 0, Tally(subject, RecordClass.MEDICAL)
        for row in rows:
            if row.state is State.DRAFT and not subject.holds(row.patient_id, row.id):
                await self._let_go(uow, row)
                await uow.session.delete(row)
                drafts += 1
                continue
            if records.keeps((row.ended_at or row.changed_at).date(), row.patient_id, row.id):
                continue
            if row.description or row.diagnosis:
                _blank(row)
                await remove(uow.session, NoteVersion, NoteVersion.consultation_id == row.id)
                records.erased += 1
        await uow.session.flush()
        return [
            records.told("问诊病历"),
            Erased(title="未提交的问诊草稿", erased=drafts),
        ]

    async def _let_go(self, uow: UnitOfWork, row: Consultation) -> None:
        """The files of a draft become unused uploads, which the files module removes."""
        ids = [UUID(each) for each in (*row.attachment_ids, *row.proof_ids)]
        for file in await uow.session.scalars(
            select(File).where(File.id.in_(ids), File.scope_id == row.id)
        ):
            file.scope, file.scope_id, file.created_at = None, None, uow.now


class TagData:
    """The tags that clinicians gave the patients, as long as there are records to know them by."""

    name = "patient_tags"

    async def _rows(self, uow: UnitOfWork, subject: Subject) -> Sequence[PatientTags]:
        rows = await uow.session.scalars(
            select(PatientTags)
            .where(
                PatientTags.hospital_id == subject.hospital_id,
                PatientTags.patient_id.in_(subject.patient_ids),
            )
            .order_by(PatientTags.changed_at, PatientTags.clinician_id)
        )
        return rows.all()

    async def holdings(self, uow: UnitOfWork, subject: Subject) -> list[Holding]:
        """How many clinicians have tagged the patients."""
        days = [row.changed_at.date() for row in await self._rows(uow, subject)]
        return [
            Holding(
                title="患者标签",
                record_class=RecordClass.FREE,
                count=len(days),
                oldest=days[0] if days else None,
                newest=days[-1] if days else None,
                note="医护人员为便于识别所加",
            )
        ]

    async def export(self, uow: UnitOfWork, subject: Subject) -> list[Section]:
        """The words, without who gave them."""
        return [
            Section(
                title="患者标签",
                fields=(("tags", "标签"), ("changed_at", "时间")),
                records=[
                    {"tags": "、".join(row.tags), "changed_at": row.changed_at}
                    for row in await self._rows(uow, subject)
                ],
            )
        ]

    async def erase(self, uow: UnitOfWork, subject: Subject) -> list[Erased]:
        """They go with the records of treatment: nobody needs them without."""
        gone = kept = 0
        for row in await self._rows(uow, subject):
            if row.patient_id in subject.kept_patients | subject.held_patients or subject.held:
                kept += 1
                continue
            await uow.session.delete(row)
            gone += 1
        await uow.session.flush()
        why = "随病历保存" if kept else ""
        return [Erased(title="患者标签", erased=gone, kept=kept, why=why)]


def _blank(row: Consultation) -> None:
    row.description = row.onset = row.diagnosis = row.advice = ""
    row.answers, row.evidence = {}, []
    row.proof_reason = row.close_words = None


register(ConsultationData())
register(TagData())
