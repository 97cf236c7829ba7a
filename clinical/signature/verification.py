"""Verifying: what can be said of a signature long after it was made, and of one that is brought.

Everything is established anew from the stored bytes; nothing is believed because a row says so.
Each question has an answer of its own (`yes`, `no`, `unknown`), and the verdict follows from them.
"""

import base64
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select
from starlette.responses import Response

from clinical.signature import access, documents, rules
from clinical.signature.certificates import validation
from clinical.signature.errors import SignatureFileUnreadable
from clinical.signature.formats import cms
from clinical.signature.formats import verification as messages
from clinical.signature.formats.cms_reading import read_message
from clinical.signature.formats.errors import FormatError
from clinical.signature.formats.verdicts import TEXTS, ChainResult, RevocationState
from clinical.signature.formats.verification import SignerResult
from clinical.signature.models import DocumentSignature, SigningKey
from clinical.signature.schemas import (
    ChangeView,
    CheckedFile,
    Finding,
    LineView,
    LinkView,
    SignatureMark,
    VerificationView,
)
from clinical.signature.states import KeyState
from core import audit
from core.crypto.keyring import installed_keyring
from core.crypto.sm import sm3
from core.documents import canonical, digest, document_type
from core.identity.caller import Caller
from core.integrity.protection import protection_of, values_of
from core.runtime import Runtime
from core.uow import UnitOfWork

VERIFY_PATH = "/m/#/pages/signature/index?id="
YES, NO, UNKNOWN = "yes", "no", "unknown"
#: Problems that say that something could not be established, not that it is false.
_UNSETTLED = frozenset({"chain_untrusted", "revocation_unknown", "time_unknown"})

VERDICTS = {
    "valid": "签名有效，文书内容未改动",
    "changed": "签名有效，但文书现在的内容与签名时不同",
    "doubtful": "签名无法完全确认，请看下面的说明",
    "invalid": "签名无效",
}


async def verify(runtime: Runtime, caller: Caller, signature_id: UUID) -> VerificationView:
    """Everything that can be said of a signature now. Raises NotFound.

    CAs are asked between two transactions about what is not known or not fresh.
    """
    async with runtime.unit_of_work() as uow:
        row = await access.visible_signature(uow, caller, signature_id)
    bundle = validation.certificates_in(row.cms, row.timestamp_token)
    trust = await validation.ready(runtime, row.hospital_id, bundle)
    result = messages.verify(row.cms, canonical(row.content), trust, row.timestamp_token)
    async with runtime.unit_of_work() as uow:
        return await _view(uow, caller, row, result.signers[0])


async def _view(
    uow: UnitOfWork, caller: Caller, row: DocumentSignature, signer: SignerResult
) -> VerificationView:
    draft = await documents.read(uow, row.document_type, row.document_id)
    await audit.look(
        uow,
        caller,
        "signature",
        row.id,
        draft.content.patient_id if draft else None,
        detail={"document": row.document_id, "type": row.document_type},
    )
    key = await uow.session.get_one(SigningKey, row.key_id)
    marks = await versions(uow, caller, row.document_type, row.document_id)
    current = next((mark.current for mark in marks if mark.signature_id == row.id), False)
    # An older version differs from what stands there now by nature; its own text is what counts.
    compared = draft is not None and current
    changed = (
        rules.changes(row.content["fields"], draft.taken["fields"]) if draft is not None else []
    )
    findings = [
        _erased_finding()
        if row.content.get("erased")
        else _content_finding(signer, digest(row.content) == row.digest),
        _signature_finding(signer),
        _then_finding(signer),
        _now_finding(signer, key),
        _stamp_finding(signer),
        _finding("record", "签名记录", _intact(row), "与入库时一致", "签名记录被改动过"),
        _document_finding(draft is not None, current, len(changed)),
    ]
    verdict = _verdict(findings, changed=compared and bool(changed))
    stamp = signer.timestamp
    return VerificationView(
        signature_id=row.id,
        verdict=verdict,
        verdict_text=VERDICTS[verdict],
        document_type=row.document_type,
        document_id=row.document_id,
        title=str(row.content["title"]),
        version=row.version,
        current=current,
        kind="person" if row.user_id else "seal",
        signer_name=row.signer_name,
        signed_at=row.signed_at,
        digest=row.digest,
        algorithm=signer.algorithm.value if signer.algorithm else "",
        image_url=access.image_url(uow, caller, row),
        timestamp_at=stamp.at if stamp else None,
        timestamp_authority=stamp.authority if stamp else None,
        chain=_links(signer),
        findings=findings,
        fields=_lines(row.content["fields"]),
        changes=[ChangeView.model_validate(each, from_attributes=True) for each in changed],
        versions=marks,
        verify_url=f"{uow.runtime.config.base_url}{VERIFY_PATH}{row.id.hex}",
        checked_at=uow.now,
    )


async def versions(
    uow: UnitOfWork, caller: Caller, kind: str, document_id: UUID
) -> list[SignatureMark]:
    """The marks of every signature under a document, the newest first."""
    newest = await access.marks(uow, caller, kind, [document_id])
    rows = await access.signatures_of(uow.session, kind, [document_id])
    current = newest.get(document_id)
    return [
        SignatureMark(
            signature_id=row.id,
            signer_name=row.signer_name,
            signed_at=row.signed_at,
            version=row.version,
            image_url=access.image_url(uow, caller, row),
            timestamped=row.timestamp_token is not None,
            current=current is not None and current.current and row.version == current.version,
        )
        for row in rows
    ]


# --- the questions -------------------------------------------------------------------------------


def _intact(row: DocumentSignature) -> bool:
    protection = protection_of(DocumentSignature)
    return protection.matches(
        installed_keyring(), values_of(protection, row), row.integrity_version, row.integrity_mac
    )


def _finding(name: str, label: str, good: bool | None, yes: str, no: str) -> Finding:
    answer = UNKNOWN if good is None else YES if good else NO
    return Finding(name=name, label=label, answer=answer, text=yes if good else no)


def _content_finding(signer: SignerResult, same: bool) -> Finding:
    good = signer.digest_ok and same
    return _finding("content", "签名原文", good, "就是签名时的原文", "原文与签名不符")


def _erased_finding() -> Finding:
    text = "保存期限届满，原文已删除"
    return Finding(name="content", label="签名原文", answer=UNKNOWN, text=text)


def _signature_finding(signer: SignerResult) -> Finding:
    wrong = {"signature_wrong", "certificate_mismatch", "certificate_missing"}
    good = signer.signature_ok and not wrong & {each.code for each in signer.problems}
    return _finding("signature", "数字签名", good, "由证书对应的私钥签署", "签名与证书不符")


def _then_finding(signer: SignerResult) -> Finding:
    return _chain_finding("then", "签名时证书", signer.then, "在有效期内，未被吊销")


def _now_finding(signer: SignerResult, key: SigningKey | None = None) -> Finding:
    """A certificate that ended since then does not make an earlier signature worse."""
    found = _chain_finding("now", "目前证书", signer.now, "在有效期内，未被吊销")
    taken_back = key is not None and key.state is KeyState.REVOKED
    if found.answer == YES and taken_back:
        # Our own revocation counts before the CA's list says so.
        found = Finding(name="now", label=found.label, answer=NO, text=TEXTS["certificate_revoked"])
    if found.answer == NO and signer.then is not None and signer.then.ok:
        found.text += "（不影响此前的签名）"
    return found


def _chain_finding(name: str, label: str, chain: ChainResult | None, yes: str) -> Finding:
    if chain is None:
        return Finding(name=name, label=label, answer=NO, text=TEXTS["certificate_missing"])
    if chain.ok:
        unknown = chain.revocation.state is RevocationState.UNKNOWN
        text = "在有效期内，暂未能确认是否被吊销" if unknown else yes
        return Finding(name=name, label=label, answer=YES, text=text)
    hard = [each for each in chain.problems if each.code not in _UNSETTLED]
    first = (hard or list(chain.problems))[0]
    return Finding(name=name, label=label, answer=NO if hard else UNKNOWN, text=first.text)


def _stamp_finding(signer: SignerResult) -> Finding:
    stamp, label = signer.timestamp, "可信时间戳"
    if stamp is None:
        return Finding(name="timestamp", label=label, answer=UNKNOWN, text="时间戳尚未取得")
    if stamp.ok:
        return Finding(name="timestamp", label=label, answer=YES, text=f"由{stamp.authority}签发")
    untrusted = stamp.problems[0].code == "timestamp_untrusted"
    return Finding(
        name="timestamp",
        label=label,
        answer=UNKNOWN if untrusted else NO,
        text=stamp.problems[0].text,
    )


def _document_finding(present: bool, current: bool, count: int) -> Finding:
    label = "文书现状"
    if not present:
        return Finding(name="document", label=label, answer=UNKNOWN, text="文书已不在系统中")
    if not current:
        return Finding(name="document", label=label, answer=UNKNOWN, text="之后有新的版本")
    return _finding("document", label, count == 0, "与签名时一致", f"有 {count} 处与签名时不同")


def _verdict(findings: Sequence[Finding], *, changed: bool) -> str:
    answers = {each.name: each.answer for each in findings}
    weighs = ("content", "signature", "then", "record", "timestamp")
    if NO in (answers.get(name) for name in weighs):
        return "invalid"
    if UNKNOWN in (answers["then"], answers["content"]):
        return "doubtful"
    return "changed" if changed else "valid"


def _links(signer: SignerResult) -> list[LinkView]:
    return [
        LinkView(
            subject=each.subject_text,
            issuer=each.issuer_text,
            serial=each.serial_hex,
            not_before=each.not_before,
            not_after=each.not_after,
        )
        for each in (signer.then.path if signer.then else ())
    ]


def _lines(fields: Sequence[Sequence[str]]) -> list[LineView]:
    return [LineView(name=name, label=label, value=value) for name, label, value in fields]


# --- files ---------------------------------------------------------------------------------------


def as_file(row: DocumentSignature, *, content: bool) -> Response:
    """The signature as a file, or the signed content that belongs to it."""
    if content:
        data, kind, name = canonical(row.content), "application/json", f"{row.id}.json"
    else:
        data, kind, name = row.cms, "application/pkcs7-signature", f"{row.id}.p7s"
        if row.timestamp_token is not None:
            data = cms.with_timestamp(data, row.timestamp_token)
    return Response(
        data,
        media_type=kind,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )


async def check_file(
    runtime: Runtime, caller: Caller, text: str, content_text: str | None
) -> CheckedFile:
    """Check a signature that somebody brings. Raises SignatureFileUnreadable."""
    try:
        message = _unarmoured(text)
        data = _unarmoured(content_text) if content_text else None
        attached = read_message(message).data
        if data is None and attached is None:
            raise SignatureFileUnreadable("签名不含原文，请同时提供原文件")
        bundle = validation.certificates_in(message)
        trust = await validation.ready(runtime, caller.hospital_id, bundle)
        signer = messages.verify(message, data, trust).signers[0]
    except FormatError as error:
        raise SignatureFileUnreadable() from error
    content = data if data is not None else attached or b""
    async with runtime.unit_of_work() as uow:
        known = await _known(uow, caller, sm3(content).hex())
    findings = [
        _content_finding(signer, same=True),
        _signature_finding(signer),
        _then_finding(signer),
        _now_finding(signer),
        _stamp_finding(signer),
    ]
    verdict = _verdict(findings, changed=False)
    return CheckedFile(
        verdict=verdict,
        verdict_text="签名有效" if verdict == "valid" else VERDICTS[verdict],
        signer=signer.signer,
        signed_at=signer.signed_at,
        digest=sm3(content).hex(),
        chain=_links(signer),
        findings=findings,
        content=_readable(content),
        signature_id=known,
    )


async def _known(uow: UnitOfWork, caller: Caller, found: str) -> UUID | None:
    """One of our own signatures over the same content that the caller may see."""
    rows = await uow.session.scalars(
        select(DocumentSignature)
        .where(
            DocumentSignature.hospital_id == caller.hospital_id, DocumentSignature.digest == found
        )
        .limit(5)
    )
    for row in rows.all():
        kind = document_type(row.document_type)
        if kind is not None and await kind.may_see(uow, caller, row.document_id):
            return row.id
    return None


def _readable(data: bytes) -> str | None:
    """Our own documents as lines; None for anything else."""
    try:
        taken: Any = orjson.loads(data)
        lines = [f"{label}：{value}" for _, label, value in taken["fields"]]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None
    return "\n".join([str(taken.get("title", "")), *lines])


def _unarmoured(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        # Not ASCII at all, or no Base64.
        raise SignatureFileUnreadable() from error
