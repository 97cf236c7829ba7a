"""The time authority's token on a signature: asked for after the commit, repeated until it comes.

A signature is valid without it; the token proves to strangers that it existed at that moment, and
so that a certificate revoked later was good then.
"""

from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import select

from clinical.signature import enrolment, rules
from clinical.signature.formats.cms_reading import read_message
from clinical.signature.formats.timestamps import read_token
from clinical.signature.gateway import TimestampAuthority
from clinical.signature.models import DocumentSignature
from core.crypto.sm import sm3
from core.outside import OutsideError
from core.runtime import PortMissing, Runtime

log = structlog.get_logger(__name__)

BATCH = 200


async def stamp(runtime: Runtime, signature_id: UUID) -> bool:
    """Get the token of one signature; False when it has to be asked for again later."""
    async with runtime.unit_of_work() as uow:
        row = await uow.session.get(DocumentSignature, signature_id)
        if row is None or row.timestamp_token is not None:
            return True
        cms = row.cms
    try:
        token, at = await _ask(runtime, cms)
    except (OutsideError, PortMissing) as error:
        log.warning("timestamp_not_given", signature=str(signature_id), error=str(error))
        async with runtime.unit_of_work() as uow:
            row = await uow.session.get_one(DocumentSignature, signature_id, with_for_update=True)
            row.timestamp_attempts += 1
            row.timestamp_not_before = uow.now + rules.retry_after(row.timestamp_attempts)
        return False
    async with runtime.unit_of_work() as uow:
        row = await uow.session.get_one(DocumentSignature, signature_id, with_for_update=True)
        if row.timestamp_token is None:
            row.timestamp_token, row.timestamped_at = token, at
        if row.user_id is not None:
            enrolment.hint_changed(uow, row.user_id, row.hospital_id)
    return True


async def _ask(runtime: Runtime, cms: bytes) -> tuple[bytes, datetime]:
    """The token over the signature's bytes, and the moment that it names."""
    signature = read_message(cms).signers[0].signature
    token = await runtime.port(TimestampAuthority).stamp(sm3(signature), "sm3")
    return token, read_token(token).at


async def stamp_waiting(runtime: Runtime) -> None:
    """Ask again for the tokens that did not come."""
    async with runtime.unit_of_work() as uow:
        waiting = list(
            await uow.session.scalars(
                select(DocumentSignature.id)
                .where(
                    DocumentSignature.timestamp_token.is_(None),
                    DocumentSignature.timestamp_not_before <= uow.now,
                )
                .order_by(DocumentSignature.timestamp_not_before)
                .limit(BATCH)
            )
        )
    for signature_id in waiting:
        if not await stamp(runtime, signature_id):
            # The authority is down: the others would only wait for the same timeout.
            return
