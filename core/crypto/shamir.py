"""Splitting a secret among officers: any `needed` of them restore it, fewer learn nothing.

Shamir's scheme over GF(256) with the polynomial of AES (x^8 + x^4 + x^3 + x + 1): every byte of the
secret is the constant term of its own random polynomial of degree `needed - 1`, and share number x
holds the values of all polynomials at x. A. Shamir, How to Share a Secret, CACM 22 (1979).
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MOST: Final = 255
_POLYNOMIAL: Final = 0x11B


class ShareError(ValueError):
    """The shares do not make a secret; the text says why."""


@dataclass(frozen=True, slots=True)
class Point:
    """What one officer holds: the number of the share (1 to 255) and its bytes."""

    number: int
    data: bytes

    def __repr__(self) -> str:
        return f"Point(number={self.number})"


def _tables() -> tuple[bytes, bytes]:
    exp, log = bytearray(512), bytearray(256)
    value = 1
    for power in range(255):
        exp[power] = exp[power + 255] = value
        log[value] = power
        # Times the generator x + 1.
        doubled = value << 1
        value ^= doubled ^ (_POLYNOMIAL if doubled & 0x100 else 0)
    return bytes(exp), bytes(log)


_EXP, _LOG = _tables()


def multiply(a: int, b: int) -> int:
    """The product in GF(256)."""
    return 0 if a == 0 or b == 0 else _EXP[_LOG[a] + _LOG[b]]


def divide(a: int, b: int) -> int:
    """The quotient in GF(256); `b` is not 0."""
    return 0 if a == 0 else _EXP[_LOG[a] + 255 - _LOG[b]]


def split(secret: bytes, needed: int, officers: int) -> list[Point]:
    """One point for every officer. Raises `ShareError` for numbers that make no sense."""
    if not 2 <= needed <= officers <= MOST:
        raise ShareError("At least two officers are needed, and at most 255 can be given shares.")
    # Coefficients of x^1, x^2 … for all bytes of the secret.
    higher = [secrets.token_bytes(len(secret)) for _ in range(needed - 1)]
    return [Point(x, _values(secret, higher, x)) for x in range(1, officers + 1)]


def _values(secret: bytes, higher: Sequence[bytes], x: int) -> bytes:
    values = bytearray(len(secret))
    for place, constant in enumerate(secret):
        value = 0
        for coefficients in reversed(higher):
            value = multiply(value, x) ^ coefficients[place]
        values[place] = multiply(value, x) ^ constant
    return bytes(values)


def combine(points: Sequence[Point]) -> bytes:
    """The secret of exactly as many points as are needed (others give something else).

    Raises `ShareError` when points repeat or differ in length.
    """
    numbers = [point.number for point in points]
    if len(set(numbers)) != len(numbers) or len(points) < 2:
        raise ShareError("The same share was given twice.")
    if 0 in numbers or len({len(point.data) for point in points}) != 1:
        raise ShareError("The shares do not belong together.")
    weights = [_weight(number, numbers) for number in numbers]
    secret = bytearray(len(points[0].data))
    for weight, point in zip(weights, points, strict=True):
        for place, value in enumerate(point.data):
            secret[place] ^= multiply(weight, value)
    return bytes(secret)


def _weight(own: int, numbers: Sequence[int]) -> int:
    """The value at 0 of the Lagrange polynomial of a point. Minus is plus here: exclusive or."""
    weight = 1
    for other in numbers:
        if other != own:
            weight = multiply(weight, divide(other, other ^ own))
    return weight
