"""Talks with the payment channel: an intent in one transaction, the call, its result in another.

Every number that the channel gets is derived from our ids, so a talk that was cut anywhere is
simply held again.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import structlog

from clinical.payments import access, refunding, rules, service
from clinical.payments.errors import (
    CallbackNotTrusted,
    OrderAlreadyPaid,
    OrderIsClosed,
    PaymentRefused,
    PaymentUnavailable,
)
from clinical.payments.gateway import (
    CallbackRefused,
    ChannelOrderPaid,
    ChannelOrderUnknown,
    ChannelPayment,
    PaymentGateway,
    PaymentNotice,
    PlaceOrder,
    RefundRequest,
    TradeState,
)
from clinical.payments.models import Action, CallState, Channel, Order
from clinical.payments.rules import Arrival, OrderState, RefundState
from core.identity.caller import Caller
from core.outside import OutsideGarbled, OutsideRefused, OutsideUnavailable
from core.runtime import Runtime

log = structlog.get_logger(__name__)

#: Refusals that money or patience can mend; the refund is sent again later.
PASSING_REFUSALS = {"NOT_ENOUGH", "NOTENOUGH", "FREQUENCY_LIMITED", "RULE_LIMIT", "SIGN_ERROR"}
NO_CHANGE = "no_change"


def notify_url(runtime: Runtime, kind: str) -> str:
    """Where the channel calls back: `notify` or `refund-notify`."""
    return f"{runtime.config.base_url}/api/v1/payments/wechat/{kind}"


async def place(
    runtime: Runtime,
    caller: Caller,
    order_id: UUID,
    channel: Channel,
    return_url: str,
    client_address: str,
) -> str:
    """Get a cashier's address for the caller's order.

    Raises NotFound, OrderAlreadyPaid, OrderIsClosed, OrderHasExpired, PaymentUnavailable (asking
    again is safe) or PaymentRefused.
    """
    async with runtime.unit_of_work() as uow:
        order, call_id = await service.begin_payment(uow, caller, order_id, channel)
        wanted = PlaceOrder(
            out_trade_no=order.out_trade_no,
            description=order.subject,
            amount_fen=order.amount_fen,
            expires_at=order.expires_at,
            notify_url=notify_url(runtime, "notify"),
            client_address=client_address or "127.0.0.1",
        )
    try:
        pay_url = await runtime.port(PaymentGateway).place_h5(wanted, return_url)
    except ChannelOrderPaid as error:
        await _finish(runtime, call_id, CallState.REFUSED, str(error))
        await sync(runtime, order_id)
        raise OrderAlreadyPaid() from error
    except OutsideRefused as error:
        await _finish(runtime, call_id, CallState.REFUSED, str(error))
        log.error("payment_refused", order=str(order_id), error=str(error))
        raise PaymentRefused() from error
    except (OutsideUnavailable, OutsideGarbled) as error:
        await _finish(runtime, call_id, CallState.UNKNOWN, str(error))
        raise PaymentUnavailable(retry_after=5) from error
    async with runtime.unit_of_work() as uow:
        await service.finish_call(uow, call_id, CallState.DONE)
        placed = await access.locked_order(uow.session, order_id)
        assert placed is not None
        closed_meanwhile = placed.state is OrderState.CLOSED
    if closed_meanwhile:
        await _close_quietly(runtime, order_id)
        raise OrderIsClosed()
    return pay_url


async def sync(runtime: Runtime, order_id: UUID) -> ChannelPayment | None:
    """Ask the channel about an order and believe what it says; None when it knows no such order.

    Raises OutsideUnavailable, OutsideGarbled or OutsideRefused.
    """
    try:
        payment = await runtime.port(PaymentGateway).query(order_id.hex)
    except ChannelOrderUnknown:
        payment = None
    async with runtime.unit_of_work() as uow:
        if payment is not None:
            await service.record_payment(uow, payment, "query")
        order = await access.locked_order(uow.session, order_id)
        if order is not None and order.state is OrderState.PENDING:
            order.queries += 1
            order.queried_at = uow.now
            order.next_query_at = rules.next_query(uow.now, order.queries, order.expires_at)
    return payment


async def look(runtime: Runtime, order_id: UUID) -> None:
    """The job's question about an order whose callback has not come.

    About a closed order it is the last one, and an order still open at the channel is closed there.
    """
    payment = await sync(runtime, order_id)
    if payment is not None and payment.state in (TradeState.NOTPAY, TradeState.USERPAYING):
        await close_at_channel(runtime, order_id)
    async with runtime.unit_of_work() as uow:
        order = await access.locked_order(uow.session, order_id)
        if order is not None and order.state is OrderState.CLOSED:
            order.next_query_at = None


async def expire(runtime: Runtime, order_id: UUID) -> bool:
    """Close an order whose time is over, unless the channel says that it was paid in time.

    While the channel does not answer, the order waits ten minutes longer.
    """
    async with runtime.unit_of_work() as uow:
        order = await access.locked_order(uow.session, order_id)
        if order is None or order.state is not OrderState.PENDING:
            return False
        asked, patience_ends = order.channel is not None, _patience_ends(order)
    if asked:
        try:
            await sync(runtime, order_id)
        except (OutsideUnavailable, OutsideGarbled, OutsideRefused) as error:
            log.warning("expiry_without_answer", order=str(order_id), error=str(error))
            if runtime.clock.now() < patience_ends:
                return False
    async with runtime.unit_of_work() as uow:
        return await service.close_order(uow, order_id, "payment_expired")


def _patience_ends(order: Order) -> datetime:
    return order.expires_at + rules.PATIENCE_AFTER_EXPIRY


async def close_at_channel(runtime: Runtime, order_id: UUID) -> None:
    """Tell the channel to take no more money; if some came first, it goes back.

    Raises OutsideUnavailable or OutsideGarbled, to be called again.
    """
    async with runtime.unit_of_work() as uow:
        order = await access.locked_order(uow.session, order_id)
        if order is None or order.channel is None or order.state is not OrderState.CLOSED:
            return
        call_id = service.start_call(uow, order, Action.CLOSE)
    try:
        await runtime.port(PaymentGateway).close(order_id.hex)
    except ChannelOrderPaid as error:
        await _finish(runtime, call_id, CallState.REFUSED, str(error))
        await sync(runtime, order_id)
    except ChannelOrderUnknown as error:
        await _finish(runtime, call_id, CallState.REFUSED, str(error))
    except OutsideRefused as error:
        # Whatever it refuses: what counts is whether money came.
        await _finish(runtime, call_id, CallState.REFUSED, str(error))
        await sync(runtime, order_id)
    except (OutsideUnavailable, OutsideGarbled) as error:
        await _finish(runtime, call_id, CallState.UNKNOWN, str(error))
        raise
    else:
        await _finish(runtime, call_id, CallState.DONE, None)


async def _close_quietly(runtime: Runtime, order_id: UUID) -> None:
    try:
        await close_at_channel(runtime, order_id)
    except (OutsideUnavailable, OutsideGarbled) as error:
        # The last look comes round to it.
        log.warning("close_without_answer", order=str(order_id), error=str(error))


async def send_refund(runtime: Runtime, refund_id: UUID) -> RefundState | None:
    """Send a refund, or ask about one that the channel has taken; returns a changed state.

    An unanswered call leaves it due again; a refusal for good makes it fail visibly.
    """
    async with runtime.unit_of_work() as uow:
        begun = await refunding.begin_attempt(uow, refund_id)
        if begun is None:
            return None
        order, payment, refund = begun
        taken = refund.state is RefundState.PROCESSING
        number = refund.out_refund_no
        call_id = None if taken else service.start_call(uow, order, Action.REFUND, refund.id)
        request = RefundRequest(
            transaction_id=payment.transaction_id,
            out_refund_no=number,
            amount_fen=refund.amount_fen,
            total_fen=payment.amount_fen,
            reason=refund.reason_text,
            notify_url=notify_url(runtime, "refund-notify"),
        )
    gateway = runtime.port(PaymentGateway)
    try:
        answer = await (gateway.query_refund(number) if taken else gateway.refund(request))
    except OutsideRefused as error:
        passing = taken or error.code in PASSING_REFUSALS
        async with runtime.unit_of_work() as uow:
            if call_id is not None:
                await service.finish_call(uow, call_id, CallState.REFUSED, str(error))
            note = refunding.refund_troubled if passing else refunding.refund_refused
            await note(uow, refund_id, str(error))
        return None if passing else RefundState.FAILED
    except (OutsideUnavailable, OutsideGarbled) as error:
        async with runtime.unit_of_work() as uow:
            if call_id is not None:
                await service.finish_call(uow, call_id, CallState.UNKNOWN, str(error))
            await refunding.refund_troubled(uow, refund_id, str(error))
        return None
    async with runtime.unit_of_work() as uow:
        if call_id is not None:
            await service.finish_call(uow, call_id, CallState.DONE)
        return await refunding.record_refund(uow, answer)


async def take_callback(runtime: Runtime, headers: dict[str, str], body: bytes) -> str:
    """Verify a callback and believe it; returns what it changed.

    Raises CallbackNotTrusted, or PaymentUnavailable while it cannot be verified: it comes again.
    """
    try:
        notice = await runtime.port(PaymentGateway).read_callback(headers, body)
    except CallbackRefused as error:
        log.warning("callback_refused", error=str(error))
        raise CallbackNotTrusted() from error
    except (OutsideUnavailable, OutsideGarbled, OutsideRefused) as error:
        raise PaymentUnavailable(retry_after=30) from error
    change: Arrival | RefundState | None
    async with runtime.unit_of_work() as uow:
        if isinstance(notice, PaymentNotice):
            number = notice.payment.out_trade_no
            await service.record_notice(uow, notice.notice_id, "payment", number)
            change = await service.record_payment(uow, notice.payment, "callback")
        else:
            number = notice.refund.out_refund_no
            await service.record_notice(uow, notice.notice_id, "refund", number)
            change = await refunding.record_refund(uow, notice.refund)
    return NO_CHANGE if change is None else change.value


async def _finish(runtime: Runtime, call_id: UUID, state: CallState, error: str | None) -> None:
    async with runtime.unit_of_work() as uow:
        await service.finish_call(uow, call_id, state, error)
