"""Routes for staff who look after account holders."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from clinical.cursors import cut, read_moment
from clinical.people import holders
from clinical.people.policies import HOLDER_KEEPERS, HOLDER_READERS
from clinical.people.states import Relation
from core import audit
from core.http import Context, Page, Routes
from core.identity.models import User
from core.masking import mask_id_number, mask_name, mask_phone

routes = Routes(tag="account-holders", title="患者用户")
LIMIT = 100


class HolderView(BaseModel):
    """An account; numbers are masked."""

    user_id: UUID
    name: str
    phone_masked: str | None
    real_name_verified: bool
    enabled: bool
    persons: int
    created_at: datetime


class BoundPerson(BaseModel):
    """A person bound, or formerly bound, to the account."""

    relation_id: UUID
    hospital: str
    name: str
    relation: Relation
    id_number_masked: str | None
    card_number_masked: str | None
    verified: bool
    bound_at: datetime
    unbound_at: datetime | None


class HolderDetail(HolderView):
    """An account with everybody it was ever bound to."""

    bound: list[BoundPerson]


class UnbindInput(BaseModel):
    reason: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=4, max_length=200)
    ] = Field(description="Why; kept in the audit.")


@routes.get("/account-holders", roles=HOLDER_READERS, summary="Find bound users")
async def search(
    ctx: Context,
    q: Annotated[str, StringConstraints(strip_whitespace=True, max_length=40)] = "",
    hospital_id: UUID | None = None,
    cursor: str | None = None,
    limit: int = 20,
) -> Page[HolderView]:
    size = max(1, min(limit, LIMIT))
    where = await holders.reach(ctx.uow, ctx.caller, hospital_id=hospital_id)
    rows = await holders.search(ctx.uow, where, text=q, after=read_moment(cursor), limit=size + 1)
    page, following = cut(rows, size, lambda row: (row.user.created_at, row.user.id))
    await audit.look(ctx.uow, ctx.caller, "account_holder", "list", detail={"rows": len(page)})
    views = [HolderView(**_facts(row.user, row.persons)) for row in page]
    return Page(items=[where.allowed.shown(view) for view in views], next=following)


@routes.get("/account-holders/{user_id}", roles=HOLDER_READERS, summary="One bound user")
async def show(ctx: Context, user_id: UUID) -> HolderDetail:
    where = await holders.reach(ctx.uow, ctx.caller)
    user, relations = await holders.find(ctx.uow, where, user_id)
    bound = [
        BoundPerson(
            relation_id=relation.id,
            hospital=hospital.name,
            name=mask_name(relation.patient.name),
            relation=relation.relation,
            id_number_masked=_masked(relation.patient.id_number),
            card_number_masked=_masked(relation.patient.card_number),
            verified=relation.patient.verified,
            bound_at=relation.created_at,
            unbound_at=relation.unbound_at,
        )
        for relation, hospital in relations
    ]
    present = sum(1 for each in bound if each.unbound_at is None)
    return where.allowed.shown(HolderDetail(**_facts(user, present), bound=bound))


@routes.post(
    "/account-holders/{user_id}/relations/{relation_id}/unbind",
    roles=HOLDER_KEEPERS,
    status=204,
    summary="Unbind a person by hand; records stay",
)
async def unbind(ctx: Context, user_id: UUID, relation_id: UUID, body: UnbindInput) -> None:
    await holders.unbind(ctx.uow, ctx.caller, user_id, relation_id, body.reason)


def _facts(user: User, persons: int) -> dict[str, object]:
    return {
        "user_id": user.id,
        "name": user.name,
        "phone_masked": mask_phone(user.phone) if user.phone else None,
        "real_name_verified": user.real_name_verified_at is not None,
        "enabled": user.enabled,
        "persons": persons,
        "created_at": user.created_at,
    }


def _masked(number: str | None) -> str | None:
    return mask_id_number(number) if number else None
