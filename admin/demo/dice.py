"""Chance with a seed: names, numbers and moments of people who do not exist."""

import random
import uuid
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from core.identity.id_numbers import check_digit

T = TypeVar("T")

SEED = 20261121
# A district that does not exist: the numbers pass every check and belong to nobody.
REGION = "119999"
ZONE = ZoneInfo("Asia/Shanghai")

SURNAMES = (
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜谢邹喻苏潘葛范彭鲁韦马苗方"
)
WOMEN = (
    "雅宁",
    "若兰",
    "思齐",
    "静姝",
    "晓棠",
    "予安",
    "知夏",
    "清和",
    "语桐",
    "书瑶",
    "念慈",
    "云舒",
)
MEN = (
    "明远",
    "景行",
    "子谦",
    "承志",
    "浩然",
    "维桢",
    "启明",
    "砚秋",
    "长青",
    "怀瑾",
    "立言",
    "守仁",
)
CHILDREN = ("小禾", "乐乐", "糖糖", "豆豆", "安安", "小树", "米粒", "阳阳")
STREETS = ("春风路", "梧桐街", "临江大道", "书院巷", "望湖路", "和平里")


class Dice:
    """One seeded source of chance; the same seed and the same day give the same hospital."""

    def __init__(self, now: datetime, seed: int = SEED) -> None:
        self.now = now
        self.today = now.astimezone(ZONE).date()
        self._random = random.Random(seed)
        self._used: set[str] = set()
        self._serial = 0

    def choice(self, items: Sequence[T]) -> T:
        return self._random.choice(items)

    def weighted(self, items: Sequence[T], weights: Sequence[float]) -> T:
        return self._random.choices(items, weights)[0]

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        return self._random.sample(items, count)

    def between(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def id_at(self, moment: datetime) -> uuid.UUID:
        """A version 7 identifier as it would have been made at a moment."""
        milliseconds = int(moment.timestamp() * 1000)
        value = milliseconds << 80 | 0x7 << 76 | self._random.getrandbits(12) << 64
        return uuid.UUID(int=value | 0b10 << 62 | self._random.getrandbits(62))

    def name(self, *, male: bool) -> str:
        """A name that nobody else in the demo has."""
        while True:
            name = self.choice(SURNAMES) + self.choice(MEN if male else WOMEN)
            if name not in self._used:
                self._used.add(name)
                return name

    def child_name(self, parent: str) -> str:
        return parent[0] + self.choice(CHILDREN)

    def birth(self, youngest: int, oldest: int) -> date:
        """A birth date of somebody between these ages."""
        return self.today - timedelta(days=self.between(youngest * 366, oldest * 365))

    def id_number(self, birth: date, *, male: bool) -> str:
        """An identity number with a right check digit in a district that does not exist."""
        self._serial += 1
        order = (self._serial * 2 + (1 if male else 0)) % 1000
        digits = f"{REGION}{birth:%Y%m%d}{order:03d}"
        return digits + check_digit(digits)

    def address(self) -> str:
        return f"示范市{self.choice(STREETS)}{self.between(1, 199)}号"

    def moment(self, day: date) -> datetime:
        """A moment of a working day, between eight in the morning and nine at night."""
        minutes = self.between(8 * 60, 21 * 60)
        at = datetime.combine(day, time(), ZONE) + timedelta(minutes=minutes)
        return at + timedelta(seconds=self.between(0, 59))

    def past_day(self, days: int) -> date:
        """A day between yesterday and so many days ago, recent ones more often."""
        back = min(self._random.random(), self._random.random())
        return self.today - timedelta(days=1 + int(back * days))
