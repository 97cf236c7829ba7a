"""Invented people for the stories: numbers with a right check digit that belong to nobody."""

from __future__ import annotations

from datetime import date

from core.identity.id_numbers import check_digit

# No district has this code, so nobody can have such a number.
FAKE_REGION = "119999"


def id_number(birth: date, *, male: bool = True, serial: int = 1) -> str:
    """An identity number for somebody born on ``birth``."""
    order = serial * 2 + (1 if male else 0)
    digits = f"{FAKE_REGION}{birth:%Y%m%d}{order:03d}"
    return digits + check_digit(digits)
