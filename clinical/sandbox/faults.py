"""Faults on demand: one switch per door, each with named modes, for good or for some times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clinical.sandbox.store import Store

OK = "ok"


class UnknownFault(ValueError):
    """No such switch or mode."""


@dataclass(frozen=True)
class Switch:
    """A door that can misbehave: its Chinese title and its modes with theirs."""

    title: str
    modes: dict[str, str]


_DOWN = {"error": "返回 500", "timeout": "超时不答"}
_CALLBACK = {
    "lost": "丢失",
    "late": "迟到",
    "duplicated": "重复",
    "wrong_signature": "签名错误",
}

SWITCHES: dict[str, Switch] = {
    "sms": Switch("短信", {**_DOWN, "refused": "被拒绝", "answer_lost": "发送后丢失应答"}),
    "real_name": Switch(
        "实名核验", {**_DOWN, "unavailable": "库暂不可用", "mismatch": "一律不一致"}
    ),
    "speech": Switch("语音识别", {**_DOWN, "failed": "任务失败"}),
    "his": Switch("医院信息系统", {**_DOWN, "empty": "查无就诊记录"}),
    "his_records": Switch(
        "院内病历、报告与处方",
        {
            **_DOWN,
            "refused": "拒绝查询",
            "garbled": "应答错乱",
            "other_person": "答成他人",
            "empty": "查无记录",
        },
    ),
    "wechat_order": Switch(
        "微信下单、查单、关单",
        {
            **_DOWN,
            "answer_lost": "办理后丢失应答",
            "wrong_signature": "应答签名错误",
            "rate_limited": "频率超限",
        },
    ),
    "wechat_refund": Switch(
        "微信退款",
        {
            **_DOWN,
            "answer_lost": "办理后丢失应答",
            "abnormal": "退款异常",
            "slow": "一直处理中",
            "not_enough": "余额不足",
        },
    ),
    "payment_callback": Switch("支付回调", _CALLBACK),
    "refund_callback": Switch("退款回调", _CALLBACK),
    "certificates": Switch("平台证书", _DOWN),
    "ca": Switch(
        "CA机构",
        {
            **_DOWN,
            "answer_lost": "办理后丢失应答",
            "pending": "转人工审核",
            "refused": "审核不通过",
        },
    ),
    "crl": Switch("证书吊销列表", {**_DOWN, "stale": "已过期", "wrong_signature": "签名错误"}),
    "ocsp": Switch(
        "证书状态查询",
        {**_DOWN, "try_later": "稍后再试", "unknown": "未知证书", "wrong_signature": "签名错误"},
    ),
    "tsa": Switch(
        "时间戳",
        {**_DOWN, "refused": "拒绝", "wrong_digest": "摘要错误", "wrong_signature": "签名错误"},
    ),
    "wechat_message": Switch(
        "微信消息",
        {
            **_DOWN,
            "answer_lost": "发送后丢失应答",
            "busy": "系统繁忙",
            "not_subscribed": "用户拒收",
            "bad_template": "模板不存在",
            "bad_parameters": "参数不符",
            "quota": "额度用完",
            "token_revoked": "令牌失效",
        },
    ),
    "wechat_token": Switch("微信令牌", _DOWN),
    "wechat_login": Switch("微信登录", {**_DOWN, "worn_out": "授权码失效"}),
    "alipay": Switch("支付宝认证", {**_DOWN, "wrong_signature": "应答签名错误"}),
    "oidc": Switch(
        "单点登录",
        {
            **_DOWN,
            "wrong_nonce": "随机数不符",
            "wrong_issuer": "签发者不符",
            "wrong_audience": "受众不符",
            "expired": "令牌过期",
            "alg_none": "令牌无签名",
            "rotated_key": "已换密钥",
            "foreign_key": "他人密钥",
            "unknown_user": "本院无此人",
            "with_factor": "已做双因素",
        },
    ),
    "bill": Switch(
        "对账单",
        {
            **_DOWN,
            "not_ready": "尚未生成",
            "missing": "少一笔",
            "extra": "多一笔",
            "amount": "金额不符",
            "broken": "文件损坏",
        },
    ),
}


class Faults:
    """The switches' present positions, kept in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def show(self) -> dict[str, dict[str, Any]]:
        """Every switch: title, possible modes, present mode, how often still (None: for good)."""
        shown = {}
        for name, switch in SWITCHES.items():
            mode, times = self._position(name)
            modes = {OK: "正常", **switch.modes}
            shown[name] = {"title": switch.title, "modes": modes, "mode": mode, "times": times}
        return shown

    def set(self, name: str, mode: str, times: int | None = None) -> None:
        """Turn a switch. Raises UnknownFault."""
        switch = SWITCHES.get(name)
        if switch is None or mode not in {OK, *switch.modes}:
            raise UnknownFault(f"No fault {name}={mode}.")
        if times is not None and times < 1:
            raise UnknownFault("A fault happens at least once.")
        self._store.put("fault", name, {"mode": mode, "times": times})

    def peek(self, name: str) -> str:
        """The present mode, without using it up."""
        return self._position(name)[0]

    def take(self, name: str) -> str:
        """The mode for one occasion; a counted fault is used up by it."""
        mode, times = self._position(name)
        if mode != OK and times is not None:
            if times > 1:
                self._store.put("fault", name, {"mode": mode, "times": times - 1})
            else:
                self._store.put("fault", name, {"mode": OK, "times": None})
        return mode

    def _position(self, name: str) -> tuple[str, int | None]:
        stored = self._store.get("fault", name)
        return (OK, None) if stored is None else (stored["mode"], stored["times"])
