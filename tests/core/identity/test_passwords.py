"""What a password's hash costs, with the parameters of production."""

import pytest
from argon2 import PasswordHasher

from core.identity.passwords import hash_password, needs_rehash, password_matches

PASSWORD = "River-Stone-77"


@pytest.fixture
def quick_passwords() -> None:
    """Here nothing is made cheaper."""


async def test_a_hash_costs_what_rfc_9106_recommends() -> None:
    encoded = await hash_password(PASSWORD)
    assert encoded.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert not needs_rehash(encoded)
    assert await password_matches(encoded, PASSWORD)
    assert not await password_matches(encoded, PASSWORD + "x")
    assert not await password_matches(None, PASSWORD)


def test_a_hash_of_lesser_cost_and_what_is_no_hash_are_to_be_made_anew() -> None:
    cheaper = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    assert needs_rehash(cheaper)
    assert needs_rehash("not a hash")
