"""Certifying a real name on another house's page, and pictures of the card as evidence."""

from typing import TYPE_CHECKING
from uuid import UUID

from core import audit, files
from core.errors import NotFound, ServiceUnavailable
from core.files.models import File, Purpose
from core.identity import real_name, throttle
from core.identity.caller import Caller
from core.identity.certification.alipay import CertifyGateway, CertifyUnavailable
from core.identity.certification.models import Certification
from core.identity.id_numbers import IdNumber
from core.identity.models import User
from core.identity.roles import Role
from core.ids import new_id

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.uow import UnitOfWork

SCOPE = "certification"
ALIPAY, CARD = "alipay", "card"
LANDING = "/m/#/pages/me/real-name"


async def may_see(uow: "UnitOfWork", caller: Caller, file: File) -> bool:
    """The owner of a card's picture, and administrators of the hospital that asked for it."""
    row = await uow.session.get(Certification, file.scope_id)
    if row is None:
        return False
    officer = caller.role is Role.ADMINISTRATOR and row.hospital_id == caller.hospital_id
    return officer or row.user_id == caller.user_id


async def start(runtime: "Runtime", caller: Caller, name: str, id_number: str) -> tuple[UUID, str]:
    """Begin a certification at Alipay; returns its id and where the person is sent.

    Raises IdNumberInvalid, RealNameAlreadyVerified, TooManyAttempts, ServiceUnavailable.
    """
    gateway: CertifyGateway | None = runtime.ports.get(CertifyGateway)
    if gateway is None:
        raise ServiceUnavailable("医院未开通支付宝认证")
    number = await real_name.claim(runtime, caller, id_number)
    row_id = new_id()
    async with runtime.unit_of_work() as uow:
        uow.session.add(
            Certification(
                id=row_id,
                hospital_id=caller.hospital_id,
                user_id=caller.user_id,
                method=ALIPAY,
                outcome="",
                reference="",
                name=name,
                id_number=number.number,
                created_at=uow.now,
            )
        )
    back = f"{runtime.config.base_url}{LANDING}?certification={row_id}"
    try:
        reference = await gateway.initialize(row_id.hex, name, number.number, back)
    except CertifyUnavailable as error:
        await throttle.forgive_now(runtime, f"real-name:{caller.user_id}")
        raise ServiceUnavailable("支付宝认证暂时没有应答，请稍后再试或使用实名核验") from error
    async with runtime.unit_of_work() as uow:
        (await _own(uow, caller, row_id)).reference = reference
    return row_id, gateway.page(reference)


async def finish(runtime: "Runtime", caller: Caller, certification_id: UUID) -> str:
    """Ask for the verdict: match, mismatch, or nothing while the person has not finished.

    Asking again is harmless. Raises NotFound, RealNameAlreadyVerified, ServiceUnavailable.
    """
    gateway = runtime.port(CertifyGateway)
    async with runtime.unit_of_work() as uow:
        row = await _own(uow, caller, certification_id)
        if row.outcome or not row.reference:
            return row.outcome
        name, number, reference = row.name, row.id_number, row.reference
    try:
        passed = await gateway.passed(reference)
    except CertifyUnavailable as error:
        raise ServiceUnavailable("支付宝认证暂时没有应答，请稍后再试") from error
    if passed is None:
        return ""
    proved = await real_name.parsed(runtime, caller, number)
    await real_name.keep(runtime, caller, name, proved, reference, passed)
    async with runtime.unit_of_work() as uow:
        row = await _own(uow, caller, certification_id)
        row.outcome, row.finished_at = ("match" if passed else "mismatch"), uow.now
        return row.outcome


async def keep_card(
    uow: "UnitOfWork", caller: Caller, user: User, number: IdNumber, front: UUID, back: UUID
) -> None:
    """Keep both sides of the card that belongs to a name which the registry has confirmed."""
    row = Certification(
        id=new_id(),
        hospital_id=caller.hospital_id,
        user_id=caller.user_id,
        method=CARD,
        outcome="match",
        reference=user.real_name_reference or "",
        name=user.real_name or "",
        id_number=number.number,
        front_file_id=front,
        back_file_id=back,
        created_at=uow.now,
        finished_at=uow.now,
    )
    uow.session.add(row)
    await uow.session.flush()
    await files.attach(uow, [front, back], SCOPE, row.id, caller, purposes=[Purpose.PROOF])
    await audit.record(uow, caller, "user.keep_card", "user", caller.user_id)


async def _own(uow: "UnitOfWork", caller: Caller, certification_id: UUID) -> Certification:
    row = await uow.session.get(Certification, certification_id, with_for_update=True)
    if row is None or row.user_id != caller.user_id:
        raise NotFound()
    return row
