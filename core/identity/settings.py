"""Business settings of identity."""

from core.identity.roles import Role
from core.settings.registry import Scope, Setting, declare

_GROUP = (Scope.GROUP,)

SMS_CODE_MINUTES = declare(
    "identity.sms_code_minutes",
    int,
    5,
    "短信验证码有效期",
    "",
    "分钟",
    minimum=1,
    maximum=30,
    scopes=_GROUP,
)
SMS_CODE_ATTEMPTS = declare(
    "identity.sms_code_attempts",
    int,
    5,
    "短信验证码可试次数",
    "",
    "次",
    minimum=1,
    maximum=10,
    scopes=_GROUP,
)
SMS_RESEND_SECONDS = declare(
    "identity.sms_resend_seconds",
    int,
    60,
    "短信重发间隔",
    "",
    "秒",
    minimum=10,
    maximum=600,
    scopes=_GROUP,
)
SMS_PER_PHONE_PER_HOUR = declare(
    "identity.sms_per_phone_per_hour",
    int,
    5,
    "每个手机号每小时短信数",
    "同一手机号一小时内最多发送的验证码短信数。",
    "条",
    minimum=1,
    maximum=60,
    scopes=_GROUP,
)
SMS_PER_PHONE_PER_DAY = declare(
    "identity.sms_per_phone_per_day",
    int,
    10,
    "每个手机号每日短信数",
    "同一手机号24小时内最多发送的验证码短信数。",
    "条",
    minimum=1,
    maximum=100,
    scopes=_GROUP,
)
SMS_PER_ADDRESS_PER_HOUR = declare(
    "identity.sms_per_address_per_hour",
    int,
    60,
    "每个网络地址每小时短信数",
    "同一网络地址一小时内最多触发的验证码短信数；医院内网共用出口时可调高。",
    "条",
    minimum=1,
    maximum=100_000,
    scopes=_GROUP,
)
LOGIN_FREE_FAILURES = declare(
    "identity.login_free_failures",
    int,
    5,
    "登录失败锁定次数",
    "连续失败达到此次数后暂停登录，时间逐次加倍。",
    "次",
    minimum=1,
    maximum=20,
    scopes=_GROUP,
)
LOGIN_FIRST_DELAY_SECONDS = declare(
    "identity.login_first_delay_seconds",
    int,
    60,
    "首次锁定时长",
    "",
    "秒",
    minimum=1,
    maximum=86_400,
    scopes=_GROUP,
)
LOGIN_LONGEST_DELAY_SECONDS = declare(
    "identity.login_longest_delay_seconds",
    int,
    1800,
    "最长锁定时长",
    "",
    "秒",
    minimum=1,
    maximum=86_400,
    scopes=_GROUP,
)
ADDRESS_FREE_FAILURES = declare(
    "identity.address_free_failures",
    int,
    50,
    "同一网络地址登录失败上限",
    "同一网络地址15分钟内失败达到此次数后暂停登录；医院内网共用出口时可调高。",
    "次",
    minimum=5,
    maximum=100_000,
    scopes=_GROUP,
)
PATIENT_SESSION_DAYS = declare(
    "identity.patient_session_days",
    int,
    30,
    "患者登录保持时间",
    "超过此时间未使用需重新登录。",
    "天",
    minimum=1,
    maximum=365,
)
STAFF_SESSION_HOURS = declare(
    "identity.staff_session_hours",
    int,
    12,
    "工作人员登录保持时间",
    "超过此时间未使用需重新登录。",
    "小时",
    minimum=1,
    maximum=720,
)

_FACTOR_DETAIL = "登录后须再验证一次（动态口令或短信）才能使用。"
SECOND_FACTOR_AT_LOGIN: dict[Role, Setting[bool]] = {
    role: declare(
        f"identity.second_factor_{role.value}",
        bool,
        role in (Role.ADMINISTRATOR, Role.SUPERVISOR, Role.OPERATOR),
        f"{role.label}登录需双因素验证",
        _FACTOR_DETAIL,
    )
    for role in Role
    if role is not Role.PATIENT
}
SECOND_FACTOR_SIGNING_MINUTES = declare(
    "identity.second_factor_signing_minutes",
    int,
    720,
    "签名前双因素验证的有效期",
    "签名前须在此时间内验证过第二因素，否则再验证一次。",
    "分钟",
    minimum=1,
    maximum=10_080,
)
SECOND_FACTOR_CRITICAL_MINUTES = declare(
    "identity.second_factor_critical_minutes",
    int,
    15,
    "关键操作前双因素验证的有效期",
    "修改密钥、权限策略和登录安全设置前须在此时间内验证过第二因素。",
    "分钟",
    minimum=1,
    maximum=1440,
)
STAFF_CONSOLE_IDLE_MINUTES = declare(
    "identity.staff_console_idle_minutes",
    int,
    30,
    "工作台无操作退出时间",
    "工作人员在电脑上超过此时间没有操作将退出登录，退出前有提醒。",
    "分钟",
    minimum=5,
    maximum=1440,
)
STAFF_LONGEST_HOURS = declare(
    "identity.staff_longest_hours",
    int,
    72,
    "工作人员单次登录最长时间",
    "无论是否一直在使用，超过此时间都需重新登录。",
    "小时",
    minimum=1,
    maximum=2160,
)
PATIENT_LONGEST_DAYS = declare(
    "identity.patient_longest_days",
    int,
    180,
    "患者单次登录最长时间",
    "无论是否一直在使用，超过此时间都需重新登录。",
    "天",
    minimum=1,
    maximum=730,
)
STAFF_PASSWORD_DAYS = declare(
    "identity.staff_password_days",
    int,
    0,
    "工作人员密码有效期",
    "超过此时间登录后须修改密码；0 表示不限。",
    "天",
    minimum=0,
    maximum=730,
)

OIDC_ISSUER = declare(
    "identity.oidc_issuer",
    str,
    "",
    "单点登录：身份提供方地址",
    "医院统一身份平台（OpenID Connect）的 issuer，须为 https；留空表示不使用。",
    maximum=300,
    scopes=(Scope.HOSPITAL,),
)
OIDC_CLIENT_ID = declare(
    "identity.oidc_client_id",
    str,
    "zhenjian",
    "单点登录：客户端编号",
    "在统一身份平台登记的 client_id；密钥写在安装配置里。",
    maximum=200,
    scopes=(Scope.HOSPITAL,),
)
OIDC_CLAIM = declare(
    "identity.oidc_claim",
    str,
    "preferred_username",
    "单点登录：工号所在的声明",
    "令牌中哪一项等于本系统的账号名。",
    maximum=100,
    scopes=(Scope.HOSPITAL,),
)
OIDC_TITLE = declare(
    "identity.oidc_title",
    str,
    "单点登录",
    "单点登录：按钮文字",
    maximum=20,
    scopes=(Scope.HOSPITAL,),
)
OIDC_TRUST_FACTOR = declare(
    "identity.oidc_trust_factor",
    bool,
    False,
    "单点登录：认可对方的双因素验证",
    "令牌说明已做双因素验证时，登录后不再验证一次。",
    scopes=(Scope.HOSPITAL,),
)
