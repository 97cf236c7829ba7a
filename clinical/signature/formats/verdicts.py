"""What a check found, in words for programs and for people, and what it asks of a trust store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from clinical.signature.formats.x509 import Certificate


class Usage(StrEnum):
    """What a certificate is used for where it is checked."""

    SIGNATURE = "signature"
    TIMESTAMP = "timestamp"
    OCSP = "ocsp"
    CRL = "crl"


#: Every problem by its code, as a Chinese sentence.
TEXTS: dict[str, str] = {
    "digest_mismatch": "内容与签名时不一致",
    "signature_wrong": "签名值验证不通过",
    "content_missing": "缺少原文，无法验证",
    "content_type_mismatch": "签名声明的内容类型与消息不一致",
    "certificate_missing": "签名消息中没有签名者的证书",
    "certificate_mismatch": "签名声明的证书与所附证书不一致",
    "algorithm_unsupported": "不支持的签名算法",
    "chain_untrusted": "证书不能追溯到受信任的根证书",
    "chain_too_long": "证书链过长",
    "certificate_expired": "证书已过有效期",
    "certificate_not_yet_valid": "证书尚未生效",
    "certificate_revoked": "证书已被吊销",
    "revocation_unknown": "无法确认证书是否被吊销",
    "usage_forbidden": "证书的用途不允许这样使用",
    "issuer_not_authority": "上级证书不是CA证书",
    "path_length_exceeded": "证书链超过上级CA允许的层数",
    "extension_unknown": "证书含有无法识别的关键扩展",
    "timestamp_wrong": "时间戳验证不通过",
    "timestamp_untrusted": "时间戳服务的证书不受信任",
    "time_unknown": "签名没有时间，按当前时间判断",
    "time_unproven": "签名时间没有时间戳证明，而证书的私钥已被报告泄露",
}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. `detail` names the certificate or the moment."""

    code: str
    detail: str = ""

    @property
    def text(self) -> str:
        return f"{TEXTS[self.code]}：{self.detail}" if self.detail else TEXTS[self.code]


class RevocationState(StrEnum):
    """What is known about a certificate being taken back."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True)
class Revocation:
    """The answer about one certificate. `source` is `crl` or `ocsp`, `as_of` when it was made."""

    state: RevocationState
    at: datetime | None = None
    reason: str | None = None
    source: str = ""
    as_of: datetime | None = None


@dataclass(frozen=True)
class ChainResult:
    """A certificate at one moment: its path up to the anchor and what is wrong with it."""

    at: datetime
    path: tuple[Certificate, ...]
    problems: tuple[Problem, ...]
    revocation: Revocation

    @property
    def ok(self) -> bool:
        return not self.problems


class Trust(Protocol):
    """Whom a verifier believes."""

    @property
    def now(self) -> datetime: ...

    def assess(
        self, certificate: Certificate, others: Sequence[Certificate], at: datetime, usage: Usage
    ) -> ChainResult:
        """Judge a certificate as of a moment, with what is known today. `others` may help to find
        the path and are not believed."""
        ...
