"""What a hospital can set about its convenience clinic."""

from core.settings import declare

OPEN = declare(
    "outpatient.self_order_open",
    bool,
    True,
    "开放便民门诊",
    "患者是否可以自助开单：选择药品、检查、检验等项目，审核通过后支付",
)
ASK_TIME = declare(
    "outpatient.self_order_ask_time",
    bool,
    True,
    "自助开单选择时间",
    "关闭后，患者下单时不再选择检查、检验的日期和时间",
)
DAYS_AHEAD = declare(
    "outpatient.self_order_days",
    int,
    7,
    "自助开单可约天数",
    "患者最多可以选择今天起多少天内的时间，0 表示仅当天",
    "天",
    minimum=0,
    maximum=60,
)
REVIEW_MINUTES = declare(
    "outpatient.self_order_review_minutes",
    int,
    1440,
    "便民门诊审核时限",
    "提交后超过此时间未审核，订单自动取消",
    "分钟",
    minimum=5,
    maximum=10080,
)
PAY_MINUTES = declare(
    "outpatient.self_order_pay_minutes",
    int,
    720,
    "便民门诊支付时限",
    "审核通过后未在此时间内支付，订单自动取消",
    "分钟",
    minimum=1,
    maximum=10080,
)
PAY_REMIND_MINUTES = declare(
    "outpatient.self_order_pay_remind_minutes",
    int,
    30,
    "便民门诊待支付提醒",
    "支付截止前此时间提醒患者支付，0 表示不提醒",
    "分钟",
    minimum=0,
    maximum=1440,
)
