"""Whose data something is: told by the module that owns it, so that looks name the patient.

Rooms, recordings and orders know what they hang on (`consultation`, an id) but not whose it is.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from core.uow import UnitOfWork

PatientOf = Callable[["UnitOfWork", UUID], Awaitable[UUID | None]]
_known: dict[str, PatientOf] = {}


def tells_patient(ref_type: str, patient_of_ref: PatientOf) -> None:
    """Register who the patient of a thing of this type is; the owner does it once, at import."""
    _known[ref_type] = patient_of_ref


async def patient_of(uow: "UnitOfWork", ref_type: str | None, ref_id: UUID | None) -> UUID | None:
    """The patient of a thing; None where nobody knows."""
    tell = _known.get(ref_type or "")
    return await tell(uow, ref_id) if tell is not None and ref_id is not None else None
