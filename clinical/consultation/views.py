"""Consultations as they are shown, many at a time with few queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from clinical.consultation import access, notes, settings
from clinical.consultation.calling import calls_of
from clinical.consultation.documents import CLOSING_NOTE
from clinical.consultation.models import Consultation
from clinical.consultation.rules import reason_text
from clinical.consultation.schemas import (
    ConsentView,
    ConsultationView,
    EmergencyMark,
    EvidenceLine,
    LastMessage,
    NoteView,
    RatingView,
    RevisitView,
)
from clinical.consultation.states import DIRECTION_TEXT, STATE_TEXT, TREATERS, State, service_text
from clinical.consultation.tags import tags_of
from clinical.days import business_day
from clinical.people import access as people
from clinical.people.access import PatientRelation, Practitioner
from clinical.people.schemas import DepartmentRef, doctor_ref, patient_view
from clinical.rating import access as ratings
from clinical.signature import access as signatures
from clinical.signature.access import Mark
from clinical.signature.schemas import SignatureMark
from core import settings as core_settings
from core.access import open_emergencies
from core.files.schemas import FileRef
from core.files.service import file_refs
from core.identity.access import departments
from core.identity.caller import Caller
from core.identity.roles import Role
from core.uow import UnitOfWork
from realtime import access as rooms
from realtime.one_line import one_line
from realtime.schemas import MessageView

#: A line of a list has no room for more of the last message.
LAST_MESSAGE_CHARACTERS = 60


@dataclass(frozen=True)
class _Around:
    """Everything that a page of consultations refers to."""

    relations: Mapping[UUID, PatientRelation]
    doctors: Mapping[UUID, Practitioner]
    departments: Mapping[UUID, str]
    files: Mapping[UUID, FileRef]
    ratings: Mapping[UUID, RatingView]
    unread: Mapping[UUID, int]
    last: Mapping[UUID, MessageView]
    signatures: Mapping[UUID, Mark]
    unsigned_hidden: bool
    emergencies: Mapping[UUID, EmergencyMark]
    first_served: Mapping[UUID, datetime]
    calls: Mapping[UUID, list[str]]
    tags: Mapping[UUID, list[str]]
    today: date


async def views(
    uow: UnitOfWork, caller: Caller, rows: Sequence[Consultation]
) -> list[ConsultationView]:
    """The views of consultations that the caller may see, in the same order."""
    if not rows:
        return []
    allowed = await access.read_grant(uow.session, caller)
    around = await _look_around(uow, caller, rows)
    return [allowed.shown(_view(row, caller, around)) for row in rows]


async def view(uow: UnitOfWork, caller: Caller, row: Consultation) -> ConsultationView:
    """The view of one consultation."""
    return (await views(uow, caller, [row]))[0]


async def _look_around(uow: UnitOfWork, caller: Caller, rows: Sequence[Consultation]) -> _Around:
    await uow.session.flush()
    hospital_id = caller.hospital_id
    room_ids = [row.room_id for row in rows if row.room_id is not None]
    file_ids = [UUID(each) for row in rows for each in (*row.attachment_ids, *row.proof_ids)]
    given = await ratings.of_consultations(uow.session, hospital_id, [row.id for row in rows])
    return _Around(
        relations=await people.relations_by_id(
            uow.session, hospital_id, {row.relation_id for row in rows}
        ),
        doctors=await people.practitioners_by_id(
            uow.session, hospital_id, {row.doctor_id for row in rows if row.doctor_id}
        ),
        departments={row.id: row.name for row, _ in await departments(uow, hospital_id)},
        files={ref.id: ref for ref in await file_refs(uow, file_ids)},
        ratings={
            key: RatingView.model_validate(r, from_attributes=True) for key, r in given.items()
        },
        unread=await rooms.unread_counts(uow, caller.user_id, room_ids) if room_ids else {},
        last=await rooms.last_messages(uow, room_ids) if room_ids else {},
        signatures=await signatures.marks(uow, caller, CLOSING_NOTE, [row.id for row in rows]),
        unsigned_hidden=caller.role is Role.PATIENT
        and not await core_settings.get(
            uow, settings.PATIENT_SEES_UNSIGNED_NOTE, hospital_id=hospital_id
        ),
        emergencies={
            each.patient_id: EmergencyMark(id=each.id, ends_at=each.ends_at)
            for each in await open_emergencies(uow, caller)
        },
        first_served=await access.first_served(
            uow.session, caller, {row.patient_id for row in rows}
        ),
        calls={row.id: await calls_of(uow, row) for row in rows},
        tags=await tags_of(uow, caller, {row.patient_id for row in rows}),
        today=await business_day(uow, hospital_id),
    )


def _view(row: Consultation, caller: Caller, around: _Around) -> ConsultationView:
    def refs(ids: Sequence[str]) -> list[FileRef]:
        return [around.files[UUID(each)] for each in ids if UUID(each) in around.files]

    return ConsultationView(
        id=row.id,
        number=row.number,
        kind=row.kind,
        mode=row.mode,
        purpose=row.purpose,
        direction=row.direction,
        direction_text=DIRECTION_TEXT[row.direction] if row.direction else None,
        state=row.state,
        state_text=STATE_TEXT[row.state],
        close_reason=row.close_reason,
        close_text=(
            reason_text(row.close_reason, row.kind, row.close_words or "")
            if row.close_reason
            else None
        ),
        patient=patient_view(around.relations[row.relation_id], around.today),
        doctor=doctor_ref(around.doctors[row.doctor_id]) if row.doctor_id else None,
        department=DepartmentRef(
            id=row.department_id, name=around.departments.get(row.department_id, "")
        ),
        service_text=service_text(row.kind, row.mode),
        calls=around.calls[row.id],
        tags=around.tags.get(row.patient_id, []),
        minutes=row.minutes,
        shift_id=row.shift_id,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        room_id=row.room_id,
        order_id=row.order_id,
        price_fen=row.price_fen,
        description=row.description,
        onset=row.onset,
        answers=row.answers,
        red_flag=row.red_flag,
        first=_is_first(row, around.first_served.get(row.patient_id)),
        attachments=refs(row.attachment_ids),
        revisit=RevisitView(
            status=row.revisit_status,
            evidence=[EvidenceLine.model_validate(line) for line in row.evidence],
            proof=refs(row.proof_ids),
            reason=row.proof_reason,
        ),
        consent=_consent(row),
        created_at=row.created_at,
        submitted_at=row.submitted_at,
        pay_by=row.pay_by if row.state is State.AWAITING_PAYMENT else None,
        paid_at=row.paid_at,
        accept_by=row.accept_by,
        accepted_at=row.accepted_at,
        ended_at=row.ended_at,
        closing_note=_note(row, caller, around),
        rating=around.ratings.get(row.id),
        unread=around.unread.get(row.room_id, 0) if row.room_id else 0,
        last_message=_last(around.last.get(row.room_id)) if row.room_id else None,
        emergency=around.emergencies.get(row.patient_id),
    )


def _is_first(row: Consultation, first_served: datetime | None) -> bool:
    return first_served is None or row.created_at <= first_served


def _consent(row: Consultation) -> ConsentView | None:
    if row.consent_version is None or row.consent_at is None:
        return None
    return ConsentView(
        version=row.consent_version,
        accepted_at=row.consent_at,
        recording_agreed=row.recording_agreed,
    )


def _note(row: Consultation, caller: Caller, around: _Around) -> NoteView | None:
    at = row.note_final_at or row.note_saved_at
    if at is None or (caller.role not in TREATERS and row.note_final_at is None):
        return None
    mark = around.signatures.get(row.id)
    if around.unsigned_hidden and (mark is None or not mark.current):
        return None
    final = row.note_final_at is not None
    return NoteView(
        diagnosis=row.diagnosis,
        advice=row.advice,
        at=at,
        final=final,
        intact=not final or notes.intact(row),
        version=row.note_version,
        signature=SignatureMark.model_validate(mark, from_attributes=True) if mark else None,
    )


def _last(message: MessageView | None) -> LastMessage | None:
    if message is None:
        return None
    text = one_line(message.kind, message.body, recalled=message.recalled)
    return LastMessage(text=text[:LAST_MESSAGE_CHARACTERS], at=message.at)
