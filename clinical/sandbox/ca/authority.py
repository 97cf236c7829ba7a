"""The authority's keys, its two chains and its register of certificates."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from asn1crypto import keys as asn1_keys
from asn1crypto import x509

from clinical.sandbox.ca.building import Issuer, Revoked, Wish, certificate
from clinical.sandbox.ca.signers import RsaSigner, Signer, SmSigner
from clinical.sandbox.keys import write_private
from clinical.sandbox.store import Document, Store

CHAINS = ("sm2", "rsa")
PARTS = ("root", "issuing", "ocsp", "tsa")
NAME = {"country_name": "CN", "organization_name": "诊间演示CA"}
TITLES = {
    "root": "演示根CA",
    "issuing": "演示签发CA",
    "ocsp": "演示OCSP服务",
    "tsa": "演示时间戳服务",
}
_SIGNING = frozenset({"digital_signature", "non_repudiation"})
_AUTHORITY = frozenset({"key_cert_sign", "crl_sign"})
DAYS = {"person": 365, "organisation": 3 * 365}


def load_keys(folder: Path) -> dict[str, str]:
    """The private keys by `chain.part` as they are written down, made on first use."""
    path = folder / "ca.json"
    if not path.exists():
        made: dict[str, str] = {}
        for part in PARTS:
            made[f"sm2.{part}"] = SmSigner.generate().dump()
            made[f"rsa.{part}"] = RsaSigner.generate().dump()
        write_private(path, json.dumps(made, indent=1).encode())
    stored: dict[str, str] = json.loads(path.read_text())
    return stored


class Authority:
    """Both chains over one register, which the store keeps."""

    def __init__(self, folder: Path, store: Store, url: str, now: datetime) -> None:
        self._store, self._url, self._now = store, url, now
        self._keys = load_keys(folder)
        self._issuers: dict[str, Issuer] = {}

    def issuer(self, chain: str, part: str = "issuing") -> Issuer:
        """A key of the authority with its certificate, made when it is needed first."""
        name = f"{chain}.{part}"
        if name not in self._issuers:
            text = self._keys[name]
            signer: Signer = SmSigner(text) if chain == "sm2" else RsaSigner.load(text)
            self._issuers[name] = Issuer(signer, self._own_certificate(chain, part, signer))
        return self._issuers[name]

    def crl_url(self, chain: str, part: str) -> str:
        return f"{self._url}/ca/crl/{chain}-{part}.crl"

    def _own_certificate(self, chain: str, part: str, signer: Signer) -> x509.Certificate:
        """A certificate of the authority itself; made once for each address that it is under."""
        key = f"{chain}.{part}@{self._url}"
        stored = self._store.get("ca_own", key)
        if stored is not None:
            return x509.Certificate.load(base64.b64decode(stored["der"]))
        wish = self._own_wish(chain, part)
        if part == "root":
            made = certificate(wish, signer.public, self._now, signer)
        else:
            above = self.issuer(chain, "root" if part == "issuing" else "issuing")
            made = certificate(wish, signer.public, self._now, above.signer, above.certificate)
        self._store.put("ca_own", key, {"der": base64.b64encode(made.dump()).decode()})
        return made

    def _own_wish(self, chain: str, part: str) -> Wish:
        subject = {**NAME, "common_name": f"{TITLES[part]} {chain.upper()}"}
        match part:
            case "root":
                return Wish(subject, 20 * 365, _AUTHORITY, authority=True)
            case "issuing":
                crl = self.crl_url(chain, "root")
                return Wish(
                    subject, 10 * 365, _AUTHORITY, authority=True, path_length=0, crl_url=crl
                )
            case "ocsp":
                extended = ("ocsp_signing",)
                return Wish(subject, 5 * 365, _SIGNING, extended=extended, no_check=True)
            case _:
                crl = self.crl_url(chain, "issuing")
                return Wish(subject, 5 * 365, _SIGNING, extended=("time_stamping",), crl_url=crl)

    def issue(
        self,
        chain: str,
        profile: str,
        subject: dict[str, str],
        public: asn1_keys.PublicKeyInfo,
        now: datetime,
    ) -> x509.Certificate:
        """A certificate for somebody's key."""
        wish = Wish(
            {**NAME, **subject},
            DAYS[profile],
            _SIGNING,
            crl_url=self.crl_url(chain, "issuing"),
            ocsp_url=f"{self._url}/ca/ocsp",
        )
        issuer = self.issuer(chain)
        return certificate(wish, public, now, issuer.signer, issuer.certificate)

    def chain_of(self, chain: str) -> list[bytes]:
        """Issuer first, without the root."""
        return [self.issuer(chain).certificate.dump()]

    # ------------------------------------------------------------------------------- register

    def find(self, reference: str) -> Document | None:
        return self._store.get("ca_request", reference)

    def find_serial(self, serial: str) -> Document | None:
        owner = self._store.get("ca_serial", serial.upper())
        return None if owner is None else self.find(owner["reference"])

    def keep(self, record: Document) -> None:
        self._store.put("ca_request", record["reference"], record)
        if record.get("serial"):
            self._store.put("ca_serial", record["serial"], {"reference": record["reference"]})

    def revoked(self, chain: str) -> Iterable[Revoked]:
        for record in self._store.all("ca_request"):
            if record["chain"] == chain and record.get("revoked_at"):
                yield Revoked(
                    int(record["serial"], 16),
                    datetime.fromisoformat(record["revoked_at"]),
                    record["reason"],
                )
