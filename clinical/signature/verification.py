"""Verifying: what can be said of a signature long after it was made, and of one that is brought.

Everything is established anew from the stored bytes; nothing is believed because a row says so.
Each question has an answer of its own (`yes`, `no`, `unknown`), and the verdict follows from them.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select
from starlette.responses import Response

from clinical.signature import access, documents, rules, trusting
from clinical.signature.errors import SignatureFileUnreadable
from clinical.signature.formats import cms
from clinical.signature.formats.checking import Check, check_signature
from clinical.signature.formats.cms_reading import SignedMessage, SignerInfo, read_message
from clinical.signature.formats.errors import FormatError
from clinical.signature.formats.timestamps import Timestamp, read_token
from clinical.signature.formats.x509 import Certificate
from clinical.signature.models import DocumentSignature
from clinical.signature.schemas import (
    ChangeView,
    CheckedFile,
    Finding,
    LineView,
    LinkView,
    SignatureMark,
    VerificationView,
)
from clinical.signature.trusting import Path
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

VERDICTS = {
    "valid": "签名有效，文书内容未改动",
    "changed": "签名有效，但文书现在的内容与签名时不同",
    "doubtful": "签名无法完全确认，请看下面的说明",
    "invalid": "签名无效",
}


@dataclass(frozen=True)
class _Read:
    """A message taken apart, with the one signer that is looked at."""

    message: SignedMessage
    signer: SignerInfo
    certificate: Certificate | None
    check: Check


def _take_apart(cms_bytes: bytes, data: bytes) -> _Read:
    message = read_message(cms_bytes)
    signer = message.signers[0]
    certificate = signer.certificate_in(list(message.certificates))
    check = (
        check_signature(signer, certificate, data) if certificate else Check(False, False, False)
    )
    return _Read(message, signer, certificate, check)


async def verify(runtime: Runtime, caller: Caller, signature_id: UUID) -> VerificationView:
    """Everything that can be said of a signature now. Raises NotFound."""
    async with runtime.unit_of_work() as uow:
        row = await access.visible_signature(uow, caller, signature_id)
        draft = await documents.read(uow, row.document_type, row.document_id)
        present = draft.taken["fields"] if draft else []
        await audit.look(
            uow,
            caller,
            "signature",
            row.id,
            draft.content.patient_id if draft else None,
            detail={"document": row.document_id, "type": row.document_type},
        )
        marks = await versions(uow, caller, row.document_type, row.document_id)
        intact = _intact(row)
        image_url = access.image_url(uow, caller, row)
        read, stamp = _take_apart(row.cms, canonical(row.content)), _stamp_of(row.timestamp_token)
        then = stamp.at if stamp is not None else row.signed_at
        path = await trusting.path_of(uow, read.certificate, read.message.certificates, then)
        stamp_path = await trusting.stamp_path(uow, stamp) if stamp else None
    changed = rules.changes(row.content["fields"], present)
    findings = [
        _content_finding(read, row),
        _signature_finding(read),
        _then_finding(path, then),
        _now_finding(path),
        _stamp_finding(stamp, read.signer, stamp_path),
        _finding("record", "签名记录完整性", intact, "与入库时一致", "签名记录被改动过"),
        _document_finding(draft is not None, len(changed)),
    ]
    verdict = _verdict(findings, bool(changed))
    return VerificationView(
        signature_id=row.id,
        verdict=verdict,
        verdict_text=VERDICTS[verdict],
        document_type=row.document_type,
        document_id=row.document_id,
        title=str(row.content["title"]),
        version=row.version,
        current=next((mark.current for mark in marks if mark.signature_id == row.id), False),
        kind="person" if row.user_id else "seal",
        signer_name=row.signer_name,
        signed_at=row.signed_at,
        digest=row.digest,
        algorithm=_algorithm(read),
        image_url=image_url,
        timestamp_at=stamp.at if stamp else None,
        timestamp_authority=stamp.certificate.common_name if stamp and stamp.certificate else None,
        chain=_links(path),
        findings=findings,
        fields=_lines(row.content["fields"]),
        changes=[ChangeView.model_validate(each, from_attributes=True) for each in changed],
        versions=marks,
        verify_url=f"{runtime.config.base_url}{VERIFY_PATH}{row.id}",
        checked_at=runtime.clock.now(),
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


def _content_finding(read: _Read, row: DocumentSignature) -> Finding:
    good = read.check.digest_ok and digest(row.content) == row.digest
    return _finding(
        "content", "签名原文", good, "保存的原文就是签名时的原文", "保存的原文与签名不符"
    )


def _signature_finding(read: _Read) -> Finding:
    good = read.check.signature_ok and read.check.reference_ok
    return _finding("signature", "数字签名", good, "由证书对应的私钥签署", "签名与证书不符")


def _then_finding(path: Path, then: datetime) -> Finding:
    label = "签名时证书"
    if path.trusted is None:
        return Finding(name="then", label=label, answer=UNKNOWN, text=path.problem)
    good = path.trusted and path.valid_at(then)
    return _finding("then", label, good, "签名时在有效期内且未吊销", path.problem_at(then))


def _now_finding(path: Path) -> Finding:
    text = path.now_text
    good = path.good_now
    return Finding(
        name="now",
        label="目前证书",
        answer=UNKNOWN if good is None else YES if good else NO,
        text=text,
    )


def _stamp_finding(stamp: Timestamp | None, signer: SignerInfo, path: Path | None) -> Finding:
    label = "可信时间戳"
    if stamp is None or path is None:
        return Finding(name="timestamp", label=label, answer=UNKNOWN, text="时间戳尚未取得")
    if stamp.digest != sm3(signer.signature) or not stamp.signature_ok:
        return Finding(name="timestamp", label=label, answer=NO, text="时间戳与签名不符")
    if not path.trusted:
        return Finding(name="timestamp", label=label, answer=UNKNOWN, text=path.problem)
    return Finding(name="timestamp", label=label, answer=YES, text="由受信任的时间戳机构签发")


def _document_finding(present: bool, count: int) -> Finding:
    label = "文书现状"
    if not present:
        return Finding(name="document", label=label, answer=UNKNOWN, text="文书已不在系统中")
    return _finding(
        "document", label, count == 0, "现在的内容与签名时一致", f"有 {count} 处与签名时不同"
    )


def _verdict(findings: Sequence[Finding], changed: bool) -> str:
    answers = {each.name: each.answer for each in findings}
    if NO in (answers["content"], answers["signature"], answers["then"], answers["record"]):
        return "invalid"
    if answers["timestamp"] == NO:
        return "invalid"
    if UNKNOWN in (answers["then"],):
        return "doubtful"
    return "changed" if changed else "valid"


def _algorithm(read: _Read) -> str:
    algorithm = read.certificate.algorithm if read.certificate else None
    return algorithm.value if algorithm else ""


def _links(path: Path) -> list[LinkView]:
    return [
        LinkView(
            subject=each.subject_text,
            issuer=each.issuer_text,
            serial=each.serial_hex,
            not_before=each.not_before,
            not_after=each.not_after,
        )
        for each in path.certificates
    ]


def _lines(fields: Sequence[Sequence[str]]) -> list[LineView]:
    return [LineView(name=name, label=label, value=value) for name, label, value in fields]


def _stamp_of(token: bytes | None) -> Timestamp | None:
    return read_token(token) if token is not None else None


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
        message = base64.b64decode(text, validate=True)
        data = base64.b64decode(content_text, validate=True) if content_text else None
        found = read_message(message)
        data = data if data is not None else found.data
        if data is None:
            raise SignatureFileUnreadable("签名不含原文，请同时提供原文件")
        read = _take_apart(message, data)
        stamp = _stamp_of(read.signer.timestamp)
    except (binascii.Error, FormatError) as error:
        raise SignatureFileUnreadable() from error
    then = stamp.at if stamp else read.signer.signing_time or runtime.clock.now()
    async with runtime.unit_of_work() as uow:
        path = await trusting.path_of(uow, read.certificate, read.message.certificates, then)
        stamp_path = await trusting.stamp_path(uow, stamp) if stamp else None
        known = await _known(uow, caller, sm3(data).hex())
    findings = [
        _finding("content", "签名原文", read.check.digest_ok, "原文与签名相符", "原文与签名不符"),
        _signature_finding(read),
        _then_finding(path, then),
        _now_finding(path),
        _stamp_finding(stamp, read.signer, stamp_path),
    ]
    answers = {each.name: each.answer for each in findings}
    bad = NO in (answers["content"], answers["signature"], answers["then"], answers["timestamp"])
    verdict = "invalid" if bad else "doubtful" if answers["then"] == UNKNOWN else "valid"
    return CheckedFile(
        verdict=verdict,
        verdict_text="签名有效" if verdict == "valid" else VERDICTS[verdict],
        signer=read.certificate.common_name if read.certificate else "",
        signed_at=read.signer.signing_time,
        digest=sm3(data).hex(),
        chain=_links(path),
        findings=findings,
        content=_readable(data),
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
