"""Months of past consultations, up to yesterday: rooms, conversations, money, notes, ratings."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from admin.demo.accounts import DOCTOR, OTHER_DOCTOR, PATIENT
from admin.demo.batch import Batch
from admin.demo.consents import Consents
from admin.demo.conversation import conversation
from admin.demo.dice import ZONE, Dice
from admin.demo.money import write_money
from admin.demo.people import Doctor, Person, Town
from admin.demo.rooms import write_room
from admin.demo.texts import COMMENTS, DECLINE_REASONS, WORSE_COMMENTS, Illness
from clinical.consent.states import Kind as ConsentKind
from clinical.consultation.models import Consultation, ConsultationNumber
from clinical.consultation.notes import NOTE_TABLE
from clinical.consultation.states import (
    CloseReason,
    Kind,
    Mode,
    Purpose,
    RevisitStatus,
    State,
)
from clinical.rating.models import Rating, RatingInvitation
from clinical.rating.tags import TAGS
from core.crypto.keyring import Keyring
from core.crypto.row_mac import row_mac

CONSULTATIONS = 400
DAYS = 170
ENDINGS: tuple[tuple[CloseReason, int], ...] = (
    (CloseReason.COMPLETED, 84),
    (CloseReason.ENDED_BY_PATIENT, 4),
    (CloseReason.CANCELLED_BY_PATIENT, 4),
    (CloseReason.NOT_ACCEPTED, 2),
    (CloseReason.DECLINED, 2),
    (CloseReason.PAYMENT_EXPIRED, 2),
    (CloseReason.REFUNDED_BY_DOCTOR, 2),
)
SERVED = (CloseReason.COMPLETED, CloseReason.ENDED_BY_PATIENT)


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One past consultation before it becomes rows."""

    id: UUID
    order_id: UUID
    room_id: UUID | None
    number: str
    doctor: Doctor
    person: Person
    illness: Illness
    mode: Mode
    price_fen: int
    reason: CloseReason
    created_at: datetime
    submitted_at: datetime
    paid_at: datetime | None
    accepted_at: datetime | None
    ended_at: datetime

    @property
    def served(self) -> bool:
        return self.reason in SERVED

    @property
    def refunded(self) -> bool:
        return self.paid_at is not None and not self.served


class History:
    """Makes the past of one hospital."""

    def __init__(
        self, dice: Dice, batch: Batch, keyring: Keyring, town: Town, consents: Consents
    ) -> None:
        self._dice = dice
        self._batch = batch
        self._keyring = keyring
        self._town = town
        self._per_day: Counter[date] = Counter()
        self._consents = consents

    def write(self) -> None:
        """Everything, oldest first, so that numbers rise with time."""
        moments = sorted(self._dice.moment(self._dice.past_day(DAYS)) for _ in range(CONSULTATIONS))
        for place, moment in enumerate(moments):
            self._write(self._visit(place, moment))
        for day, last in self._per_day.items():
            self._batch.add(
                ConsultationNumber, hospital_id=self._town.hospital_id, day=day, last=last
            )

    def _visit(self, place: int, moment: datetime) -> Visit:
        dice, town = self._dice, self._town
        # The demo accounts have a past of their own, so that none of their pages is empty.
        doctor = dice.choice(town.doctors)
        if place % 9 == 0 or place % 21 == 4:
            doctor = self._doctor_named(DOCTOR.name if place % 9 == 0 else OTHER_DOCTOR.name)
        mine = [p for p in town.persons if p.account_id == town.figures[PATIENT.login]]
        last = place == CONSULTATIONS - 1
        person = dice.choice(mine if place % 40 == 7 or last else town.persons)
        reason = CloseReason.COMPLETED
        if not last:
            reason = dice.weighted(*zip(*ENDINGS, strict=True))
        mode = Mode.VIDEO if dice.chance(0.35) else Mode.TEXT
        return self._timed(doctor, person, reason, mode, moment)

    def _doctor_named(self, name: str) -> Doctor:
        return next(doctor for doctor in self._town.doctors if doctor.name == name)

    def _timed(
        self, doctor: Doctor, person: Person, reason: CloseReason, mode: Mode, moment: datetime
    ) -> Visit:
        dice = self._dice
        submitted = moment + timedelta(minutes=dice.between(3, 12))
        unpaid = reason is CloseReason.PAYMENT_EXPIRED
        paid = None if unpaid else submitted + timedelta(seconds=dice.between(20, 240))
        wait = timedelta(minutes=dice.between(4, 90))
        accepted = None
        if paid and reason in (*SERVED, CloseReason.REFUNDED_BY_DOCTOR):
            accepted = paid + wait
        if accepted:
            ended = accepted + timedelta(minutes=dice.between(12, 45))
        elif reason is CloseReason.NOT_ACCEPTED and paid:
            ended = paid + timedelta(hours=24)
        else:
            ended = (paid or submitted) + (timedelta(minutes=30) if unpaid else wait)
        day = moment.astimezone(ZONE).date()
        self._per_day[day] += 1
        return Visit(
            id=dice.id_at(moment),
            order_id=dice.id_at(submitted),
            room_id=dice.id_at(paid) if paid else None,
            number=f"WZ{day:%Y%m%d}{self._per_day[day]:06d}",
            doctor=doctor,
            person=person,
            illness=dice.choice(doctor.speciality.illnesses),
            mode=mode,
            price_fen=doctor.text_fen if mode is Mode.TEXT else doctor.video_fen,
            reason=reason,
            created_at=moment,
            submitted_at=submitted,
            paid_at=paid,
            accepted_at=accepted,
            ended_at=min(ended, dice.now - timedelta(minutes=5)),
        )

    def _write(self, visit: Visit) -> None:
        self._batch.add(Consultation, **self._row(visit))
        self._consents.of_visit(visit)
        write_money(self._dice, self._batch, self._town.hospital_id, visit)
        if visit.room_id is not None:
            lines = conversation(self._dice, visit.doctor.name, visit.illness)
            if visit.accepted_at is None:
                lines = []
            write_room(self._dice, self._batch, self._town.hospital_id, visit, lines)
        if visit.served:
            self._invite_and_rate(visit)

    def _row(self, visit: Visit) -> dict[str, Any]:
        state = State.ENDED if visit.accepted_at else State.CANCELLED
        row: dict[str, Any] = {
            "id": visit.id,
            "hospital_id": self._town.hospital_id,
            "number": visit.number,
            "kind": Kind.REVISIT,
            "mode": visit.mode,
            "purpose": Purpose.REFILL if self._dice.chance(0.3) else Purpose.REVISIT,
            "state": state,
            "close_reason": visit.reason,
            "close_words": self._words(visit.reason),
            "payer_id": visit.person.account_id,
            "patient_id": visit.person.patient_id,
            "relation_id": visit.person.relation_id,
            "doctor_id": visit.doctor.user_id,
            "department_id": visit.doctor.department_id,
            "price_fen": visit.price_fen,
            "order_id": visit.order_id,
            "room_id": visit.room_id,
            "description": visit.illness.complaint,
            "onset": visit.illness.onset,
            "answers": {"seen_here": True, "diagnosed": True, "chest_pain": False},
            "attachment_ids": [],
            "red_flag": False,
            "created_at": visit.created_at,
            "submitted_at": visit.submitted_at,
            "pay_by": visit.submitted_at + timedelta(minutes=30),
            "paid_at": visit.paid_at,
            "accept_by": visit.paid_at + timedelta(hours=24) if visit.paid_at else None,
            "accepted_at": visit.accepted_at,
            "ended_at": visit.ended_at,
            "refund_requested_at": visit.ended_at if visit.refunded else None,
            "changed_at": visit.ended_at,
        }
        return row | self._evidence(visit) | self._note(visit)

    def _words(self, reason: CloseReason) -> str | None:
        if reason in (CloseReason.DECLINED, CloseReason.REFUNDED_BY_DOCTOR):
            return self._dice.choice(DECLINE_REASONS)
        return None

    def _evidence(self, visit: Visit) -> dict[str, Any]:
        seen = visit.created_at.astimezone(ZONE).date() - timedelta(days=self._dice.between(7, 90))
        return {
            "revisit_status": RevisitStatus.ELIGIBLE,
            "revisit_checked_at": visit.created_at,
            "evidence": [
                {
                    "visit_no": f"V{visit.number[2:]}",
                    "visit_date": seen.isoformat(),
                    "department": visit.doctor.speciality.name,
                    "diagnosis": visit.illness.diagnosis,
                }
            ],
            "proof_ids": [],
            "proof_decided_at": None,
            "proof_reason": None,
            "consent_version": self._consents.texts[ConsentKind.NOTICE].version,
            "consent_at": visit.submitted_at,
            "consent_digest": self._consents.texts[ConsentKind.NOTICE].digest,
            "recording_agreed": True,
        }

    def _note(self, visit: Visit) -> dict[str, Any]:
        if not visit.served:
            return {
                "diagnosis": "",
                "advice": "",
                "note_saved_at": None,
                "note_final_at": None,
                "note_mac": None,
            }
        note = {
            "id": visit.id,
            "patient_id": visit.person.patient_id,
            "doctor_id": visit.doctor.user_id,
            "diagnosis": visit.illness.diagnosis,
            "advice": visit.illness.advice,
            "note_final_at": visit.ended_at,
        }
        mac = row_mac(self._keyring, NOTE_TABLE, Consultation(**note).note_values())
        return {
            "diagnosis": visit.illness.diagnosis,
            "advice": visit.illness.advice,
            "note_saved_at": visit.ended_at,
            "note_final_at": visit.ended_at,
            "note_mac": mac,
        }

    def _invite_and_rate(self, visit: Visit) -> None:
        dice = self._dice
        self._batch.add(
            RatingInvitation,
            consultation_id=visit.id,
            invited_at=visit.ended_at,
            reminded_at=visit.ended_at,
        )
        yesterday = visit.ended_at > dice.now - timedelta(days=3)
        own = visit.person.account_id == self._town.figures[PATIENT.login]
        if (own and yesterday) or not dice.chance(0.7):
            return
        at = visit.ended_at + timedelta(minutes=dice.between(5, 600))
        stars = dice.weighted((5, 4, 3, 2), (70, 22, 6, 2))
        good = stars >= 4
        self._batch.add(
            Rating,
            id=dice.id_at(at),
            hospital_id=self._town.hospital_id,
            consultation_id=visit.id,
            doctor_id=visit.doctor.user_id,
            rater_id=visit.person.account_id,
            patient_name=visit.person.name,
            stars=stars,
            tags=dice.sample(TAGS[:6] if good else TAGS[6:], 2),
            comment=dice.choice(COMMENTS if good else WORSE_COMMENTS),
            at=min(at, dice.now),
        )
