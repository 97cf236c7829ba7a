"""What the people of the demo have agreed to: the agreements, sensitive data, notice, recording."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from admin.demo.batch import Batch
from admin.demo.dice import Dice
from admin.demo.people import Person, Town
from clinical.consent.models import ConsentRecord, ConsentText
from clinical.consent.states import Act, Kind, Method, TextState
from clinical.people.states import Relation

if TYPE_CHECKING:
    from admin.demo.past import Visit


@dataclass(frozen=True)
class Shown:
    """A text of the group as the demo's people saw it."""

    id: UUID
    version: str
    digest: str
    purposes: Mapping[str, bool]


async def texts_in_force(session: AsyncSession) -> dict[Kind, Shown]:
    """The group's texts, with every purpose ticked."""
    rows = await session.scalars(
        select(ConsentText).where(
            ConsentText.hospital_id.is_(None), ConsentText.state == TextState.PUBLISHED
        )
    )
    return {
        row.kind: Shown(
            row.id, row.version, row.digest or "", {each["code"]: True for each in row.purposes}
        )
        for row in rows
    }


class Consents:
    """Writes the consents of one hospital's people."""

    def __init__(self, dice: Dice, batch: Batch, town: Town, texts: Mapping[Kind, Shown]) -> None:
        self._dice = dice
        self._batch = batch
        self._town = town
        self.texts = texts

    def of_everybody(self) -> None:
        """The two agreements of each account, and the data of each person."""
        since = self._town.founded + timedelta(days=1)
        for account in dict.fromkeys(person.account_id for person in self._town.persons):
            for kind in (Kind.USER_AGREEMENT, Kind.PRIVACY, Kind.SENSITIVE):
                self._write(kind, account, since)
        for person in self._town.persons:
            if person.child:
                self._write(Kind.GUARDIAN, person.account_id, since, person)
            elif person.relation is not Relation.SELF:
                self._write(Kind.SENSITIVE, person.account_id, since, person)

    def of_visit(self, visit: "Visit") -> None:
        """Notice and recording of one past consultation."""
        for kind in (Kind.NOTICE, Kind.RECORDING):
            at = visit.submitted_at
            self._write(kind, visit.person.account_id, at, visit.person, visit.id)

    def _write(
        self,
        kind: Kind,
        account: UUID,
        at: datetime,
        person: Person | None = None,
        consultation_id: UUID | None = None,
    ) -> None:
        text = self.texts[kind]
        self._batch.add(
            ConsentRecord,
            id=self._dice.id_at(at),
            hospital_id=self._town.hospital_id,
            user_id=account,
            patient_id=person.patient_id if person else None,
            relation=person.relation.value if person else None,
            as_guardian=person is not None and person.child,
            kind=kind,
            text_id=text.id,
            version=text.version,
            digest=text.digest,
            act=Act.GIVEN,
            purposes=dict(text.purposes),
            ref_type="consultation" if consultation_id else None,
            ref_id=consultation_id,
            method=Method.TAP,
            signature=None,
            signature_digest=None,
            session_id=None,
            device="演示手机",
            address="127.0.0.1",
            at=at,
        )
