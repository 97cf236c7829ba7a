"""What is on its way to other processes: sealed, whatever carries it.

Entries of rooms go each by itself, for the rooms that listen.

Who hears them sees room and number, and opens only what somebody here waits for. An entry is sealed
with the key that seals its body at rest and bound to its room and number: what somebody else puts
on the bus is no entry.

Layout: one byte format (1), then for each entry 16 bytes room, 8 bytes `seq`, 4 bytes length, and
as many sealed bytes. In them: the kind, a blank, the JSON of the `MessageView`.

Other events of sockets may hold words as well (a notice of the inbox, a name): their payload is
sealed for its topic and event, in base64.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from struct import Struct
from typing import Any, Final
from uuid import UUID

import orjson

from core.crypto.keyring import installed_keyring
from core.crypto.sealing import seal, unseal
from realtime.groups import Entry
from realtime.rules import MessageKind

_FORMAT: Final = b"\x01"
_HEAD: Final = Struct(">16sQI")
#: Bytes after which a frame is full: whoever listens to a few of its rooms takes all of it in.
FRAME_BYTES: Final = 32 * 1024


def packed(entries: Iterable[Entry]) -> Iterator[bytes]:
    """The entries, in their order, as frames for the bus."""
    parts, size = [_FORMAT], 0
    for entry in entries:
        sealed = _sealed(entry)
        parts += (_HEAD.pack(entry.room.bytes, entry.seq, len(sealed)), sealed)
        size += len(sealed)
        if size >= FRAME_BYTES:
            yield b"".join(parts)
            parts, size = [_FORMAT], 0
    if len(parts) > 1:
        yield b"".join(parts)


def unpacked(frame: bytes) -> Iterator[tuple[UUID, int, bytes]]:
    """Room, `seq` and the sealed entry of each. Raises ValueError for what is no such frame."""
    if frame[:1] != _FORMAT:
        raise ValueError("The frame is of another version.")
    position = 1
    while position < len(frame):
        start = position + _HEAD.size
        if start > len(frame):
            raise ValueError("The frame is cut short.")
        room, seq, size = _HEAD.unpack_from(frame, position)
        position = start + size
        if position > len(frame):
            raise ValueError("The frame is cut short.")
        yield UUID(bytes=room), seq, frame[start:position]


def opened(room: UUID, seq: int, sealed: bytes) -> Entry:
    """The entry again. Raises `DecryptionError` where it belongs elsewhere or was changed."""
    plain = unseal(installed_keyring(), _place(room, seq), sealed)
    kind, _, json = plain.partition(b" ")
    return Entry(room, seq, MessageKind(kind.decode()), json)


def _sealed(entry: Entry) -> bytes:
    plain = b"%b %b" % (entry.kind.encode(), entry.json)
    return seal(installed_keyring(), _place(entry.room, entry.seq), plain, entry.hospital)


def _place(room: UUID, seq: int) -> str:
    return f"realtime.entry:{room.hex}:{seq}"


def sealed_payload(topic: str, event: str, payload: Mapping[str, Any]) -> str:
    """The payload of an event for the sockets of a user or room."""
    plain = orjson.dumps(payload)
    return b64encode(seal(installed_keyring(), _event(topic, event), plain)).decode("ascii")


def opened_payload(topic: str, event: str, sealed: str) -> Any:
    """The payload again. Raises `DecryptionError` where it belongs elsewhere or was changed."""
    return orjson.loads(unseal(installed_keyring(), _event(topic, event), b64decode(sealed)))


def _event(topic: str, event: str) -> str:
    return f"realtime.send:{topic}:{event}"
