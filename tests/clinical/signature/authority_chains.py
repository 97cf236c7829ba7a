"""Little chains for tests of formats and paths, made by the simulator's hands, without a server."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from asn1crypto import tsp, x509

from clinical.sandbox.ca import answers
from clinical.sandbox.ca.building import Issuer, Revoked, Wish, certificate, revocation_list
from clinical.sandbox.ca.signers import RsaSigner, Signer, SmSigner
from clinical.signature.certificates.paths import TrustStore
from clinical.signature.formats.timestamps import Question, token_in
from clinical.signature.formats.x509 import Certificate, read_certificate
from core.crypto import sm2
from core.crypto.signing import RsaSigningKey, Sm2SigningKey, load_private

AUTHORITY = frozenset({"key_cert_sign", "crl_sign"})
SIGNING = frozenset({"digital_signature", "non_repudiation"})


@cache
def key_of(signer: Signer) -> Sm2SigningKey | RsaSigningKey:
    """Our own key for a key of the simulator."""
    if isinstance(signer, SmSigner):
        return Sm2SigningKey(sm2.PrivateKey(bytes.fromhex(signer.dump())))
    lines = signer.dump().strip().split("\n")[1:-1]
    return load_private(base64.b64decode("".join(lines)))


@dataclass
class Chain:
    """Root, issuing authority, and whom it certifies."""

    now: datetime
    kind: str = "sm2"
    keys: dict[str, Signer] = field(default_factory=dict)
    made: dict[str, x509.Certificate] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.add("root", None, authority=True, usage=AUTHORITY)
        self.add("issuing", "root", authority=True, usage=AUTHORITY, path_length=0)

    def add(self, name: str, above: str | None, **wish: Any) -> Certificate:
        """A certificate named `name`, signed by the one named `above`."""
        signer: Signer = SmSigner.generate() if self.kind == "sm2" else RsaSigner.generate()
        signer = wish.pop("signer", None) or signer
        at = wish.pop("at", self.now)
        fields: dict[str, Any] = {"days": 365, "usage": SIGNING, **wish}
        asked = Wish({"common_name": name, "organization_name": self.kind}, **fields)
        self.keys[name] = signer
        if above is None:
            self.made[name] = certificate(asked, signer.public, at, signer)
        else:
            self.made[name] = certificate(
                asked, signer.public, at, self.keys[above], self.made[above]
            )
        return self[name]

    def __getitem__(self, name: str) -> Certificate:
        return read_certificate(self.made[name].dump())

    def key(self, name: str) -> Sm2SigningKey | RsaSigningKey:
        return key_of(self.keys[name])

    def issuer(self, name: str = "issuing") -> Issuer:
        return Issuer(self.keys[name], self.made[name])

    def trust(self, **changes: Any) -> TrustStore:
        fields: dict[str, Any] = {"now": self.now, "anchors": (self["root"],), **changes}
        return TrustStore(**fields)

    def crl(self, *revoked: Revoked, at: datetime | None = None, hours: int = 12) -> bytes:
        begin = at or self.now
        return revocation_list(self.issuer(), revoked, begin, begin + timedelta(hours=hours))

    def stamp(self, digest: bytes, at: datetime, fault: str = "ok") -> bytes:
        """A timestamp token of an authority under `issuing`, made when it is needed."""
        if "tsa" not in self.made:
            self.add("tsa", "issuing", extended=("time_stamping",), at=self.now - timedelta(days=9))
        algorithm = "sm3" if self.kind == "sm2" else "sha256"
        question = Question.about(digest, algorithm)
        request = tsp.TimeStampReq.load(question.der)
        answer = answers.timestamp_answer(request, self.issuer("tsa"), at, fault=fault)
        return token_in(answer, question)
