"""What a hospital can set about consent and people's rights."""

from core.settings import declare

ANSWER_DAYS = declare(
    "rights.answer_days",
    int,
    15,
    "个人信息请求的答复期限",
    "自收到请求起，应在多少个工作日内答复",
    "工作日",
    minimum=1,
    maximum=60,
)
EXTENSION_DAYS = declare(
    "rights.extension_days",
    int,
    15,
    "答复期限可延长",
    "情况复杂时可延长一次，并须告知请求人",
    "工作日",
    minimum=1,
    maximum=60,
)
WARN_DAYS = declare(
    "rights.warn_days",
    int,
    3,
    "到期前提醒",
    "距答复期限不足此天数时，在队列中标为临近到期",
    "工作日",
    minimum=0,
    maximum=30,
)
COOLING_DAYS = declare(
    "rights.cooling_days",
    int,
    7,
    "注销账号的冷静期",
    "提出注销后经过此天数才执行，期间可以撤销",
    "天",
    minimum=0,
    maximum=30,
)
COPY_DAYS = declare(
    "rights.copy_days",
    int,
    7,
    "个人信息副本的保留",
    "副本生成后可下载的天数，过期自动删除",
    "天",
    minimum=1,
    maximum=30,
)
