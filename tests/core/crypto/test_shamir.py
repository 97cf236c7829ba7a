"""Any officers who are enough restore the secret; fewer know nothing."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.crypto.shamir import Point, ShareError, combine, divide, multiply, split


@given(data=st.data(), secret=st.binary(min_size=1, max_size=64))
@settings(deadline=None)
def test_any_k_of_n_restore_the_secret(data: st.DataObject, secret: bytes) -> None:
    officers = data.draw(st.integers(2, 9))
    needed = data.draw(st.integers(2, officers))
    points = split(secret, needed, officers)
    chosen = data.draw(st.permutations(points))[:needed]
    assert combine(chosen) == secret


@given(secret=st.binary(min_size=1, max_size=4), data=st.data())
@settings(deadline=None, max_examples=25)
def test_k_minus_one_shares_fit_every_secret_equally(secret: bytes, data: st.DataObject) -> None:
    needed = data.draw(st.integers(2, 4))
    known = split(secret, needed, needed + 2)[: needed - 1]
    # Whatever the missing share may be, another secret comes out, and all of them do.
    possible = {
        combine([*known, Point(needed + 2, bytes([guess]) * len(secret))])[0]
        for guess in range(256)
    }
    assert possible == set(range(256))


@given(secret=st.binary(min_size=8, max_size=64))
@settings(deadline=None)
def test_too_few_shares_give_something_else(secret: bytes) -> None:
    points = split(secret, 3, 5)
    for pair in itertools.combinations(points, 2):
        assert combine(pair) != secret


def test_two_splits_of_one_secret_share_nothing() -> None:
    first, second = split(bytes(32), 2, 3), split(bytes(32), 2, 3)
    assert {point.data for point in first}.isdisjoint({point.data for point in second})


def test_the_field_is_that_of_aes() -> None:
    # FIPS 197, 4.2: {57} times {83} and {57} times {13}.
    assert multiply(0x57, 0x83) == 0xC1
    assert multiply(0x57, 0x13) == 0xFE
    for a in range(1, 256):
        assert multiply(a, divide(1, a)) == 1
        assert divide(multiply(a, 7), 7) == a
    assert divide(0, 5) == 0


@pytest.mark.parametrize(("needed", "officers"), [(1, 3), (4, 3), (2, 256), (0, 0)])
def test_numbers_that_make_no_sense_are_refused(needed: int, officers: int) -> None:
    with pytest.raises(ShareError):
        split(b"secret", needed, officers)


def test_shares_that_repeat_or_do_not_match_are_refused() -> None:
    one, two, _ = split(b"secret", 2, 3)
    with pytest.raises(ShareError, match="twice"):
        combine([one, one])
    with pytest.raises(ShareError, match="together"):
        combine([one, Point(two.number, two.data[:-1])])
    with pytest.raises(ShareError):
        combine([one])
