"""The room of a past consultation: its members and its log without a hole."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from admin.demo.batch import Batch
from admin.demo.conversation import Line
from admin.demo.dice import Dice
from clinical.consultation.queue import room_name
from clinical.consultation.states import Kind, service_text
from core.identity.roles import Role
from realtime import entries, room
from realtime.events import Person, RoomEvent
from realtime.models import MessageRow, ParticipantRow, RoomRow
from realtime.room import Activate, Close
from realtime.rules import CloseReason, MessageKind, RecordingPolicy, RoomKind

if TYPE_CHECKING:
    from admin.demo.past import Visit


class _Log:
    """Numbers the entries of one room."""

    def __init__(self, dice: Dice, batch: Batch, room_id: UUID) -> None:
        self._dice = dice
        self._batch = batch
        self._room_id = room_id
        self.seq = 0

    def write(
        self, at: datetime, kind: MessageKind, body: dict[str, Any], sender: Person | None = None
    ) -> None:
        self.seq += 1
        self._batch.add(
            MessageRow,
            room_id=self._room_id,
            seq=self.seq,
            id=self._dice.id_at(at),
            sender_id=sender.user_id if sender else None,
            sender_role=sender.role.value if sender else None,
            client_id=self._dice.id_at(at) if sender else None,
            kind=kind.value,
            body=body,
            reply_to=None,
            at=at,
            recalled_at=None,
        )


def write_room(
    dice: Dice, batch: Batch, hospital_id: UUID, visit: "Visit", lines: list[Line]
) -> None:
    """Opening, acceptance, conversation, end and the invitation to rate, in order of time."""
    assert visit.room_id is not None
    assert visit.paid_at is not None
    patient = Person(
        user_id=visit.person.account_id,
        role=Role.PATIENT,
        name=room_name(visit.person.name, visit.person.relation),
    )
    doctor = Person(user_id=visit.doctor.user_id, role=Role.DOCTOR, name=visit.doctor.name)
    opened = room.open_room(
        visit.room_id,
        hospital_id,
        RoomKind.CONSULTATION,
        [patient, doctor],
        visit.paid_at,
        ref_type="consultation",
        ref_id=visit.id,
    )
    log = _Log(dice, batch, visit.room_id)
    state = _happened(log, None, opened)
    if visit.accepted_at is not None:
        [active] = room.decide(state, Activate(doctor.user_id), visit.accepted_at)
        state = _happened(log, state, active)
        _talk(dice, log, visit, lines, patient, doctor)
        state = room.Room(**{**vars(state), "seq": log.seq})
    reason = CloseReason(visit.reason.value)
    [closed] = room.decide(state, Close(reason, None), visit.ended_at)
    _happened(log, state, closed)
    if visit.served:
        card = {"type": "rating", "ref": str(visit.id), "title": "评价本次问诊"}
        body = {"card": card, "event": "rating_invited", "text": "本次问诊已结束，欢迎评价"}
        log.write(visit.ended_at, MessageKind.SYSTEM, body)
    _write_row(batch, hospital_id, visit, log.seq, reason)
    for person in (patient, doctor):
        _write_member(batch, visit, person, log.seq)


def _happened(log: _Log, state: room.Room | None, event: RoomEvent) -> room.Room:
    log.write(event.occurred_at, MessageKind.SYSTEM, entries.entry_of(event, {}))
    if state is None:
        return room.opened(event)  # type: ignore[arg-type]
    return room.apply(state, event)


def _talk(
    dice: Dice, log: _Log, visit: "Visit", lines: list[Line], patient: Person, doctor: Person
) -> None:
    assert visit.accepted_at is not None
    at = visit.accepted_at
    step = (visit.ended_at - visit.accepted_at) / (len(lines) + 1)
    for speaker, text in lines:
        at += step * (0.5 + dice.between(0, 100) / 100)
        at = min(at, visit.ended_at - timedelta(seconds=1))
        sender = doctor if speaker == "doctor" else patient
        log.write(at, MessageKind.TEXT, {"text": text}, sender)


def _write_row(
    batch: Batch, hospital_id: UUID, visit: "Visit", seq: int, reason: CloseReason
) -> None:
    batch.add(
        RoomRow,
        id=visit.room_id,
        hospital_id=hospital_id,
        kind=RoomKind.CONSULTATION.value,
        state="closed",
        close_reason=reason.value,
        seq=seq,
        title=f"{service_text(Kind.REVISIT, visit.mode)} · {visit.person.name}",
        ref_type="consultation",
        ref_id=visit.id,
        recording=RecordingPolicy.REQUIRED.value,
        lead_id=visit.doctor.user_id,
        opened_at=visit.paid_at,
        activated_at=visit.accepted_at,
        closed_at=visit.ended_at,
        last_at=visit.ended_at,
    )


def _write_member(batch: Batch, visit: "Visit", person: Person, seq: int) -> None:
    batch.add(
        ParticipantRow,
        room_id=visit.room_id,
        user_id=person.user_id,
        role=person.role.value,
        name=person.name,
        avatar=None,
        joined_at=visit.paid_at,
        left_at=None,
        leave_reason=None,
        read_seq=seq,
        delivered_seq=seq,
    )
