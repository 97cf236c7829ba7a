"""The audit: an append-only record of every look at and change of what matters.

Purpose: say later who did or saw what, when, why and from where; have integrity checked, and say so
when something is not as it was written.
Announces: nothing.
Hears: nothing.

    await audit.record(uow, caller, "prescription.revoke", "prescription", id, patient_id=patient)
    await audit.look(uow, caller, "recording", id, patient_id=patient)
"""

from core.audit.changes import changes_of, state_of
from core.audit.service import look, record
from core.audit.subjects import patient_of, tells_patient

__all__ = ["changes_of", "look", "patient_of", "record", "state_of", "tells_patient"]
