"""The ports to a certification authority and to a time-stamping authority, with their clients.

A CA differs from the next in its words, not in what it does: it is shown a request and who asks,
gives a certificate, prolongs it and takes it back. The gateways know nothing of our tables. Private
keys never leave: the CA sees the PKCS#10 request alone.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, Self

import orjson

from clinical.signature.formats import timestamps
from clinical.signature.formats.errors import FormatError, TimestampRefused
from clinical.signature.states import RevokeReason
from core.outside import OutsideClient, OutsideGarbled, OutsideRefused, signed_json

SYSTEM = "ca"
TIMESTAMP_SYSTEM = "tsa"
LARGEST_ANSWER = 1024 * 1024


class Profile(StrEnum):
    """What kind of certificate is asked for."""

    PERSON = "person"
    ORGANISATION = "organisation"


class Issue(StrEnum):
    """How a request for a certificate stands at the CA."""

    PENDING = "pending"
    ISSUED = "issued"
    REFUSED = "refused"
    REVOKED = "revoked"


@dataclass(frozen=True, kw_only=True)
class CertificateRequest:
    """What the CA must know to vouch for a key.

    `reference` is our number of the request: asking again under it gives the first answer. `csr` is
    PKCS#10 in DER. `id_number` is the identity number of a person or the credit code of an
    organisation; the CA checks it and does not put it into the certificate.
    """

    reference: str
    profile: Profile
    csr: bytes
    name: str
    id_number: str
    organisation: str
    phone: str | None = None


@dataclass(frozen=True, kw_only=True)
class CertificateAnswer:
    """How a request stands. The certificate and its chain (issuer first, without the root) are DER
    and there once it is issued; `serial` is hexadecimal; `message` says why it was refused."""

    reference: str
    state: Issue
    serial: str | None = None
    certificate: bytes | None = None
    chain: tuple[bytes, ...] = field(default=())
    message: str = ""


class UnknownCertificate(OutsideRefused):
    """The CA knows no request or certificate of this number."""


class CertificateAuthority(Protocol):
    """A CA. Every call carries a number of ours, so that repeating it is harmless.

    All calls raise `OutsideUnavailable` when it is unknown whether they were carried out,
    `OutsideRefused` when the CA said no, `OutsideGarbled` when the answer cannot be believed.
    """

    async def request(self, request: CertificateRequest) -> CertificateAnswer:
        """Ask for a certificate; the answer may be `PENDING`, then `query` tells the rest."""
        ...

    async def query(self, reference: str) -> CertificateAnswer:
        """How a request stands; raises UnknownCertificate."""
        ...

    async def renew(self, reference: str, serial: str, csr: bytes) -> CertificateAnswer:
        """A new certificate for the subject of `serial`; `csr` may hold the old key or a new one.

        `reference` is the number of this renewal. The old certificate stays good until it ends.
        """
        ...

    async def revoke(self, reference: str, serial: str, reason: RevokeReason) -> CertificateAnswer:
        """Take a certificate back; one that is revoked already stays so, with its first reason."""
        ...


class TimestampAuthority(Protocol):
    """A time-stamping authority (RFC 3161)."""

    async def stamp(self, digest: bytes, algorithm: str) -> bytes:
        """The timestamp token (CMS in DER) over a digest made with `algorithm` (`sm3`, `sha256`).

        Imprint, nonce and the token's own signature are checked; whether its certificate is trusted
        is for the verifier. Raises OutsideUnavailable, OutsideRefused or OutsideGarbled.
        """
        ...


class HttpCertificateAuthority:
    """`CertificateAuthority` over a JSON interface with HMAC-signed requests."""

    def __init__(
        self,
        base_url: str,
        key_id: str,
        secret: str,
        now: Callable[[], datetime],
        *,
        timeout: float = 15.0,
    ) -> None:
        self._http = OutsideClient(SYSTEM, base_url, timeout=timeout, max_body=LARGEST_ANSWER)
        self._key_id, self._secret, self._now = key_id, secret, now

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def request(self, request: CertificateRequest) -> CertificateAnswer:
        content = {
            "reference": request.reference,
            "profile": request.profile.value,
            "csr": _text(request.csr),
            "subject": {
                "name": request.name,
                "id_number": request.id_number,
                "organisation": request.organisation,
                "phone": request.phone,
            },
        }
        return await self._ask("/ca/v1/certificates", content, request.reference)

    async def query(self, reference: str) -> CertificateAnswer:
        return await self._ask("/ca/v1/certificates/query", {"reference": reference}, reference)

    async def renew(self, reference: str, serial: str, csr: bytes) -> CertificateAnswer:
        content = {"reference": reference, "serial": serial, "csr": _text(csr)}
        return await self._ask("/ca/v1/certificates/renew", content, reference)

    async def revoke(self, reference: str, serial: str, reason: RevokeReason) -> CertificateAnswer:
        content = {"reference": reference, "serial": serial, "reason": reason.value}
        return await self._ask("/ca/v1/certificates/revoke", content, reference)

    async def _ask(self, path: str, content: dict[str, Any], reference: str) -> CertificateAnswer:
        body = orjson.dumps(content)
        headers = signed_json(
            "X-Ca", self._key_id, self._secret, "POST", path, body, int(self._now().timestamp())
        )
        # Every call carries its reference, so one that was carried out may be asked again.
        reply = await self._http.call_repeatedly("POST", path, headers=headers, body=body)
        answer = reply.json(SYSTEM)
        if reply.status != 200:
            code, message = str(answer.get("code")), str(answer.get("message"))
            kind = UnknownCertificate if reply.status == 404 else OutsideRefused
            raise kind(SYSTEM, reply.status, code, message)
        found = _answer(answer)
        if found.reference != reference:
            raise OutsideGarbled(SYSTEM, "the answer is about another request")
        return found


class HttpTimestampAuthority:
    """`TimestampAuthority` over HTTP as RFC 3161 says."""

    def __init__(self, url: str, now: Callable[[], datetime], *, timeout: float = 10.0) -> None:
        self._http = OutsideClient(TIMESTAMP_SYSTEM, url, timeout=timeout, max_body=LARGEST_ANSWER)
        self._now = now

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def stamp(self, digest: bytes, algorithm: str) -> bytes:
        question = timestamps.Question.about(digest, algorithm)
        reply = await self._http.call_repeatedly(
            "POST",
            "",
            headers={"Content-Type": "application/timestamp-query"},
            body=question.der,
        )
        if reply.status != 200:
            raise OutsideRefused(TIMESTAMP_SYSTEM, reply.status, "", "no timestamp")
        try:
            return timestamps.token_in(reply.body, question)
        except TimestampRefused as error:
            raise OutsideRefused(TIMESTAMP_SYSTEM, 200, "rejected", str(error)) from error
        except FormatError as error:
            raise OutsideGarbled(TIMESTAMP_SYSTEM, str(error)) from error


def _answer(content: dict[str, Any]) -> CertificateAnswer:
    try:
        chain = tuple(_bytes(item) for item in content.get("chain") or [])
        certificate = content.get("certificate")
        answer = CertificateAnswer(
            reference=str(content["reference"]),
            state=Issue(content["state"]),
            serial=content.get("serial"),
            certificate=None if certificate is None else _bytes(certificate),
            chain=chain,
            message=str(content.get("message") or ""),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise OutsideGarbled(SYSTEM, "the answer lacks something") from error
    if answer.state is Issue.ISSUED and (answer.certificate is None or not answer.serial):
        raise OutsideGarbled(SYSTEM, "an issued certificate is missing in the answer")
    return answer


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("This is not Base64.") from error
