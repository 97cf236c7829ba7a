"""Fills an empty database with the demo hospital; does nothing when it is there already."""

from datetime import timedelta
from typing import Any

import aiohttp
from sqlalchemy import select

from admin.demo.accounts import ADMINISTRATOR, CUSTOMER_SERVICE, NURSE, PHARMACIST
from admin.demo.announcements import announce
from admin.demo.batch import Batch
from admin.demo.clinic import ConvenienceClinic
from admin.demo.consents import Consents, texts_in_force
from admin.demo.dice import SEED, Dice
from admin.demo.hospital_papers import papers_of
from admin.demo.notices import word_notices
from admin.demo.past import History
from admin.demo.people import HOSPITAL, Founder, Town, demo_password_hash
from admin.demo.practitioners import Practitioners
from admin.demo.present import Today
from admin.demo.profiles import write_profiles
from admin.demo.sharing import leave_to_decide
from admin.demo.signatures import enrol
from admin.demo.signing_service import offer_signing
from admin.demo.texts import SPECIALITIES
from admin.demo.wishes import leave_wishes
from core.crypto.rotation import make_due_keys
from core.crypto.vault import Vault
from core.identity.models import Hospital
from core.identity.roles import Role
from core.runtime import Runtime
from core.settings.registry import Scope
from core.settings.service import set_value
from core.uow import UnitOfWork
from realtime.inbox import notify


async def seed(runtime: Runtime, sandbox_url: str | None) -> None:
    """Make the two demo hospitals with past and present, and tell the simulators who lives there.

    With a `PaymentGateway` on the runtime today's payments go through the simulator's cashier.
    """
    async with runtime.unit_of_work() as uow:
        if await uow.session.scalar(select(Hospital.id).where(Hospital.code == HOSPITAL)):
            return
    dice, batch = Dice(runtime.clock.now()), Batch()
    founder = Founder(dice, batch, runtime.keyring, await demo_password_hash())
    town = founder.main_hospital()
    write_profiles(dice, batch, town)
    founder.second_hospital()
    founder.patients(town)
    async with runtime.unit_of_work() as uow:
        consents = Consents(dice, batch, town, await texts_in_force(uow.session))
    consents.of_everybody()
    History(dice, batch, runtime.keyring, town, consents).write()
    if sandbox_url is not None:
        await _tell_simulators(sandbox_url, his_people(dice, town))
    practitioners = Practitioners(founder, dice, batch, town)
    town.pharmacists = list(practitioners.pharmacists())
    town.nurses = list(practitioners.nurses())
    async with runtime.unit_of_work() as uow:
        await batch.write(uow.session, Hospital)
        await _give_keys(uow)
        await batch.write(uow.session)
    today = Today(runtime, dice, town)
    await _change_settings(runtime, today, town)
    if sandbox_url is not None:
        await _join_single_sign_on(runtime, today, town, sandbox_url)
        await enrol(runtime, dice, town, today, sandbox_url)
        await offer_signing(runtime, dice, town, today)
    await word_notices(runtime, town, today)
    await announce(runtime, town)
    await _welcome_staff(runtime, town)
    await leave_to_decide(runtime, today, town)
    await leave_wishes(runtime, today, town)
    await today.play()
    await ConvenienceClinic(runtime, dice, today, town).open()


async def _give_keys(uow: UnitOfWork) -> None:
    """Both hospitals have keys of their own from the first row on: nobody else is running yet."""
    vault = uow.runtime.ports.get(Vault)
    if vault is not None:
        await make_due_keys(uow, vault, at_once=True)
        await vault.refresh(uow.runtime.keyring, uow.session)


async def _change_settings(runtime: Runtime, today: Today, town: Town) -> None:
    """One setting with a history, so that the settings page has something to tell."""
    caller = today.caller(town.figures[ADMINISTRATOR.login], Role.ADMINISTRATOR)
    async with runtime.unit_of_work() as uow:
        await set_value(
            uow,
            caller,
            "consultation.open_department",
            True,
            Scope.HOSPITAL,
            None,
            "开通科室咨询",
        )
        await set_value(
            uow,
            caller,
            "consultation.accept_minutes",
            720,
            Scope.HOSPITAL,
            None,
            "白天门诊较忙，统一为12小时",
        )


async def _join_single_sign_on(
    runtime: Runtime, today: Today, town: Town, sandbox_url: str
) -> None:
    """The hospital has a single sign-on of its own: the simulated one."""
    caller = today.caller(town.figures[ADMINISTRATOR.login], Role.ADMINISTRATOR)
    wanted = {"identity.oidc_issuer": f"{sandbox_url}/oidc", "identity.oidc_title": "仁和统一登录"}
    async with runtime.unit_of_work() as uow:
        for key, value in wanted.items():
            await set_value(uow, caller, key, value, Scope.HOSPITAL, None, "接入统一身份平台")


async def _welcome_staff(runtime: Runtime, town: Town) -> None:
    """A first thing to do for those whose own work is still to come to the console."""
    async with runtime.unit_of_work() as uow:
        await notify(
            uow,
            [town.figures[figure.login] for figure in (NURSE, PHARMACIST, CUSTOMER_SERVICE)],
            hospital_id=town.hospital_id,
            type="welcome",
            title="欢迎使用诊间",
            text="请核对个人资料，查看登录设备，并修改初始密码。",
        )


def his_people(dice: Dice, town: Town) -> list[dict[str, Any]]:
    """The persons of the town as the hospital's own system knows them, with recent visits.

    The shape is that of the simulator's `PUT /_sandbox/people`. A child without a card is filed
    under the guardian's number together with the child's name.
    """
    people: list[dict[str, Any]] = []
    # Chance of their own: what the papers say changes nobody's story.
    papers = Dice(dice.now, SEED + 1)
    for place, person in enumerate(town.persons):
        visits: list[dict[str, Any]] = []
        # Every sixth person has not been seen for long, so that the way by proof can be shown.
        if place % 6 != 5:
            for _ in range(dice.between(1, 3)):
                speciality = dice.choice(SPECIALITIES)
                day = dice.today - timedelta(days=dice.between(10, 160))
                visits.append(
                    {
                        "visit_date": day.isoformat(),
                        "department": speciality.name,
                        "diagnosis": dice.choice(speciality.illnesses).diagnosis,
                        "doctor": "",
                    }
                )
        people.append(
            {
                "name": person.name,
                "id_number": person.id_number or f"{person.patient_id.hex[-8:]}/{person.name}",
                "card_number": f"8{place + 1:011d}",
                "visits": visits,
                **papers_of(papers, visits, f"{place + 1:04d}"),
            }
        )
    return people


async def _tell_simulators(url: str, people: list[dict[str, Any]]) -> None:
    timeout = aiohttp.ClientTimeout(total=20)
    async with (
        aiohttp.ClientSession(timeout=timeout, trust_env=False) as http,
        http.put(f"{url}/_sandbox/people", json={"people": people}) as answer,
    ):
        if answer.status != 200:
            raise RuntimeError(f"The simulators refused the demo's people: {answer.status}.")
