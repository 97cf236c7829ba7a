"""From a certificate up to an anchor, and what is wrong on the way (RFC 5280, 6, without policies).

Pure: whoever calls has read anchors, intermediates and what was published about revocation. Name
constraints and policy mappings are not understood; where they are critical, the path fails.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from clinical.signature.certificates.states import Revoking
from clinical.signature.formats.crl import RevocationList
from clinical.signature.formats.ocsp import OcspAnswer
from clinical.signature.formats.verdicts import (
    ChainResult,
    Problem,
    Revocation,
    RevocationState,
    Usage,
)
from clinical.signature.formats.x509 import OCSP_SIGNING, TIME_STAMPING, Certificate

LONGEST_PATH = 8
#: How many signatures one search may check; hostile messages carry many certificates of one name.
MOST_STEPS = 64
NOT_ASKED = Revocation(RevocationState.NOT_ASKED)
_UNKNOWN = Revocation(RevocationState.UNKNOWN)
#: Clocks of CAs and ours may differ by so much.
SKEW = timedelta(minutes=5)


@dataclass(frozen=True)
class Evidence:
    """What CAs have published, as far as it is at hand; nothing in it is believed unchecked."""

    lists: Sequence[RevocationList] = ()
    answers: Mapping[str, OcspAnswer] = field(default_factory=dict)


@dataclass(frozen=True)
class TrustStore:
    """Whom a hospital or an application believes, and how revocation is found out.

    `hard`: what cannot be found out counts as a problem. A path that ends at an anchor is looked
    for among `intermediates` and whatever the checked message brings along.
    """

    now: datetime
    anchors: tuple[Certificate, ...]
    intermediates: tuple[Certificate, ...] = ()
    evidence: Evidence = Evidence()
    revoking: Revoking = Revoking.NONE
    hard: bool = False

    def assess(
        self, certificate: Certificate, others: Sequence[Certificate], at: datetime, usage: Usage
    ) -> ChainResult:
        """See `Trust.assess`."""
        path = self.path_of(certificate, others)
        problems = [*_leaf_problems(certificate, usage)]
        if path is None:
            problems.append(Problem("chain_untrusted"))
            path = (certificate,)
        for depth, each in enumerate(path):
            problems += _problems(each, depth, path, at)
        found = NOT_ASKED
        for each, issuer in pairwise(path):
            answer = self.revocation_of(each, issuer)
            if each is certificate:
                found = answer
            problems += self._revocation_problems(each, answer, at)
        return ChainResult(at, path, tuple(dict.fromkeys(problems)), found)

    def path_of(
        self, certificate: Certificate, others: Iterable[Certificate] = ()
    ) -> tuple[Certificate, ...] | None:
        """The certificate and those above it up to an anchor, or None."""
        pool = list(dict.fromkeys((*self.anchors, *self.intermediates, *others)))
        return _Climb(frozenset(self.anchors), pool).up((certificate,))

    def revocation_of(self, certificate: Certificate, issuer: Certificate) -> Revocation:
        """What is known today. One source that says "revoked" outweighs all others."""
        if self.revoking is Revoking.NONE:
            return NOT_ASKED
        # Responders speak for those whom an authority has issued, lists for authorities too.
        sources = ("crl",) if certificate.is_authority else self.revoking.sources
        found = [
            answer
            for source in sources
            if (answer := self._ask(source, certificate, issuer)) is not None
        ]
        revoked = [answer for answer in found if answer.state is RevocationState.REVOKED]
        known = [answer for answer in found if answer.state is RevocationState.GOOD]
        return (revoked or known or [_UNKNOWN])[0]

    def _ask(self, source: str, certificate: Certificate, issuer: Certificate) -> Revocation | None:
        if source == "crl":
            return self._by_list(certificate, issuer)
        return self._by_answer(certificate, issuer)

    def _by_list(self, certificate: Certificate, issuer: Certificate) -> Revocation | None:
        lists = [each for each in self.evidence.lists if each.is_signed_by(issuer)]
        if not lists:
            return None
        newest = max(lists, key=lambda each: each.this_update)
        entry = newest.entries.get(certificate.serial)
        if entry is not None and entry.reason != "remove_from_crl":
            return Revocation(
                RevocationState.REVOKED, entry.at, entry.reason, "crl", newest.this_update
            )
        if self._is_stale(newest.this_update, newest.next_update):
            return None
        return Revocation(RevocationState.GOOD, source="crl", as_of=newest.this_update)

    def _by_answer(self, certificate: Certificate, issuer: Certificate) -> Revocation | None:
        answer = self.evidence.answers.get(certificate.fingerprint)
        if (
            answer is None
            or answer.serial != certificate.serial
            or not answer.is_signed_for(issuer, answer.this_update)
        ):
            return None
        if answer.state is RevocationState.REVOKED:
            return Revocation(
                RevocationState.REVOKED,
                answer.revoked_at,
                answer.reason,
                "ocsp",
                answer.this_update,
            )
        unknown = answer.state is RevocationState.UNKNOWN
        if unknown or self._is_stale(answer.this_update, answer.next_update):
            return None
        return Revocation(RevocationState.GOOD, source="ocsp", as_of=answer.this_update)

    def _is_stale(self, this_update: datetime, next_update: datetime | None) -> bool:
        if this_update > self.now + SKEW:
            return True
        return next_update is not None and next_update < self.now

    def _revocation_problems(
        self, certificate: Certificate, answer: Revocation, at: datetime
    ) -> Iterable[Problem]:
        if answer.state is RevocationState.REVOKED:
            if answer.at is None or answer.at <= at:
                yield Problem("certificate_revoked", certificate.common_name)
        elif answer.state is RevocationState.UNKNOWN and self.hard:
            yield Problem("revocation_unknown", certificate.common_name)


class _Climb:
    """A search from the leaf up, over issuers whose names, key ids and signatures fit."""

    def __init__(self, anchors: frozenset[Certificate], pool: Sequence[Certificate]) -> None:
        self._anchors, self._pool = anchors, pool
        self._steps = 0

    def up(self, path: tuple[Certificate, ...]) -> tuple[Certificate, ...] | None:
        lowest, last = path[0], path[-1]
        if last in self._anchors and (last is not lowest or lowest.is_self_issued):
            return path
        if len(path) >= LONGEST_PATH:
            return None
        for issuer in self._pool:
            if issuer in path or not _may_have_issued(issuer, last):
                continue
            self._steps += 1
            if self._steps > MOST_STEPS:
                return None
            if last.is_signed_by(issuer) and (found := self.up((*path, issuer))) is not None:
                return found
        # An anchor need not be a root: then the path ends here.
        return path if last in self._anchors else None


def _may_have_issued(issuer: Certificate, certificate: Certificate) -> bool:
    if issuer.subject != certificate.issuer:
        return False
    ids = issuer.key_id, certificate.authority_key_id
    return None in ids or ids[0] == ids[1]


def _leaf_problems(certificate: Certificate, usage: Usage) -> Iterable[Problem]:
    extended = certificate.extended_usage
    match usage:
        case Usage.SIGNATURE:
            good = certificate.allows("digital_signature") or certificate.allows("non_repudiation")
        case Usage.TIMESTAMP:
            good = extended is not None and TIME_STAMPING in extended
        case Usage.OCSP:
            good = extended is not None and OCSP_SIGNING in extended
        case Usage.CRL:
            good = certificate.allows("crl_sign")
    if not good:
        yield Problem("usage_forbidden")


def _problems(
    certificate: Certificate, depth: int, path: Sequence[Certificate], at: datetime
) -> Iterable[Problem]:
    name = certificate.common_name
    if at < certificate.not_before:
        yield Problem("certificate_not_yet_valid", name)
    elif at > certificate.not_after:
        yield Problem("certificate_expired", name)
    if certificate.unknown_critical:
        yield Problem("extension_unknown", certificate.unknown_critical[0])
    if depth == 0:
        return
    if not (certificate.is_authority and certificate.allows("key_cert_sign")):
        yield Problem("issuer_not_authority", name)
    between = sum(not each.is_self_issued for each in path[1:depth])
    if certificate.path_length is not None and between > certificate.path_length:
        yield Problem("path_length_exceeded", name)
