"""Alipay's identity certification: the port, and its client on Alipay's open gateway.

A person is sent to a page of Alipay, which checks who he is in its own way (today its own face
check; ours comes later behind the same port) and sends him back; then we ask for the verdict.
Source: Alipay open documentation, `alipay.user.certify.open.*`, RSA2 signatures.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from core.config import Config
from core.outside import OutsideClient, OutsideError

SYSTEM = "alipay_certify"
_PREFIX = "alipay.user.certify.open."
_ZONE = ZoneInfo("Asia/Shanghai")
_OK = "10000"


class CertifyUnavailable(Exception):
    """Alipay did not answer, refused, or its answer does not verify."""


class CertifyGateway(Protocol):
    """Another house that certifies who a person is, on a page of its own."""

    async def initialize(self, order: str, name: str, id_number: str, return_url: str) -> str:
        """Begin; returns the other house's number for it. Raises CertifyUnavailable."""
        ...

    def page(self, certify_id: str) -> str:
        """The address to which the person is sent."""
        ...

    async def passed(self, certify_id: str) -> bool | None:
        """The verdict; None while the person has not finished. Raises CertifyUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class AlipayApp:
    """Our application at Alipay: its id, our key, Alipay's public key."""

    appid: str
    private_key: rsa.RSAPrivateKey
    alipay_key: rsa.RSAPublicKey


class AlipayCertify:
    """`CertifyGateway` on Alipay's `gateway.do`."""

    def __init__(
        self,
        base_url: str,
        app: AlipayApp,
        now: Callable[[], datetime],
        *,
        page_base: str | None = None,
        timeout: float = 6.0,
    ) -> None:
        self._http = OutsideClient(SYSTEM, base_url, timeout=timeout)
        self._page_base = (page_base or base_url).rstrip("/")
        self._app, self._now = app, now

    async def aclose(self) -> None:
        await self._http.aclose()

    async def initialize(self, order: str, name: str, id_number: str, return_url: str) -> str:
        answer = await self._call(
            "initialize",
            {
                "outer_order_no": order,
                "biz_code": "FACE",
                "identity_param": {
                    "identity_type": "CERT_INFO",
                    "cert_type": "IDENTITY_CARD",
                    "cert_name": name,
                    "cert_no": id_number,
                },
                "merchant_config": {"return_url": return_url},
            },
        )
        certify_id = answer.get("certify_id")
        if not isinstance(certify_id, str) or not certify_id:
            raise CertifyUnavailable("no certify_id in the answer")
        return certify_id

    def page(self, certify_id: str) -> str:
        return f"{self._page_base}/gateway.do?{self._signed('certify', {'certify_id': certify_id})}"

    async def passed(self, certify_id: str) -> bool | None:
        answer = await self._call("query", {"certify_id": certify_id})
        return {"T": True, "F": False}.get(str(answer.get("passed")))

    def _signed(self, verb: str, content: dict[str, Any]) -> str:
        """The form of a request: sorted, signed with our key, encoded."""
        form = {
            "app_id": self._app.appid,
            "method": _PREFIX + verb,
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": f"{self._now().astimezone(_ZONE):%Y-%m-%d %H:%M:%S}",
            "version": "1.0",
            "biz_content": orjson.dumps(content).decode(),
        }
        signature = self._app.private_key.sign(
            sign_text(form).encode(), padding.PKCS1v15(), hashes.SHA256()
        )
        return urlencode({**form, "sign": base64.b64encode(signature).decode()})

    async def _call(self, verb: str, content: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/x-www-form-urlencoded;charset=utf-8"}
        body = self._signed(verb, content).encode()
        try:
            reply = await self._http.call("POST", "/gateway.do", headers=headers, body=body)
            answer = reply.json(SYSTEM)
        except OutsideError as error:
            raise CertifyUnavailable(str(error)) from error
        node = f"alipay_user_certify_open_{verb}_response"
        self._verify(reply.body, node, answer.get("sign"))
        found = answer.get(node)
        if not isinstance(found, dict) or found.get("code") != _OK:
            raise CertifyUnavailable(f"{verb}: {found}")
        return found

    def _verify(self, body: bytes, node: str, sign: object) -> None:
        """The signature covers the node exactly as it was sent."""
        begin = body.find(f'"{node}":'.encode())
        end = body.rfind(b',"sign"')
        if begin < 0 or end < begin or not isinstance(sign, str):
            raise CertifyUnavailable("the answer is not signed")
        covered = body[begin + len(node) + 3 : end]
        try:
            self._app.alipay_key.verify(
                base64.b64decode(sign, validate=True), covered, padding.PKCS1v15(), hashes.SHA256()
            )
        except (InvalidSignature, binascii.Error) as error:
            raise CertifyUnavailable("the answer's signature is wrong") from error


def sign_text(form: dict[str, str]) -> str:
    """What a request's signature covers: every parameter but `sign`, sorted, unencoded."""
    return "&".join(f"{name}={form[name]}" for name in sorted(form) if name != "sign")


def alipay_certify(config: Config, now: Callable[[], datetime]) -> AlipayCertify | None:
    """The adapter, where it is configured. Raises OSError or ValueError for unreadable keys."""
    paths = config.alipay_private_key, config.alipay_public_key
    if config.alipay_appid is None or paths[0] is None or paths[1] is None:
        return None
    app = AlipayApp(config.alipay_appid, _private(paths[0]), _public(paths[1]))
    return AlipayCertify(config.alipay_url, app, now, page_base=config.alipay_page_url)


def _private(path: Path) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError(f"{path} holds no RSA key.")
    return key


def _public(path: Path) -> rsa.RSAPublicKey:
    key = serialization.load_pem_public_key(path.read_bytes())
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError(f"{path} holds no RSA key.")
    return key
