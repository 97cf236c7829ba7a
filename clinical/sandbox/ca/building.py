"""Certificates and revocation lists, put together with asn1crypto."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from asn1crypto import core, crl, keys, x509

from clinical.sandbox.ca.signers import Signer

REASONS = {
    "key_compromise": "key_compromise",
    "superseded": "superseded",
    "left": "affiliation_changed",
    "affiliation_changed": "affiliation_changed",
    "cessation_of_operation": "cessation_of_operation",
    "unspecified": "unspecified",
}


@dataclass(frozen=True)
class Wish:
    """What a certificate shall say. `usage` are X.509 words, `extended` object identifiers."""

    subject: dict[str, str]
    days: int
    usage: frozenset[str]
    extended: tuple[str, ...] = ()
    authority: bool = False
    path_length: int | None = None
    crl_url: str | None = None
    ocsp_url: str | None = None
    no_check: bool = False


@dataclass(frozen=True)
class Issuer:
    """A key of the authority with its certificate."""

    signer: Signer
    certificate: x509.Certificate


def key_id(public: keys.PublicKeyInfo) -> bytes:
    """SHA-1 over the bits of the public key (RFC 5280, 4.2.1.2)."""
    return hashlib.sha1(public["public_key"].contents[1:], usedforsecurity=False).digest()


def certificate(
    wish: Wish,
    public: keys.PublicKeyInfo,
    now: datetime,
    signer: Signer,
    issuer: x509.Certificate | None = None,
) -> x509.Certificate:
    """A certificate for `public`, self-signed without an issuer. It begins an hour ago."""
    subject = x509.Name.build(wish.subject)
    begin = now.astimezone(UTC).replace(microsecond=0) - timedelta(hours=1)
    body = x509.TbsCertificate(
        {
            "version": "v3",
            "serial_number": int.from_bytes(b"\x01" + secrets.token_bytes(15), "big"),
            "signature": signer.signature_algorithm,
            "issuer": subject if issuer is None else issuer.subject,
            "validity": {
                "not_before": _time(begin),
                "not_after": _time(begin + timedelta(days=wish.days, hours=1)),
            },
            "subject": subject,
            "subject_public_key_info": public,
            "extensions": list(_extensions(wish, public, issuer)),
        }
    )
    return x509.Certificate(
        {
            "tbs_certificate": body,
            "signature_algorithm": signer.signature_algorithm,
            "signature_value": signer.sign(body.dump()),
        }
    )


def _extensions(
    wish: Wish, public: keys.PublicKeyInfo, issuer: x509.Certificate | None
) -> Iterable[dict[str, object]]:
    own = key_id(public)
    above = own if issuer is None else key_id(issuer.public_key)
    constraints: dict[str, object] = {"ca": wish.authority}
    if wish.path_length is not None:
        constraints["path_len_constraint"] = wish.path_length
    yield _extension("basic_constraints", x509.BasicConstraints(constraints), critical=True)
    yield _extension("key_usage", x509.KeyUsage(set(wish.usage)), critical=True)
    yield _extension("key_identifier", core.OctetString(own))
    yield _extension(
        "authority_key_identifier", x509.AuthorityKeyIdentifier({"key_identifier": above})
    )
    if wish.extended:
        yield _extension(
            "extended_key_usage", x509.ExtKeyUsageSyntax(list(wish.extended)), critical=True
        )
    if wish.crl_url:
        point = {
            "distribution_point": x509.DistributionPointName("full_name", [_uri(wish.crl_url)])
        }
        yield _extension("crl_distribution_points", x509.CRLDistributionPoints([point]))
    if wish.ocsp_url:
        entry = {"access_method": "ocsp", "access_location": _uri(wish.ocsp_url)}
        yield _extension("authority_information_access", x509.AuthorityInfoAccessSyntax([entry]))
    if wish.no_check:
        yield _extension("ocsp_no_check", core.Null())


def _extension(kind: str, value: object, *, critical: bool = False) -> dict[str, object]:
    return {"extn_id": kind, "critical": critical, "extn_value": value}


def _uri(address: str) -> x509.GeneralName:
    return x509.GeneralName("uniform_resource_identifier", address)


def _time(moment: datetime) -> x509.Time:
    kind = "utc_time" if moment.year < 2050 else "general_time"
    return x509.Time(kind, moment)


@dataclass(frozen=True)
class Revoked:
    """One entry of a revocation list."""

    serial: int
    at: datetime
    reason: str


def revocation_list(
    issuer: Issuer, revoked: Iterable[Revoked], this_update: datetime, next_update: datetime
) -> bytes:
    """A CRL in DER; its number is the second in which it was made."""
    entries = [
        {
            "user_certificate": each.serial,
            "revocation_date": _time(each.at.replace(microsecond=0)),
            "crl_entry_extensions": [
                {"extn_id": "crl_reason", "extn_value": crl.CRLReason(REASONS[each.reason])}
            ],
        }
        for each in revoked
    ]
    content: dict[str, object] = {
        "version": "v2",
        "signature": issuer.signer.signature_algorithm,
        "issuer": issuer.certificate.subject,
        "this_update": _time(this_update.replace(microsecond=0)),
        "next_update": _time(next_update.replace(microsecond=0)),
        "crl_extensions": [
            {"extn_id": "crl_number", "extn_value": core.Integer(int(this_update.timestamp()))},
            {
                "extn_id": "authority_key_identifier",
                "extn_value": x509.AuthorityKeyIdentifier(
                    {"key_identifier": key_id(issuer.certificate.public_key)}
                ),
            },
        ],
    }
    if entries:
        content["revoked_certificates"] = entries
    body = crl.TbsCertList(content)
    signed = crl.CertificateList(
        {
            "tbs_cert_list": body,
            "signature_algorithm": issuer.signer.signature_algorithm,
            "signature": issuer.signer.sign(body.dump()),
        }
    )
    return bytes(signed.dump())
