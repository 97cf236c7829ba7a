"""Fixtures of the administration tests: the clinical stories are told here as well."""

from tests.clinical.conftest import story
from tests.support.outside import made_keys, payer, sandbox, wechat_pay

__all__ = ["made_keys", "payer", "sandbox", "story", "wechat_pay"]
