"""Scenes that several journeys share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from PIL import Image

from tests.support.demo import Demo, fetch
from tests.support.patient_phone import PatientPhone
from tests.support.people import id_number
from tests.support.screens import Browsers, Screen
from tests.support.staff_desk import PASSWORD, StaffDesk

DOCTOR_LOGIN, DOCTOR = "13800000002", "陈安和"
SUPERVISOR_LOGIN = "13800000007"
OPERATOR_LOGIN = "13800000008"


@dataclass(frozen=True)
class Family:
    """A mother and her child, different in every journey."""

    serial: int
    mother: str
    child: str

    @property
    def phone(self) -> str:
        return f"1370000{self.serial:04d}"

    @property
    def mother_number(self) -> str:
        return id_number(date(1988, 5, 6), male=False, serial=self.serial)

    @property
    def child_number(self) -> str:
        return id_number(date(2021, 3, 4), serial=self.serial)


def photo(folder: Path) -> Path:
    """A picture to upload."""
    path = folder / "photo.png"
    Image.effect_mandelbrot((800, 600), (-2, -1, 1, 1), 50).save(path)
    return path


async def log_in_as_staff(phone: Screen, demo: Demo, account: str) -> None:
    """On the phone by account and password, as staff do."""
    await phone.page.goto(f"{demo.url}/m/#/pages/login/index")
    await phone.tap("login-by-password")
    await phone.fill("account", account)
    await phone.fill("password", PASSWORD)
    await phone.tap("agree")
    await phone.tap("login")
    await phone.item("tab-me").or_(phone.item("to-practice")).first.wait_for()


def know_at_hospital(demo: Demo, family: Family) -> None:
    """The simulated HIS has old papers of the child; no visit that would prove a revisit."""
    record = {
        "record_no": f"R{family.serial}",
        "visit_date": "2026-05-06",
        "department": "儿科",
        "diagnosis": "支气管炎",
    }
    results = [
        {"name": "白细胞", "value": "11.2", "reference": "3.5-9.5"},
        {"name": "血红蛋白", "value": "131", "reference": "115-150"},
    ]
    report = {
        "report_no": f"L{family.serial}",
        "kind": "lab",
        "title": "血常规",
        "released_at": "2026-05-06 10:20:00",
        "results": results,
    }
    prescription = {
        "prescription_no": f"RX{family.serial}",
        "issued_on": "2026-05-06",
        "kind": "western",
        "diagnosis": "支气管炎",
        "lines": [{"name": "氨溴特罗口服溶液", "dose": "5ml", "quantity": "1", "unit": "瓶"}],
    }
    person = {
        "name": family.child,
        "id_number": family.child_number,
        "records": [record],
        "reports": [report],
        "prescriptions": [prescription],
    }
    fetch(f"{demo.sandbox}/_sandbox/people", method="PUT", body={"people": [person]})


async def register(phone: PatientPhone, family: Family) -> None:
    """Log in, prove who one is, add oneself and the child."""
    await phone.log_in(family.phone)
    await phone.prove_real_name(family.mother, family.mother_number)
    await phone.add_myself(family.mother, family.mother_number, family.phone)
    await phone.add_child(
        family.child,
        family.child_number,
        guardian=family.mother,
        guardian_number=family.mother_number,
        phone=family.phone,
    )


async def apply_for_revisit(
    phone: PatientPhone,
    family: Family,
    picture: Path,
    mode: str = "video",
    *,
    recording: str = "yes",
) -> None:
    """From the doctor's page to the paid application, ``text`` or ``video``; recording ``no``
    agrees to none.
    """
    await phone.choose_doctor(DOCTOR, mode)
    await phone.choose_person(family.child)
    await phone.screen.tap("purpose-revisit")
    await phone.next_step()
    await phone.add_photo(picture)
    await phone.screen.sees("证明已提交")
    await phone.next_step()
    await phone.answer_all_no()
    await phone.describe("孩子咳嗽复查，夜间明显，想请医生看看是否需要换药。", "一周内", picture)
    await phone.next_step()
    await phone.agree_to_notice(recording=recording)
    await phone.submit_and_pay()
    await phone.screen.tap("to-waiting")


async def meet(
    screens: Browsers,
    demo: Demo,
    family: Family,
    picture: Path,
    mode: str = "video",
    *,
    recording: str = "yes",
) -> tuple[PatientPhone, StaffDesk]:
    """Patient and doctor in an active room."""
    desk = StaffDesk(await screens.desk("doctor"), demo)
    await desk.log_in(DOCTOR_LOGIN)
    await desk.open("reception")
    phone = PatientPhone(await screens.phone("patient"), demo)
    await register(phone, family)
    await apply_for_revisit(phone, family, picture, mode, recording=recording)
    await desk.choose_from_queue(family.child)
    await desk.confirm_proof()
    await desk.accept()
    await phone.is_led_into_the_room()
    return phone, desk


async def see_and_hear(*screens: Screen) -> None:
    """Wait until every screen decodes moving pictures and sound; both must go on growing."""
    for screen in screens:
        await screen.until_media(frames=20, energy=0.000001)
        before = await screen.media()
        await screen.until_media(frames=before["frames"] + 20, energy=before["energy"] + 1e-7)
