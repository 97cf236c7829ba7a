"""Routes of accounts. The list of staff is `GET /staff` of identity."""

from collections.abc import Sequence
from uuid import UUID

from admin.accounts.open_work import require_no_open_work
from admin.accounts.schemas import (
    AccountView,
    DutiesInput,
    DutyInput,
    DutyView,
    EditInput,
    EnableInput,
    HireInput,
    ReasonInput,
)
from core.http import Context, Routes
from core.identity import staff
from core.identity.access import (
    StaffPlace,
    departments,
    hospitals_of_group,
    password_hash,
    staff_place,
)
from core.identity.roles import Role
from core.identity.schemas import DepartmentRef, HospitalView
from core.masking import mask_phone

routes = Routes(tag="accounts", title="账号管理")
KEEPERS = [Role.ADMINISTRATOR, Role.OPERATOR]


@routes.get("/accounts/hospitals", roles=[Role.OPERATOR], summary="Hospitals of the group")
async def hospitals(ctx: Context) -> list[HospitalView]:
    rows = await hospitals_of_group(ctx.uow, ctx.caller)
    return [HospitalView(id=row.id, name=row.name, city=row.city, intro=row.intro) for row in rows]


@routes.get("/accounts/departments", roles=KEEPERS, summary="Departments for new accounts")
async def list_departments(ctx: Context, hospital_id: UUID | None = None) -> list[DepartmentRef]:
    place = await staff_place(ctx.uow, ctx.caller, hospital_id)
    found = await departments(ctx.uow, place.hospital_id)
    return [DepartmentRef(id=department.id, name=department.name) for department, _ in found]


@routes.post(
    "/accounts/staff", roles=KEEPERS, status=201, idempotent=True, summary="Open an account"
)
async def hire(ctx: Context, body: HireInput, hospital_id: UUID | None = None) -> AccountView:
    place = await staff_place(ctx.uow, ctx.caller, hospital_id, "manage")
    place.require_departments([each.department_id for each in body.duties], ctx.caller)
    user = await staff.hire(
        ctx.uow, ctx.caller, place.hospital_id,
        name=body.name, phone=body.phone, login=body.login, duties=_duties(body.duties),
    )  # fmt: skip
    return await _view(ctx, place, user.id)


@routes.get("/accounts/staff/{user_id}", roles=KEEPERS, summary="One account")
async def show(ctx: Context, user_id: UUID, hospital_id: UUID | None = None) -> AccountView:
    place = await staff_place(ctx.uow, ctx.caller, hospital_id, user_id=user_id)
    return await _view(ctx, place, user_id)


@routes.patch("/accounts/staff/{user_id}", roles=KEEPERS, summary="Change name, phone or login")
async def edit(
    ctx: Context, user_id: UUID, body: EditInput, hospital_id: UUID | None = None
) -> AccountView:
    place = await staff_place(ctx.uow, ctx.caller, hospital_id, "manage", user_id=user_id)
    await staff.edit(
        ctx.uow,
        ctx.caller,
        place.hospital_id,
        user_id,
        name=body.name,
        phone=body.phone,
        login=body.login,
    )
    return await _view(ctx, place, user_id)


@routes.put("/accounts/staff/{user_id}/duties", roles=KEEPERS, summary="Set roles and departments")
async def change_duties(
    ctx: Context, user_id: UUID, body: DutiesInput, hospital_id: UUID | None = None
) -> AccountView:
    place = await staff_place(ctx.uow, ctx.caller, hospital_id, "manage", user_id=user_id)
    place.require_departments([each.department_id for each in body.duties], ctx.caller)
    duties = _duties(body.duties)
    if not any(duty.role is Role.DOCTOR for duty in duties):
        await require_no_open_work(ctx.uow, place.hospital_id, user_id)
    await staff.change_duties(ctx.uow, ctx.caller, place.hospital_id, user_id, duties)
    return await _view(ctx, place, user_id)


@routes.put("/accounts/staff/{user_id}/enabled", roles=KEEPERS, summary="Lock or unlock")
async def enable(
    ctx: Context, user_id: UUID, body: EnableInput, hospital_id: UUID | None = None
) -> AccountView:
    place = await staff_place(ctx.uow, ctx.caller, hospital_id, "manage", user_id=user_id)
    await staff.set_enabled(
        ctx.uow, ctx.caller, place.hospital_id, user_id, enabled=body.enabled, reason=body.reason
    )
    return await _view(ctx, place, user_id)


@routes.post(
    "/accounts/staff/{user_id}/password-reset",
    roles=KEEPERS,
    summary="Forget the password; the next login takes a code by SMS",
)
async def reset_password(
    ctx: Context, user_id: UUID, hospital_id: UUID | None = None
) -> AccountView:
    place = await staff_place(ctx.uow, ctx.caller, hospital_id, "manage", user_id=user_id)
    await staff.reset_password(ctx.uow, ctx.caller, place.hospital_id, user_id)
    return await _view(ctx, place, user_id)


@routes.post(
    "/accounts/staff/{user_id}/dismiss", roles=KEEPERS, status=204, summary="Take every duty away"
)
async def dismiss(
    ctx: Context, user_id: UUID, body: ReasonInput, hospital_id: UUID | None = None
) -> None:
    place = await staff_place(ctx.uow, ctx.caller, hospital_id, "manage", user_id=user_id)
    await require_no_open_work(ctx.uow, place.hospital_id, user_id)
    await staff.dismiss(ctx.uow, ctx.caller, place.hospital_id, user_id, body.reason)


def _duties(inputs: Sequence[DutyInput]) -> list[staff.Duty]:
    return [staff.Duty(each.role, each.department_id, each.title) for each in inputs]


async def _view(ctx: Context, place: StaffPlace, user_id: UUID) -> AccountView:
    found = await staff.account(ctx.uow, place.hospital_id, user_id)
    user = found.user
    view = AccountView(
        user_id=user.id,
        name=user.name,
        login=user.login,
        phone_masked=mask_phone(user.phone) if user.phone else None,
        has_password=await password_hash(ctx.uow, user.id) is not None,
        enabled=user.enabled,
        created_at=user.created_at,
        last_login_at=found.last_login_at,
        devices=found.devices,
        duties=[
            DutyView(
                role=assignment.role,
                department_id=assignment.department_id,
                department=department.name if department else None,
                title=assignment.title,
            )
            for assignment, department in found.assignments
        ],
    )
    return place.allowed.shown(view)
