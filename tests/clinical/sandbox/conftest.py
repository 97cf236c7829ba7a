"""Simulators and a payer for these tests."""

from tests.support.outside import made_keys, payer, sandbox, wechat_pay

__all__ = ["made_keys", "payer", "sandbox", "wechat_pay"]
