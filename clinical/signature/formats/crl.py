"""Revocation lists as plain values (RFC 5280, 5)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from asn1crypto import crl as asn1

from clinical.signature.formats.errors import MalformedRevocationList
from clinical.signature.formats.reading import absent, reading
from clinical.signature.formats.x509 import Certificate, signed_by

LARGEST = 64 * 1024 * 1024
_UNDERSTOOD = {"crl_number", "authority_key_identifier", "issuing_distribution_point"}


@dataclass(frozen=True)
class Entry:
    """When and why a certificate was taken back."""

    at: datetime
    reason: str


@dataclass(frozen=True)
class RevocationList:
    """A complete list of one issuer; `entries` by serial number."""

    issuer: str
    this_update: datetime
    next_update: datetime | None
    number: int | None
    entries: Mapping[int, Entry] = field(repr=False)
    signature_oid: str = field(repr=False)
    signature: bytes = field(repr=False)
    signed_part: bytes = field(repr=False)

    def is_signed_by(self, issuer: Certificate) -> bool:
        """Whether the issuer, who may sign lists, signed this one."""
        return (
            issuer.subject == self.issuer
            and issuer.allows("crl_sign")
            and signed_by(self.signature_oid, self.signature, self.signed_part, issuer)
        )


@lru_cache(maxsize=64)
def read_revocation_list(data: bytes) -> RevocationList:
    """A list from DER. Takes seconds for a hundred thousand entries: read large ones in a thread.

    Raises MalformedRevocationList, also for lists that hold only a part or speak for others.
    """
    with reading(MalformedRevocationList, data, LARGEST):
        return _plain(asn1.CertificateList.load(data, strict=True))
    raise MalformedRevocationList()


def _plain(parsed: Any) -> RevocationList:
    body = parsed["tbs_cert_list"]
    number = None
    for extension in body["crl_extensions"]:
        kind = extension["extn_id"].native
        if extension["critical"].native and kind not in _UNDERSTOOD:
            raise MalformedRevocationList(f"critical extension {kind}")
        if kind == "crl_number":
            number = extension["extn_value"].parsed.native
        elif kind == "issuing_distribution_point":
            _require_whole(extension["extn_value"].parsed)
    return RevocationList(
        issuer=body["issuer"].hashable,
        this_update=body["this_update"].native,
        next_update=body["next_update"].native,
        number=number,
        entries=_entries(body["revoked_certificates"]),
        signature_oid=parsed["signature_algorithm"]["algorithm"].dotted,
        signature=parsed["signature"].native,
        signed_part=body.dump(),
    )


def _require_whole(point: Any) -> None:
    partial = (
        "only_contains_user_certs",
        "only_contains_ca_certs",
        "only_contains_attribute_certs",
    )
    if (
        point["indirect_crl"].native
        or point["only_some_reasons"].native
        or any(point[name].native for name in partial)
    ):
        raise MalformedRevocationList("the list holds only a part")


def _entries(revoked: Any) -> dict[int, Entry]:
    if absent(revoked):
        return {}
    found = {}
    for entry in revoked:
        reason = entry.crl_reason_value
        found[entry["user_certificate"].native] = Entry(
            entry["revocation_date"].native,
            "unspecified" if reason is None else str(reason.native),
        )
    return found
