"""Named refusals of the convenience clinic."""

from core.errors import ProblemError


class ClinicClosed(ProblemError):
    code, status, title = "self_order_closed", 409, "医院暂未开放便民门诊"


class ItemUnavailable(ProblemError):
    code, status, title = "self_order_item_unavailable", 409, "所选项目已停用，请重新选择"


class PriceChanged(ProblemError):
    code, status, title = "self_order_price_changed", 409, "项目价格已更新，请核对后重新提交"


class MixedBasket(ProblemError):
    code, status, title = "self_order_mixed", 422, "药品与检查检验需分开下单"


class PurposeRequired(ProblemError):
    code, status, title = "self_order_purpose_required", 422, "所选项目需要填写就诊目的"


class TimeRequired(ProblemError):
    code, status, title = "self_order_time_required", 422, "请为所选项目选择日期和时间"


class TimeNotOffered(ProblemError):
    code, status, title = "self_order_time_not_offered", 409, "所选时间不可预约，请重新选择"


class TimeFull(ProblemError):
    code, status, title = "self_order_time_full", 409, "所选时间已约满，请选择其他时间"


class QuantityNotAllowed(ProblemError):
    code, status, title = "self_order_quantity", 422, "项目数量不正确"


class PersonUnverified(ProblemError):
    code, status, title = "self_order_person_unverified", 409, "就诊人或监护人尚未通过实名核验"


class AlreadyReviewed(ProblemError):
    code, status, title = "self_order_reviewed", 409, "该订单已审核或已取消，请刷新"


class ReviewTooLate(ProblemError):
    code, status, title = "self_order_review_too_late", 409, "已超过审核时限，订单将自动取消"


class NotCancellable(ProblemError):
    code, status, title = "self_order_not_cancellable", 409, "该订单当前不能取消"


class NotFulfillable(ProblemError):
    code, status, title = "self_order_not_fulfillable", 409, "该订单未支付或已完成"


class ItemCodeTaken(ProblemError):
    code, status, title = "self_order_item_code_taken", 409, "项目编码已存在"


class ItemChanged(ProblemError):
    code, status, title = "self_order_item_changed", 409, "项目已被他人修改，请刷新后重试"


class ImportRefused(ProblemError):
    code, status, title = "self_order_import_refused", 422, "表格有误，没有导入任何项目"
