"""The audit: an append-only record of every look at and change of what matters.

Purpose: say later who did or saw what, when and from where, and notice when that record is altered.
Announces: nothing.
Hears: nothing.

    await audit.record(uow, caller, "prescription.revoke", "prescription", id, patient_id=patient)
    await audit.look(uow, caller, "recording", id, patient_id=patient)
"""

from core.audit.service import look, record
from core.audit.verify import Verification, verify

__all__ = ["Verification", "look", "record", "verify"]
