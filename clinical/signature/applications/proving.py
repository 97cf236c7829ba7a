"""How a calling application proves itself: as in `core.proving`, or with its own certificate.

With a certificate the proof is SM3withSM2 or SHA256withRSA over the signed text, Base64 of DER.
"""

import base64

from clinical.signature.formats.errors import UnsupportedAlgorithm
from clinical.signature.formats.raw import signature_matches
from clinical.signature.formats.x509 import Certificate
from core.proving import WINDOW_SECONDS, Claim, proves_secret, read, signed_text

__all__ = [
    "WINDOW_SECONDS",
    "Claim",
    "proves_certificate",
    "proves_secret",
    "read",
    "signed_text",
]


def proves_certificate(claim: Claim, certificate: Certificate) -> bool:
    """Whether the claim was signed with the certificate's key."""
    try:
        given = base64.b64decode(claim.signature, validate=True)
        return signature_matches(given, claim.text, certificate)
    except (ValueError, UnsupportedAlgorithm):
        # Base64 that is none, or no text that could be.
        return False
