"""The verbs of the store: import, believe, annotate, remove. None of them commits."""

from collections.abc import Sequence
from uuid import UUID

from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from clinical.signature.certificates.errors import CertificateUnreadable, NotAnAuthority
from clinical.signature.certificates.models import StoredCertificate
from clinical.signature.certificates.states import Origin, Purpose
from clinical.signature.formats.errors import FormatError
from clinical.signature.formats.verdicts import RevocationState
from clinical.signature.formats.x509 import (
    OCSP_SIGNING,
    TIME_STAMPING,
    Certificate,
    read_any,
    read_certificate,
)
from core import audit
from core.identity.caller import Caller
from core.ids import new_id
from core.uow import UnitOfWork

MOST_IN_A_FILE = 200


def read_file(data: bytes, password: str | None = None) -> list[Certificate]:
    """Every certificate in a file: DER, PEM, PKCS#7, or PKCS#12 whose private key is left alone.

    Raises CertificateUnreadable saying what is wrong.
    """
    try:
        found = read_any(data)
    except FormatError as error:
        if b"PRIVATE KEY-----" in data:
            raise CertificateUnreadable("文件含有私钥，请只导入证书") from error
        found = _read_pkcs12(data, password)
    if len(found) > MOST_IN_A_FILE:
        raise CertificateUnreadable(f"一次最多导入 {MOST_IN_A_FILE} 张证书")
    return found


def _read_pkcs12(data: bytes, password: str | None) -> list[Certificate]:
    try:
        content = pkcs12.load_pkcs12(data, password.encode() if password else None)
        entries = [entry for entry in (content.cert, *content.additional_certs) if entry]
        return [read_certificate(e.certificate.public_bytes(Encoding.DER)) for e in entries]
    except ValueError as error:
        # A wrong password and a damaged file look alike, and so do other formats.
        raise CertificateUnreadable(
            "支持 PEM、DER、P7B 格式，以及密码正确的 PFX/P12 文件（不导入私钥）"
        ) from error


async def keep(
    uow: UnitOfWork,
    hospital_id: UUID,
    certificates: Sequence[Certificate],
    *,
    origin: Origin,
    trusted: bool = False,
    note: str = "",
    created_by: UUID | None = None,
) -> list[StoredCertificate]:
    """Put certificates into the store; those already there stay as they are.

    `trusted` makes the authorities among them anchors. Returns their rows, in the order given.
    """
    values = [
        {
            **_columns(each),
            "id": new_id(),
            "hospital_id": hospital_id,
            "trusted": trusted and each.is_authority,
            "origin": origin,
            "note": note,
            "revocation": RevocationState.NOT_ASKED,
            "created_at": uow.now,
            "created_by": created_by,
        }
        for each in certificates
    ]
    await uow.session.execute(insert(StoredCertificate).values(values).on_conflict_do_nothing())
    prints = [each.fingerprint for each in certificates]
    rows = await uow.session.scalars(
        select(StoredCertificate).where(
            StoredCertificate.hospital_id == hospital_id,
            StoredCertificate.fingerprint.in_(prints),
        )
    )
    found = {row.fingerprint: row for row in rows}
    return [found[each] for each in prints]


async def import_file(
    uow: UnitOfWork, caller: Caller, data: bytes, *, password: str | None, trusted: bool, note: str
) -> list[StoredCertificate]:
    """Import a file for the caller's hospital. Raises CertificateUnreadable, NotAnAuthority."""
    certificates = read_file(data, password)
    if trusted and not any(each.is_authority for each in certificates):
        raise NotAnAuthority()
    rows = await keep(
        uow,
        caller.hospital_id,
        certificates,
        origin=Origin.IMPORTED,
        trusted=trusted,
        note=note,
        created_by=caller.user_id,
    )
    for row in rows:
        if trusted and row.is_authority and not row.trusted:
            row.trusted = True
        await audit.record(
            uow,
            caller,
            "stored_certificate.import",
            "stored_certificate",
            row.id,
            detail={"serial": row.serial, "subject": row.subject, "trusted": row.trusted},
        )
    return rows


async def change(
    uow: UnitOfWork, caller: Caller, row: StoredCertificate, *, trusted: bool, note: str
) -> None:
    """Believe or no longer believe an authority; annotate. Raises NotAnAuthority."""
    if trusted and not row.is_authority:
        raise NotAnAuthority()
    if (row.trusted, row.note) != (trusted, note):
        row.trusted, row.note = trusted, note
        detail = {"serial": row.serial, "trusted": trusted}
        await audit.record(
            uow, caller, "stored_certificate.change", "stored_certificate", row.id, detail=detail
        )


async def remove(uow: UnitOfWork, caller: Caller, row: StoredCertificate) -> None:
    """Take a certificate out of the store."""
    detail = {"serial": row.serial, "subject": row.subject, "trusted": row.trusted}
    await audit.record(
        uow, caller, "stored_certificate.remove", "stored_certificate", row.id, detail=detail
    )
    await uow.session.delete(row)


def purposes(certificate: Certificate) -> list[Purpose]:
    """What a certificate is for."""
    extended = certificate.extended_usage or frozenset()
    if certificate.is_authority:
        return [Purpose.AUTHORITY]
    if TIME_STAMPING in extended:
        return [Purpose.TIMESTAMP]
    if OCSP_SIGNING in extended:
        return [Purpose.OCSP]
    signs = certificate.allows("digital_signature") or certificate.allows("non_repudiation")
    ciphers = ("key_encipherment", "data_encipherment", "key_agreement")
    encrypts = certificate.key_usage is None or any(certificate.allows(use) for use in ciphers)
    found = [(Purpose.SIGNATURE, signs), (Purpose.ENCRYPTION, encrypts)]
    return [purpose for purpose, is_one in found if is_one]


def _columns(certificate: Certificate) -> dict[str, object]:
    return {
        "fingerprint": certificate.fingerprint,
        "serial": certificate.serial_hex,
        "common_name": certificate.common_name,
        "subject": certificate.subject_text,
        "issuer": certificate.issuer_text,
        "key_id": certificate.key_id.hex() if certificate.key_id else None,
        "issuer_key_id": (
            certificate.authority_key_id.hex() if certificate.authority_key_id else None
        ),
        "not_before": certificate.not_before,
        "not_after": certificate.not_after,
        "algorithm": certificate.algorithm.value if certificate.algorithm else None,
        "purposes": [purpose.value for purpose in purposes(certificate)],
        "is_authority": certificate.is_authority,
        "der": certificate.der,
    }
