"""Where foreign ASN.1 is read: everything that the library may throw becomes one named error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asn1crypto import core

from clinical.signature.formats.errors import FormatError

#: No certificate, message or answer that we read is larger; revocation lists have their own bound.
LARGEST = 16 * 1024 * 1024


def absent(value: Any) -> bool:
    """Whether an optional field is not there; asking for its Python value would build it whole."""
    return isinstance(value, core.Void)


@contextmanager
def reading(refusal: type[FormatError], data: bytes, largest: int = LARGEST) -> Iterator[None]:
    """Read inside this block; raises `refusal` for whatever is wrong with the bytes.

    Values are parsed when they are touched, so all that is wanted of them is taken inside.
    """
    if not data or len(data) > largest:
        raise refusal(f"{len(data)} bytes")
    try:
        yield
    except FormatError:
        raise
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
        RecursionError,
        AssertionError,
    ) as error:
        raise refusal(f"{type(error).__name__}: {error}"[:300]) from error
