"""The words of the signing service."""

from enum import StrEnum


class Format(StrEnum):
    """How a signature is written down."""

    RAW = "raw"
    CMS_ATTACHED = "cms_attached"
    CMS_DETACHED = "cms_detached"


class Operation(StrEnum):
    """What an application may ask for."""

    SIGN = "sign"
    VERIFY = "verify"
    FIND_CERTIFICATES = "find_certificates"
    VERIFY_CERTIFICATE = "verify_certificate"


class Proof(StrEnum):
    """How an application proves itself: with a shared secret, or with its own certificate."""

    SECRET = "secret"  # noqa: S105 - a word
    CERTIFICATE = "certificate"


class Provider(StrEnum):
    """Where a private key lies. A certified device is a further word with a class behind it."""

    SOFTWARE = "software"


class KeyState(StrEnum):
    """The life of a server key."""

    REQUESTED = "requested"
    ACTIVE = "active"
    REFUSED = "refused"
    RETIRED = "retired"


FORMAT_TEXT: dict[Format, str] = {
    Format.RAW: "PKCS#1 / 裸签名",
    Format.CMS_ATTACHED: "PKCS#7 attach",
    Format.CMS_DETACHED: "PKCS#7 detach",
}
