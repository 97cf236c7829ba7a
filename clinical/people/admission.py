"""What must be settled before somebody is taken in: conditions that other modules hang on it."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from clinical.people.models import PatientRelation
from clinical.people.states import Relation
from core.identity.caller import Caller
from core.uow import UnitOfWork

if TYPE_CHECKING:
    from clinical.people.schemas import ConsentForm


@dataclass(frozen=True, kw_only=True)
class Newcomer:
    """Somebody to be added; `patient_id` where the hospital knows the person already."""

    birth_date: date
    relation: Relation
    guardian_number: str | None
    patient_id: UUID | None


class Admission(Protocol):
    """A condition of another module (a consent) on taking somebody in."""

    async def check(
        self, uow: UnitOfWork, caller: Caller, person: Newcomer, said: "ConsentForm | None"
    ) -> None:
        """Raise what stands in the way, before others are asked and before anything is kept."""
        ...

    async def keep(
        self,
        uow: UnitOfWork,
        caller: Caller,
        relation: PatientRelation,
        said: "ConsentForm | None",
    ) -> None:
        """Write down, in the transaction of the binding, what the person said."""
        ...


_admissions: dict[str, Admission] = {}


def require_before_adding(name: str, admission: Admission) -> None:
    """Ask `admission` whenever a person is added; called at import by the module that owns it."""
    _admissions[name] = admission


def admissions() -> tuple[Admission, ...]:
    """Every condition on taking somebody in."""
    return tuple(_admissions.values())
