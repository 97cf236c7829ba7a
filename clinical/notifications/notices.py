"""The notices of this module: a new word in a room, a greeting, what other systems send."""

from core.data_classes import DataClass
from realtime.notices import WECHAT_THEN_SMS, Category, Kind, Parameter, declare

ROOM_MESSAGE, HOSPITAL_MESSAGE, CRITICAL_VALUE = (
    "room_message",
    "hospital_message",
    "critical_value",
)

declare(
    ROOM_MESSAGE,
    Category.CHAT,
    "诊间新消息",
    outside="您有新的消息，请登录查看",
    channels=WECHAT_THEN_SMS,
)
declare("welcome", Category.HOSPITAL, "欢迎")
declare(
    HOSPITAL_MESSAGE,
    Category.HOSPITAL,
    "医院消息",
    outside="您有一条来自医院的消息，请登录查看",
    channels=WECHAT_THEN_SMS,
    parameters=[
        Parameter("subject", "标题", Kind.TEXT, DataClass.SENSITIVE),
        Parameter("content", "内容", Kind.TEXT, DataClass.SENSITIVE),
    ],
    open_to_applications=True,
)
declare(
    CRITICAL_VALUE,
    Category.CRITICAL,
    "危急值",
    staff=True,
    outside="您有一条紧急事项须立即确认，请登录处理",
    channels=WECHAT_THEN_SMS,
    parameters=[
        Parameter("patient", "患者", Kind.TEXT, DataClass.SENSITIVE),
        Parameter("item", "项目", Kind.TEXT, DataClass.SENSITIVE),
        Parameter("value", "结果", Kind.TEXT, DataClass.SENSITIVE),
        Parameter("reference_range", "参考范围", Kind.TEXT, DataClass.SENSITIVE),
        Parameter("reported_at", "报告时间", Kind.MOMENT, DataClass.SENSITIVE),
        Parameter("contact", "检验科电话", Kind.TEXT, DataClass.INTERNAL),
    ],
    urgent=True,
    everywhere=True,
    open_to_applications=True,
)
