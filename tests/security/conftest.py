"""Fixtures of the security suite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

import app as zhenjian
from core.runtime import Runtime
from tests.clinical.story import Story
from tests.support.cast import Cast
from tests.support.demo import free_port
from tests.support.http import Client


@pytest.fixture
async def story(runtime: Runtime, client: Client, cast: Cast) -> Story:
    """The hospital of the cast, its outside systems faked."""
    return Story(runtime, client, cast)


@pytest.fixture
async def adapters(runtime: Runtime, tmp_path: Path) -> AsyncIterator[None]:
    """The real clients of all outside systems, towards a port where nobody answers."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    key = tmp_path / "merchant.pem"
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    secret = SecretStr("0" * 32)
    changes: dict[str, Any] = {
        f"{name}_url": nowhere for name in ("sms", "real_name", "his", "ca", "tsa", "wechat")
    }
    changes |= {f"{name}_secret": secret for name in ("sms", "real_name", "his", "ca")}
    changes |= {
        "sms_key": "key",
        "wechat_mchid": "1900000001",
        "wechat_appid": "wx0000000000000001",
        "wechat_serial": "0" * 40,
        "wechat_private_key": key,
        "wechat_api_v3_key": secret,
    }
    runtime.config = runtime.config.model_copy(update=changes)
    zhenjian.provide_adapters(runtime)
    yield
    await zhenjian.close_adapters(runtime)
