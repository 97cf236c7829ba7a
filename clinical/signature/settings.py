"""What a hospital can set about signing."""

from core.settings import Scope, declare

PIN_LENGTH = declare(
    "signature.pin_length", int, 4, "签名密码位数", "只影响新设置的密码", "位", minimum=4, maximum=8
)
SESSION_ALLOWED = declare(
    "signature.session_allowed",
    bool,
    False,
    "允许免密签名时段",
    "开启后，输入一次签名密码可在短时间内连续签名；关闭时每次签名都要输入密码",
    scopes=(Scope.GROUP, Scope.HOSPITAL, Scope.DEPARTMENT, Scope.PERSON),
)
SESSION_MINUTES = declare(
    "signature.session_minutes",
    int,
    10,
    "免密签名时长",
    "",
    "分钟",
    minimum=1,
    maximum=60,
)
RENEW_DAYS = declare(
    "signature.renew_days",
    int,
    30,
    "证书提前续期天数",
    "证书到期前多少天自动向CA机构续期",
    "天",
    minimum=1,
    maximum=180,
)
REMIND_HOURS = declare(
    "signature.remind_hours",
    int,
    24,
    "待签名提醒间隔",
    "文书完成后超过此时间仍未签名，提醒签署人；之后每隔同样时间再提醒",
    "小时",
    minimum=1,
    maximum=168,
)
CREDIT_CODE = declare(
    "signature.credit_code",
    str,
    "",
    "统一社会信用代码",
    "医院向CA机构申请机构证书时使用；未填写时不申请，文书暂不能加盖医院电子签章",
    maximum=18,
    scopes=(Scope.HOSPITAL,),
)
CERTIFICATES_INCLUDED = declare(
    "signature.certificates_included",
    int,
    200,
    "证书数量上限",
    "与CA机构约定的医护人员证书数，用量达到80%时提醒",
    "张",
    minimum=1,
    maximum=1_000_000,
)
SIGNATURES_PER_YEAR = declare(
    "signature.signatures_per_year",
    int,
    40_000,
    "每年签名次数上限",
    "与CA机构约定的年签名次数，用量达到80%时提醒",
    "次",
    minimum=1,
    maximum=1_000_000_000,
)
