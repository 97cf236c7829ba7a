"""Finding a patient by name or number, for the officers who read the audit."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, StringConstraints

from clinical.people import access
from core import audit
from core.http import Context, Routes
from core.identity.roles import Role
from core.masking import mask_id_number, mask_name

routes = Routes(tag="audit", title="审计日志")
OFFICERS = (Role.ADMINISTRATOR, Role.SUPERVISOR)
MOST = 20


class FoundPatient(BaseModel):
    """A patient of the hospital as officers tell him apart; names and numbers are masked."""

    id: UUID
    name: str
    card_number: str | None
    birth_year: int


@routes.get(
    "/audit/patients",
    roles=OFFICERS,
    summary="Patients with exactly this name, card or identity number",
)
async def find(
    ctx: Context,
    q: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)],
) -> list[FoundPatient]:
    rows = await access.patients_called(ctx.uow.session, ctx.caller, q, MOST)
    await audit.look(ctx.uow, ctx.caller, "patient", "list", detail={"rows": len(rows)})
    return [
        FoundPatient(
            id=row.id,
            name=mask_name(row.name),
            card_number=mask_id_number(row.card_number) if row.card_number else None,
            birth_year=row.birth_date.year,
        )
        for row in rows
    ]
