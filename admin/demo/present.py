"""What is going on today: told through the services, so that everything hangs together.

Three patients wait for the demo doctor (one with a red flag, one by video, one with proof to look
at), one child waits for the second doctor, one asks the pharmacist, one the nurse, the demo
patient is in an active room and has a draft.
"""

import tempfile
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import aiohttp
from anyio import to_thread

from admin.demo.accounts import ADMINISTRATOR, DOCTOR, OTHER_DOCTOR, PATIENT
from admin.demo.dice import Dice
from admin.demo.papers import draw_paper
from admin.demo.people import Doctor, Person, Town
from admin.demo.texts import Illness
from admin.demo.weeks import Weeks
from clinical.consent import access as consent_access
from clinical.consent import service as consents
from clinical.consent.states import Kind as ConsentKind
from clinical.consultation import drafts, service
from clinical.consultation.drafts import RevisitQuestion
from clinical.consultation.gateway import Visit
from clinical.consultation.models import Consultation
from clinical.consultation.schemas import EditConsultation, NewConsultation
from clinical.consultation.states import Direction, Kind, Mode
from clinical.payments import channel
from clinical.payments import service as payments
from clinical.payments.gateway import ChannelPayment, PaymentGateway, TradeState
from clinical.payments.models import Channel
from core.files.models import Purpose
from core.files.upload import take_in_local
from core.identity.caller import Caller
from core.identity.roles import Role
from core.ids import new_id
from core.runtime import Runtime
from core.uow import UnitOfWork
from realtime import sending
from realtime.rules import MessageKind
from realtime.sending import Send

WINDOW_DAYS = 180


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One consultation of today: who, with whom, how long it has waited."""

    person: Person
    doctor: Doctor
    illness: Illness
    mode: Mode = Mode.TEXT
    minutes_ago: int = 10
    complaint: str | None = None
    answers: dict[str, bool] = field(default_factory=dict)
    proven: bool = True
    shift_id: UUID | None = None
    kind: Kind = Kind.REVISIT
    direction: Direction | None = None


class Today:
    """Plays the scenes of today."""

    def __init__(self, runtime: Runtime, dice: Dice, town: Town) -> None:
        self._runtime = runtime
        self._dice = dice
        self._town = town

    def caller(self, user_id: UUID, role: Role) -> Caller:
        """Somebody of the town, as if logged in."""
        return Caller(
            user_id=user_id,
            hospital_id=self._town.hospital_id,
            role=role,
            session_id=new_id(),
            device_id="demo",
        )

    async def play(self) -> None:
        """All scenes, the longest waiting first."""
        doctor, other = self._doctor(DOCTOR.name), self._doctor(OTHER_DOCTOR.name)
        mine = self._persons(PATIENT.login)
        others = [p for p in self._town.persons if p not in mine]
        adults = [p for p in others if not p.child]
        child = next(p for p in others if p.child)
        asthma, bronchitis = doctor.speciality.illnesses
        red = Scene(
            person=adults[2],
            doctor=doctor,
            illness=asthma,
            minutes_ago=18,
            complaint="哮喘多年，今早起床后喘息明显加重，说话断续，伴胸痛，用了急救喷雾稍缓解。",
            answers={"breathing": True},
        )
        video = Scene(
            person=adults[3], doctor=doctor, illness=asthma, mode=Mode.VIDEO, minutes_ago=11
        )
        proof = Scene(
            person=adults[4], doctor=doctor, illness=bronchitis, minutes_ago=4, proven=False
        )
        small = Scene(
            person=child, doctor=other, illness=other.speciality.illnesses[0], minutes_ago=7
        )
        for scene in (red, video, proof, small):
            await self._wait(scene)
        await self._talk(
            Scene(
                person=mine[0],
                doctor=doctor,
                illness=bronchitis,
                mode=Mode.VIDEO,
                minutes_ago=26,
            )
        )
        await self._book(doctor, adults[5:8], mine[0])
        medicines = Scene(
            person=adults[8],
            doctor=self._town.pharmacists[0],
            illness=asthma,
            kind=Kind.MEDICATION,
            mode=Mode.VIDEO,
            minutes_ago=6,
            complaint="一直在用降压药，这两天感冒，药店买的复方感冒药能一起吃吗？吸入药还要继续用吗？",
            direction=Direction.INTERACTION,
        )
        await self._wait(medicines)
        wound = Scene(
            person=adults[9],
            doctor=self._town.nurses[0],
            illness=asthma,
            kind=Kind.NURSING,
            minutes_ago=11,
            complaint="父亲出院后在家做雾化，做完总说口干、咳痰费力，次数和姿势对不对？要怎么拍背？",
        )
        await self._wait(wound)
        await self._draft(Scene(person=mine[1], doctor=other, illness=small.illness))

    async def _book(self, doctor: Doctor, people: list[Person], mine: Person) -> None:
        """Three patients wait in the session that goes on, the demo patient has a later one."""
        weeks = Weeks(self._runtime, self._dice, self._town)
        caller = self.caller(self._town.figures[ADMINISTRATOR.login], Role.ADMINISTRATOR)
        now, later = await weeks.plan(caller, doctor)
        illness = doctor.speciality.illnesses[0]
        for person, shift_id in [*((each, now) for each in people), (mine, later)]:
            scene = Scene(
                person=person,
                doctor=doctor,
                illness=illness,
                mode=Mode.VIDEO,
                shift_id=shift_id,
            )
            await self._pay(scene, await self._submit(scene))

    def _doctor(self, name: str) -> Doctor:
        return next(doctor for doctor in self._town.doctors if doctor.name == name)

    def _persons(self, login: str) -> list[Person]:
        account = self._town.figures[login]
        return [person for person in self._town.persons if person.account_id == account]

    # --- the steps -------------------------------------------------------------------------------

    async def _draft(self, scene: Scene) -> UUID:
        caller = self.caller(scene.person.account_id, Role.PATIENT)
        async with self._runtime.unit_of_work() as uow:
            wish = NewConsultation(
                patient_id=scene.person.patient_id,
                doctor_id=scene.doctor.user_id,
                kind=scene.kind,
                mode=scene.mode,
                shift_id=scene.shift_id,
            )
            row = await drafts.begin(uow, caller, wish)
            edit = EditConsultation(
                description=scene.complaint or scene.illness.complaint,
                onset=scene.illness.onset,
                answers={"seen_here": True, "diagnosed": True, **scene.answers},
                direction=scene.direction,
            )
            await drafts.edit(uow, caller, row.id, edit)
            return row.id

    async def _submit(self, scene: Scene) -> UUID:
        """A submitted consultation; the draft's own checks have all been passed."""
        key = await self._draft(scene)
        caller = self.caller(scene.person.account_id, Role.PATIENT)
        proof = [] if scene.proven else [await self._paper(caller, scene)]
        async with self._runtime.unit_of_work() as uow:
            if scene.kind is Kind.REVISIT:
                visits = self._visits(scene)
                await drafts.store_visits(uow, caller, key, self._question(), visits)
            if proof:
                await drafts.hand_in_proof(uow, caller, key, proof)
            await self._agree(uow, caller, scene, key)
        async with self._runtime.unit_of_work() as uow:
            await drafts.submit(uow, caller, key)
        return key

    async def _agree(self, uow: UnitOfWork, caller: Caller, scene: Scene, key: UUID) -> None:
        texts = await consent_access.current_texts(
            uow, caller.hospital_id, [ConsentKind.NOTICE, ConsentKind.RECORDING]
        )
        await consents.agreed_in_consultation(
            uow,
            caller,
            key,
            scene.person.patient_id,
            texts[ConsentKind.NOTICE].version,
            texts[ConsentKind.RECORDING].version,
            recording_agreed=True,
        )

    def _question(self) -> RevisitQuestion:
        return RevisitQuestion(None, None, self._dice.today, WINDOW_DAYS)

    def _visits(self, scene: Scene) -> list[Visit]:
        if not scene.proven:
            return []
        day: date = self._dice.today - timedelta(days=21)
        return [
            Visit(
                visit_no=f"V{day:%Y%m%d}01",
                visit_date=day,
                department=scene.doctor.speciality.name,
                diagnosis=scene.illness.diagnosis,
                doctor=scene.doctor.name,
            )
        ]

    async def _paper(self, caller: Caller, scene: Scene) -> UUID:
        """A picture of an earlier outpatient record, plainly made up, for the doctor to check."""
        lines = (
            "门诊病历（演示样张）",
            f"姓名：{scene.person.name}",
            f"科室：{scene.doctor.speciality.name}",
            f"诊断：{scene.illness.diagnosis}",
            f"日期：{self._dice.today - timedelta(days=40):%Y-%m-%d}",
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "门诊病历.png"
            await to_thread.run_sync(draw_paper, lines, path)
            return (await take_in_local(self._runtime, caller, path, Purpose.PROOF)).id

    async def _wait(self, scene: Scene) -> UUID:
        key = await self._submit(scene)
        await self._pay(scene, key)
        await self._age(scene, key)
        return key

    async def _pay(self, scene: Scene, key: UUID) -> None:
        """Through the simulator's cashier where there is one, so that a refund works later."""
        async with self._runtime.unit_of_work() as uow:
            row = await uow.session.get_one(Consultation, key)
            order_id, amount = row.order_id, row.price_fen
        assert order_id is not None
        if PaymentGateway not in self._runtime.ports:
            async with self._runtime.unit_of_work() as uow:
                paid = ChannelPayment(
                    out_trade_no=order_id.hex,
                    state=TradeState.SUCCESS,
                    transaction_id=f"DEMO{order_id.hex[:24]}",
                    amount_fen=amount,
                    paid_at=uow.now,
                )
                await payments.record_payment(uow, paid, "query")
            return
        caller = self.caller(scene.person.account_id, Role.PATIENT)
        address = await channel.place(
            self._runtime, caller, order_id, Channel.WECHAT_H5, "http://127.0.0.1/", "127.0.0.1"
        )
        await press_pay(address)
        await channel.sync(self._runtime, order_id)

    async def _age(self, scene: Scene, key: UUID) -> None:
        """Let the consultation have begun some minutes ago."""
        ago = timedelta(minutes=scene.minutes_ago)
        async with self._runtime.unit_of_work() as uow:
            row = await uow.session.get_one(Consultation, key)
            row.created_at -= ago + timedelta(minutes=6)
            for name in ("submitted_at", "paid_at", "accept_by", "accepted_at"):
                moment = getattr(row, name)
                if moment is not None:
                    setattr(row, name, moment - ago)

    async def _talk(self, scene: Scene) -> None:
        key = await self._wait(scene)
        doctor = self.caller(scene.doctor.user_id, Role.DOCTOR)
        patient = self.caller(scene.person.account_id, Role.PATIENT)
        async with self._runtime.unit_of_work() as uow:
            row = await service.accept(uow, doctor, key)
            room_id = row.room_id
        assert room_id is not None
        lines = [
            (patient, "医生您好，我上次的支气管炎快好了，就是还有点咳。"),
            (doctor, f"您好，我是{scene.doctor.name[0]}医生，资料我看过了。"),
            (doctor, scene.illness.question),
            (patient, scene.illness.answer),
        ]
        async with self._runtime.unit_of_work() as uow:
            await sending.send_messages(
                uow,
                [
                    Send(
                        who,
                        room_id,
                        new_id(),
                        MessageKind.TEXT,
                        sending.check_body(MessageKind.TEXT, {"text": text}),
                    )
                    for who, text in lines
                ],
            )


async def press_pay(address: str) -> None:
    """Press "pay" on the simulator's cashier page."""
    prepay_id = address.split("prepay_id=")[1].split("&")[0]
    base = address.split("/cgi-bin/")[0]
    timeout = aiohttp.ClientTimeout(total=10)
    async with (
        aiohttp.ClientSession(timeout=timeout, trust_env=False) as http,
        http.post(f"{base}/cashier/{prepay_id}/pay", allow_redirects=False) as answer,
    ):
        if answer.status >= 400:
            raise RuntimeError(f"The cashier refused the demo's payment: {answer.status}.")
