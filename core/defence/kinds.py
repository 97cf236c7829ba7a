"""How much a route may be asked for: kinds of routes with their limits, which are settings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from core.defence.rates import Rate
from core.settings.registry import Scope, Setting, declare

SCOPES = (Scope.GROUP,)


class Kind(StrEnum):
    """What a route does, as far as a flood is concerned."""

    LOGIN = "login"
    READ = "read"
    WRITE = "write"
    UPLOAD = "upload"
    EXPORT = "export"
    REPORT = "report"
    SERVICE = "service"


class Priority(IntEnum):
    """Who gives way first when there is too much: reports and exports before rooms."""

    LOW = 0
    NORMAL = 1
    HIGH = 2


@dataclass(frozen=True, slots=True)
class Limit:
    """What a route declares beyond its kind.

    `person`, `address` and `everybody` are counters of this route alone, besides those of its
    kind: for each person, for each address, and for all together.
    """

    kind: Kind
    person: Rate | None = None
    address: Rate | None = None
    everybody: Rate | None = None


@dataclass(frozen=True, slots=True)
class KindSettings:
    """The settings of a kind, in requests a minute, and how many of them may come at once.

    `address` counts what comes without a login; a whole hospital may sit behind one address.
    """

    person: Setting[int]
    address: Setting[int]
    burst: float

    def person_rate(self, per_minute: int) -> Rate:
        return Rate(per_minute, max(3, round(per_minute * self.burst)))

    def address_rate(self, per_minute: int) -> Rate:
        return Rate(per_minute, max(10, round(per_minute * self.burst)))


def _kind(kind: Kind, title: str, person: int, address: int, burst: float) -> KindSettings:
    return KindSettings(
        declare(
            f"defence.{kind.value}_per_person",
            int,
            person,
            f"{title}：每人上限",
            "超过后提示稍后再试；允许短时间内集中操作。",
            "次/分钟",
            minimum=1,
            maximum=100_000,
            scopes=SCOPES,
        ),
        declare(
            f"defence.{kind.value}_per_address",
            int,
            address,
            f"{title}：每个网络地址上限（未登录）",
            "一家医院的人员可能共用一个网络地址，请勿设得过小。",
            "次/分钟",
            minimum=1,
            maximum=1_000_000,
            scopes=SCOPES,
        ),
        burst,
    )


KINDS: dict[Kind, KindSettings] = {
    Kind.LOGIN: _kind(Kind.LOGIN, "登录与验证码", 60, 240, 0.5),
    Kind.READ: _kind(Kind.READ, "查询", 1200, 6000, 0.25),
    Kind.WRITE: _kind(Kind.WRITE, "提交", 300, 3000, 0.25),
    Kind.UPLOAD: _kind(Kind.UPLOAD, "上传", 60, 60, 0.5),
    Kind.EXPORT: _kind(Kind.EXPORT, "导出", 20, 20, 0.25),
    Kind.REPORT: _kind(Kind.REPORT, "浏览器安全报告", 60, 60, 0.25),
    # Systems that prove themselves; each has a limit of its own besides.
    Kind.SERVICE: _kind(Kind.SERVICE, "业务系统接口", 600, 120_000, 0.1),
}

#: Everything that comes from one address, with a login or without.
ADDRESS_TOTAL = declare(
    "defence.address_total",
    int,
    30_000,
    "全部请求：每个网络地址上限",
    "包括已登录和未登录的请求，超过后该地址的请求被暂时拒绝。",
    "次/分钟",
    minimum=60,
    maximum=10_000_000,
    scopes=SCOPES,
)
ADDRESS_TOTAL_BURST = 0.1

#: Seconds for a handler, by kind, when the route says nothing else.
TIME_LIMITS: dict[Kind, float] = {
    Kind.LOGIN: 30.0,
    Kind.READ: 20.0,
    Kind.WRITE: 30.0,
    Kind.UPLOAD: 900.0,
    Kind.EXPORT: 120.0,
    Kind.REPORT: 5.0,
    Kind.SERVICE: 30.0,
}
PRIORITIES: dict[Kind, Priority] = {
    Kind.LOGIN: Priority.HIGH,
    Kind.READ: Priority.NORMAL,
    Kind.WRITE: Priority.HIGH,
    Kind.UPLOAD: Priority.NORMAL,
    Kind.EXPORT: Priority.LOW,
    Kind.REPORT: Priority.LOW,
    Kind.SERVICE: Priority.HIGH,
}
