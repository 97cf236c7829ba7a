"""What a hospital can set about rooms."""

from core.personal_data import RETENTION, RecordClass
from core.settings import declare

_KEEPING = RETENTION[RecordClass.COMMUNICATION]
assert _KEEPING is not None

KEEP_YEARS = declare(
    "rooms.keep_years",
    int,
    _KEEPING.years,
    "沟通记录的保存年限",
    "诊间关闭且超过此年限后，消息内容和附件自动清除，只留序号与成员记录；受法律保全的不清除",
    "年",
    minimum=_KEEPING.years,
    maximum=100,
)
TRANSCRIPT_DAYS = declare(
    "rooms.transcript_days",
    int,
    7,
    "沟通记录文件的保留",
    "导出的沟通记录可下载的天数，过期自动删除，摘要长期保留以供核验",
    "天",
    minimum=1,
    maximum=90,
)
REPLY_MINUTES = declare(
    "rooms.reply_minutes",
    int,
    10,
    "回复超时",
    "患者的消息超过此时间无人回复：提醒主诊人员一次，诊间监控标为超时",
    "分钟",
    minimum=1,
    maximum=1440,
)
