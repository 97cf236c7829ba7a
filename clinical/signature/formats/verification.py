"""Verifying signed messages in detail: who, when, with which certificate, good then and now."""

from dataclasses import dataclass
from datetime import datetime

from clinical.signature.formats import timestamps
from clinical.signature.formats.checking import check_signature, digest_with
from clinical.signature.formats.cms_reading import SignedMessage, SignerInfo, read_message
from clinical.signature.formats.errors import FormatError, UnsupportedAlgorithm
from clinical.signature.formats.verdicts import (
    ChainResult,
    Problem,
    RevocationState,
    Trust,
    Usage,
)
from clinical.signature.formats.x509 import Certificate
from core.crypto.signing import Algorithm
from core.crypto.sm import equal

_OIDS = {"sm3": "1.2.156.10197.1.401", "sha256": "2.16.840.1.101.3.4.2.1"}


@dataclass(frozen=True)
class StampResult:
    """A timestamp on a signature. `at` counts only when `ok`."""

    at: datetime
    authority: str
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


@dataclass(frozen=True)
class SignerResult:
    """One signer's part. `claimed_at` is his own word; a good timestamp proves a time.

    `then` judges the certificate when it signed, `now` today; None when there is no certificate.
    `problems` are those of the signature as of its time; a certificate that ran out since then is
    none of them and shows in `now`.
    """

    signer: str
    certificate: Certificate | None
    algorithm: Algorithm | None
    claimed_at: datetime | None
    timestamp: StampResult | None
    digest_ok: bool
    signature_ok: bool
    then: ChainResult | None
    now: ChainResult | None
    problems: tuple[Problem, ...]

    @property
    def signed_at(self) -> datetime | None:
        """The best known time: proven, else claimed."""
        return self.timestamp.at if self.proven and self.timestamp else self.claimed_at

    @property
    def proven(self) -> bool:
        """Whether a good timestamp proves the time."""
        return self.timestamp is not None and self.timestamp.ok

    @property
    def valid(self) -> bool:
        """Whether content and signature are intact and the certificate was good when it signed."""
        return not self.problems

    @property
    def valid_now(self) -> bool:
        """Whether the certificate is good today as well."""
        return self.valid and self.now is not None and self.now.ok


@dataclass(frozen=True)
class CmsResult:
    """A whole message. `data` is its content when it is attached."""

    gm: bool
    attached: bool
    data: bytes | None
    signers: tuple[SignerResult, ...]

    @property
    def valid(self) -> bool:
        return bool(self.signers) and all(signer.valid for signer in self.signers)

    @property
    def valid_now(self) -> bool:
        return bool(self.signers) and all(signer.valid_now for signer in self.signers)

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(dict.fromkeys(p for signer in self.signers for p in signer.problems))


def verify(
    message: bytes, data: bytes | None, trust: Trust, timestamp: bytes | None = None
) -> CmsResult:
    """Verify a message against its own content or, when it is detached, against `data`.

    Content given for an attached message must be the same. `timestamp` is a token that was kept
    beside the message, over the first signature. Raises MalformedCms, MalformedCertificate.
    """
    read = read_message(message)
    content = data if read.data is None else read.data
    differs = read.data is not None and data is not None and not equal(read.data, data)
    signers = tuple(
        _signer(read, info, content, trust, differs, timestamp if index == 0 else None)
        for index, info in enumerate(read.signers)
    )
    return CmsResult(read.is_gm, read.data is not None, read.data, signers)


def _signer(
    read: SignedMessage,
    info: SignerInfo,
    content: bytes | None,
    trust: Trust,
    differs: bool,
    extra_token: bytes | None,
) -> SignerResult:
    problems: list[Problem] = []
    certificate = info.certificate_in(list(read.certificates))
    digest_ok = signature_ok = False
    if certificate is None:
        problems.append(Problem("certificate_missing"))
    if content is None:
        problems.append(Problem("content_missing"))
    if certificate is not None and content is not None:
        check = check_signature(info, certificate, content)
        digest_ok, signature_ok = check.digest_ok and not differs, check.signature_ok
        if not digest_ok:
            problems.append(Problem("digest_mismatch"))
        if not signature_ok:
            problems.append(Problem("signature_wrong"))
        if not check.reference_ok:
            problems.append(Problem("certificate_mismatch"))
    if info.attributes is not None and info.content_type != read.content_type:
        problems.append(Problem("content_type_mismatch"))
    stamp = _stamp(info, extra_token, trust, read.certificates)
    if stamp is not None:
        problems += stamp.problems
    then = now = None
    if certificate is not None:
        proven = stamp is not None and stamp.ok
        at = stamp.at if stamp is not None and stamp.ok else info.signing_time
        then = trust.assess(certificate, read.certificates, at or trust.now, Usage.SIGNATURE)
        now = trust.assess(certificate, read.certificates, trust.now, Usage.SIGNATURE)
        problems += then.problems
        if not proven and _key_leaked(now) and then.ok:
            # Whoever holds a leaked key can write any time into what he signs.
            problems.append(Problem("time_unproven"))
    return SignerResult(
        signer=certificate.common_name if certificate else "",
        certificate=certificate,
        algorithm=certificate.algorithm if certificate else None,
        claimed_at=info.signing_time,
        timestamp=stamp,
        digest_ok=digest_ok,
        signature_ok=signature_ok,
        then=then,
        now=now,
        problems=tuple(problems),
    )


def _key_leaked(result: ChainResult) -> bool:
    found = result.revocation
    return found.state is RevocationState.REVOKED and found.reason == "key_compromise"


def _stamp(
    info: SignerInfo,
    extra_token: bytes | None,
    trust: Trust,
    others: tuple[Certificate, ...],
) -> StampResult | None:
    token = info.timestamp if info.timestamp is not None else extra_token
    if token is None:
        return None
    try:
        stamp = timestamps.read_token(token)
        digest = digest_with(_OIDS[stamp.algorithm], info.signature)
    except (FormatError, UnsupportedAlgorithm):
        return StampResult(trust.now, "", (Problem("timestamp_wrong"),))
    name = stamp.certificate.common_name if stamp.certificate else ""
    if stamp.certificate is None or not stamp.signature_ok or not equal(stamp.digest, digest):
        return StampResult(stamp.at, name, (Problem("timestamp_wrong"),))
    # A token often holds the authority's certificate alone; its issuer may be the signer's too.
    helpers = (*stamp.message.certificates, *others)
    chain = trust.assess(stamp.certificate, helpers, stamp.at, Usage.TIMESTAMP)
    wrong = () if chain.ok else (Problem("timestamp_untrusted", chain.problems[0].text),)
    return StampResult(stamp.at, name, wrong)
