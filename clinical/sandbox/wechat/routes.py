"""Where everything of WeChat Pay hangs."""

from __future__ import annotations

from starlette.routing import Route

from clinical.sandbox.wechat import bills, cashier, orders, refunds
from clinical.sandbox.wechat.protocol import endpoint

TRANSACTION = "/v3/pay/transactions/out-trade-no/{out_trade_no}"

routes = [
    Route(TRANSACTION, endpoint("wechat_order", orders.query), methods=["GET"]),
    Route(f"{TRANSACTION}/close", endpoint("wechat_order", orders.close), methods=["POST"]),
    Route("/v3/pay/transactions/{way}", endpoint("wechat_order", orders.place), methods=["POST"]),
    Route(
        "/v3/refund/domestic/refunds", endpoint("wechat_refund", refunds.refund), methods=["POST"]
    ),
    Route(
        "/v3/refund/domestic/refunds/{out_refund_no}",
        endpoint("wechat_order", refunds.query),
        methods=["GET"],
    ),
    Route("/v3/bill/tradebill", endpoint("bill", bills.trade_bill), methods=["GET"]),
    Route("/v3/billdownload/file", bills.download, methods=["GET"]),
    Route("/v3/certificates", endpoint("certificates", bills.certificates), methods=["GET"]),
    Route("/cgi-bin/mmpayweb-bin/checkmweb", cashier.show, methods=["GET"]),
    Route("/cashier/{prepay_id}/{action}", cashier.act, methods=["POST"]),
]
