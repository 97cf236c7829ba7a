"""The port to a payment channel and its client for WeChat Pay v3.

Only the base URL differs between the platform (`https://api.mch.weixin.qq.com`) and the simulator.
The gateway knows nothing of our tables: numbers in, plain values or named errors out.
"""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

import orjson
from cryptography.hazmat.primitives.asymmetric import rsa

from clinical.payments import wechat
from clinical.payments.platform_keys import PlatformKeys
from core.outside import (
    OutsideClient,
    OutsideGarbled,
    OutsideRefused,
    OutsideUnavailable,
    Reply,
)

SYSTEM = "wechat_pay"
MAX_BILL_BYTES = 256 * 1024 * 1024


class TradeState(StrEnum):
    """What the channel says about an order."""

    NOTPAY = "NOTPAY"
    USERPAYING = "USERPAYING"
    PAYERROR = "PAYERROR"
    SUCCESS = "SUCCESS"
    REFUND = "REFUND"
    CLOSED = "CLOSED"
    REVOKED = "REVOKED"


class RefundStatus(StrEnum):
    """What the channel says about a refund."""

    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    CLOSED = "CLOSED"
    ABNORMAL = "ABNORMAL"


class ChannelOrderUnknown(OutsideRefused):
    """The channel has no order or refund of this number."""


class ChannelOrderPaid(OutsideRefused):
    """The order cannot be closed or placed again because it has been paid."""


class CallbackRefused(Exception):
    """A callback is not signed by the platform, not recent or not readable."""


class BillNotReady(OutsideRefused):
    """The day bill is being made; ask later."""


class BillEmpty(OutsideRefused):
    """There was no transaction on that day."""


@dataclass(frozen=True, kw_only=True)
class PlaceOrder:
    """What the channel must know to take money. Amount in fen; numbers are ours."""

    out_trade_no: str
    description: str
    amount_fen: int
    expires_at: datetime
    notify_url: str
    client_address: str


@dataclass(frozen=True, kw_only=True)
class ChannelPayment:
    """An order as the channel sees it. The last four are None until it has been paid."""

    out_trade_no: str
    state: TradeState
    transaction_id: str | None = None
    amount_fen: int | None = None
    currency: str | None = None
    paid_at: datetime | None = None

    @property
    def has_been_paid(self) -> bool:
        return self.state in (TradeState.SUCCESS, TradeState.REFUND)


@dataclass(frozen=True, kw_only=True)
class RefundRequest:
    """A refund of a part or the whole of one transaction; amounts in fen."""

    transaction_id: str
    out_refund_no: str
    amount_fen: int
    total_fen: int
    reason: str
    notify_url: str


@dataclass(frozen=True, kw_only=True)
class ChannelRefund:
    """A refund as the channel sees it."""

    out_refund_no: str
    refund_id: str
    status: RefundStatus
    amount_fen: int
    finished_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class PaymentNotice:
    """A verified callback about a payment."""

    notice_id: str
    payment: ChannelPayment


@dataclass(frozen=True, kw_only=True)
class RefundNotice:
    """A verified callback about a refund."""

    notice_id: str
    refund: ChannelRefund


@dataclass(frozen=True, kw_only=True)
class DayBill:
    """The bytes of a bill whose hash was checked."""

    content: bytes
    sha1: str


class PaymentGateway(Protocol):
    """A payment channel. Every number that it gets makes the call safe to repeat.

    All calls raise `OutsideUnavailable` when it is unknown whether they were carried out,
    `OutsideRefused` when the channel said no, `OutsideGarbled` when the answer cannot be believed.
    """

    async def place_h5(self, order: PlaceOrder, return_url: str) -> str:
        """Announce an order; returns the cashier's address, which comes back to `return_url`."""
        ...

    async def query(self, out_trade_no: str) -> ChannelPayment:
        """Ask for an order; raises ChannelOrderUnknown."""
        ...

    async def close(self, out_trade_no: str) -> None:
        """Take no more money for an order; raises ChannelOrderPaid when it came first."""
        ...

    async def refund(self, request: RefundRequest) -> ChannelRefund:
        """Give money back."""
        ...

    async def query_refund(self, out_refund_no: str) -> ChannelRefund:
        """Ask for a refund; raises ChannelOrderUnknown."""
        ...

    async def day_bill(self, day: date) -> DayBill:
        """The bill of a day (China time); raises BillNotReady or BillEmpty."""
        ...

    async def read_callback(
        self, headers: Mapping[str, str], body: bytes
    ) -> PaymentNotice | RefundNotice:
        """Verify and open a callback; raises CallbackRefused, or OutsideUnavailable while the
        platform's certificates cannot be fetched."""
        ...


@dataclass(frozen=True, kw_only=True)
class WechatMerchant:
    """The hospital's merchant account: numbers, its private key and the APIv3 key (32 bytes)."""

    mchid: str
    appid: str
    serial: str
    private_key: rsa.RSAPrivateKey
    api_v3_key: bytes

    def __post_init__(self) -> None:
        if len(self.api_v3_key) != 32:
            raise ValueError("The APIv3 key must have 32 characters.")


class WechatPay:
    """`PaymentGateway` for WeChat Pay v3, direct merchant."""

    def __init__(
        self,
        base_url: str,
        merchant: WechatMerchant,
        now: Callable[[], datetime],
        *,
        platform_keys: Mapping[str, rsa.RSAPublicKey] | None = None,
        timeout: float = 8.0,
    ) -> None:
        self._http = OutsideClient(SYSTEM, base_url, timeout=timeout, max_body=MAX_BILL_BYTES)
        self._merchant = merchant
        self._now = now
        self._keys = PlatformKeys(
            platform_keys or {}, merchant.api_v3_key, now, self._ask_certificates
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    async def place_h5(self, order: PlaceOrder, return_url: str) -> str:
        body = {
            "appid": self._merchant.appid,
            "mchid": self._merchant.mchid,
            "description": order.description,
            "out_trade_no": order.out_trade_no,
            "time_expire": order.expires_at.astimezone(wechat.CHINA).isoformat(timespec="seconds"),
            "notify_url": order.notify_url,
            "amount": {"total": order.amount_fen, "currency": "CNY"},
            "scene_info": {"payer_client_ip": order.client_address, "h5_info": {"type": "Wap"}},
        }
        # Placing the same number with the same content again gives a fresh cashier address.
        answer = await self._json("POST", "/v3/pay/transactions/h5", body, repeat=True)
        address = answer.get("h5_url")
        if not isinstance(address, str) or not address:
            raise OutsideGarbled(SYSTEM, "no h5_url in the answer")
        joint = "&" if "?" in address else "?"
        return f"{address}{joint}redirect_url={quote(return_url, safe='')}"

    async def query(self, out_trade_no: str) -> ChannelPayment:
        query = urlencode({"mchid": self._merchant.mchid})
        target = f"/v3/pay/transactions/out-trade-no/{quote(out_trade_no, safe='')}?{query}"
        return _payment(await self._json("GET", target, None, repeat=True))

    async def close(self, out_trade_no: str) -> None:
        target = f"/v3/pay/transactions/out-trade-no/{quote(out_trade_no, safe='')}/close"
        await self._exchange("POST", target, {"mchid": self._merchant.mchid}, repeat=True)

    async def refund(self, request: RefundRequest) -> ChannelRefund:
        body = {
            "transaction_id": request.transaction_id,
            "out_refund_no": request.out_refund_no,
            "reason": request.reason[:80],
            "notify_url": request.notify_url,
            "amount": {
                "refund": request.amount_fen,
                "total": request.total_fen,
                "currency": "CNY",
            },
        }
        # Money moves: one attempt here, and the caller asks again under the same number.
        answer = await self._json("POST", "/v3/refund/domestic/refunds", body, repeat=False)
        return _refund(answer, "status")

    async def query_refund(self, out_refund_no: str) -> ChannelRefund:
        target = f"/v3/refund/domestic/refunds/{quote(out_refund_no, safe='')}"
        return _refund(await self._json("GET", target, None, repeat=True), "status")

    async def day_bill(self, day: date) -> DayBill:
        query = urlencode({"bill_date": day.isoformat(), "bill_type": "ALL", "tar_type": "GZIP"})
        answer = await self._json("GET", f"/v3/bill/tradebill?{query}", None, repeat=True)
        content = await self._download(str(answer.get("download_url", "")))
        hash_type, hash_value = str(answer.get("hash_type")), str(answer.get("hash_value"))
        if not wechat.bill_hash_matches(content, hash_type, hash_value):
            raise OutsideGarbled(SYSTEM, "the bill's hash differs from the announced one")
        return DayBill(content=content, sha1=hash_value.lower())

    async def read_callback(
        self, headers: Mapping[str, str], body: bytes
    ) -> PaymentNotice | RefundNotice:
        try:
            vouched = wechat.SignatureHeaders.of(headers)
            vouched.check_time(self._now())
            await self._verify(vouched, body)
            notice_id, kind, content = wechat.open_resource(body, self._merchant.api_v3_key)
            if content.get("mchid") != self._merchant.mchid:
                raise wechat.ProtocolError("A callback is for another merchant.")
        except wechat.ProtocolError as error:
            raise CallbackRefused(str(error)) from error
        try:
            if kind.startswith("TRANSACTION."):
                if content.get("appid") != self._merchant.appid:
                    raise CallbackRefused("A callback is for another application.")
                return PaymentNotice(notice_id=notice_id, payment=_payment(content))
            if kind.startswith("REFUND."):
                return RefundNotice(notice_id=notice_id, refund=_refund(content, "refund_status"))
        except OutsideGarbled as error:
            raise CallbackRefused(error.reason) from error
        raise CallbackRefused(f"Unknown kind of callback: {kind[:64]}.")

    # ------------------------------------------------------------------ one signed exchange

    async def _json(
        self, method: str, target: str, body: Mapping[str, Any] | None, *, repeat: bool
    ) -> dict[str, Any]:
        return (await self._exchange(method, target, body, repeat=repeat)).json(SYSTEM)

    async def _exchange(
        self, method: str, target: str, body: Mapping[str, Any] | None, *, repeat: bool
    ) -> Reply:
        reply = await self._send(method, target, body, repeat=repeat)
        if reply.status >= 400:
            raise _refusal(reply)
        try:
            vouched = wechat.SignatureHeaders.of(reply.headers)
            vouched.check_time(self._now())
            await self._verify(vouched, reply.body)
        except wechat.ProtocolError as error:
            raise OutsideGarbled(SYSTEM, str(error)) from error
        return reply

    async def _send(
        self, method: str, target: str, body: Mapping[str, Any] | None, *, repeat: bool
    ) -> Reply:
        content = b"" if body is None else orjson.dumps(body)
        address = urlsplit(target)
        path = f"{address.path}?{address.query}" if address.query else address.path
        headers = {
            "Accept": "application/json",
            "User-Agent": "zhenjian/1.0",
            "Authorization": wechat.authorization(
                self._merchant.private_key,
                self._merchant.mchid,
                self._merchant.serial,
                method,
                path,
                int(self._now().timestamp()),
                secrets.token_hex(16).upper(),
                content,
            ),
        }
        if content:
            headers["Content-Type"] = "application/json"
        call = self._http.call_repeatedly if repeat else self._http.call
        return await call(method, target, headers=headers, body=content)

    async def _download(self, url: str) -> bytes:
        # Signed credentials go to the channel's own host alone. The file comes unsigned: its hash,
        # which came signed, vouches for it.
        base, given = urlsplit(self._http.base_url), urlsplit(url)
        if (given.scheme, given.netloc) != (base.scheme, base.netloc):
            raise OutsideGarbled(SYSTEM, "the bill's address is on another host")
        reply = await self._send("GET", url, None, repeat=True)
        if reply.status >= 400:
            raise _refusal(reply)
        if not reply.body.startswith(b"\x1f\x8b"):
            return reply.body
        return _unpacked(reply.body)

    async def _verify(self, vouched: wechat.SignatureHeaders, body: bytes) -> None:
        key = await self._keys.get(vouched.serial)
        wechat.check_signature(key, vouched, body)

    async def _ask_certificates(self) -> Reply:
        reply = await self._send("GET", "/v3/certificates", None, repeat=False)
        if reply.status >= 400:
            raise _refusal(reply)
        return reply


_REFUSALS: dict[str, type[OutsideRefused]] = {
    "ORDER_NOT_EXIST": ChannelOrderUnknown,
    "ORDERNOTEXIST": ChannelOrderUnknown,
    "RESOURCE_NOT_EXISTS": ChannelOrderUnknown,
    "ORDERPAID": ChannelOrderPaid,
    "ORDER_PAID": ChannelOrderPaid,
    "STATEMENT_CREATING": BillNotReady,
    "NO_STATEMENT_EXIST": BillEmpty,
}


def _unpacked(packed: bytes) -> bytes:
    """A gzip file, as far as it stays within what a bill may be."""
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        bill = unpacker.decompress(packed, MAX_BILL_BYTES)
    except zlib.error as error:
        raise OutsideGarbled(SYSTEM, "the bill does not unpack") from error
    if not unpacker.eof:
        raise OutsideGarbled(SYSTEM, "the bill is cut short or too large")
    return bill


def _refusal(reply: Reply) -> OutsideRefused | OutsideUnavailable:
    try:
        answer = reply.json(SYSTEM)
    except OutsideGarbled:
        answer = {}
    code, message = str(answer.get("code", "")), str(answer.get("message", ""))
    if reply.status == 429 or code in ("FREQUENCY_LIMITED", "RATELIMIT_EXCEEDED"):
        return OutsideUnavailable(SYSTEM, f"{reply.status} {code}")
    return _REFUSALS.get(code, OutsideRefused)(SYSTEM, reply.status, code, message)


def _payment(content: Mapping[str, Any]) -> ChannelPayment:
    try:
        amount = content.get("amount") or {}
        payment = ChannelPayment(
            out_trade_no=str(content["out_trade_no"]),
            state=TradeState(content["trade_state"]),
            transaction_id=content.get("transaction_id") or None,
            amount_fen=amount.get("total"),
            currency=amount.get("currency"),
            paid_at=wechat.moment(content.get("success_time")),
        )
    except (KeyError, ValueError, AttributeError, wechat.ProtocolError) as error:
        raise OutsideGarbled(SYSTEM, "an order cannot be read") from error
    if payment.has_been_paid and (payment.transaction_id is None or payment.amount_fen is None):
        raise OutsideGarbled(SYSTEM, "a paid order has no transaction or amount")
    return payment


def _refund(content: Mapping[str, Any], status: str) -> ChannelRefund:
    try:
        return ChannelRefund(
            out_refund_no=str(content["out_refund_no"]),
            refund_id=str(content["refund_id"]),
            status=RefundStatus(content[status]),
            amount_fen=int(content["amount"]["refund"]),
            finished_at=wechat.moment(content.get("success_time")),
        )
    except (KeyError, ValueError, TypeError, wechat.ProtocolError) as error:
        raise OutsideGarbled(SYSTEM, "a refund cannot be read") from error
