"""The verbs of consent: agree, refuse, take back. Every entry is new; none is ever changed."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select

from clinical.consent import access, errors, rules
from clinical.consent.access import Matter
from clinical.consent.events import ConsentGiven, ConsentRefused, ConsentWithdrawn
from clinical.consent.models import ConsentRecord, ConsentText
from clinical.consent.states import REACH, Act, Kind, Method, Reach
from clinical.people import access as people
from clinical.people.access import PatientRelation
from clinical.people.states import Relation
from core import audit
from core.crypto.sm import sm3
from core.errors import FieldProblem, InvalidRequest, NotFound
from core.identity.caller import Caller
from core.identity.models import DeviceSession
from core.ids import new_id
from core.origin import current_origin
from core.uow import UnitOfWork

_PNG = b"\x89PNG\r\n\x1a\n"
LONGEST_SIGNATURE = 150_000
_EVENTS = {
    Act.GIVEN: ConsentGiven,
    Act.REFUSED: ConsentRefused,
    Act.WITHDRAWN: ConsentWithdrawn,
}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What somebody says to a text that was shown: the version, each purpose, the handwriting."""

    kind: Kind
    version: str
    agreed: bool = True
    purposes: Mapping[str, bool] = field(default_factory=dict)
    patient_id: UUID | None = None
    ref_type: str | None = None
    ref_id: UUID | None = None
    signature: str | None = None
    #: Asked once more: the same answer is an entry of its own.
    anew: bool = False


async def answer(uow: UnitOfWork, caller: Caller, given: Answer) -> ConsentRecord:
    """Keep an answer to the text in force; the same answer again is the first one.

    Raises NotFound, TextOutdated, PurposeMissing, SignatureNeeded, GuardianOnly,
    NotAChildsConsent.
    """
    text = await access.current_text(uow, caller.hospital_id, given.kind)
    if text.version != given.version:
        raise errors.TextOutdated()
    if REACH[given.kind] is Reach.OBJECT and given.ref_id is None:
        raise NotFound()
    relation = await _relation(uow, caller, given)
    purposes = rules.check_purposes(text.purposes, given.purposes) if given.agreed else {}
    signature = check_signature(text, given.signature) if given.agreed else None
    matter = _matter(caller, given, relation)
    before = await access.standing(uow, caller.hospital_id, matter)
    act = Act.GIVEN if given.agreed else Act.REFUSED
    known = before.record
    if (
        known is not None
        and not given.anew
        and (known.act, known.text_id, known.purposes) == (act, text.id, purposes)
        and (known.patient_id == given.patient_id)
    ):
        return known
    return await _write(uow, caller, matter, text, act, purposes, relation, signature)


async def _relation(uow: UnitOfWork, caller: Caller, given: Answer) -> PatientRelation | None:
    """The caller's tie to the patient, after the rule about children. Raises GuardianOnly."""
    if given.patient_id is None:
        if given.kind is Kind.GUARDIAN:
            raise NotFound()
        return None
    relation = await people.my_patient(uow.session, caller, given.patient_id)
    if given.agreed:
        child, facts = await access.child_facts(uow, relation)
        rules.may_answer(given.kind, child=child, facts=facts)
    return relation


def check_signature(text: ConsentText, signature: str | None) -> str | None:
    """The handwriting as PNG in base64, if there is any. Raises SignatureNeeded, InvalidRequest."""
    if not (text.signature_required or signature):
        return None
    if not signature:
        raise errors.SignatureNeeded(fields=[FieldProblem("signature", "请手写签名")])
    picture = signature.removeprefix("data:image/png;base64,")
    try:
        data = base64.b64decode(picture, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _bad_signature() from error
    if not data.startswith(_PNG) or len(picture) > LONGEST_SIGNATURE:
        raise _bad_signature()
    return picture


def _bad_signature() -> InvalidRequest:
    return InvalidRequest(fields=[FieldProblem("signature", "签名图片无法识别，请重新签名")])


def _matter(caller: Caller, given: Answer, relation: PatientRelation | None) -> Matter:
    return Matter(
        user_id=caller.user_id,
        kind=given.kind,
        patient_id=given.patient_id,
        ref_type=given.ref_type,
        ref_id=given.ref_id,
        own=relation is not None and relation.relation is Relation.SELF,
    )


async def withdraw(uow: UnitOfWork, caller: Caller, matter: Matter) -> ConsentRecord:
    """Take a consent back, from now on. Raises NothingToWithdraw, WithdrawnByNotice.

    What follows for rooms and calls is done by their owners, in this transaction or after it.
    """
    rules.consequences(matter.kind)
    found = await access.standing(uow, caller.hospital_id, matter)
    if found.record is None or found.record.act is not Act.GIVEN:
        raise errors.NothingToWithdraw()
    given = found.record
    text = await uow.session.get_one(ConsentText, given.text_id)
    same = Matter(
        user_id=given.user_id,
        kind=given.kind,
        patient_id=given.patient_id,
        ref_type=given.ref_type,
        ref_id=given.ref_id,
    )
    relation = None
    if given.patient_id is not None:
        relation = await people.former_relation(uow.session, caller.user_id, given.patient_id)
    return await _write(uow, caller, same, text, Act.WITHDRAWN, {}, relation, None)


async def _write(
    uow: UnitOfWork,
    caller: Caller,
    matter: Matter,
    text: ConsentText,
    act: Act,
    purposes: dict[str, bool],
    relation: PatientRelation | None,
    signature: str | None,
) -> ConsentRecord:
    session = await uow.session.get(DeviceSession, caller.session_id)
    row = ConsentRecord(
        id=new_id(),
        hospital_id=caller.hospital_id,
        user_id=caller.user_id,
        patient_id=matter.patient_id,
        relation=relation.relation.value if relation else None,
        as_guardian=relation is not None and await _is_guardian(uow, relation),
        kind=matter.kind,
        text_id=text.id,
        version=text.version,
        digest=text.digest or text.shown_digest(),
        act=act,
        purposes=purposes,
        ref_type=matter.ref_type,
        ref_id=matter.ref_id,
        method=Method.SIGNATURE if signature else Method.TAP,
        signature=signature,
        signature_digest=sm3(signature.encode()).hex() if signature else None,
        session_id=caller.session_id,
        device=(session.device_name or session.platform) if session else "",
        address=current_origin().address,
        at=uow.now,
    )
    uow.session.add(row)
    await uow.session.flush()
    detail = {"kind": row.kind.value, "version": row.version, "digest": row.digest}
    verb = {Act.GIVEN: "give", Act.REFUSED: "refuse", Act.WITHDRAWN: "withdraw"}[act]
    await audit.record(uow, caller, f"consent.{verb}", "consent", row.id, row.patient_id, detail)
    uow.record(
        _EVENTS[act](
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            user_id=row.user_id,
            patient_id=row.patient_id,
            kind=row.kind.value,
            version=row.version,
            digest=row.digest,
            ref_type=row.ref_type,
            ref_id=row.ref_id,
        )
    )
    return row


async def _is_guardian(uow: UnitOfWork, relation: PatientRelation) -> bool:
    loaded = await people.relations_by_id(uow.session, relation.hospital_id, [relation.id])
    child, facts = await access.child_facts(uow, loaded[relation.id])
    return child and rules.is_the_guardian(facts)


async def agreed_in_consultation(
    uow: UnitOfWork,
    caller: Caller,
    consultation_id: UUID,
    patient_id: UUID,
    notice_version: str,
    recording_version: str,
    *,
    recording_agreed: bool,
    signature: str | None = None,
) -> list[ConsentRecord]:
    """Keep the two answers that a draft consultation asks for: the notice, and the recording."""
    return [
        await answer(
            uow,
            caller,
            Answer(
                kind=kind,
                version=version,
                agreed=agreed,
                patient_id=patient_id,
                ref_type="consultation",
                ref_id=consultation_id,
                signature=signature if kind is Kind.NOTICE else None,
            ),
        )
        for kind, version, agreed in (
            (Kind.NOTICE, notice_version, True),
            (Kind.RECORDING, recording_version, recording_agreed),
        )
    ]


async def answer_the_ring(
    uow: UnitOfWork,
    caller: Caller,
    consultation_id: UUID,
    patient_id: UUID,
    version: str,
    *,
    agreed: bool,
) -> ConsentRecord:
    """Keep what the patient says about the recording while a call rings that asks for it.

    Raises TextOutdated, GuardianOnly; who asked says the rest (`clinical.consultation.recording`).
    """
    return await answer(
        uow,
        caller,
        Answer(
            kind=Kind.RECORDING,
            version=version,
            agreed=agreed,
            patient_id=patient_id,
            ref_type="consultation",
            ref_id=consultation_id,
            anew=True,
        ),
    )


async def withdraw_recording_everywhere(uow: UnitOfWork, caller: Caller) -> list[ConsentRecord]:
    """Take back every recording consent of the caller that still stands at this hospital."""
    newest = (
        select(ConsentRecord)
        .where(
            ConsentRecord.user_id == caller.user_id,
            ConsentRecord.hospital_id == caller.hospital_id,
            ConsentRecord.kind == Kind.RECORDING,
        )
        .distinct(ConsentRecord.ref_type, ConsentRecord.ref_id)
        .order_by(
            ConsentRecord.ref_type,
            ConsentRecord.ref_id,
            ConsentRecord.at.desc(),
            ConsentRecord.id.desc(),
        )
    )
    standing = [row for row in await uow.session.scalars(newest) if row.act is Act.GIVEN]
    return [
        await withdraw(
            uow,
            caller,
            Matter(
                user_id=caller.user_id,
                kind=Kind.RECORDING,
                patient_id=row.patient_id,
                ref_type=row.ref_type,
                ref_id=row.ref_id,
            ),
        )
        for row in standing
    ]
