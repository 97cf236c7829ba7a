"""Writing and taking apart small DER values: keys, signatures, requests.

Writing by hand keeps the hot path of signing short; large structures from outside are read with a
whole ASN.1 library, where they come in. Source: ITU-T X.690.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

INTEGER, BIT_STRING, OCTET_STRING, OID, SEQUENCE, SET = 0x02, 0x03, 0x04, 0x06, 0x30, 0x31
UTF8_STRING, PRINTABLE_STRING = 0x0C, 0x13
NULL = b"\x05\x00"
TRUE = b"\x01\x01\xff"


class DerError(ValueError):
    """The bytes are not the DER value that they should be."""


def tlv(tag: int, content: bytes) -> bytes:
    """One value: tag, length, content."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def sequence(*parts: bytes) -> bytes:
    return tlv(SEQUENCE, b"".join(parts))


def set_of(parts: Iterable[bytes]) -> bytes:
    """A SET OF, whose elements DER puts in order."""
    return tlv(SET, b"".join(sorted(parts)))


def explicit(number: int, part: bytes) -> bytes:
    """A value under the context tag `[number] EXPLICIT`."""
    return tlv(0xA0 | number, part)


def integer(value: int) -> bytes:
    """An INTEGER that is not negative."""
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def integer_any(value: int) -> bytes:
    """An INTEGER of either sign, as serial numbers of careless authorities may be."""
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return tlv(INTEGER, value.to_bytes(size, "big", signed=True))


def octets(content: bytes) -> bytes:
    return tlv(OCTET_STRING, content)


def bits(content: bytes) -> bytes:
    """A BIT STRING of whole bytes."""
    return tlv(BIT_STRING, b"\x00" + content)


def text(value: str) -> bytes:
    return tlv(UTF8_STRING, value.encode())


@lru_cache(maxsize=256)
def oid(dotted: str) -> bytes:
    """An object identifier from its dotted form."""
    first, second, *others = (int(part) for part in dotted.split("."))
    return tlv(OID, b"".join(_base128(n) for n in (first * 40 + second, *others)))


def _base128(number: int) -> bytes:
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(0x80 | number & 0x7F)
    return bytes(reversed(groups))


def time(moment: datetime) -> bytes:
    """A Time as certificates and CMS choose it: UTCTime until 2049, GeneralizedTime after."""
    at = moment.astimezone(UTC)
    if 1950 <= at.year < 2050:
        return tlv(0x17, at.strftime("%y%m%d%H%M%SZ").encode())
    return tlv(0x18, at.strftime("%Y%m%d%H%M%SZ").encode())


def take(data: bytes) -> tuple[int, bytes, bytes]:
    """Split off the first value: its tag, its content and what follows. Raises DerError."""
    if len(data) < 2:
        raise DerError("The value is cut short.")
    tag, size, start = data[0], data[1], 2
    if tag & 0x1F == 0x1F:
        raise DerError("Long tags are not used here.")
    if size >= 0x80:
        count = size & 0x7F
        start += count
        size = int.from_bytes(data[2:start], "big")
        if not 1 <= count <= 4 or len(data) < start or size < 0x80 or data[2] == 0:
            raise DerError("The length is not in its shortest form.")
    if len(data) < start + size:
        raise DerError("The value is cut short.")
    return tag, data[start : start + size], data[start + size :]


def whole(data: bytes, tag: int) -> bytes:
    """The content of a value with this tag and nothing after it. Raises DerError."""
    found, content, rest = take(data)
    if found != tag or rest:
        raise DerError(f"A single value with tag {tag:#04x} is expected.")
    return content


def children(content: bytes) -> list[tuple[int, bytes]]:
    """The values inside a constructed one. Raises DerError."""
    found = []
    while content:
        tag, part, content = take(content)
        found.append((tag, part))
    return found


def unsigned(content: bytes) -> int:
    """The number in an INTEGER that is not negative and in its shortest form. Raises DerError."""
    padded = len(content) > 1 and content[0] == 0 and content[1] < 0x80
    if not content or content[0] & 0x80 or padded:
        raise DerError("This is not a natural number in its shortest form.")
    return int.from_bytes(content, "big")
