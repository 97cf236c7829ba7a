"""HTTP routes of second factors.

None of them is idempotent by key: the answers hold secrets, which must not lie in the table of
answers. Each may be repeated: proving again, showing the same secret again, a fresh set of codes.
"""

from typing import TYPE_CHECKING

from core.defence.kinds import Kind
from core.http import ANY_ROLE, Context, Routes
from core.identity import access, limits, second_factor, throttle
from core.identity.factors import enrolment
from core.identity.factors.schemas import (
    CodeSent,
    ConfirmInput,
    EnrolmentView,
    ProveInput,
    RecoveryCodes,
    SecondFactorView,
)
from core.identity.models import DeviceSession
from core.identity.second_factor import Action
from core.masking import mask_phone

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork

routes = Routes(tag="identity", title="账号与登录")
PATH = "/auth/second-factor"


async def _view(uow: "UnitOfWork", caller: "Caller") -> SecondFactorView:
    session = await uow.session.get(DeviceSession, caller.session_id)
    proved_at = session.second_factor_at if session else None
    user = await access.own_account(uow, caller)
    totp = await second_factor.confirmed_totp(uow, caller.user_id)
    needed = await limits.needs_second_factor(uow, caller.role, caller.hospital_id)
    return SecondFactorView(
        pending=needed and proved_at is None,
        proved_at=proved_at,
        methods=await second_factor.methods(uow, caller),
        phone_masked=mask_phone(user.phone) if user.phone else None,
        totp_since=totp.confirmed_at if totp else None,
        recovery_codes_left=await second_factor.recovery_codes_left(uow, caller.user_id),
    )


@routes.get(PATH, roles=ANY_ROLE, while_pending=True)
async def show_second_factor(ctx: Context) -> SecondFactorView:
    """Whether a second factor is owed, and how it can be proved."""
    return await _view(ctx.uow, ctx.caller)


@routes.post(PATH, roles=ANY_ROLE, while_pending=True, transaction=False, limit=Kind.LOGIN)
async def prove_second_factor(ctx: Context, body: ProveInput) -> SecondFactorView:
    """Prove a second factor for this session."""
    await second_factor.prove(ctx.runtime, ctx.caller, body.method, body.code)
    async with ctx.unit_of_work() as uow:
        return await _view(uow, ctx.caller)


@routes.post(
    f"{PATH}/sms-codes",
    roles=ANY_ROLE,
    while_pending=True,
    status=202,
    transaction=False,
    limit=Kind.LOGIN,
)
async def send_second_factor_code(ctx: Context) -> CodeSent:
    """Send a code to the account's own phone."""
    wait = await second_factor.send_code(ctx.runtime, ctx.caller, ctx.address)
    return CodeSent(retry_after=wait)


@routes.post(f"{PATH}/totp", roles=ANY_ROLE, while_pending=True)
async def begin_totp(ctx: Context) -> EnrolmentView:
    """Show the secret for an authenticator, as QR code and as text."""
    shown = await enrolment.begin(ctx.uow, ctx.caller)
    return EnrolmentView(manual_key=shown.manual_key, uri=shown.uri, qr_svg=shown.qr_svg)


@routes.post(
    f"{PATH}/totp/confirm", roles=ANY_ROLE, while_pending=True, transaction=False, limit=Kind.LOGIN
)
async def confirm_totp(ctx: Context, body: ConfirmInput) -> RecoveryCodes:
    """Take the authenticator into use with its first code; answers recovery codes."""
    # Guesses are slowed down, and a wrong one must stay counted: hence two transactions.
    account = f"second-factor:{ctx.caller.user_id}"
    await throttle.claim_attempt(ctx.runtime, account, user_id=ctx.caller.user_id)
    async with ctx.unit_of_work() as uow:
        codes = await enrolment.confirm(uow, ctx.caller, body.code)
        await throttle.forgive(uow, account)
        return RecoveryCodes(recovery_codes=codes)


@routes.delete(f"{PATH}/totp", roles=ANY_ROLE, status=204)
async def remove_totp(ctx: Context) -> None:
    """Give the authenticator up."""
    await enrolment.remove(ctx.uow, ctx.caller)


@routes.post(f"{PATH}/recovery-codes", roles=ANY_ROLE)
async def renew_recovery_codes(ctx: Context) -> RecoveryCodes:
    """A fresh set of recovery codes; the old ones end."""
    await second_factor.require(ctx.uow, ctx.caller, action=Action.CRITICAL)
    codes = await second_factor.renew_recovery_codes(ctx.uow, ctx.caller)
    return RecoveryCodes(recovery_codes=codes)
