"""What a hospital can set about certificates."""

from core.settings import declare

REVOKING = declare(
    "certificates.revoking",
    str,
    "ocsp_then_crl",
    "证书吊销检查方式",
    "核对签名时如何确认证书没有被吊销；业务系统可单独设置",
    choices={
        "none": "不检查",
        "crl": "吊销列表（CRL）",
        "ocsp": "在线查询（OCSP）",
        "ocsp_then_crl": "先在线查询，再查吊销列表",
    },
)
HARD = declare(
    "certificates.hard_failure",
    bool,
    False,
    "无法确认吊销状态时视为无效",
    "关闭时，CA机构暂时无法访问不影响核对，结果中注明未能确认",
)
HOSTS = declare(
    "certificates.hosts",
    str,
    "",
    "可访问的吊销信息地址",
    "CA机构发布吊销列表和OCSP的主机名，多个用逗号分隔，如 crl.example-ca.cn；只访问这里列出的主机",
    maximum=1000,
)
