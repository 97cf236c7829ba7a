"""Accepting the agreements: which version of which text, with its digest and the time."""

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from core import audit
from core.errors import NotFound
from core.identity.agreement_texts import AGREEMENTS, Agreement
from core.identity.errors import AgreementOutdated
from core.identity.models import AgreementAcceptance
from core.ids import new_id

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork


async def current_agreements(
    uow: "UnitOfWork", caller: "Caller"
) -> list[tuple[Agreement, datetime | None]]:
    """The texts in force and when the caller accepted exactly these versions."""
    rows = await uow.session.execute(
        select(
            AgreementAcceptance.code, AgreementAcceptance.version, AgreementAcceptance.accepted_at
        ).where(AgreementAcceptance.user_id == caller.user_id)
    )
    accepted = {(code, version): at for code, version, at in rows}
    return [(each, accepted.get((each.code, each.version))) for each in AGREEMENTS]


async def accept(uow: "UnitOfWork", caller: "Caller", code: str, version: str) -> None:
    """Keep that the caller accepted a text; twice is once.

    Raises NotFound for an unknown text and AgreementOutdated when another version is in force.
    """
    agreement = next((each for each in AGREEMENTS if each.code == code), None)
    if agreement is None:
        raise NotFound()
    if agreement.version != version:
        raise AgreementOutdated()
    row = await uow.session.execute(
        insert(AgreementAcceptance)
        .values(
            id=new_id(),
            user_id=caller.user_id,
            code=code,
            version=version,
            text_digest=agreement.digest,
            accepted_at=uow.now,
        )
        .on_conflict_do_nothing()
        .returning(AgreementAcceptance.id)
    )
    accepted = row.scalar()
    if accepted is not None:
        detail = {"code": code, "version": version, "digest": agreement.digest}
        await audit.record(uow, caller, "agreement.accept", "agreement", accepted, detail=detail)
