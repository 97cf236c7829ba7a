"""Named refusals of payments."""

from core.errors import ProblemError


class OrderAlreadyPaid(ProblemError):
    code, status, title = "order_already_paid", 409, "该订单已支付"


class OrderIsClosed(ProblemError):
    code, status, title = "order_closed", 409, "该订单已关闭，不能支付"


class OrderHasExpired(ProblemError):
    code, status, title = "order_expired", 409, "该订单已超过支付时限"


class PaymentUnavailable(ProblemError):
    code, status, title = "payment_unavailable", 503, "支付服务暂时不可用，请稍后再试"


class PaymentRefused(ProblemError):
    code, status, title = "payment_refused", 502, "支付渠道未能受理，请联系客服"


class ReturnUrlNotAllowed(ProblemError):
    code, status, title = "return_url_not_allowed", 422, "返回地址不正确"


class RefundNotFailed(ProblemError):
    code, status, title = "refund_not_failed", 409, "该退款无需重试"


class CallbackNotTrusted(ProblemError):
    code, status, title = "callback_not_trusted", 401, "签名校验未通过"
