"""WeChat Pay v3 on paper: signatures, sealed resources and the day bill as pure functions.

Sources: pay.weixin.qq.com, "APIv3 签名生成", "签名验证", "证书和回调报文解密",
"交易账单文件格式说明".
Nothing here talks to a network or reads a clock.
"""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson
from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SCHEMA = "WECHATPAY2-SHA256-RSA2048"
PUBLIC_KEY_PREFIX = "PUB_KEY_ID_"
CALLBACK_WINDOW = timedelta(minutes=5)
CHINA = timezone(timedelta(hours=8))


class ProtocolError(Exception):
    """Something does not follow the protocol: a header, a signature, a seal, a bill."""


def request_text(method: str, target: str, timestamp: int, nonce: str, body: bytes) -> bytes:
    """The text that a merchant signs: five lines, each ended by a newline.

    `target` is the path with its query exactly as sent, `timestamp` in seconds.
    """
    return f"{method}\n{target}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"


def answer_text(timestamp: str, nonce: str, body: bytes) -> bytes:
    """The text that the platform signs over an answer or a callback: three lines."""
    return f"{timestamp}\n{nonce}\n".encode() + body + b"\n"


def sign(key: rsa.RSAPrivateKey, text: bytes) -> str:
    """SHA256 with RSA (PKCS #1 v1.5), Base64 in one line."""
    return base64.b64encode(key.sign(text, padding.PKCS1v15(), hashes.SHA256())).decode()


def verify(key: rsa.RSAPublicKey, text: bytes, signature: str) -> bool:
    """Whether `signature` (Base64) is the key's signature over `text`."""
    try:
        raw = base64.b64decode(signature, validate=True)
        key.verify(raw, text, padding.PKCS1v15(), hashes.SHA256())
    except (binascii.Error, ValueError, InvalidSignature):
        return False
    return True


def authorization(
    key: rsa.RSAPrivateKey,
    mchid: str,
    serial: str,
    method: str,
    target: str,
    timestamp: int,
    nonce: str,
    body: bytes,
) -> str:
    """The value of the Authorization header of one request."""
    signature = sign(key, request_text(method, target, timestamp, nonce, body))
    return (
        f'{SCHEMA} mchid="{mchid}",nonce_str="{nonce}",signature="{signature}",'
        f'timestamp="{timestamp}",serial_no="{serial}"'
    )


def unseal(api_v3_key: bytes, nonce: str, associated_data: str, ciphertext: str) -> bytes:
    """Open an AEAD_AES_256_GCM resource. Raises ProtocolError when key or content is wrong."""
    try:
        sealed = base64.b64decode(ciphertext, validate=True)
        return AESGCM(api_v3_key).decrypt(nonce.encode(), sealed, associated_data.encode())
    except (binascii.Error, ValueError, InvalidTag) as error:
        raise ProtocolError("A sealed resource does not open.") from error


@dataclass(frozen=True)
class SignatureHeaders:
    """The four headers by which the platform vouches for an answer or a callback."""

    serial: str
    signature: str
    timestamp: str
    nonce: str

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> SignatureHeaders:
        """Take them from headers (any letter case). Raises ProtocolError when one is absent."""
        lowered = {name.lower(): value for name, value in headers.items()}
        names = ("serial", "signature", "timestamp", "nonce")
        values = [lowered.get(f"wechatpay-{name}", "") for name in names]
        if not all(values):
            raise ProtocolError("A Wechatpay signature header is missing.")
        return cls(*values)

    def check_time(self, now: datetime) -> None:
        """Refuse what was signed more than five minutes from `now`: it may be a replay."""
        if not (
            self.timestamp.isascii() and self.timestamp.isdigit() and len(self.timestamp) <= 12
        ):
            raise ProtocolError("Wechatpay-Timestamp is not a number.")
        if abs(now.timestamp() - int(self.timestamp)) > CALLBACK_WINDOW.total_seconds():
            raise ProtocolError("Wechatpay-Timestamp is outside the five minutes.")


def check_signature(key: rsa.RSAPublicKey, vouched: SignatureHeaders, body: bytes) -> None:
    """Raise ProtocolError unless the platform signed this very answer or callback."""
    if not verify(key, answer_text(vouched.timestamp, vouched.nonce, body), vouched.signature):
        raise ProtocolError("The platform's signature is wrong.")


def load_public_key(pem: bytes) -> tuple[str, rsa.RSAPublicKey]:
    """Serial and key of a platform certificate, or the public-key prefix and a bare public key.

    Raises ProtocolError for anything else than an RSA key.
    """
    try:
        if b"BEGIN CERTIFICATE" in pem:
            certificate = x509.load_pem_x509_certificate(pem)
            serial, key = certificate_serial(certificate), _rsa(certificate.public_key())
        else:
            serial, key = PUBLIC_KEY_PREFIX, _rsa(serialization.load_pem_public_key(pem))
    except ValueError as error:
        raise ProtocolError(
            "The platform key is neither a certificate nor a public key."
        ) from error
    return serial, key


def _rsa(key: object) -> rsa.RSAPublicKey:
    if not isinstance(key, rsa.RSAPublicKey):
        raise ProtocolError("The platform key is not an RSA key.")
    return key


def load_private_key(pem: bytes) -> rsa.RSAPrivateKey:
    """The merchant's private key. Raises ProtocolError for anything else than RSA in PEM."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise ProtocolError("The merchant's private key cannot be read.") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ProtocolError("The merchant's private key is not an RSA key.")
    return key


def certificate_serial(certificate: x509.Certificate) -> str:
    """The serial number as WeChat writes it: upper-case hexadecimal."""
    return f"{certificate.serial_number:X}"


def open_certificates(body: bytes, api_v3_key: bytes) -> dict[str, rsa.RSAPublicKey]:
    """The platform keys, by serial, from the answer of `GET /v3/certificates`.

    That the APIv3 key opens an entry vouches for it, also on the first download.
    """
    keys: dict[str, rsa.RSAPublicKey] = {}
    try:
        entries = orjson.loads(body)["data"]
        for entry in entries:
            sealed = entry["encrypt_certificate"]
            pem = unseal(
                api_v3_key, sealed["nonce"], sealed.get("associated_data", ""), sealed["ciphertext"]
            )
            serial, key = load_public_key(pem)
            if serial != entry["serial_no"]:
                raise ProtocolError("A certificate's serial differs from its entry.")
            keys[serial] = key
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ProtocolError("The list of certificates cannot be read.") from error
    return keys


def open_resource(body: bytes, api_v3_key: bytes) -> tuple[str, str, dict[str, Any]]:
    """Identifier, event type and content of a callback whose signature has been verified."""
    try:
        notice = orjson.loads(body)
        resource = notice["resource"]
        if resource["algorithm"] != "AEAD_AES_256_GCM":
            raise ProtocolError("A callback uses an unknown algorithm.")
        plain = unseal(
            api_v3_key,
            resource["nonce"],
            resource.get("associated_data") or "",
            resource["ciphertext"],
        )
        content = orjson.loads(plain)
        identifier, kind = notice["id"], notice["event_type"]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ProtocolError("A callback cannot be read.") from error
    if not (isinstance(identifier, str) and isinstance(kind, str) and isinstance(content, dict)):
        raise ProtocolError("A callback cannot be read.")
    return identifier, kind, content


def moment(value: str | None) -> datetime | None:
    """An RFC 3339 time as the platform writes it, or None. Raises ProtocolError."""
    if not value:
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except (ValueError, TypeError) as error:
        raise ProtocolError(f"Not a time: {value!r}.") from error
    if parsed.tzinfo is None:
        raise ProtocolError(f"A time without a zone: {value!r}.")
    return parsed


@dataclass(frozen=True)
class BillLine:
    """One line of the day bill; amounts in fen.

    A payment has empty refund numbers; a refund line repeats the numbers of its payment.
    `at` is when the payment succeeded or the refund was accepted, China time made aware.
    """

    at: datetime
    transaction_id: str
    out_trade_no: str
    refund_id: str
    out_refund_no: str
    state: str
    amount_fen: int
    refund_fen: int


@dataclass(frozen=True)
class Bill:
    """A parsed day bill with the platform's own totals in fen."""

    lines: tuple[BillLine, ...]
    total_count: int
    total_amount_fen: int
    total_refund_fen: int


def bill_hash_matches(content: bytes, hash_type: str, hash_value: str) -> bool:
    """Whether the unpacked file is the one announced. Only SHA1 is defined."""
    return (
        hash_type == "SHA1"
        and hashlib.sha1(content, usedforsecurity=False).hexdigest() == hash_value.lower()
    )


def parse_bill(content: bytes) -> Bill:
    """Read an ALL bill: columns by name, backticks removed, yuan to fen, totals checked.

    Raises ProtocolError when a column is missing, a number is none, or the totals do not add up.
    """
    try:
        rows = [row for row in csv.reader(io.StringIO(content.decode("utf-8-sig"))) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ProtocolError("The bill is not CSV in UTF-8.") from error
    if len(rows) < 3 or not rows[-2][0].startswith("总交易单数"):
        raise ProtocolError("The bill has no summary.")
    header, summary_header, summary = rows[0], rows[-2], rows[-1]
    lines = tuple(_bill_line(_named(header, row)) for row in rows[1:-2])
    totals = _named(summary_header, summary)
    bill = Bill(
        lines,
        _count(totals, "总交易单数"),
        _fen(totals, "订单总金额"),
        _fen(totals, "申请退款总金额"),
    )
    if (
        bill.total_count != len(lines)
        or bill.total_amount_fen != sum(line.amount_fen for line in lines)
        or bill.total_refund_fen != sum(line.refund_fen for line in lines)
    ):
        raise ProtocolError("The bill's totals differ from its lines.")
    return bill


def _named(header: list[str], row: list[str]) -> dict[str, str]:
    if len(header) != len(row):
        raise ProtocolError("A line of the bill has another number of columns than its header.")
    pairs = zip(header, row, strict=True)
    return {name.strip(): value.strip().removeprefix("`") for name, value in pairs}


def _bill_line(row: dict[str, str]) -> BillLine:
    try:
        at = datetime.strptime(row["交易时间"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA)
        return BillLine(
            at=at,
            transaction_id=row["微信订单号"],
            out_trade_no=row["商户订单号"],
            refund_id=_number(row["微信退款单号"]),
            out_refund_no=_number(row["商户退款单号"]),
            state=row["交易状态"],
            amount_fen=_fen(row, "订单金额"),
            refund_fen=_fen(row, "申请退款金额"),
        )
    except (KeyError, ValueError) as error:
        raise ProtocolError(f"A line of the bill cannot be read: {error}.") from error


def _number(value: str) -> str:
    return "" if value == "0" else value


def _fen(row: dict[str, str], column: str) -> int:
    try:
        fen = Decimal(row[column]) * 100
        whole = int(fen)
    except (KeyError, InvalidOperation, ValueError, OverflowError) as error:
        raise ProtocolError(f"{column} of the bill is not an amount.") from error
    if fen != whole:
        raise ProtocolError(f"{column} of the bill is not whole fen.")
    return whole


def _count(row: dict[str, str], column: str) -> int:
    try:
        return int(row[column])
    except (KeyError, ValueError) as error:
        raise ProtocolError(f"{column} of the bill is not a number.") from error
