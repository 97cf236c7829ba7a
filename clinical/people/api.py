"""Routes of people: the persons bound to an account, and the catalogue beside them."""

from uuid import UUID

from clinical.days import business_day
from clinical.people import (
    access,
    catalogue_api,
    find_api,
    holders_api,
    offers_api,
    profiles_api,
    registration,
    service,
)
from clinical.people.schemas import AddPatient, EditPatient, PatientView, patient_view
from core.http import Context, Routes
from core.identity.roles import Role
from core.uow import UnitOfWork

routes = Routes(tag="people", title="就诊人")
MINE = [Role.PATIENT]


@routes.get("/patients", roles=MINE, summary="Persons bound to the account, the default first")
async def patients(ctx: Context) -> list[PatientView]:
    today = await business_day(ctx.uow, ctx.caller.hospital_id)
    return [
        patient_view(each, today) for each in await access.my_patients(ctx.uow.session, ctx.caller)
    ]


@routes.post(
    "/patients",
    roles=MINE,
    status=201,
    idempotent=True,
    transaction=False,
    summary="Add a person to be treated",
)
async def add_patient(ctx: Context, body: AddPatient) -> PatientView:
    patient_id = await registration.add_patient(ctx.runtime, ctx.caller, body)
    async with ctx.unit_of_work() as uow:
        return await _view(ctx, uow, patient_id)


@routes.get("/patients/{patient_id}", roles=MINE, summary="One person bound to the account")
async def show(ctx: Context, patient_id: UUID) -> PatientView:
    return await _view(ctx, ctx.uow, patient_id)


@routes.patch(
    "/patients/{patient_id}",
    roles=MINE,
    transaction=False,
    summary="Change contact, relation, card or guardian",
)
async def edit(ctx: Context, patient_id: UUID, body: EditPatient) -> PatientView:
    await registration.edit_patient(ctx.runtime, ctx.caller, patient_id, body)
    async with ctx.unit_of_work() as uow:
        return await _view(ctx, uow, patient_id)


@routes.delete("/patients/{patient_id}", roles=MINE, summary="Unbind a person; records stay")
async def unbind(ctx: Context, patient_id: UUID) -> None:
    await service.unbind_patient(ctx.uow, ctx.caller, patient_id)


@routes.put("/patients/{patient_id}/default", roles=MINE, summary="Make a person the default")
async def make_default(ctx: Context, patient_id: UUID) -> None:
    await service.set_default_patient(ctx.uow, ctx.caller, patient_id)


async def _view(ctx: Context, uow: UnitOfWork, patient_id: UUID) -> PatientView:
    today = await business_day(uow, ctx.caller.hospital_id)
    return patient_view(await access.my_patient(uow.session, ctx.caller, patient_id), today)


routes.routes.extend(catalogue_api.routes.routes)
routes.routes.extend(holders_api.routes.routes)
routes.routes.extend(profiles_api.routes.routes)
routes.routes.extend(find_api.routes.routes)
routes.routes.extend(offers_api.routes.routes)
