"""What a hospital can set about the signing service."""

from core.settings import declare

SERVICE_ENABLED = declare(
    "signature.service_enabled",
    bool,
    True,
    "开放签名服务接口",
    "关闭后业务系统的签名、验签请求一律被拒绝，医护人员签名不受影响；可随时打开或关闭，立即生效",
)
