"""Routes of the public catalogue and of favourites."""

from dataclasses import replace
from datetime import date
from typing import Literal
from uuid import UUID

from clinical.consultation.states import Kind
from clinical.cursors import cut, read_moment
from clinical.people import catalogue, service, settings
from clinical.people.catalogue import DoctorQuery, Sort
from clinical.people.schemas import (
    Banner,
    DoctorCard,
    DoctorView,
    HomeNotice,
    HomeService,
    HomeView,
    HospitalView,
    MedicationFieldView,
    RatingLine,
)
from clinical.people.states import MEDICATION_FIELD_TEXT, MedicationField
from clinical.rating import access as ratings
from core import settings as core_settings
from core.errors import FieldProblem, InvalidRequest
from core.http import PUBLIC, Context, Page, Routes
from core.identity.access import public_hospital
from core.identity.models import Hospital
from core.identity.roles import Role
from core.masking import mask_name
from realtime.attachments import register_card

routes = Routes(tag="catalogue", title="医院与医生")
LIMIT = 100
NOBODY = UUID(int=0)
#: 转诊推荐: a doctor sends the name card of another one; `ref` is that doctor's id, and the card
#: opens his page, which says whether he takes patients.
register_card("doctor", "医生", [Role.DOCTOR])
SERVICES: tuple[tuple[str, str, str], ...] = (
    ("text", "图文复诊", "text"),
    ("video", "视频复诊", "video"),
    ("refill", "在线续方", "refill"),
    ("consult_department", "科室咨询", "department"),
    ("medication", "用药咨询", "medication"),
    ("nursing", "护理咨询", "nursing"),
    ("department", "按科室找", "department"),
    ("doctors", "找医生", "doctors"),
    ("self_order", "便民门诊", "self_order"),
    ("patients", "就诊人", "patients"),
    ("records", "历史问诊", "records"),
    ("orders", "我的订单", "payment"),
)


def _hospital_view(hospital: Hospital) -> HospitalView:
    return HospitalView(
        id=hospital.id, name=hospital.name, city=hospital.city, intro=hospital.intro
    )


@routes.get("/home", roles=PUBLIC, summary="The home page of a hospital")
async def home(ctx: Context, hospital: UUID | None = None) -> HomeView:
    here = await public_hospital(ctx.uow, ctx.optional_caller, hospital)
    banner = await core_settings.get(ctx.uow, settings.HOME_BANNER, hospital_id=here.id)
    notice = await core_settings.get(ctx.uow, settings.HOME_NOTICE, hospital_id=here.id)
    return HomeView(
        hospital=_hospital_view(here),
        services=[
            HomeService(code=code, title=title, icon=icon, enabled=True)
            for code, title, icon in SERVICES
        ],
        banners=[Banner(title=title, text=text) for title, text in _headed(banner)],
        notices=[
            HomeNotice(
                id="notice", title=title, text=text, published_at=here.created_at.isoformat()
            )
            for title, text in _headed(notice)
        ],
    )


def _headed(text: str) -> list[tuple[str, str]]:
    title, _, rest = text.strip().partition("\n")
    return [(title, rest.strip())] if title else []


async def _page(ctx: Context, hospital: UUID | None, wish: DoctorQuery) -> Page[DoctorCard]:
    here = await public_hospital(ctx.uow, ctx.optional_caller, hospital)
    tidy = replace(wish, q=wish.q[:50] if wish.q else None, limit=max(1, min(wish.limit, LIMIT)))
    cards, following = await catalogue.search(ctx.uow, ctx.optional_caller, here.id, tidy)
    return Page(items=cards, next=following)


def _asker(ctx: Context) -> UUID:
    """Whose past is looked through; a stranger has none."""
    return ctx.optional_caller.user_id if ctx.optional_caller else NOBODY


@routes.get("/doctors", roles=PUBLIC, summary="Find a doctor")
async def doctors(
    ctx: Context,
    hospital: UUID | None = None,
    department_id: UUID | None = None,
    title: str | None = None,
    mode: str | None = None,
    q: str | None = None,
    sort: Sort = "rating",
    cursor: str | None = None,
    limit: int = 20,
) -> Page[DoctorCard]:
    wish = DoctorQuery(
        profession=Role.DOCTOR,
        department_id=department_id,
        title=title,
        mode=mode,
        q=q,
        sort=sort,
        cursor=cursor,
        limit=limit,
    )
    return await _page(ctx, hospital, wish)


@routes.get("/medication-fields", roles=PUBLIC, summary="Fields of medicines to choose from")
async def medication_fields(ctx: Context) -> list[MedicationFieldView]:
    return [
        MedicationFieldView(code=code, title=title) for code, title in MEDICATION_FIELD_TEXT.items()
    ]


#: Days that patients can look ahead for a pharmacist on duty; sessions are not planned farther.
YEARS = (1970, 2200)


@routes.get("/pharmacists", roles=PUBLIC, summary="Find a pharmacist to ask about medicines")
async def pharmacists(
    ctx: Context,
    hospital: UUID | None = None,
    department_id: UUID | None = None,
    field: MedicationField | None = None,
    title: str | None = None,
    mode: Literal["text", "voice", "video"] | None = None,
    q: str | None = None,
    asked: bool = False,
    day: date | None = None,
    sort: Sort = "rating",
    cursor: str | None = None,
    limit: int = 20,
) -> Page[DoctorCard]:
    """`asked`: those whom the caller has asked before, nobody for a stranger; `day`: on duty."""
    if day is not None and not YEARS[0] <= day.year <= YEARS[1]:
        raise InvalidRequest(fields=[FieldProblem("day", "日期超出范围")])
    wish = DoctorQuery(
        profession=Role.PHARMACIST,
        field=field,
        asked_by=_asker(ctx) if asked else None,
        on_duty=day,
        department_id=department_id,
        title=title,
        mode=mode,
        q=q,
        sort=sort,
        cursor=cursor,
        limit=limit,
    )
    return await _page(ctx, hospital, wish)


@routes.get("/nurses", roles=PUBLIC, summary="Find a nurse who takes nursing consultations")
async def nurses(
    ctx: Context,
    hospital: UUID | None = None,
    department_id: UUID | None = None,
    title: str | None = None,
    q: str | None = None,
    asked: bool = False,
    sort: Sort = "rating",
    cursor: str | None = None,
    limit: int = 20,
) -> Page[DoctorCard]:
    """`asked`: those whom the caller has asked before, nobody for a stranger."""
    wish = DoctorQuery(
        profession=Role.NURSE,
        offering=Kind.NURSING,
        asked_by=_asker(ctx) if asked else None,
        department_id=department_id,
        title=title,
        q=q,
        sort=sort,
        cursor=cursor,
        limit=limit,
    )
    return await _page(ctx, hospital, wish)


@routes.get(
    "/doctors/{doctor_id}", roles=PUBLIC, summary="The page of a doctor, a pharmacist or a nurse"
)
async def doctor(ctx: Context, doctor_id: UUID, hospital: UUID | None = None) -> DoctorView:
    here = await public_hospital(ctx.uow, ctx.optional_caller, hospital)
    return await catalogue.doctor(ctx.uow, ctx.optional_caller, here.id, doctor_id)


@routes.get("/doctors/{doctor_id}/ratings", roles=PUBLIC, summary="What patients say of a doctor")
async def doctor_ratings(
    ctx: Context,
    doctor_id: UUID,
    hospital: UUID | None = None,
    cursor: str | None = None,
    limit: int = 20,
) -> Page[RatingLine]:
    here = await public_hospital(ctx.uow, ctx.optional_caller, hospital)
    await catalogue.doctor(ctx.uow, None, here.id, doctor_id)
    size = max(1, min(limit, LIMIT))
    rows = await ratings.of_doctor(
        ctx.uow.session, here.id, doctor_id, read_moment(cursor), size + 1
    )
    page, following = cut(rows, size, lambda row: (row.at, row.id))
    items = [
        RatingLine(
            id=row.id,
            stars=row.stars,
            tags=row.tags,
            comment=row.comment,
            patient_name_masked=mask_name(row.patient_name),
            at=row.at,
        )
        for row in page
    ]
    return Page(items=items, next=following)


@routes.put("/doctors/{doctor_id}/favourite", roles=[Role.PATIENT], summary="Follow a doctor")
async def follow(ctx: Context, doctor_id: UUID) -> None:
    await service.follow_doctor(ctx.uow, ctx.caller, doctor_id)


@routes.delete("/doctors/{doctor_id}/favourite", roles=[Role.PATIENT], summary="Unfollow a doctor")
async def unfollow(ctx: Context, doctor_id: UUID) -> None:
    await service.unfollow_doctor(ctx.uow, ctx.caller, doctor_id)


@routes.get("/favourites/doctors", roles=[Role.PATIENT], summary="Doctors whom the caller follows")
async def favourites(ctx: Context) -> list[DoctorCard]:
    return await catalogue.followed(ctx.uow, ctx.caller)
