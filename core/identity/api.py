"""HTTP routes of identity: login, tokens, sessions, the own account, the catalogue, staff."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, TypeAdapter, ValidationError

from core import files
from core.defence.kinds import Kind
from core.errors import FieldProblem, InvalidRequest
from core.files.models import File, Purpose
from core.http import ANY_ROLE, PUBLIC, Context, Page, Routes, decode_cursor, encode_cursor
from core.identity import (
    access,
    login,
    real_name,
    refresh,
    security_api,
    service,
    sessions,
    sms_codes,
    views,
)
from core.identity.caller import Caller
from core.identity.certification import api as certifying
from core.identity.certification import service as certification
from core.identity.external import api as external
from core.identity.factors import api as factors
from core.identity.login import Device
from core.identity.roles import Role
from core.identity.schemas import (
    DepartmentView,
    DeviceInput,
    HospitalView,
    Me,
    PasswordLogin,
    RealNameInput,
    RefreshInput,
    Reminders,
    RoleInput,
    SmsCodeRequest,
    SmsCodeSent,
    SmsLogin,
    StaffView,
    Tokens,
    UpdateMe,
    UserView,
)
from core.uow import UnitOfWork

routes = Routes(tag="identity", title="账号与登录")


async def _everybody_here(uow: UnitOfWork, caller: Caller, file: File) -> bool:
    """A profile picture is there to be seen by everybody of the hospital."""
    return True


files.register_viewer("avatar", _everybody_here)
routes.routes += [
    *factors.routes.routes,
    *security_api.routes.routes,
    *external.routes.routes,
    *certifying.routes.routes,
]
_STAFF_CURSOR: TypeAdapter[tuple[str, UUID]] = TypeAdapter(tuple[str, UUID])


@routes.post("/auth/sms-codes", roles=PUBLIC, status=202, transaction=False, limit=Kind.LOGIN)
async def send_sms_code(ctx: Context, body: SmsCodeRequest) -> SmsCodeSent:
    """Send a login code to a phone."""
    return SmsCodeSent(retry_after=await sms_codes.send_code(ctx.runtime, body.phone, ctx.address))


@routes.post("/auth/login/sms", roles=PUBLIC, transaction=False, limit=Kind.LOGIN)
async def login_with_code(ctx: Context, body: SmsLogin) -> Tokens:
    """Log in with a code; an unknown phone becomes a patient."""
    issued = await login.login_by_sms(
        ctx.runtime,
        body.phone,
        body.code,
        _device(body.device),
        body.role,
        body.hospital_id,
        ctx.address,
    )
    async with ctx.unit_of_work() as uow:
        return await views.tokens(uow, issued)


@routes.post("/auth/login/password", roles=PUBLIC, transaction=False, limit=Kind.LOGIN)
async def login_with_password(ctx: Context, body: PasswordLogin) -> Tokens:
    """Log in with account name or phone and password."""
    issued = await login.login_by_password(
        ctx.runtime,
        body.login,
        body.password,
        _device(body.device),
        body.role,
        body.hospital_id,
        ctx.address,
    )
    async with ctx.unit_of_work() as uow:
        return await views.tokens(uow, issued)


def _device(device: DeviceInput) -> Device:
    return Device(device.id, device.name, device.platform)


@routes.post("/auth/refresh", roles=PUBLIC, transaction=False)
async def refresh_tokens(ctx: Context, body: RefreshInput) -> Tokens:
    """Exchange a refresh token for the next pair; each works once."""
    agent = ctx.request.headers.get("user-agent", "")
    issued = await refresh.refresh(ctx.runtime, body.refresh_token, agent)
    async with ctx.unit_of_work() as uow:
        return await views.tokens(uow, issued)


@routes.post("/auth/role", roles=ANY_ROLE, while_pending=True)
async def switch_role(ctx: Context, body: RoleInput) -> Tokens:
    """Go on in another role or at another hospital."""
    issued = await login.switch_role(ctx.uow, ctx.caller, body.role, body.hospital_id)
    return await views.tokens(ctx.uow, issued)


@routes.post("/auth/logout", roles=ANY_ROLE, status=204, while_pending=True)
async def logout(ctx: Context) -> None:
    """End this session."""
    await sessions.logout(ctx.uow, ctx.caller)


@routes.get("/me", roles=ANY_ROLE, while_pending=True)
async def show_me(ctx: Context) -> Me:
    """The own account, role and hospital."""
    return await views.me(ctx.uow, ctx.caller, await access.own_account(ctx.uow, ctx.caller))


@routes.patch("/me", roles=ANY_ROLE)
async def update_me(ctx: Context, body: UpdateMe) -> Me:
    """Change the own name or picture."""
    if body.avatar_file_id is not None:
        await files.attach(
            ctx.uow,
            [body.avatar_file_id],
            "avatar",
            ctx.caller.user_id,
            ctx.caller,
            purposes=[Purpose.AVATAR],
        )
    user = await service.update_profile(
        ctx.uow, ctx.caller, name=body.name, avatar_file_id=body.avatar_file_id
    )
    return await views.me(ctx.uow, ctx.caller, user)


@routes.get("/me/reminders", roles=ANY_ROLE)
async def show_reminders(ctx: Context) -> Reminders:
    """How the caller wants to be reminded, on whichever desk."""
    return Reminders.model_validate(await access.reminders(ctx.uow, ctx.caller) or {})


@routes.put("/me/reminders", roles=ANY_ROLE)
async def change_reminders(ctx: Context, body: Reminders) -> Reminders:
    """Be reminded in this way from now on."""
    user = await access.own_account(ctx.uow, ctx.caller, lock=True)
    user.reminders = body.model_dump()
    return body


@routes.post("/me/real-name", roles=ANY_ROLE, transaction=False)
async def verify_real_name(ctx: Context, body: RealNameInput) -> UserView:
    """Prove the account holder's name and identity number."""
    user = await real_name.verify_account(ctx.runtime, ctx.caller, body.name, body.id_number)
    if body.front_file_id is not None and body.back_file_id is not None:
        number = await real_name.parsed(ctx.runtime, ctx.caller, body.id_number)
        async with ctx.unit_of_work() as uow:
            await certification.keep_card(
                uow, ctx.caller, user, number, body.front_file_id, body.back_file_id
            )
    return views.user_view(user)


@routes.get("/hospitals", roles=PUBLIC)
async def list_hospitals(ctx: Context) -> list[HospitalView]:
    """The hospitals of this installation."""
    return [
        HospitalView(id=each.id, name=each.name, city=each.city, intro=each.intro)
        for each in await access.hospitals(ctx.uow)
    ]


@routes.get("/departments", roles=PUBLIC)
async def list_departments(ctx: Context, hospital: UUID | None = None) -> list[DepartmentView]:
    """The departments of a hospital and how many clinicians each has."""
    chosen = await access.public_hospital(ctx.uow, ctx.optional_caller, hospital)
    return [
        DepartmentView(
            id=department.id,
            name=department.name,
            intro=department.intro,
            parent_id=department.parent_id,
            clinician_count=count,
        )
        for department, count in await access.departments(ctx.uow, chosen.id)
    ]


@routes.get("/staff", roles=[Role.ADMINISTRATOR, Role.OPERATOR])
async def list_staff(
    ctx: Context,
    q: str | None = None,
    role: Role | None = None,
    department_id: UUID | None = None,
    hospital_id: UUID | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Field(ge=1, le=200)] = 50,
) -> Page[StaffView]:
    """The people who work at this hospital; an operator may name another one."""
    place = await access.staff_place(ctx.uow, ctx.caller, hospital_id)
    found = await access.staff(
        ctx.uow,
        place,
        text=q,
        role=role,
        department_id=department_id,
        after=_after(cursor),
        limit=limit + 1,
    )
    shown = found[:limit]
    more = len(found) > limit
    return Page[StaffView](
        items=[place.allowed.shown(views.staff_view(member)) for member in shown],
        next=encode_cursor(shown[-1].user.name, shown[-1].user.id) if more else None,
    )


def _after(cursor: str | None) -> tuple[str, UUID] | None:
    values = decode_cursor(cursor, 2)
    if values is None:
        return None
    try:
        return _STAFF_CURSOR.validate_python(values)
    except ValidationError as error:
        raise InvalidRequest(
            fields=[FieldProblem("cursor", "翻页参数无效，请从第一页重新开始")]
        ) from error
