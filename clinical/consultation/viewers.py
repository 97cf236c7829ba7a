"""Who may see the files that hang on a consultation, and whose consultation it is."""

from uuid import UUID

from sqlalchemy import select

from clinical.consultation import access
from clinical.consultation.models import Consultation
from core import audit
from core.access import look
from core.files.models import File
from core.identity.caller import Caller
from core.uow import UnitOfWork


async def may_see_files(uow: UnitOfWork, caller: Caller, file: File) -> bool:
    """The check of scope `consultation`; the treating doctor's and supervisors' looks are audited.

    A doctor who treats the same patient now sees the papers of earlier consultations as well.
    """
    row = await uow.session.scalar(
        select(Consultation).where(
            Consultation.id == file.scope_id, Consultation.hospital_id == caller.hospital_id
        )
    )
    if row is None or not await access.may_see(uow.session, caller, row):
        return False
    if (await access.read_grant(uow.session, caller)).hidden & {"attachments", "revisit.proof"}:
        return False
    await look(uow, caller, "file", file.id, row.patient_id)
    return True


async def patient_of(uow: UnitOfWork, consultation_id: UUID) -> UUID | None:
    """For the audit of what hangs on a consultation: room, recording, order."""
    found: UUID | None = await uow.session.scalar(
        select(Consultation.patient_id).where(Consultation.id == consultation_id)
    )
    return found


audit.tells_patient("consultation", patient_of)
