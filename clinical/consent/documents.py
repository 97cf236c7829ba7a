"""What consents give to be sealed: who agreed to what, for whom, when, with the text's digest."""

from uuid import UUID
from zoneinfo import ZoneInfo

from clinical.consent import access
from clinical.consent.models import ConsentRecord, ConsentText
from clinical.consent.states import ACT_TEXT, KIND_TEXT, METHOD_TEXT
from clinical.people import access as people
from core.access import NotPermitted
from core.documents import Content, DocumentType, Field
from core.errors import NotFound
from core.identity.caller import Caller
from core.identity.models import Hospital, User
from core.uow import UnitOfWork

CONSENT = "consent"


async def read_consent(uow: UnitOfWork, document_id: UUID, *, lock: bool = False) -> Content | None:
    """A consent as it was given; None for an unknown one. It never changes, so `lock` is idle.

    The text stands in it by version and digest, the handwriting by its digest.
    """
    row = await uow.session.get(ConsentRecord, document_id)
    if row is None:
        return None
    text = await uow.session.get_one(ConsentText, row.text_id)
    hospital = await uow.session.get_one(Hospital, row.hospital_id)
    user = await uow.session.get_one(User, row.user_id)
    patient = await _patient_name(uow, row)
    given = row.at.astimezone(ZoneInfo(hospital.time_zone)).strftime("%Y-%m-%d %H:%M:%S")
    chosen = [
        f"{each['title']}：{'同意' if row.purposes.get(each['code']) else '不同意'}"
        for each in text.purposes
    ]
    lines = (
        ("hospital", "医疗机构", hospital.name),
        ("kind", "文本", f"{KIND_TEXT[row.kind]}（{row.version}）"),
        ("text_digest", "文本摘要", f"SM3 {row.digest}"),
        ("act", "意思表示", ACT_TEXT[row.act]),
        ("purposes", "逐项选择", "；".join(chosen)),
        ("person", "同意人", user.real_name or user.name),
        ("patient", "就诊人", patient),
        ("as_guardian", "以监护人身份", "是" if row.as_guardian else "否"),
        ("about", "所涉事项", f"{row.ref_type} {row.ref_id}" if row.ref_id else ""),
        ("method", "方式", METHOD_TEXT[row.method]),
        ("handwriting", "手写签名摘要", row.signature_digest or ""),
        ("at", "时间", given),
    )
    return Content(
        hospital_id=row.hospital_id,
        title=KIND_TEXT[row.kind],
        subject=f"{KIND_TEXT[row.kind]} · {given}",
        fields=tuple(Field(*line) for line in lines),
        patient_id=row.patient_id,
    )


async def _patient_name(uow: UnitOfWork, row: ConsentRecord) -> str:
    if row.patient_id is None:
        return ""
    names = await people.patient_names(uow.session, [row.patient_id], row.hospital_id)
    return names.get(row.patient_id, "")


async def may_see_consent(uow: UnitOfWork, caller: Caller, document_id: UUID) -> bool:
    """Whoever may see the consent may see its seal."""
    try:
        await access.record_for(uow.session, caller, document_id)
    except (NotFound, NotPermitted):
        return False
    return True


DOCUMENT = DocumentType(CONSENT, "知情同意", read_consent, may_see_consent)
