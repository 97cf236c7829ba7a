"""RTCP: reading compound packets of peers, writing the few that the engine sends.

The packet classes are aiortc's; this module guards them against malformed input and adds what
they lack.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB,
    RTCP_RTPFB_NACK,
    AnyRtcpPacket,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
    pack_remb_fci,
    unpack_remb_fci,
)

from media.sfu import transport
from media.sfu.transport import Feedback

_CNAME = 1
# A NACK packet of a peer may name this many sequence numbers; more is a flood.
MAX_NACKS: Final = 256
_MAX_REPORTS = 31
# Besides the number that it begins with, an entry of a NACK names this many that follow it.
_FOLLOWING: Final = 16


@dataclass(frozen=True, slots=True)
class SenderReport:
    """RTCP SR: the 64-bit NTP time and RTP timestamp of one instant."""

    ssrc: int
    ntp: int
    rtp_timestamp: int


@dataclass(frozen=True, slots=True)
class Report:
    """One report block: what the other side received of our stream ``ssrc``."""

    ssrc: int
    fraction_lost: float
    packets_lost: int
    jitter: int
    lsr: int
    dlsr: int


@dataclass(frozen=True, slots=True)
class Nack:
    """Sequence numbers of our stream ``ssrc`` that the other side misses."""

    ssrc: int
    lost: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KeyFrameRequest:
    """PLI, or one entry of an FIR, for our stream ``ssrc``."""

    ssrc: int


@dataclass(frozen=True, slots=True)
class BitrateEstimate:
    """REMB: bits per second that the other side believes it can receive in all."""

    bitrate: int
    ssrcs: tuple[int, ...]


Message = SenderReport | Report | Nack | KeyFrameRequest | BitrateEstimate | Feedback
_TRANSPORT_FEEDBACK: Final = 205


def read(data: bytes) -> list[Message] | None:
    """The messages of a compound packet; None when it is malformed."""
    messages: list[Message] = []
    rest = _without_transport(data, messages)
    try:
        for packet in RtcpPacket.parse(rest) if rest else []:
            messages.extend(_messages(packet))
        return messages
    except (ValueError, IndexError, struct.error):
        return None


def _without_transport(data: bytes, messages: list[Message]) -> bytes:
    """Take out the transport-wide feedback, which aiortc would read as NACKs."""
    rest = b""
    at = 0
    while at + 4 <= len(data):
        end = at + 4 + 4 * (data[at + 2] << 8 | data[at + 3])
        if data[at + 1] != _TRANSPORT_FEEDBACK or data[at] & 0x1F != transport.FORMAT:
            rest += data[at:end]
        elif (feedback := transport.read(data[at:end])) is not None:
            messages.append(feedback)
        at = end
    return rest + data[at:]


def _messages(packet: AnyRtcpPacket) -> list[Message]:
    if isinstance(packet, RtcpSrPacket):
        info = packet.sender_info
        report = SenderReport(packet.ssrc, info.ntp_timestamp, info.rtp_timestamp)
        return [report, *(_report(block) for block in packet.reports)]
    if isinstance(packet, RtcpRrPacket):
        return [_report(block) for block in packet.reports]
    if isinstance(packet, RtcpRtpfbPacket) and packet.fmt == RTCP_RTPFB_NACK:
        # aiortc counts on over the wrap of the 16-bit numbers.
        return [Nack(packet.media_ssrc, tuple(n & 0xFFFF for n in packet.lost[:MAX_NACKS]))]
    if isinstance(packet, RtcpPsfbPacket):
        return _payload_feedback(packet)
    return []


def _report(block: RtcpReceiverInfo) -> Report:
    return Report(
        block.ssrc,
        block.fraction_lost / 256,
        block.packets_lost,
        block.jitter,
        block.lsr,
        block.dlsr,
    )


def _payload_feedback(packet: RtcpPsfbPacket) -> list[Message]:
    if packet.fmt == RTCP_PSFB_PLI:
        return [KeyFrameRequest(packet.media_ssrc)]
    if packet.fmt == RTCP_PSFB_FIR:
        entries = range(0, len(packet.fci) - 7, 8)
        return [KeyFrameRequest(struct.unpack_from("!I", packet.fci, at)[0]) for at in entries]
    if packet.fmt == RTCP_PSFB_APP and packet.fci[:4] == b"REMB":
        bitrate, ssrcs = unpack_remb_fci(packet.fci)
        return [BitrateEstimate(bitrate, tuple(ssrcs))]
    return []


def write_sender_report(
    ssrc: int, ntp: int, rtp_timestamp: int, packets: int, octets: int, cname: str
) -> bytes:
    """SR and SDES of one forwarded stream."""
    info = RtcpSenderInfo(ntp, rtp_timestamp, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF)
    return bytes(RtcpSrPacket(ssrc=ssrc, sender_info=info)) + _sdes(ssrc, cname)


def write_receiver_report(
    ssrc: int, blocks: Sequence[RtcpReceiverInfo], remb: tuple[int, list[int]] | None, cname: str
) -> bytes:
    """RR, SDES and, when given, REMB (bits per second, the streams it is about)."""
    data = bytes(RtcpRrPacket(ssrc=ssrc, reports=list(blocks[:_MAX_REPORTS]))) + _sdes(ssrc, cname)
    if remb is not None:
        fci = pack_remb_fci(*remb)
        data += bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=ssrc, media_ssrc=0, fci=fci))
    return data


def write_pli(ssrc: int, media_ssrc: int) -> bytes:
    """A request for a key frame."""
    return bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=ssrc, media_ssrc=media_ssrc))


def write_nack(ssrc: int, media_ssrc: int, lost: Sequence[int]) -> bytes:
    """A generic NACK for sequence numbers in rising order, which may wrap on the way."""
    entries: list[tuple[int, int]] = []
    for number in lost:
        after = (number - entries[-1][0] - 1) & 0xFFFF if entries else _FOLLOWING
        if after < _FOLLOWING:
            first, following = entries[-1]
            entries[-1] = first, following | 1 << after
        else:
            entries.append((number, 0))
    head = struct.pack(
        "!BBHII", 0x80 | RTCP_RTPFB_NACK, RTCP_RTPFB, 2 + len(entries), ssrc, media_ssrc
    )
    return head + b"".join(struct.pack("!HH", *entry) for entry in entries)


def _sdes(ssrc: int, cname: str) -> bytes:
    item = (_CNAME, cname.encode()[:255])
    return bytes(RtcpSdesPacket(chunks=[RtcpSourceInfo(ssrc=ssrc, items=[item])]))
