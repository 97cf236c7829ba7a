"""A signed callback that somebody has overheard and sends again, changed or not."""

from __future__ import annotations

import zlib
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from clinical.payments import channel, gateway
from clinical.payments.models import ChannelNotice
from core.outside import OutsideGarbled
from tests.clinical.payments.conftest import Till

Overheard = tuple[dict[str, str], bytes]
SIGNED = ("wechatpay-signature", "wechatpay-timestamp", "wechatpay-nonce", "wechatpay-serial")


@pytest.fixture
def overheard(monkeypatch: pytest.MonkeyPatch) -> list[Overheard]:
    """The callbacks that arrive, as they came."""
    heard: list[Overheard] = []
    take = channel.take_callback

    async def listen(runtime: Any, headers: dict[str, str], body: bytes) -> None:
        heard.append(({name: headers[name] for name in SIGNED if name in headers}, body))
        await take(runtime, headers, body)

    monkeypatch.setattr(channel, "take_callback", listen)
    return heard


@pytest.mark.requirement("S4-074")
async def test_a_callback_sent_again_changes_nothing_and_changed_it_is_refused(
    till: Till, overheard: list[Overheard]
) -> None:
    order_id = await till.paid()
    headers, body = overheard[0]
    assert len(headers) == 4

    async def send(path: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        answer = await till.client.post(f"/payments/wechat/{path}", headers=headers, body=body)
        return answer.status, answer.code

    refused = (401, "callback_not_trusted")
    assert await send("notify", headers, body) == (204, "")
    await till.react()
    assert len(await till.payments(order_id)) == 1
    assert await till.announced(order_id) == ["order.paid"]

    for changed in (body + b" ", body.replace(b"TRANSACTION", b"TRANSACTIOM"), b"{}", b""):
        assert await send("notify", headers, changed) == refused
    for name in SIGNED:
        for value in ("", "x", "0", headers[name][:-2] + "xx"):
            assert await send("notify", {**headers, name: value}, body) == refused
        assert (
            await send("notify", {n: v for n, v in headers.items() if n != name}, body) == refused
        )
    later = str(int(headers["wechatpay-timestamp"]) + 1)
    assert await send("notify", {**headers, "wechatpay-timestamp": later}, body) == refused

    # On the other route the same callback says the same: that this order was paid, and no more.
    await send("refund-notify", headers, body)
    await till.react()
    assert await till.refunds(order_id) == []
    assert len(await till.payments(order_id)) == 1

    await till.later(timedelta(minutes=6))
    assert await send("notify", headers, body) == refused
    async with till.runtime.unit_of_work() as uow:
        assert len((await uow.session.scalars(select(ChannelNotice))).all()) == 1


def test_a_bill_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    packed = packer.compress(b"0" * 100_000) + packer.flush()
    monkeypatch.setattr(gateway, "MAX_BILL_BYTES", 100_000)
    assert gateway._unpacked(packed) == b"0" * 100_000
    monkeypatch.setattr(gateway, "MAX_BILL_BYTES", 99_999)
    with pytest.raises(OutsideGarbled):
        gateway._unpacked(packed)
    with pytest.raises(OutsideGarbled):
        gateway._unpacked(packed[:50])
