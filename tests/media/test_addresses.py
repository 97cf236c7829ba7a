"""The addresses of a media worker: which settings make sense, and what becomes of them."""

import pytest
from pydantic import ValidationError

from core.config import Config
from media.worker import worker_config


def config(host: str, announced: str) -> Config:
    return Config(
        _env_file=None,
        demo=True,
        media_secret="s",
        media_host=host,
        media_announced_addresses=announced,
    )


def test_a_worker_for_both_families_announces_each_address_in_its_order() -> None:
    engine = worker_config(config("::", "2001:db8::1, 192.0.2.1,198.51.100.7")).engine
    assert engine.host == "::"
    assert engine.announced == ("2001:db8::1", "192.0.2.1", "198.51.100.7")


def test_behind_a_nat_the_public_address_is_announced_and_the_private_one_bound() -> None:
    engine = worker_config(config("10.0.0.5", "203.0.113.5,10.0.0.5")).engine
    assert (engine.host, engine.announced) == ("10.0.0.5", ("203.0.113.5", "10.0.0.5"))


@pytest.mark.parametrize(
    ("host", "announced", "word"),
    [
        ("0.0.0.0", "2001:db8::1", "IPv4"),
        ("127.0.0.1", "::1", "IPv4"),
        ("2001:db8::1", "192.0.2.1", "IPv6"),
        ("::", "media.hospital.example", "does not appear to be"),
        ("::", " , ", "Name an address"),
    ],
)
def test_an_address_that_nobody_could_reach_is_refused_at_the_start(
    host: str, announced: str, word: str
) -> None:
    with pytest.raises(ValidationError, match=word):
        config(host, announced)
