"""What a hospital can set about the exchange with its own systems."""

from core.settings import declare

MOST_PER_MINUTE = declare(
    "his.most_per_minute",
    int,
    600,
    "院内系统查询上限",
    "每分钟最多向医院信息系统发出的病历、报告与处方查询；达到后平台不再发出，0 表示不限制",
    "次",
    minimum=0,
    maximum=100_000,
)
LOOK_BACK_MONTHS = declare(
    "his.look_back_months",
    int,
    36,
    "病历、报告与处方查询范围",
    "没有选择时间时，查询最近多少个月的院内病历、报告与处方",
    "月",
    minimum=1,
    maximum=240,
)
AFTER_END_HOURS = declare(
    "his.after_end_hours",
    int,
    72,
    "问诊结束后可查询时长",
    "问诊结束后，接诊人员在此时间内仍可查询该患者的院内病历、报告与处方",
    "小时",
    minimum=0,
    maximum=720,
)
JOURNAL_DAYS = declare(
    "his.journal_days",
    int,
    180,
    "接口日志保存天数",
    "与医院信息系统交换的日志保存的天数",
    "天",
    minimum=180,
    maximum=3650,
)
