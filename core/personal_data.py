"""What each module holds about a person: registered by the owner, used for the person's rights.

A module with personal data has a file `personal_data.py` that registers one `PersonalData` at
import. It says what is held (`holdings`), hands it out (`export`) and erases or restricts what may
go (`erase`). Nobody else touches the module's tables for this.

Sources: PIPL Art. 44 to 49 (access, copy, correction, deletion); Rules on Supervision (2022) and
the Cybersecurity Law for how long records are kept.
"""

from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, SQLColumnExpression, func, select

if TYPE_CHECKING:
    from core.uow import UnitOfWork


class RecordClass(StrEnum):
    """Classes of records that differ in how long they are kept."""

    MEDICAL = "medical"
    COMMUNICATION = "communication"
    RECONCILIATION = "reconciliation"
    AUDIT = "audit"
    CONSENT = "consent"
    ACCOUNT = "account"
    FREE = "free"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whose data: an account at a hospital and the patients that it may ask for.

    `held_users`, `held_patients` and `held_objects` lie under a legal hold: nothing of theirs is
    erased. `today` is the hospital's business day. `closing` says that the account is being closed
    for good; otherwise only what nothing needs any more is erased.
    """

    hospital_id: UUID
    user_id: UUID
    patient_ids: frozenset[UUID]
    today: date
    closing: bool = False
    held_users: frozenset[UUID] = frozenset()
    held_patients: frozenset[UUID] = frozenset()
    held_objects: frozenset[UUID] = frozenset()
    #: Patients with medical records that must be kept: known before anything is erased.
    kept_patients: frozenset[UUID] = frozenset()

    @property
    def held(self) -> bool:
        """Whether the account itself lies under a legal hold."""
        return self.user_id in self.held_users

    def holds(self, patient_id: UUID | None, object_id: UUID) -> bool:
        """Whether a record lies under a legal hold: by itself, its patient or the account."""
        return self.held or patient_id in self.held_patients or object_id in self.held_objects


@dataclass(frozen=True, kw_only=True)
class Holding:
    """One category of what is held. `newest` is the day from which it is kept by its class."""

    title: str
    record_class: RecordClass
    count: int
    oldest: date | None = None
    newest: date | None = None
    note: str = ""


async def counted(
    uow: "UnitOfWork",
    title: str,
    record_class: RecordClass,
    between: tuple[SQLColumnExpression[Any], SQLColumnExpression[Any]],
    *conditions: ColumnElement[bool],
    note: str = "",
) -> Holding:
    """The rows that meet the conditions: how many, and the days of the first and the last.

    `between` are the columns of moments by which the oldest and the newest are told.
    """
    oldest, newest = between
    count, first, last = (
        await uow.session.execute(
            select(func.count(), func.min(oldest), func.max(newest)).where(*conditions)
        )
    ).one()
    return Holding(
        title=title,
        record_class=record_class,
        count=count,
        oldest=first.date() if first else None,
        newest=last.date() if last else None,
        note=note,
    )


@dataclass(frozen=True, kw_only=True)
class Section:
    """One category in full: `fields` names the columns (key, Chinese label) in reading order.

    `records` hold JSON-ready values under these keys.
    """

    title: str
    fields: Sequence[tuple[str, str]]
    records: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Erased:
    """What an eraser did with one category: how much went, how much stays, until when and why."""

    title: str
    erased: int = 0
    kept: int = 0
    until: date | None = None
    why: str = ""


class PersonalData(Protocol):
    """What a module offers about the people in its tables. Each method runs in the given unit."""

    #: Stable name (`identity`); the order of the registry is that of the modules.
    name: str

    async def holdings(self, uow: "UnitOfWork", subject: Subject) -> list[Holding]: ...

    async def export(self, uow: "UnitOfWork", subject: Subject) -> list[Section]: ...

    async def erase(self, uow: "UnitOfWork", subject: Subject) -> list[Erased]:
        """Erase or blank what nothing demands, keep the rest; repeating it does no harm."""
        ...


@dataclass
class _Registry:
    parts: dict[str, PersonalData] = field(default_factory=dict)


_registry = _Registry()


def register(part: PersonalData) -> None:
    """Offer a module's part: called at import. Another part under a known name is an error."""
    known = _registry.parts.setdefault(part.name, part)
    if type(known).__qualname__ != type(part).__qualname__:
        raise ValueError(f"The personal data '{part.name}' is registered twice.")


def registered() -> Iterable[PersonalData]:
    """Every part, in the order of the modules."""
    return tuple(_registry.parts.values())


# --- how long records are kept -------------------------------------------------------------------


@dataclass(frozen=True)
class Keeping:
    """How long a class of records is kept, and by which rule."""

    years: int
    months: int
    rule: str


RETENTION: dict[RecordClass, Keeping | None] = {
    RecordClass.MEDICAL: Keeping(15, 0, "病历保存不少于15年"),
    RecordClass.COMMUNICATION: Keeping(3, 0, "图文、音视频资料保存不少于3年"),
    RecordClass.RECONCILIATION: Keeping(5, 0, "对账资料保存不少于5年"),
    RecordClass.AUDIT: Keeping(0, 6, "审计日志保存不少于6个月"),
    RecordClass.CONSENT: Keeping(3, 0, "同意记录保存不少于3年"),
    RecordClass.ACCOUNT: None,
    RecordClass.FREE: None,
}


def keep_until(kind: RecordClass, since: date) -> date | None:
    """The last day on which a record must still be there; None when nothing demands it.

    `since` is the day on which the record was finished (the consultation's end, the last message).
    """
    keeping = RETENTION[kind]
    if keeping is None:
        return None
    year, month = divmod((since.year + keeping.years) * 12 + since.month - 1 + keeping.months, 12)
    last = monthrange(year, month + 1)[1]
    return date(year, month + 1, min(since.day, last))


class Tally:
    """Counts the records of a class: what stays, until when and why, and what went."""

    def __init__(self, subject: Subject, kind: RecordClass) -> None:
        self._subject = subject
        self._kind = kind
        self._kept = 0
        self._until: date | None = None
        self.erased = 0

    def keeps(self, since: date, patient_id: UUID | None, object_id: UUID) -> bool:
        """Whether a record that was finished on this day stays: its time runs, or it is held."""
        held = self._subject.holds(patient_id, object_id)
        if may_go(self._kind, since, self._subject.today, held=held):
            return False
        end = keep_until(self._kind, since)
        self._kept += 1
        self._until = max(self._until, end) if self._until and end else self._until or end
        return True

    def told(self, title: str) -> Erased:
        """The sum, and why anything stays."""
        keeping = RETENTION[self._kind]
        rule = keeping.rule if keeping is not None and self._kept else ""
        why = "法律保全" if self._subject.held else rule
        return Erased(title=title, erased=self.erased, kept=self._kept, until=self._until, why=why)


def may_go(kind: RecordClass, since: date, today: date, *, held: bool) -> bool:
    """Whether a record may be deleted: its time is over and no legal hold lies on it."""
    until = keep_until(kind, since)
    return not held and (until is None or today > until)
