"""The convenience clinic of the demo hospital: what can be ordered, and orders that wait."""

from datetime import datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from admin.demo.accounts import ADMINISTRATOR, DOCTOR, PATIENT
from admin.demo.dice import Dice
from admin.demo.people import Person, Town
from admin.demo.present import Today
from clinical.consent import access as consent_access
from clinical.consent import service as consents
from clinical.consent.service import Answer
from clinical.consent.states import Kind
from clinical.outpatient import items, service
from clinical.outpatient.models import SelfOrderItem
from clinical.outpatient.schemas import ItemForm
from clinical.outpatient.service import Basket, Choice
from clinical.outpatient.states import ItemKind
from core.identity.roles import Role
from core.runtime import Runtime

ZONE = ZoneInfo("Asia/Shanghai")
HALVES = ["08:00", "08:30", "09:00", "09:30", "10:00", "10:30", "14:00", "14:30", "15:00", "15:30"]
HOURS = ["08:30", "10:00", "14:00", "15:30"]
FASTING = "检查前空腹8小时，可少量饮水。"

#: Kind, code, name, category, subcategory, fen, precautions, special.
ITEMS: tuple[tuple[ItemKind, str, str, str, str, int, str, bool], ...] = (
    (ItemKind.EXAMINATION, "US-01", "腹部彩超", "超声", "腹部", 12000, FASTING, False),
    (ItemKind.EXAMINATION, "US-02", "甲状腺彩超", "超声", "浅表", 9800, "请穿低领衣物。", False),
    (ItemKind.EXAMINATION, "US-03", "心脏彩超", "超声", "心脏", 21000, "检查前静坐10分钟。", False),
    (
        *(ItemKind.EXAMINATION, "CT-01", "胸部CT平扫", "放射", "CT", 24000),
        *("怀孕或备孕请勿选择；请取下项链等金属物品。", True),
    ),
    (
        *(ItemKind.EXAMINATION, "DR-01", "胸部正位片", "放射", "X线", 6500),
        *("怀孕或备孕请勿选择。", True),
    ),
    (ItemKind.EXAMINATION, "EC-01", "常规心电图", "心电", "", 2500, "检查前避免剧烈运动。", False),
    (ItemKind.LABORATORY, "LB-01", "肝功能", "生化", "肝肾功能", 4800, FASTING, False),
    (ItemKind.LABORATORY, "LB-02", "肾功能", "生化", "肝肾功能", 3600, FASTING, False),
    (ItemKind.LABORATORY, "LB-03", "空腹血糖", "生化", "糖代谢", 800, FASTING, False),
    (ItemKind.LABORATORY, "LB-04", "糖化血红蛋白", "生化", "糖代谢", 6000, "不需要空腹。", False),
    (ItemKind.LABORATORY, "LB-05", "血常规", "血液", "", 2000, "不需要空腹。", False),
    (ItemKind.LABORATORY, "LB-06", "甲状腺功能五项", "免疫", "", 15000, "不需要空腹。", True),
    (
        *(ItemKind.NUCLEIC_ACID, "NA-01", "新冠病毒核酸（单人单检）", "核酸检测", "", 1600),
        *("采样前30分钟不要进食、饮水。", False),
    ),
    (
        *(ItemKind.NUCLEIC_ACID, "NA-02", "流感病毒核酸", "核酸检测", "", 6800),
        *("采样前30分钟不要进食、饮水。", False),
    ),
    (
        *(ItemKind.DRUG, "YP-01", "维生素C片 0.1g×100片", "非处方药", "维生素", 1850),
        *("口服，一次1片，一日3次；饭后服用。", False),
    ),
    (
        *(ItemKind.DRUG, "YP-02", "氯雷他定片 10mg×6片", "非处方药", "抗过敏", 2260),
        *("服药期间不要开车；严重肝功能不全者慎用。", False),
    ),
    (
        *(ItemKind.DRUG, "YP-03", "医用生理盐水 250ml", "护理用品", "", 680),
        *("外用冲洗，开封后24小时内用完。", False),
    ),
)


class ConvenienceClinic:
    """Keeps items and places orders through the services, as people do."""

    def __init__(self, runtime: Runtime, dice: Dice, today: Today, town: Town) -> None:
        self._runtime, self._dice, self._today, self._town = runtime, dice, today, town
        self._items: dict[str, SelfOrderItem] = {}

    async def open(self) -> None:
        """Tests and drugs wait for review; one order of the demo patient waits for money."""
        await self._keep_items()
        patient = self._town.figures[PATIENT.login]
        own = next(each for each in self._town.persons if each.account_id == patient)
        others = [
            each for each in self._town.persons if each.account_id != patient and not each.child
        ]
        await self._order(own, ["US-01", "LB-01"], "体检发现脂肪肝，半年复查")
        approved = await self._order(own, ["LB-04"], "糖尿病三个月复查")
        await self._order(others[0], ["CT-01"], "咳嗽两周，入职体检需要胸部CT")
        await self._order(others[1], ["YP-01", "YP-02"], "")
        async with self._runtime.unit_of_work() as uow:
            doctor = self._today.caller(self._town.figures[DOCTOR.login], Role.DOCTOR)
            await service.approve(uow, doctor, approved, "可以复查，不需要空腹。")

    async def _keep_items(self) -> None:
        keeper = self._today.caller(self._town.figures[ADMINISTRATOR.login], Role.ADMINISTRATOR)
        async with self._runtime.unit_of_work() as uow:
            for kind, code, name, category, subcategory, fen, precautions, special in ITEMS:
                imaging = category == "放射" or category == "超声"
                form = ItemForm(
                    kind=kind,
                    code=code,
                    name=name,
                    category=category,
                    subcategory=subcategory,
                    price_fen=fen,
                    precautions=precautions,
                    special=special,
                    needs_time=kind is not ItemKind.DRUG,
                    times=HOURS if imaging else HALVES,
                    capacity=2 if imaging else 20,
                )
                self._items[code] = await items.add(uow, keeper, form)

    async def _order(self, person: Person, codes: list[str], purpose: str) -> UUID:
        caller = self._today.caller(person.account_id, Role.PATIENT)
        async with self._runtime.unit_of_work() as uow:
            notice = await consent_access.current_text(uow, caller.hospital_id, Kind.SELF_ORDER)
            await consents.answer(uow, caller, Answer(kind=Kind.SELF_ORDER, version=notice.version))
        basket = Basket(
            patient_id=person.patient_id,
            choices=[self._choice(self._items[code]) for code in codes],
            purpose=purpose,
        )
        async with self._runtime.unit_of_work() as uow:
            return (await service.submit(uow, caller, basket)).id

    def _choice(self, item: SelfOrderItem) -> Choice:
        day = (self._dice.now.astimezone(ZONE) + timedelta(days=2)).date()
        at = datetime.combine(day, time.fromisoformat(item.times[0]), ZONE) if item.times else None
        return Choice(item_id=item.id, quantity=1, price_fen=item.price_fen, starts_at=at)
