"""Routes of prices and lengths of services (在线问诊设置)."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from clinical.consultation.states import TREATERS
from clinical.people import offers
from clinical.people.offers import Terms
from clinical.people.schemas import DoctorRef, doctor_ref
from core.http import Context, Routes
from core.identity.roles import Role

routes = Routes(tag="service_terms", title="问诊价格")
KEEPERS = [Role.ADMINISTRATOR]

KindWord = Literal["first", "revisit", "advice", "medication"]
ModeWord = Literal["text", "voice", "video"]


#: Nurses open theirs themselves, nobody does it for them.
OwnKindWord = Literal[KindWord, "nursing"]


class _Figures(BaseModel):
    mode: ModeWord
    price_fen: Annotated[int, Field(ge=0, le=1_000_000)]
    minutes: Annotated[int, Field(ge=5, le=240)]
    enabled: bool


class TermsForm(_Figures):
    """One service on its terms: price in fen, length in minutes."""

    kind: KindWord

    def terms(self) -> Terms:
        return Terms(**self.model_dump(exclude={"title"}))


class TitleTerms(TermsForm):
    """What holds for a title."""

    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=30)]


class OwnForm(_Figures):
    """One of the caller's own services; `per_day` patients a day of nursing consultations."""

    kind: OwnKindWord
    per_day: Annotated[int, Field(ge=1, le=999)] | None = None

    def terms(self) -> Terms:
        return Terms(**self.model_dump())


class OwnTerms(BaseModel):
    """A service of one clinician; `own` when it was set for him alone."""

    kind: str
    mode: str
    price_fen: int
    minutes: int
    enabled: bool
    per_day: int | None
    own: bool


class DoctorTerms(BaseModel):
    """A clinician with everything that he offers."""

    doctor: DoctorRef
    services: list[OwnTerms]


@routes.get("/service-terms", roles=KEEPERS, summary="Prices and lengths by title")
async def by_title(ctx: Context) -> list[TitleTerms]:
    rows = await offers.all_terms(ctx.uow, ctx.caller)
    return [TitleTerms.model_validate(row, from_attributes=True) for row in rows]


@routes.put("/service-terms", roles=KEEPERS, summary="Set price and length for a title")
async def set_for_title(ctx: Context, body: TitleTerms) -> None:
    await offers.set_for_title(ctx.uow, ctx.caller, body.title, body.terms())


@routes.get("/service-terms/doctors", roles=KEEPERS, summary="What every clinician offers")
async def by_doctor(ctx: Context, q: str = "") -> list[DoctorTerms]:
    return [
        DoctorTerms(
            doctor=doctor_ref(each),
            services=[
                OwnTerms.model_validate(service, from_attributes=True)
                for service in each.clinician.services
            ],
        )
        for each in await offers.doctors(ctx.uow, ctx.caller, q[:50])
    ]


@routes.put(
    "/service-terms/doctors/{doctor_id}", roles=KEEPERS, summary="Set them for one clinician alone"
)
async def set_for_doctor(ctx: Context, doctor_id: UUID, body: TermsForm) -> None:
    await offers.set_for_doctor(ctx.uow, ctx.caller, doctor_id, body.terms())


@routes.delete(
    "/service-terms/doctors/{doctor_id}/{kind}/{mode}",
    roles=KEEPERS,
    summary="Let the title decide again",
)
async def follow_title_again(ctx: Context, doctor_id: UUID, kind: KindWord, mode: ModeWord) -> None:
    await offers.follow_title_again(ctx.uow, ctx.caller, doctor_id, kind, mode)


async def _mine(ctx: Context) -> list[OwnTerms]:
    rows = await offers.mine(ctx.uow, ctx.caller)
    return [OwnTerms.model_validate(row, from_attributes=True) for row in rows]


@routes.get("/me/services", roles=list(TREATERS), summary="What the caller offers")
async def my_services(ctx: Context) -> list[OwnTerms]:
    return await _mine(ctx)


@routes.put(
    "/me/services", roles=list(TREATERS), summary="Price, length and switch of an own service"
)
async def set_my_service(ctx: Context, body: OwnForm) -> list[OwnTerms]:
    await offers.set_mine(ctx.uow, ctx.caller, body.terms())
    return await _mine(ctx)
