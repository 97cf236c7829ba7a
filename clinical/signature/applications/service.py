"""What the signing service does for an application that has proved itself."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from clinical.signature.applications import proving
from clinical.signature.applications.desk import Line, SigningDesk
from clinical.signature.applications.errors import (
    AddressNotAllowed,
    ApplicationDisabled,
    FormatNotAllowed,
    NotProved,
    OperationNotAllowed,
    ServerKeyMissing,
    ServiceOff,
    SignatureUnreadable,
    TimestampUnavailable,
)
from clinical.signature.applications.registry import InForce, Registry, Server
from clinical.signature.applications.states import Format, Operation, Proof
from clinical.signature.certificates import access as certificates
from clinical.signature.certificates import validation
from clinical.signature.certificates.access import Wanted
from clinical.signature.certificates.models import StoredCertificate
from clinical.signature.formats import cms, raw
from clinical.signature.formats.checking import digest_with
from clinical.signature.formats.cms import Signatory, digest_of
from clinical.signature.formats.cms_reading import read_message
from clinical.signature.formats.errors import FormatError
from clinical.signature.formats.raw import RawResult
from clinical.signature.formats.verdicts import ChainResult, Usage
from clinical.signature.formats.verification import CmsResult
from clinical.signature.formats.x509 import Certificate, read_any
from clinical.signature.gateway import TimestampAuthority
from core.crypto.signing import Algorithm
from core.defence.counters import Counter
from core.defence.limits import RequestLimits
from core.defence.rates import whole_seconds
from core.errors import RateLimited
from core.outside import OutsideError
from core.runtime import PortMissing

if TYPE_CHECKING:
    from core.http.context import Context
    from core.runtime import Runtime

MOST_FOUND = 50


@dataclass(frozen=True)
class Proved:
    """A request whose application is known and may do what it asks."""

    runtime: "Runtime"
    application: InForce
    nonce: str
    address: str
    request_id: str


async def admit(ctx: "Context", body: bytes, operation: Operation | None) -> Proved:
    """Let a request in: proof, address, policy, rate, switch. The nonce is not used up yet.

    Raises NotProved, ServiceOff, ApplicationDisabled, AddressNotAllowed, OperationNotAllowed or
    RateLimited.
    """
    request = ctx.request
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    claim = proving.read(request.headers, request.method, target, body, ctx.now)
    found = await Registry.of(ctx.runtime).find(claim.code)
    # An unknown code and a wrong proof look alike, so that codes cannot be found by trying.
    if found is None or not _proves(found, claim):
        raise NotProved()
    if not found.service_on:
        raise ServiceOff()
    if found.caller_problem:
        raise NotProved(found.caller_problem, details={"reason": "certificate"})
    if not found.enabled:
        raise ApplicationDisabled()
    if not found.admits(ctx.address):
        raise AddressNotAllowed()
    if operation is not None and operation not in found.operations:
        raise OperationNotAllowed()
    await _count(ctx.runtime, found)
    return Proved(ctx.runtime, found, claim.nonce, ctx.address, ctx.request_id)


def _proves(found: InForce, claim: proving.Claim) -> bool:
    if found.proof is Proof.SECRET:
        return bool(found.secret) and proving.proves_secret(claim, found.secret)
    return found.caller is not None and proving.proves_certificate(claim, found.caller)


async def _count(runtime: "Runtime", found: InForce) -> None:
    limits = RequestLimits.of(runtime)
    if not limits.enabled:
        return
    counter = Counter("application", f"application:{found.id}", found.rate)
    refusal = await limits.counters.take([counter])
    if refusal is not None:
        raise RateLimited(retry_after=whole_seconds(refusal.wait))


# --- signing -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Made:
    """A signature with the server key that made it."""

    signature: bytes
    server: Server


async def sign(
    proved: Proved,
    format_: Format,
    *,
    data: bytes | None,
    digest: bytes | None,
    reference: str,
    timestamp: bool,
) -> Made:
    """Sign content or its digest; the log holds the line when this returns.

    Raises FormatNotAllowed, ServerKeyMissing, TimestampUnavailable and what the desk raises.
    """
    application = proved.application
    if format_ not in application.formats:
        raise FormatNotAllowed()
    server = application.server
    if server is None:
        raise ServerKeyMissing()
    hashed = digest if digest is not None else digest_of(server.key.algorithm, data or b"")
    line = Line(
        server_key_id=server.id,
        format=format_.value,
        algorithm=server.key.algorithm.value,
        digest=hashed.hex(),
        serial=server.certificate.serial_hex,
        reference=reference,
        address=proved.address[:64],
        request_id=proved.request_id,
    )
    make = _maker(server, format_, data, hashed)
    signature = await SigningDesk.of(proved.runtime).sign(application, proved.nonce, make, line)
    if timestamp:
        signature = await _stamped(proved.runtime, signature)
    return Made(signature, server)


def _maker(
    server: Server, format_: Format, data: bytes | None, digest: bytes
) -> Callable[[datetime], bytes]:
    """What a thread does: everything that costs time, for the moment of signing."""
    if format_ is Format.RAW:
        if data is None:
            return lambda now: server.key.sign_digest(digest)
        return lambda now: server.key.sign(data)

    def make(now: datetime) -> bytes:
        signatory = Signatory(server.key, server.certificate, server.chain)
        info = cms.signer_info(signatory, digest, now)
        attached = data if format_ is Format.CMS_ATTACHED else None
        members = [server.certificate, *server.chain]
        return cms.assemble([info], members, [server.key.algorithm], attached)

    return make


async def _stamped(runtime: "Runtime", message: bytes) -> bytes:
    signer = read_message(message).signers[0]
    algorithm = next(a for a in Algorithm if _digest_oid(a) == signer.digest_oid)
    try:
        digest = digest_with(signer.digest_oid, signer.signature)
        token = await runtime.port(TimestampAuthority).stamp(digest, algorithm.digest)
    except (OutsideError, PortMissing) as error:
        raise TimestampUnavailable(retry_after=5) from error
    return cms.with_timestamp(message, token)


def _digest_oid(algorithm: Algorithm) -> str:
    return cms.DIGEST_OIDS[algorithm]


# --- verifying -----------------------------------------------------------------------------------


async def verify_cms(proved: Proved, message: bytes, data: bytes | None) -> CmsResult:
    """Verify a signed message under the application's policy. Raises SignatureUnreadable."""
    involved = validation.certificates_in(message)
    trust = await validation.ready(
        proved.runtime, proved.application.hospital_id, involved, proved.application.policy
    )
    try:
        return cms.verify(message, data, trust)
    except FormatError as error:
        raise SignatureUnreadable(error.text, details={"reason": error.code}) from error


async def verify_raw(
    proved: Proved, signature: bytes, data: bytes, certificate: bytes, at: datetime | None
) -> RawResult:
    """Verify a bare signature by a certificate. Raises SignatureUnreadable."""
    found = _readable(certificate)
    trust = await validation.ready(
        proved.runtime, proved.application.hospital_id, [found], proved.application.policy
    )
    return raw.verify(signature, data, found, trust, at)


async def verify_certificate(
    proved: Proved, certificate: bytes, others: list[bytes], at: datetime | None
) -> tuple[ChainResult, ChainResult]:
    """Judge a certificate as of a moment and now. Raises SignatureUnreadable."""
    found, helpers = _readable(certificate), [_readable(each) for each in others]
    trust = await validation.ready(
        proved.runtime, proved.application.hospital_id, [found, *helpers], proved.application.policy
    )
    now = trust.assess(found, helpers, trust.now, Usage.SIGNATURE)
    then = trust.assess(found, helpers, at, Usage.SIGNATURE) if at is not None else now
    return then, now


async def find_certificates(proved: Proved, wanted: Wanted) -> list[StoredCertificate]:
    """Certificates of the hospital's store."""
    async with proved.runtime.unit_of_work() as uow:
        hospital_id = proved.application.hospital_id
        return await certificates.find(uow.session, hospital_id, wanted, uow.now, MOST_FOUND)


async def use_nonce(proved: Proved) -> None:
    """Use up the nonce of a request that signs nothing. Raises RequestRepeated."""
    await SigningDesk.of(proved.runtime).use_up(proved.application, proved.nonce)


def _readable(data: bytes) -> Certificate:
    try:
        return read_any(data)[0]
    except FormatError as error:
        raise SignatureUnreadable(error.text, details={"reason": error.code}) from error
