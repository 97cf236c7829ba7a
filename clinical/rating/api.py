"""Routes of ratings."""

from uuid import UUID

from clinical.consultation.schemas import RatingView
from clinical.consultation.states import TREATERS
from clinical.cursors import cut, read_moment
from clinical.people import access as people
from clinical.people.schemas import doctor_ref
from clinical.rating import access, service
from clinical.rating.models import Rating
from clinical.rating.schemas import GiveRating, RatingShown
from clinical.rating.tags import TAGS
from core.http import PUBLIC, Context, Page, Routes
from core.identity.roles import Role
from core.masking import mask_name

routes = Routes(tag="rating", title="评价")
LIMIT = 100


@routes.get("/rating-tags", roles=PUBLIC, summary="The tags to choose from")
async def tags(ctx: Context) -> list[str]:
    return list(TAGS)


@routes.post(
    "/consultations/{consultation_id}/rating",
    roles=[Role.PATIENT],
    status=201,
    idempotent=True,
    summary="Rate an ended consultation, once",
)
async def rate(ctx: Context, consultation_id: UUID, body: GiveRating) -> RatingView:
    rating = await service.rate(
        ctx.uow,
        ctx.caller,
        consultation_id,
        stars=body.stars,
        tags=body.tags,
        comment=body.comment,
    )
    return RatingView.model_validate(rating, from_attributes=True)


@routes.get("/ratings/mine", roles=[Role.PATIENT], summary="The ratings that the caller gave")
async def mine(ctx: Context, cursor: str | None = None, limit: int = 20) -> Page[RatingShown]:
    size = max(1, min(limit, LIMIT))
    rows = await access.given_by(ctx.uow.session, ctx.caller, read_moment(cursor), size + 1)
    return await _page(ctx, rows, size)


@routes.get("/ratings/received", roles=list(TREATERS), summary="What patients said of one")
async def received(ctx: Context, cursor: str | None = None, limit: int = 20) -> Page[RatingShown]:
    size = max(1, min(limit, LIMIT))
    rows = await access.received_by(ctx.uow.session, ctx.caller, read_moment(cursor), size + 1)
    return await _page(ctx, rows, size)


async def _page(ctx: Context, rows: list[Rating], size: int) -> Page[RatingShown]:
    page, following = cut(rows, size, lambda row: (row.at, row.id))
    doctors = await people.practitioners_by_id(
        ctx.uow.session, ctx.caller.hospital_id, {row.doctor_id for row in page}
    )
    items = [
        RatingShown(
            id=row.id,
            consultation_id=row.consultation_id,
            doctor=doctor_ref(doctors[row.doctor_id]),
            patient_name_masked=mask_name(row.patient_name),
            stars=row.stars,
            tags=row.tags,
            comment=row.comment,
            at=row.at,
        )
        for row in page
    ]
    return Page(items=items, next=following)
