"""A hospital in which a story can be told: outside systems faked, verbs of one line each."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from clinical.consultation.gateway import Visit, VisitHistoryGateway
from clinical.consultation.models import Consultation
from clinical.payments.events import OrderPaid
from clinical.people.gateway import CardHolder, NewFile, VisitCardGateway
from core.identity.gateway import (
    IdentityCheck,
    IdentityCheckResult,
    IdentityCheckUnavailable,
    IdentityVerdict,
)
from core.identity.roles import Role
from core.identity.tokens import issue_access_token
from core.outside import OutsideUnavailable
from core.runtime import Runtime
from core.uow import UnitOfWork
from tests.support.cast import Cast, Person, hire
from tests.support.http import Client, Response
from tests.support.people import id_number
from tests.support.policies import put_policy

__all__ = ["His", "Registry", "Story", "agreement", "consent_to", "id_number"]


class Registry:
    """The real-name registry: everybody is who they say, unless named here."""

    def __init__(self) -> None:
        self.liars: set[str] = set()
        self.down = False
        self.asked: list[str] = []

    async def check(self, name: str, id_number: str) -> IdentityCheckResult:
        self.asked.append(name)
        if self.down:
            raise IdentityCheckUnavailable("down")
        verdict = IdentityVerdict.MISMATCH if name in self.liars else IdentityVerdict.MATCH
        return IdentityCheckResult(verdict=verdict, reference=f"R{len(self.asked):06d}")


class His:
    """The hospital's system: visit cards and visits."""

    def __init__(self) -> None:
        self.visits_by_number: dict[str, list[Visit]] = {}
        self.holders: dict[str, CardHolder] = {}
        self.down = False
        self.opened: list[NewFile] = []

    async def find(
        self, *, id_number: str | None = None, card_number: str | None = None
    ) -> CardHolder | None:
        self._check()
        return self.holders.get(id_number or card_number or "")

    async def open_file(self, file: NewFile) -> CardHolder:
        self._check()
        self.opened.append(file)
        number = f"C{len(self.opened):06d}"
        holder = CardHolder(person_no=f"P{number}", card_number=number, name=file.name)
        for key in (file.id_number, number):
            if key:
                self.holders[key] = holder
        return holder

    async def visits(
        self, *, id_number: str | None = None, card_number: str | None = None, since: date
    ) -> list[Visit]:
        self._check()
        found = self.visits_by_number.get(id_number or card_number or "", [])
        return [visit for visit in found if visit.visit_date >= since]

    def _check(self) -> None:
        if self.down:
            raise OutsideUnavailable("his", "down")


def agreement(needed: dict[str, Any], patient_id: str | None = None) -> dict[str, Any]:
    """The answer of somebody who ticks every purpose of a text."""
    text = needed["text"]
    account = needed["kind"] in ("user_agreement", "privacy")
    return {
        "kind": needed["kind"],
        "version": text["version"],
        "purposes": {each["code"]: True for each in text["purposes"]},
        "patient_id": None if account else patient_id,
    }


def consent_to(needed: dict[str, Any]) -> dict[str, Any]:
    """The consent that goes with a new patient, every purpose ticked."""
    text = needed["text"]
    return {
        "kind": needed["kind"],
        "version": text["version"],
        "digest": text["digest"],
        "purposes": {each["code"]: True for each in text["purposes"]},
    }


@dataclass
class Story:
    """One hospital with its people, and short words for what they do."""

    runtime: Runtime
    client: Client
    cast: Cast
    registry: Registry = field(default_factory=Registry)
    his: His = field(default_factory=His)
    _second: Person | None = None

    def __post_init__(self) -> None:
        self.runtime.provide(IdentityCheck, self.registry)
        self.runtime.provide(VisitHistoryGateway, self.his)
        self.runtime.provide(VisitCardGateway, self.his)

    @property
    def today(self) -> date:
        return self.runtime.clock.now().date()

    async def second_administrator(self) -> Person:
        """The colleague without whom the administrator of the cast changes little; hired once."""
        if self._second is None:
            here = self.cast.hospital_id
            self._second = await hire(self.runtime, here, Role.ADMINISTRATOR, "管二成", serial=50)
        return self._second

    # --- asking ----------------------------------------------------------------------------------

    async def ask(self, who: Person, method: str, path: str, body: Any = None) -> Response:
        # A fresh token, because some stories last longer than one.
        now = self.runtime.clock.now()
        token = issue_access_token(who.caller, now, self.runtime.keyring)
        return await self.client.request(method, path, token=token, json=body, key=str(uuid4()))

    async def set(self, key: str, value: Any) -> None:
        """The administrator changes a setting of the hospital."""
        body = {"value": value, "scope": "hospital"}
        answer = await self.ask(self.cast.administrator, "PUT", f"/settings/{key}", body)
        assert answer.status < 300, answer.body

    async def permit_refunds(self) -> None:
        """The hospital lets its doctors give money back by their own decision (退款权限)."""
        await put_policy(
            self.runtime, self.cast.hospital_id, Role.DOCTOR, "order.refund", "patients"
        )

    async def get(self, who: Person, path: str) -> Any:
        return (await self.ask(who, "GET", path)).expect(200)

    async def do(self, who: Person, consultation: UUID | str, verb: str, body: Any = None) -> Any:
        return (await self.try_to(who, consultation, verb, body)).expect(200)

    async def try_to(
        self, who: Person, consultation: UUID | str, verb: str, body: Any = None
    ) -> Response:
        methods = {"proof": "PUT", "closing-note": "PUT"}
        path = f"/consultations/{consultation}/{verb}"
        return await self.ask(who, methods.get(verb, "POST"), path, body)

    # --- people ----------------------------------------------------------------------------------

    def adult_form(self, name: str = "林小满", serial: int = 1, **more: Any) -> dict[str, Any]:
        return {
            "kind": "adult",
            "name": name,
            "id_type": "identity_card",
            "id_number": id_number(date(1985, 3, 14), male=False, serial=serial),
            "phone": "13900000001",
            "address": "示范市春风路1号",
            "relation": "self" if serial == 1 else "other",
            **more,
        }

    async def try_to_add(self, form: dict[str, Any], who: Person | None = None) -> Response:
        """Send a form, agreed to the text that is shown for such a person."""
        person = who or self.cast.patient
        consent = await self.consent_for(form, person)
        return await self.ask(person, "POST", "/patients", {**form, "consent": consent})

    async def consent_for(self, form: dict[str, Any], who: Person | None = None) -> dict[str, Any]:
        """The consent to a person's sensitive data, every purpose ticked."""
        whom = "self" if form["relation"] == "self" else "other"
        adding = "child" if form["kind"] == "child" else whom
        path = f"/consents/needed?adding={adding}"
        [needed] = await self.get(who or self.cast.patient, path)
        return consent_to(needed)

    async def add_patient(self, who: Person | None = None, **more: Any) -> dict[str, Any]:
        answer = await self.try_to_add(self.adult_form(**more), who)
        patient: dict[str, Any] = answer.expect(201)
        return patient

    def seen_before(self, number: str, days_ago: int = 30) -> None:
        """The hospital remembers a visit."""
        day = date.fromordinal(self.today.toordinal() - days_ago)
        visit = Visit(visit_no="V1", visit_date=day, department="内科", diagnosis="支气管炎")
        self.his.visits_by_number.setdefault(number, []).append(visit)

    # --- consultations ---------------------------------------------------------------------------

    async def draft(self, mode: str = "text", **more: Any) -> dict[str, Any]:
        """A draft of the patient with the doctor; the patient is added when there is none."""
        found = await self.get(self.cast.patient, "/patients")
        patient = found[0] if found else await self.add_patient()
        body = {
            "patient_id": patient["id"],
            "doctor_id": str(self.cast.doctor.user_id),
            "kind": "revisit",
            "mode": mode,
            "purpose": "revisit",
            **more,
        }
        answer = await self.ask(self.cast.patient, "POST", "/consultations", body)
        consultation: dict[str, Any] = answer.expect(201)
        return consultation

    async def complete(self, draft: dict[str, Any], *, recording: bool = True) -> None:
        """Fill in what a draft needs: revisit evidence, description, consent."""
        patient, key = self.cast.patient, draft["id"]
        self.seen_before(self.adult_form()["id_number"])
        await self.do(patient, key, "revisit-check")
        edit = {"description": "咳嗽三天，夜间加重。", "onset": "三天前"}
        (await self.ask(patient, "PATCH", f"/consultations/{key}", edit)).expect(200)
        await self.agree(draft["patient"]["id"])
        notice = await self.get(patient, "/consultations/notice")
        agreed = {"version": notice["version"], "recording_agreed": recording}
        await self.do(patient, key, "consent", agreed)

    async def agree(self, patient_id: str, who: Person | None = None) -> None:
        """Agree to everything that a consultation of this patient needs, each text by itself."""
        person = who or self.cast.patient
        for each in await self.get(person, f"/consents/needed?patient_id={patient_id}"):
            if not each["given"]:
                answer = await self.ask(person, "POST", "/consents", agreement(each, patient_id))
                answer.expect(201)

    async def prove_real_name(self, who: Person | None = None, name: str = "林小满") -> None:
        """The account holder agrees to the check of name and number, and passes it."""
        person = who or self.cast.patient
        [needed] = await self.get(person, "/consents/needed")
        (await self.ask(person, "POST", "/consents", agreement(needed))).expect(201)
        body = {"name": name, "id_number": self.adult_form()["id_number"]}
        (await self.ask(person, "POST", "/me/real-name", body)).expect(200)

    async def submitted(self, mode: str = "text", *, recording: bool = True) -> dict[str, Any]:
        """A consultation that waits for payment."""
        draft = await self.draft(mode)
        await self.complete(draft, recording=recording)
        answer: dict[str, Any] = await self.do(self.cast.patient, draft["id"], "submit")
        return answer

    async def waiting(self, mode: str = "text", *, recording: bool = True) -> dict[str, Any]:
        """A paid consultation in the doctor's queue."""
        consultation = await self.submitted(mode, recording=recording)
        await self.pay(consultation["id"])
        shown: dict[str, Any] = await self.get(
            self.cast.patient, f"/consultations/{consultation['id']}"
        )
        return shown

    async def active(self, mode: str = "text", *, recording: bool = True) -> dict[str, Any]:
        """A consultation that the doctor accepted."""
        consultation = await self.waiting(mode, recording=recording)
        answer: dict[str, Any] = await self.do(self.cast.doctor, consultation["id"], "accept")
        return answer

    async def ended(self) -> dict[str, Any]:
        """A consultation with a final closing note."""
        consultation = await self.active()
        note = {"diagnosis": "急性支气管炎恢复期", "advice": "多饮水，一周后复查。"}
        await self.do(self.cast.doctor, consultation["id"], "closing-note", note)
        answer: dict[str, Any] = await self.do(self.cast.doctor, consultation["id"], "end")
        return answer

    async def pay(self, consultation_id: UUID | str) -> None:
        """The channel says that the money arrived, as payments announces it."""
        async with self.runtime.unit_of_work() as uow:
            row = await self.row(uow, consultation_id)
            assert row.order_id is not None
            uow.record(
                OrderPaid(
                    hospital_id=row.hospital_id,
                    aggregate_id=row.order_id,
                    occurred_at=uow.now,
                    order_id=row.order_id,
                    subject_id=row.id,
                    user_id=row.payer_id,
                    amount_fen=row.price_fen,
                    paid_at=uow.now,
                )
            )

    @staticmethod
    async def row(uow: UnitOfWork, consultation_id: UUID | str) -> Consultation:
        return await uow.session.get_one(Consultation, UUID(str(consultation_id)))

    async def state(self, consultation_id: UUID | str) -> tuple[str, str | None, bool]:
        """State, close reason, and whether the money was asked back."""
        async with self.runtime.unit_of_work() as uow:
            row = await self.row(uow, consultation_id)
            reason = row.close_reason.value if row.close_reason else None
            return row.state.value, reason, row.refund_requested_at is not None

    async def inbox(self, who: Person) -> list[str]:
        """The types of everything in somebody's inbox, oldest first."""
        items = (await self.get(who, "/inbox?limit=100"))["items"]
        return [item["type"] for item in items]
