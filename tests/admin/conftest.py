"""Fixtures of the administration tests: the clinical stories are told here as well."""

from collections.abc import AsyncIterator

import pytest

from core.runtime import Runtime
from tests.clinical.conftest import story
from tests.support.outside import made_keys, payer, sandbox, wechat_pay

__all__ = ["made_keys", "payer", "sandbox", "story", "wechat_pay"]


@pytest.fixture(autouse=True)
async def closed_afterwards(runtime: Runtime) -> AsyncIterator[None]:
    """Let go of what the system page connected to."""
    yield
    for adapter in list(runtime.ports.values()):
        close = getattr(adapter, "aclose", None)
        if close is not None:
            await close()
