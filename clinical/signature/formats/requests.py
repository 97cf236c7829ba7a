"""Certificate requests (PKCS#10, RFC 2986; GM/T 0015 for SM2): what a CA is shown of a key."""

from collections.abc import Sequence

from clinical.signature.formats import oids
from core.crypto import der
from core.crypto.signing import Algorithm, SigningKey

#: The algorithm identifiers of signatures as certificates and requests write them.
SIGNATURE_ALGORITHMS: dict[Algorithm, bytes] = {
    Algorithm.SM2: der.sequence(der.oid(oids.SM3_WITH_SM2)),
    Algorithm.RSA: der.sequence(der.oid(oids.SHA256_WITH_RSA), der.NULL),
}


def certificate_request(
    key: SigningKey, common_name: str, *, organisation: str | None = None, unit: str | None = None
) -> bytes:
    """A request in DER that proves possession of the private key."""
    parts = [(oids.COUNTRY, "CN"), (oids.ORGANISATION, organisation), (oids.UNIT, unit)]
    body = der.sequence(
        der.integer(0),
        name([(oid, value) for oid, value in parts if value] + [(oids.COMMON_NAME, common_name)]),
        key.public_der,
        der.tlv(0xA0, b""),
    )
    return der.sequence(body, SIGNATURE_ALGORITHMS[key.algorithm], der.bits(key.sign(body)))


def name(parts: Sequence[tuple[str, str]]) -> bytes:
    """A distinguished name from pairs of attribute and text, the widest first."""
    return der.sequence(
        *(der.set_of([der.sequence(der.oid(oid), _text(oid, value))]) for oid, value in parts)
    )


def _text(oid: str, value: str) -> bytes:
    # X.520 wants country codes and serial numbers printable; everything else is UTF-8.
    if oid in (oids.COUNTRY, oids.SERIAL_NUMBER):
        return der.tlv(der.PRINTABLE_STRING, value.encode("ascii"))
    return der.text(value)
