"""Time-based one-time passwords (RFC 6238 over RFC 4226): pure functions, `now` passed in.

SHA-1, six digits, 30 seconds: what every authenticator application understands.
"""

import base64
import hmac
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode

SECRET_BYTES = 20
STEP_SECONDS = 30
DIGITS = 6
#: Steps before and after the present one that are accepted, for clocks that are off.
DRIFT_STEPS = 1


def new_secret() -> bytes:
    """Twenty random bytes, as RFC 4226 recommends."""
    return secrets.token_bytes(SECRET_BYTES)


def step_at(now: datetime) -> int:
    """The number of the 30-second step that `now` lies in."""
    return int(now.timestamp()) // STEP_SECONDS


def code_at(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """The code of one step (RFC 4226, 5.3)."""
    mac = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = mac[-1] & 0x0F
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def matching_step(secret: bytes, code: str, now: datetime, last_step: int) -> int | None:
    """The step whose code this is, within the drift and after `last_step`; None for none.

    All steps are compared, so that the time taken says nothing.
    """
    present = step_at(now)
    found = None
    for step in range(present - DRIFT_STEPS, present + DRIFT_STEPS + 1):
        same = hmac.compare_digest(code_at(secret, step).encode(), code.encode())
        if same and step > last_step:
            found = step
    return found


def manual_key(secret: bytes) -> str:
    """The secret for typing: base32 in groups of four."""
    text = base64.b32encode(secret).decode().rstrip("=")
    return " ".join(text[place : place + 4] for place in range(0, len(text), 4))


def key_uri(secret: bytes, issuer: str, account: str) -> str:
    """The `otpauth://` address that the QR code carries (Key Uri Format)."""
    label = quote(f"{issuer}:{account}", safe="")
    query = {
        "secret": base64.b32encode(secret).decode().rstrip("="),
        "issuer": issuer,
        "algorithm": "SHA1",
        "digits": DIGITS,
        "period": STEP_SECONDS,
    }
    return f"otpauth://totp/{label}?{urlencode(query, quote_via=quote)}"
