"""The real name of an account: the number's own checks first, then the registry."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from core import audit
from core.errors import FieldProblem
from core.identity import access, throttle
from core.identity.errors import (
    IdNumberInvalid,
    RealNameAlreadyVerified,
    RealNameMismatch,
    RealNameUnavailable,
)
from core.identity.events import RealNameVerified
from core.identity.gateway import IdentityCheck, IdentityCheckUnavailable, IdentityVerdict
from core.identity.id_numbers import IdNumber, IdNumberError, parse_id_number
from core.identity.models import Hospital, User

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.runtime import Runtime
    from core.uow import UnitOfWork


Gate = Callable[["UnitOfWork", "Caller"], Awaitable[None]]
_gates: dict[str, Gate] = {}


def require_before(name: str, gate: Gate) -> None:
    """Ask `gate` before anything is sent to the registry; it raises what stands in the way.

    Called at import by the module that owns the condition (a consent).
    """
    _gates[name] = gate


async def verify_account(runtime: "Runtime", caller: "Caller", name: str, id_number: str) -> User:
    """Check the caller's name and number and keep them; opens its own transactions.

    Raises IdNumberInvalid (the number cannot be one), RealNameMismatch, RealNameUnavailable,
    RealNameAlreadyVerified, TooManyAttempts or what a gate raises: every question to the registry
    is counted.
    """
    number = await claim(runtime, caller, id_number)
    try:
        result = await runtime.port(IdentityCheck).check(name, number.number)
    except IdentityCheckUnavailable as error:
        await throttle.forgive_now(runtime, f"real-name:{caller.user_id}")
        raise RealNameUnavailable() from error
    matches = result.verdict is IdentityVerdict.MATCH
    user = await keep(runtime, caller, name, number, result.reference, matches)
    if not matches:
        raise RealNameMismatch()
    return user


async def claim(runtime: "Runtime", caller: "Caller", id_number: str) -> IdNumber:
    """The number, if it can be one and this account may ask about it now; counts the question.

    Raises IdNumberInvalid, RealNameAlreadyVerified, TooManyAttempts or what a gate raises.
    """
    async with runtime.unit_of_work() as uow:
        user = await access.own_account(uow, caller)
        if user.real_name_verified_at is not None:
            raise RealNameAlreadyVerified()
        for gate in _gates.values():
            await gate(uow, caller)
    number = await parsed(runtime, caller, id_number)
    await throttle.claim_attempt(runtime, f"real-name:{caller.user_id}", user_id=caller.user_id)
    return number


async def parsed(runtime: "Runtime", caller: "Caller", id_number: str) -> IdNumber:
    """The number in its parts. Raises IdNumberInvalid."""
    async with runtime.unit_of_work() as uow:
        hospital = await uow.session.get(Hospital, caller.hospital_id)
        zone = ZoneInfo(hospital.time_zone if hospital else "Asia/Shanghai")
        today = uow.now.astimezone(zone).date()
    try:
        return parse_id_number(id_number, today)
    except IdNumberError as error:
        raise IdNumberInvalid(fields=[FieldProblem("id_number", error.message)]) from error


async def keep(
    runtime: "Runtime",
    caller: "Caller",
    name: str,
    number: IdNumber,
    reference: str,
    matches: bool,
) -> User:
    """Keep what was confirmed, or only the audit when it was not."""
    async with runtime.unit_of_work() as uow:
        user = await access.own_account(uow, caller, lock=True)
        detail = {"result": "match" if matches else "mismatch", "reference": reference}
        await audit.record(uow, caller, "user.verify_real_name", "user", user.id, detail=detail)
        if not matches:
            return user
        if user.real_name_verified_at is not None:
            raise RealNameAlreadyVerified()
        user.real_name = name
        user.id_number = number.number
        user.id_number_index = access.id_number_key(runtime.keyring, number.number)
        user.real_name_verified_at, user.real_name_reference = uow.now, reference
        await throttle.forgive(uow, f"real-name:{caller.user_id}")
        uow.record(
            RealNameVerified(
                hospital_id=caller.hospital_id, aggregate_id=user.id, occurred_at=uow.now
            )
        )
        return user
