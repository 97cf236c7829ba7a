"""Other systems of the demo hospital that have things signed, and a month of their log."""

from datetime import timedelta
from uuid import UUID

from admin.demo.accounts import ADMINISTRATOR
from admin.demo.dice import Dice
from admin.demo.people import Town
from admin.demo.present import Today
from clinical.days import business_day
from clinical.signature.applications import keys, managing
from clinical.signature.applications.admin_schemas import ApplicationPolicy
from clinical.signature.applications.models import (
    Application,
    ServerKey,
    SignatureCount,
    SignatureLogEntry,
)
from clinical.signature.applications.states import Format, KeyState, Operation
from core.crypto.signing import Algorithm
from core.crypto.sm import sm3
from core.identity.caller import Caller
from core.identity.roles import Role
from core.ids import new_id
from core.runtime import Runtime
from core.uow import UnitOfWork

DAYS = 30
_POLICIES = (
    ApplicationPolicy(
        name="医院信息系统",
        addresses=["10.1.0.0/16", "127.0.0.1/32"],
        formats=[Format.CMS_DETACHED],
    ),
    ApplicationPolicy(
        name="检验信息系统",
        addresses=["10.2.8.0/24"],
        operations=[Operation.SIGN, Operation.VERIFY],
    ),
)
_NUMBERS = ("RX", "LIS")


async def offer_signing(runtime: Runtime, dice: Dice, town: Town, today: Today) -> None:
    """A server certificate from the simulated CA, two applications, and what they had signed."""
    caller = today.caller(town.figures[ADMINISTRATOR.login], Role.ADMINISTRATOR)
    async with runtime.unit_of_work() as uow:
        row = await keys.request_key(
            uow, town.hospital_id, "业务系统签名证书", Algorithm.SM2, caller
        )
        key_id = row.id
    if await keys.ask(runtime, key_id) is not KeyState.ACTIVE:
        return
    async with runtime.unit_of_work() as uow:
        applications = [await _register(uow, caller, policy, key_id) for policy in _POLICIES]
        key = await uow.session.get_one(ServerKey, key_id)
        for place, application in enumerate(applications):
            await _past(uow, dice, application, key, _NUMBERS[place])


async def _register(
    uow: UnitOfWork, caller: Caller, policy: ApplicationPolicy, key_id: UUID
) -> Application:
    wanted = policy.model_copy(update={"server_key_id": key_id})
    # The secret is told to nobody: whoever tries the interface asks for a new one in the console.
    row, _ = await managing.create(uow, caller.hospital_id, wanted, caller)
    return row


async def _past(
    uow: UnitOfWork, dice: Dice, application: Application, key: ServerKey, prefix: str
) -> None:
    today = await business_day(uow, application.hospital_id)
    for back in range(DAYS, 0, -1):
        day = today - timedelta(days=back)
        number = dice.between(3, 9) if day.weekday() >= 5 else dice.between(12, 34)
        for place in range(number):
            at = uow.now - timedelta(days=back, minutes=dice.between(0, 300))
            uow.session.add(
                SignatureLogEntry(
                    id=new_id(),
                    hospital_id=application.hospital_id,
                    application_id=application.id,
                    server_key_id=key.id,
                    at=at,
                    format=application.formats[place % len(application.formats)],
                    algorithm=key.algorithm.value,
                    digest=sm3(f"{application.code}{day}{place}".encode()).hex(),
                    certificate_serial=key.serial or "",
                    reference=f"{prefix}{day:%Y%m%d}{place + 1:04d}",
                    address=f"10.{1 if prefix == 'RX' else 2}.8.{dice.between(2, 20)}",
                    request_id="",
                )
            )
        uow.session.add(
            SignatureCount(
                hospital_id=application.hospital_id,
                day=day,
                application_id=application.id,
                count=number,
            )
        )
