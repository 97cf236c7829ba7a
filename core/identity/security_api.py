"""HTTP routes of the own security: devices, activity, the password; and lock-outs for officers."""

from uuid import UUID

from core.http import ANY_ROLE, Context, Routes
from core.identity import limits, locks, own_password, sessions, throttle, views
from core.identity.errors import PasswordTooWeak, SecondFactorRequired
from core.identity.roles import Role
from core.identity.schemas import ChangePassword, LockView, RenameSession, SessionView

routes = Routes(tag="identity", title="账号与登录")
OFFICERS = [Role.ADMINISTRATOR, Role.SUPERVISOR]


@routes.get("/auth/sessions", roles=ANY_ROLE)
async def list_sessions(ctx: Context) -> list[SessionView]:
    """The devices on which the account is logged in."""
    found = await sessions.list_sessions(ctx.uow, ctx.caller)
    return [views.session_view(session, ctx.caller) for session in found]


@routes.patch("/auth/sessions/{session_id}", roles=ANY_ROLE)
async def rename_session(ctx: Context, session_id: UUID, body: RenameSession) -> SessionView:
    """Give one of the own devices a name."""
    session = await sessions.rename_own(ctx.uow, ctx.caller, session_id, body.label)
    return views.session_view(session, ctx.caller)


@routes.delete("/auth/sessions/{session_id}", roles=ANY_ROLE, status=204)
async def revoke_session(ctx: Context, session_id: UUID) -> None:
    """End one of the own sessions; its sockets drop."""
    await sessions.revoke_own(ctx.uow, ctx.caller, session_id)


@routes.post("/auth/sessions/revoke-others", roles=ANY_ROLE, status=204)
async def revoke_other_sessions(ctx: Context) -> None:
    """End every own session but this one; their sockets drop."""
    await sessions.revoke_others(ctx.uow, ctx.caller)


@routes.post("/auth/activity", roles=ANY_ROLE, status=204, transaction=False)
async def stay_logged_in(ctx: Context) -> None:
    """Somebody is here: the idle limit starts anew."""
    await sessions.touch(ctx.runtime, ctx.caller.session_id)


@routes.put("/me/password", roles=ANY_ROLE, status=204, transaction=False, while_pending=True)
async def change_password(ctx: Context, body: ChangePassword) -> None:
    """Set a new password; the other sessions end unless that is not wanted."""
    if ctx.caller.second_factor_at is None:
        async with ctx.unit_of_work() as uow:
            if await limits.needs_second_factor(uow, ctx.caller.role, ctx.caller.hospital_id):
                raise SecondFactorRequired()
    # Guesses at the old password through a stolen session are slowed down like logins.
    account = f"password:{ctx.caller.user_id}"
    await throttle.claim_attempt(ctx.runtime, account, user_id=ctx.caller.user_id)
    try:
        async with ctx.unit_of_work() as uow:
            await own_password.change(
                uow, ctx.caller, body.old, body.new, end_others=body.end_others
            )
            await throttle.forgive(uow, account)
    except PasswordTooWeak:
        await throttle.forgive_now(ctx.runtime, account)
        raise


@routes.get("/login-locks", roles=OFFICERS)
async def list_locks(ctx: Context) -> list[LockView]:
    """People of this hospital who cannot log in at the moment because of failed attempts."""
    return [
        LockView(user_id=each.user_id, name=each.name, failures=each.failures, until=each.until)
        for each in await locks.locked(ctx.uow, ctx.caller)
    ]


@routes.delete("/login-locks/{user_id}", roles=[Role.ADMINISTRATOR], status=204)
async def lift_lock(ctx: Context, user_id: UUID) -> None:
    """Let somebody of this hospital try to log in again at once."""
    await locks.lift(ctx.uow, ctx.caller, user_id)
