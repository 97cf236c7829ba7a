"""Answers of the OCSP responder (RFC 6960) and of the time-stamping authority (RFC 3161)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from asn1crypto import algos, cms, core, ocsp, tsp, x509

from clinical.sandbox.ca.building import REASONS, Issuer, key_id
from clinical.sandbox.ca.signers import SM3, sm3
from clinical.sandbox.store import Document

OCSP_MINUTES = 60
_HASHES: dict[str, Callable[[bytes], bytes]] = {
    "1.3.14.3.2.26": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "2.16.840.1.101.3.4.2.1": lambda data: hashlib.sha256(data).digest(),
    SM3: sm3,
}


def _second(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


def about(certificate_id: ocsp.CertId, issuer: Issuer) -> bool:
    """Whether a question is about a certificate of this issuer."""
    digest = _HASHES.get(certificate_id["hash_algorithm"]["algorithm"].dotted)
    if digest is None:
        return False
    certificate = issuer.certificate
    key = certificate.public_key["public_key"].contents[1:]
    named: bool = certificate_id["issuer_name_hash"].native == digest(certificate.subject.dump())
    return named and bool(certificate_id["issuer_key_hash"].native == digest(key))


def ocsp_answer(
    request: ocsp.OCSPRequest,
    responder: Issuer,
    find: Callable[[str], Document | None],
    now: datetime,
    *,
    spoiled: bool = False,
    unknown: bool = False,
) -> bytes:
    """A signed answer to every question in the request."""
    single = [
        _single(each["req_cert"], None if unknown else find, now)
        for each in request["tbs_request"]["request_list"]
    ]
    content: dict[str, object] = {
        "responder_id": ocsp.ResponderId("by_key", key_id(responder.certificate.public_key)),
        "produced_at": _second(now),
        "responses": single,
    }
    if request.nonce_value is not None:
        nonce = {"extn_id": "nonce", "extn_value": request.nonce_value}
        content["response_extensions"] = [nonce]
    body = ocsp.ResponseData(content)
    signature = responder.signer.sign(body.dump() + (b"." if spoiled else b""))
    basic = ocsp.BasicOCSPResponse(
        {
            "tbs_response_data": body,
            "signature_algorithm": responder.signer.signature_algorithm,
            "signature": signature,
            "certs": [responder.certificate],
        }
    )
    answer = ocsp.OCSPResponse(
        {
            "response_status": "successful",
            "response_bytes": {"response_type": "basic_ocsp_response", "response": basic},
        }
    )
    return bytes(answer.dump())


def ocsp_refusal(status: str) -> bytes:
    return bytes(ocsp.OCSPResponse({"response_status": status}).dump())


def _single(
    certificate_id: ocsp.CertId, find: Callable[[str], Document | None] | None, now: datetime
) -> dict[str, object]:
    record = find(f"{certificate_id['serial_number'].native:X}") if find else None
    if record is None:
        status = ocsp.CertStatus("unknown", ocsp.StatusUnknown())
    elif record.get("revoked_at"):
        info = {
            "revocation_time": _second(datetime.fromisoformat(record["revoked_at"])),
            "revocation_reason": REASONS[record["reason"]],
        }
        status = ocsp.CertStatus("revoked", ocsp.RevokedInfo(info))
    else:
        status = ocsp.CertStatus("good", ocsp.StatusGood())
    return {
        "cert_id": certificate_id,
        "cert_status": status,
        "this_update": _second(now),
        "next_update": _second(now) + timedelta(minutes=OCSP_MINUTES),
    }


def timestamp_answer(
    request: tsp.TimeStampReq, authority: Issuer, now: datetime, *, fault: str = "ok"
) -> bytes:
    """A granted timestamp; `fault` spoils its digest or its signature."""
    imprint = request["message_imprint"]
    hashed = imprint["hashed_message"].native
    info = tsp.TSTInfo(
        {
            "version": "v1",
            "policy": "1.2.156.112600.1.1",
            "message_imprint": {
                "hash_algorithm": imprint["hash_algorithm"],
                "hashed_message": bytes(len(hashed)) if fault == "wrong_digest" else hashed,
            },
            "serial_number": int.from_bytes(b"\x01" + secrets.token_bytes(8), "big"),
            "gen_time": _second(now),
            "nonce": request["nonce"].native,
        }
    ).dump()
    token = _signed(info, authority, now, spoiled=fault == "wrong_signature")
    answer = tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token})
    return bytes(answer.dump())


def timestamp_refusal() -> bytes:
    """A rejection, which has no token; the library cannot write one without."""
    return bytes.fromhex("3005 3003 020102")


def _signed(info: bytes, authority: Issuer, now: datetime, *, spoiled: bool) -> cms.ContentInfo:
    signer, certificate = authority.signer, authority.certificate
    identifier = tsp.ESSCertIDv2(
        {
            "hash_algorithm": algos.DigestAlgorithm(signer.digest_algorithm),
            "cert_hash": signer.digest(certificate.dump()),
        }
    )
    attributes = cms.CMSAttributes(
        [
            {"type": "content_type", "values": ["tst_info"]},
            {"type": "signing_time", "values": [cms.Time("utc_time", _second(now))]},
            {"type": "message_digest", "values": [signer.digest(info)]},
            {
                "type": "signing_certificate_v2",
                "values": [tsp.SigningCertificateV2({"certs": [identifier]})],
            },
        ]
    )
    signature = signer.sign(attributes.dump() + (b"." if spoiled else b""))
    signer_info = {
        "version": "v1",
        "sid": cms.SignerIdentifier(
            "issuer_and_serial_number",
            {"issuer": certificate.issuer, "serial_number": certificate.serial_number},
        ),
        "digest_algorithm": signer.digest_algorithm,
        "signed_attrs": attributes,
        "signature_algorithm": signer.signature_algorithm,
        "signature": signature,
    }
    content = core.ParsableOctetString(info)
    return cms.ContentInfo(
        {
            "content_type": "signed_data",
            "content": cms.SignedData(
                {
                    "version": "v3",
                    "digest_algorithms": [signer.digest_algorithm],
                    "encap_content_info": {"content_type": "tst_info", "content": content},
                    "certificates": [x509.Certificate.load(certificate.dump())],
                    "signer_infos": [signer_info],
                }
            ),
        }
    )
