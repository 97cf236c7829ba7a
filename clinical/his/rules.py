"""Pure decisions: which results are marked, and for how long a consultation is a reason to ask."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal

from clinical.consultation.states import OVER, State
from clinical.his.states import Mark

#: HL7 table 0078, and the arrows that Chinese laboratories print.
FLAGS = {
    "N": Mark.NORMAL,
    "H": Mark.HIGH,
    "↑": Mark.HIGH,
    ">": Mark.HIGH,
    "L": Mark.LOW,
    "↓": Mark.LOW,
    "<": Mark.LOW,
    "A": Mark.ABNORMAL,
    "HH": Mark.CRITICAL_HIGH,
    "↑↑": Mark.CRITICAL_HIGH,
    "LL": Mark.CRITICAL_LOW,
    "↓↓": Mark.CRITICAL_LOW,
    "AA": Mark.CRITICAL,
}
_NUMBER = r"-?\d+(?:\.\d+)?"
_VALUE = re.compile(rf"([<>≤≥]?)\s*({_NUMBER})")
_BETWEEN = re.compile(rf"({_NUMBER})\s*(?:--|-|~|～|—|–)\s*({_NUMBER})")
_BOUND = re.compile(rf"([<>≤≥])\s*({_NUMBER})")
_NEGATIVE = {"阴性", "(-)", "（-）", "-", "未检出"}
_POSITIVE = re.compile(r"阳性|^[（(]?(?:\+|±)|^[1-4]\+")


def mark_of(value: str, reference: str, flag: str) -> Mark | None:
    """How a result is marked; None when nothing can be said.

    The laboratory's own flag wins: it knows age, sex and method. Without one the value is compared
    with the printed reference (S3-054).
    """
    known = FLAGS.get(flag.strip().upper())
    return known if known is not None else _compared(value.strip(), reference.strip())


def is_abnormal(mark: Mark | None) -> bool:
    """Whether a result is shown as abnormal."""
    return mark is not None and mark is not Mark.NORMAL


def _compared(value: str, reference: str) -> Mark | None:
    if reference in _NEGATIVE:
        if value in _NEGATIVE:
            return Mark.NORMAL
        return Mark.ABNORMAL if _POSITIVE.search(value) else None
    read, limits = _VALUE.fullmatch(value), _limits(reference)
    if read is None or limits is None:
        return None
    (lowest, at_lowest), (highest, at_highest) = limits
    sign, number = read[1], Decimal(read[2])
    if highest is not None and (number > highest or (number == highest and not at_highest)):
        # "<5" with a limit of 4 may lie on either side of it.
        return None if sign in ("<", "≤") and number > highest else _over(sign, number, highest)
    if lowest is not None and (number < lowest or (number == lowest and not at_lowest)):
        return None if sign in (">", "≥") else Mark.LOW
    return _inside(sign, lowest, highest)


def _over(sign: str, number: Decimal, highest: Decimal) -> Mark:
    return Mark.NORMAL if sign == "<" and number == highest else Mark.HIGH


def _inside(sign: str, lowest: Decimal | None, highest: Decimal | None) -> Mark | None:
    """A value below 3 may lie below a lower limit, too, and one above 3 above an upper one."""
    if (sign in ("<", "≤") and lowest is not None) or (sign in (">", "≥") and highest is not None):
        return None
    return Mark.NORMAL


_Limit = tuple[Decimal | None, bool]


def _limits(reference: str) -> tuple[_Limit, _Limit] | None:
    """Lowest and highest normal value, each with whether it is normal itself."""
    if (between := _BETWEEN.fullmatch(reference)) is not None:
        return (Decimal(between[1]), True), (Decimal(between[2]), True)
    if (bound := _BOUND.fullmatch(reference)) is None:
        return None
    limit, included = Decimal(bound[2]), bound[1] in ("≤", "≥")
    if bound[1] in ("<", "≤"):
        return (None, True), (limit, included)
    return (limit, included), (None, True)


def may_ask(state: State, ended_at: datetime | None, now: datetime, after_end: timedelta) -> bool:
    """Whether a consultation is (still) a reason to look into the hospital's records.

    While it goes on, and for a while afterwards, because notes are written then.
    """
    if state not in OVER:
        return True
    return state is State.ENDED and ended_at is not None and now - ended_at <= after_end
