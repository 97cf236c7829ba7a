"""How a calling application proves itself: every request is signed, good for minutes.

The signed text has six lines: method, path with query, application code, time (seconds since 1970),
nonce, SM3 of the body in hexadecimal. With a shared secret the proof is HMAC-SM3 in hexadecimal;
modules that accept certificates check those themselves, over the same text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from core.crypto.sm import equal, hmac_sm3, sm3
from core.errors import ProblemError

#: Seconds that the caller's clock may be off, either way.
WINDOW_SECONDS = 300
CODE, TIME, NONCE, SIGNATURE = "x-app-id", "x-app-timestamp", "x-app-nonce", "x-app-signature"
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
_TIME = re.compile(r"[0-9]{1,12}")


class NotProved(ProblemError):
    code, status, title = "application_not_proved", 401, "业务系统身份验证未通过"


@dataclass(frozen=True, slots=True)
class Claim:
    """What the headers of a request say, not believed yet."""

    code: str
    nonce: str
    text: bytes
    signature: str


def read(headers: Mapping[str, str], method: str, target: str, body: bytes, now: datetime) -> Claim:
    """The claim in a request's headers. Raises NotProved naming what is missing or too old."""
    code, at = headers.get(CODE, ""), headers.get(TIME, "")
    nonce, signature = headers.get(NONCE, ""), headers.get(SIGNATURE, "")
    if not (code and signature and _TIME.fullmatch(at)):
        raise NotProved("缺少身份验证信息", details={"reason": "missing"})
    if not _NONCE.fullmatch(nonce):
        raise NotProved("随机数应为 16 至 64 位字母、数字", details={"reason": "nonce"})
    if abs(now.timestamp() - int(at)) > WINDOW_SECONDS:
        raise NotProved("请求时间与服务器相差过大", details={"reason": "time"})
    text = signed_text(method, target, code, at, nonce, body)
    return Claim(code[:40], nonce, text, signature)


def signed_text(method: str, target: str, code: str, at: str, nonce: str, body: bytes) -> bytes:
    """The six lines."""
    return "\n".join((method, target, code, at, nonce, sm3(body).hex())).encode()


def proves_secret(claim: Claim, secret: bytes) -> bool:
    """Whether the claim was made with the shared secret."""
    try:
        given = bytes.fromhex(claim.signature)
    except ValueError:
        return False
    return equal(given, hmac_sm3(secret, claim.text))
