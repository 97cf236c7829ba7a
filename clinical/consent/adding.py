"""The consent without which nobody's data is taken in: asked when a person is added as a patient.

For a child under fourteen the identified guardian gives it, for everybody else the account holder,
for each person by itself (PIPL Art. 28 to 31). The account holder's own consent, given for the
real name, counts for adding oneself.
"""

from enum import StrEnum
from uuid import UUID

from clinical.consent import access, errors, rules, service
from clinical.consent.access import Matter, Standing
from clinical.consent.models import ConsentText
from clinical.consent.states import Kind
from clinical.days import business_day
from clinical.people.access import Newcomer, PatientRelation, require_before_adding
from clinical.people.errors import GuardianRequired
from clinical.people.schemas import ConsentForm
from clinical.people.states import Relation
from core.errors import FieldProblem
from core.identity.caller import Caller
from core.ids import new_id
from core.uow import UnitOfWork


class Who(StrEnum):
    """Who is to be added: oneself, somebody else, or a child under fourteen."""

    SELF = "self"
    OTHER = "other"
    CHILD = "child"

    @property
    def kind(self) -> Kind:
        """The text that must be agreed to."""
        return Kind.GUARDIAN if self is Who.CHILD else Kind.SENSITIVE


async def before_adding(uow: UnitOfWork, caller: Caller, who: Who) -> tuple[Standing, bool]:
    """Where the consent stands for somebody who is not added yet, and whether the caller may give
    it: for a child under fourteen only after the own real name was proved.
    """
    relation = Relation.SELF if who is Who.SELF else Relation.OTHER
    standing = await _standing(uow, caller, who.kind, None, own=relation is Relation.SELF)
    facts = await access.guardian_facts(uow, caller.user_id)
    return standing, who is not Who.CHILD or facts.holder_verified


class Consented:
    """The condition as `clinical.people` asks it."""

    async def check(
        self, uow: UnitOfWork, caller: Caller, person: Newcomer, said: ConsentForm | None
    ) -> None:
        """That somebody may be taken in, before anything is asked of others or kept.

        Raises ConsentMissing naming the kind, TextOutdated, PurposeMissing, SignatureNeeded; for a
        child under fourteen GuardianRequired and, where the caller is not the identified guardian,
        GuardianOnly.
        """
        today = await business_day(uow, caller.hospital_id)
        child = rules.is_child(person.birth_date, today)
        kind = Kind.GUARDIAN if child else Kind.SENSITIVE
        if child:
            await _check_guardian(uow, caller, person)
        own = person.relation is Relation.SELF
        standing = await _standing(uow, caller, kind, person.patient_id, own=own)
        if standing.text is None or (said is None and standing.given):
            return
        if said is None or said.kind != kind:
            raise errors.ConsentMissing(details={"kinds": [kind.value]})
        _check_words(standing.text, said)

    async def keep(
        self, uow: UnitOfWork, caller: Caller, relation: PatientRelation, said: ConsentForm | None
    ) -> None:
        """Write the consent with the binding, in its transaction.

        Raises what `check` raises, should the text or a standing consent have changed meanwhile.
        """
        person = Newcomer(
            birth_date=relation.patient.birth_date,
            relation=relation.relation,
            guardian_number=relation.guardian_id_number,
            patient_id=relation.patient_id,
        )
        await self.check(uow, caller, person, said)
        if said is None:
            return
        given = service.Answer(
            kind=Kind(said.kind),
            version=said.version,
            purposes=said.purposes,
            patient_id=relation.patient_id,
            signature=said.signature,
        )
        await service.answer(uow, caller, given)


async def _check_guardian(uow: UnitOfWork, caller: Caller, person: Newcomer) -> None:
    if person.guardian_number is None:
        raise GuardianRequired(fields=[FieldProblem("guardian.id_number", "请填写监护人身份证号")])
    # The registry is asked about the guardian right after this, before anybody is bound.
    facts = await access.guardian_facts(
        uow, caller.user_id, guardian_number=person.guardian_number, guardian_verified=True
    )
    rules.may_answer(Kind.GUARDIAN, child=True, facts=facts)


def _check_words(text: ConsentText, said: ConsentForm) -> None:
    if (text.version, text.digest) != (said.version, said.digest):
        raise errors.TextOutdated()
    rules.check_purposes(text.purposes, said.purposes)
    service.check_signature(text, said.signature)


async def _standing(
    uow: UnitOfWork, caller: Caller, kind: Kind, patient_id: UUID | None, *, own: bool
) -> Standing:
    # An id that nobody has finds nothing but, for oneself, the consent of the account.
    matter = Matter(user_id=caller.user_id, kind=kind, patient_id=patient_id or new_id(), own=own)
    return await access.standing(uow, caller.hospital_id, matter)


require_before_adding("sensitive data", Consented())
