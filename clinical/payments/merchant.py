"""The hospital's account at WeChat Pay, as it is configured."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from clinical.payments.gateway import WechatMerchant, WechatPay
from clinical.payments.wechat import ProtocolError, load_public_key
from core.config import Config


def wechat_pay(config: Config, now: Callable[[], datetime]) -> WechatPay:
    """The adapter; every setting that it needs must be there.

    Raises ValueError, naming the setting, for a key that cannot be used.
    """
    path, secret = config.wechat_private_key, config.wechat_api_v3_key
    assert path is not None
    assert secret is not None
    merchant = WechatMerchant(
        mchid=config.wechat_mchid or "",
        appid=config.wechat_appid or "",
        serial=config.wechat_serial or "",
        private_key=_private_key(path),
        api_v3_key=secret.get_secret_value().encode(),
    )
    known = _platform_keys(config.wechat_platform_key)
    return WechatPay(config.wechat_url, merchant, now, platform_keys=known)


def _platform_keys(path: Path | None) -> dict[str, rsa.RSAPublicKey]:
    """The configured platform key by serial; without one the certificates are fetched."""
    if path is None:
        return {}
    try:
        serial, key = load_public_key(path.read_bytes())
    except (OSError, ProtocolError) as error:
        raise ValueError(f"ZHENJIAN_WECHAT_PLATFORM_KEY: cannot use {path}: {error}") from error
    return {serial: key}


def _private_key(path: Path) -> rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise ValueError(f"ZHENJIAN_WECHAT_PRIVATE_KEY: cannot read {path}: {error}") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError(f"ZHENJIAN_WECHAT_PRIVATE_KEY: {path} holds no RSA key.")
    return key
