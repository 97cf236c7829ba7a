"""HTTP routes of real-name certification."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, StringConstraints

from core import files
from core.defence.kinds import Kind
from core.http import ANY_ROLE, Context, Routes
from core.identity.certification import service
from core.identity.certification.alipay import CertifyGateway
from core.identity.schemas import Name

routes = Routes(tag="identity", title="账号与登录")
files.register_viewer(service.SCOPE, service.may_see)


class CertificationMethods(BaseModel):
    """`card`: pictures of the identity card are kept beside the registry's answer."""

    registry: bool = True
    card: bool = True
    alipay: bool


class CertificationInput(BaseModel):
    name: Name
    id_number: Annotated[str, StringConstraints(strip_whitespace=True, max_length=30)]


class CertificationStarted(BaseModel):
    """Send the person to `url`; afterwards ask for the outcome."""

    id: UUID
    url: str


class CertificationOutcome(BaseModel):
    """`match`, `mismatch`, or empty while the person has not finished."""

    outcome: str


@routes.get("/me/certifications/methods", roles=ANY_ROLE)
async def certification_methods(ctx: Context) -> CertificationMethods:
    """How the own name can be proved here."""
    return CertificationMethods(alipay=ctx.runtime.ports.get(CertifyGateway) is not None)


@routes.post(
    "/me/certifications/alipay",
    roles=ANY_ROLE,
    transaction=False,
    idempotent=True,
    status=201,
    limit=Kind.LOGIN,
)
async def start_certification(ctx: Context, body: CertificationInput) -> CertificationStarted:
    """Begin a certification at Alipay."""
    row_id, url = await service.start(ctx.runtime, ctx.caller, body.name, body.id_number)
    return CertificationStarted(id=row_id, url=url)


@routes.post("/me/certifications/{certification_id}/finish", roles=ANY_ROLE, transaction=False)
async def finish_certification(ctx: Context, certification_id: UUID) -> CertificationOutcome:
    """Ask for the verdict of a certification."""
    outcome = await service.finish(ctx.runtime, ctx.caller, certification_id)
    return CertificationOutcome(outcome=outcome)
