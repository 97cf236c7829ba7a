"""The words of certificates and of the policies under which they are believed."""

from enum import StrEnum


class Origin(StrEnum):
    """How a certificate came into the store."""

    IMPORTED = "imported"
    ISSUED = "issued"


class Purpose(StrEnum):
    """What a certificate is for, read from its extensions."""

    AUTHORITY = "authority"
    SIGNATURE = "signature"
    ENCRYPTION = "encryption"
    TIMESTAMP = "timestamp"
    OCSP = "ocsp"


class Revoking(StrEnum):
    """How it is found out whether a certificate was taken back."""

    NONE = "none"
    CRL = "crl"
    OCSP = "ocsp"
    OCSP_THEN_CRL = "ocsp_then_crl"

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources in the order in which they are asked."""
        return {
            Revoking.NONE: (),
            Revoking.CRL: ("crl",),
            Revoking.OCSP: ("ocsp",),
            Revoking.OCSP_THEN_CRL: ("ocsp", "crl"),
        }[self]


class Standing(StrEnum):
    """How a stored certificate stands today."""

    GOOD = "good"
    NOT_YET = "not_yet"
    EXPIRED = "expired"
    REVOKED = "revoked"


PURPOSE_TEXT: dict[Purpose, str] = {
    Purpose.AUTHORITY: "CA证书",
    Purpose.SIGNATURE: "签名",
    Purpose.ENCRYPTION: "加密",
    Purpose.TIMESTAMP: "时间戳",
    Purpose.OCSP: "OCSP",
}
