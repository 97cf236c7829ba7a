"""Small DER values: what is written is read back, and nothing but the shortest form is read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from asn1crypto import core as asn1
from hypothesis import given
from hypothesis import strategies as st

from core.crypto import der


@given(st.integers(0, 2**520))
def test_numbers_are_written_as_the_library_writes_them(value: int) -> None:
    assert der.integer(value) == asn1.Integer(value).dump() == der.integer_any(value)
    assert der.unsigned(der.whole(der.integer(value), der.INTEGER)) == value


@given(st.integers(-(2**80), 2**80))
def test_negative_numbers_too(value: int) -> None:
    assert der.integer_any(value) == asn1.Integer(value).dump()


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65535, 65536])
def test_lengths_of_every_kind_are_read_back(size: int) -> None:
    written = der.octets(bytes(size))
    assert written == asn1.OctetString(bytes(size)).dump()
    assert der.take(written + b"rest") == (der.OCTET_STRING, bytes(size), b"rest")


@pytest.mark.parametrize("dotted", ["1.2.156.10197.1.501", "2.16.840.1.101.3.4.2.1", "2.5.4.3"])
def test_identifiers_are_written_as_the_library_writes_them(dotted: str) -> None:
    assert der.oid(dotted) == asn1.ObjectIdentifier(dotted).dump()


def test_times_change_their_kind_in_2050() -> None:
    assert der.time(datetime(2049, 12, 31, tzinfo=UTC)) == b"\x17\x0d491231000000Z"
    assert der.time(datetime(2050, 1, 1, tzinfo=UTC)) == b"\x18\x0f20500101000000Z"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x80",
        b"\x30\x81\x05abcde",
        b"\x30\x82\x00\x80",
        b"\x30\x05ab",
        b"\x1f\x81\x01",
    ],
)
def test_what_is_not_der_is_refused(data: bytes) -> None:
    with pytest.raises(der.DerError):
        der.take(data)


@pytest.mark.parametrize("content", [b"", b"\x80", b"\x00\x01"])
def test_numbers_in_a_longer_form_are_refused(content: bytes) -> None:
    with pytest.raises(der.DerError):
        der.unsigned(content)


@given(st.binary(max_size=60))
def test_random_bytes_give_values_or_the_named_error(data: bytes) -> None:
    try:
        der.children(data)
    except der.DerError:
        return
