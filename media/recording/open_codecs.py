"""VP9 and AV1 payloads of recordings, for hospitals that turn these codecs on."""

from __future__ import annotations

import io
from dataclasses import dataclass

import av
from av.error import FFmpegError

from media.sfu import av1, vp9

_SEQUENCE_HEADER, _TEMPORAL_DELIMITER, _TILE_LIST = 1, 2, 8
_DELIMITER = b"\x12\x00"


class Vp9Payload:
    """RFC 9628. Frames of several spatial layers stay together, as they came."""

    def starts(self, payload: bytes) -> bool:
        return vp9.begins(payload)

    def join(self, payloads: list[bytes]) -> tuple[bytes, bool] | None:
        if not vp9.begins(payloads[0]):
            return None
        pieces = []
        for payload in payloads:
            length = vp9.descriptor_bytes(payload)
            if not length:
                return None
            pieces.append(payload[length:])
        return b"".join(pieces), vp9.is_key(payloads[0])


@dataclass(frozen=True, slots=True)
class _Obu:
    kind: int
    head: bytes
    content: bytes

    @property
    def sized(self) -> bytes:
        """As a file has it: with its size behind the header."""
        head = bytes((self.head[0] | 0x02,)) + self.head[1:]
        return head + av1.to_leb128(len(self.content)) + self.content


class Av1Payload:
    """RTP Payload Format For AV1: OBUs without sizes, cut anywhere."""

    def starts(self, payload: bytes) -> bool:
        return av1.begins(payload)

    def join(self, payloads: list[bytes]) -> tuple[bytes, bool] | None:
        whole = self._joined(payloads)
        if whole is None:
            return None
        units = [_obu(each) for each in whole]
        if not units or any(unit is None for unit in units):
            return None
        kept = [
            unit
            for unit in units
            if unit is not None and unit.kind not in (_TEMPORAL_DELIMITER, _TILE_LIST)
        ]
        key = any(unit.kind == _SEQUENCE_HEADER for unit in kept)
        return (b"".join(unit.sized for unit in kept), key) if kept else None

    @staticmethod
    def _joined(payloads: list[bytes]) -> list[bytes] | None:
        """Whole OBUs, as they were before they were cut; None when a piece is missing."""
        whole: list[bytes] = []
        open_end = False
        for payload in payloads:
            read = av1.pieces(payload)
            if read is None:
                return None
            pieces, continues, goes_on = read
            if continues != open_end:
                return None
            if continues:
                whole[-1] += pieces[0]
                pieces = pieces[1:]
            whole += pieces
            open_end = goes_on
        return None if open_end else whole


def _obu(data: bytes) -> _Obu | None:
    """An OBU (AV1 bitstream specification, section 5.3); None when it does not parse."""
    if not data or data[0] & 0x80:
        return None
    position = 2 if data[0] & 0x04 else 1
    content = data[position:]
    if data[0] & 0x02:
        sized = av1.leb128(data, position)
        if sized is None or sized[1] + sized[0] > len(data):
            return None
        content = data[sized[1] : sized[1] + sized[0]]
    return _Obu(data[0] >> 3 & 0x0F, data[:position], content)


def av1_template(key_frame: bytes) -> av.container.InputContainer:
    """A stream with the sequence header of a key frame. Raises FFmpegError."""
    return av.open(io.BytesIO(_DELIMITER + key_frame), "r", format="obu")


def decoded_size(codec: str, key_frame: bytes) -> tuple[int, int] | None:
    """Width and height of a key frame; None when it is none that a decoder would take."""
    decoder = av.CodecContext.create({"vp9": "vp9", "av1": "libdav1d"}[codec], "r")
    assert isinstance(decoder, av.VideoCodecContext)
    try:
        frames = decoder.decode(av.Packet(key_frame)) + decoder.decode(None)
    except FFmpegError:
        return None
    return (frames[0].width, frames[0].height) if frames else None
