"""Tags by which a clinician knows a patient again: his own, and nobody else's (患者标签)."""

from collections import Counter
from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from clinical.consultation import access
from clinical.consultation.models import PatientTags
from clinical.consultation.states import TREATERS
from core import audit
from core.identity.caller import Caller
from core.uow import UnitOfWork

#: So many of a clinician's newest patients are looked through for words to offer again.
REMEMBERED = 500
OFFERED = 20


async def tags_of(
    uow: UnitOfWork, caller: Caller, patient_ids: Collection[UUID]
) -> dict[UUID, list[str]]:
    """The caller's own tags by patient; who has none is missing."""
    if caller.role not in TREATERS or not patient_ids:
        return {}
    rows = await uow.session.scalars(
        select(PatientTags)
        .where(
            PatientTags.hospital_id == caller.hospital_id,
            PatientTags.clinician_id == caller.user_id,
            PatientTags.patient_id.in_(patient_ids),
        )
        .execution_options(populate_existing=True)
    )
    return {row.patient_id: row.tags for row in rows}


async def used(uow: UnitOfWork, caller: Caller) -> list[str]:
    """The words that the caller gives most, to choose from."""
    rows = await uow.session.scalars(
        select(PatientTags)
        .where(
            PatientTags.hospital_id == caller.hospital_id,
            PatientTags.clinician_id == caller.user_id,
        )
        .order_by(PatientTags.changed_at.desc())
        .limit(REMEMBERED)
    )
    counted = Counter(tag for row in rows for tag in row.tags)
    return [tag for tag, _ in counted.most_common(OFFERED)]


async def tag(
    uow: UnitOfWork, caller: Caller, consultation_id: UUID, tags: Sequence[str]
) -> list[str]:
    """Give the patient of a consultation that the caller treats exactly these tags.

    Raises NotFound, NotPermitted.
    """
    row = await access.find(uow.session, caller, consultation_id, lock=True)
    chosen = list(dict.fromkeys(tags))
    key = {"clinician_id": caller.user_id, "patient_id": row.patient_id}
    if chosen:
        values = {"tags": chosen, "changed_at": uow.now}
        await uow.session.execute(
            insert(PatientTags)
            .values(hospital_id=row.hospital_id, **key, **values)
            .on_conflict_do_update(index_elements=list(key), set_=values)
        )
    else:
        await uow.session.execute(delete(PatientTags).filter_by(**key))
    await audit.record(
        uow,
        caller,
        "consultation.tag",
        "consultation",
        row.id,
        row.patient_id,
        {"count": len(chosen)},
    )
    return chosen
